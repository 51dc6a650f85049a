import type { Handled, Webhooks } from '../outside/webhooks.ts'
import { messageIdOf } from './find-effects.ts'
import { countBy, type Outcome } from './outcome.ts'
import type { Message, Stored } from './read-stored.ts'

/** Turns come in the order of arrival, replies in the order of turns; one conversation is open at a time. */
export function orderWrongs(stored: Stored, outcome: Outcome): string[] {
  return [...openWrongs(stored), ...turnWrongs(stored, outcome), ...replyWrongs(stored, outcome)]
}

function openWrongs({ conversations }: Stored): string[] {
  const open = conversations.filter(({ status }) => status !== 'closed')
  const pairs = countBy(open.map(({ bot_id, customer_id }) => `${bot_id} ${customer_id}`))
  return [...pairs].flatMap(([pair, count]) =>
    count > 1 ? [`in order: ${count} conversations of ${pair} are open`] : [],
  )
}

function turnWrongs({ messages, events }: Stored, { webhooks }: Outcome): string[] {
  const byId = new Map(messages.map(message => [message.id, message]))
  return [...events.values()].flatMap(own => {
    const received = own.flatMap(event => {
      const message = event.type === 'message.received' ? byId.get(event.data.message_id) : undefined
      return message ?? []
    })
    return received.flatMap((later, index) =>
      received
        .slice(0, index)
        .filter(sooner => cameBefore(later, sooner, webhooks))
        .map(sooner => `in order: "${later.text}" came before "${sooner.text}" and had its turn after it`),
    )
  })
}

/** Whether a message was surely stored before the other one came, by the clocks too that made their ids. */
function cameBefore(first: Message, second: Message, webhooks: Webhooks): boolean {
  const [firstId, secondId] = [first.provider_message_id ?? '', second.provider_message_id ?? '']
  const takenAt = webhooks.takenAt.get(firstId)
  const tries = webhooks.tries.get(secondId) ?? []
  if (takenAt === undefined || !tries.every(({ begunAt }) => begunAt > takenAt)) return false
  const firstTries = (webhooks.tries.get(firstId) ?? []).filter(({ begunAt }) => begunAt < takenAt)
  return areOfOneProcess([...firstTries, ...tries]) || clocksAgree(firstTries, tries)
}

function areOfOneProcess(tries: readonly Handled[]): boolean {
  return new Set(tries.map(({ process }) => process)).size === 1
}

function clocksAgree(first: readonly Handled[], second: readonly Handled[]): boolean {
  const high = Math.max(...first.map(({ clockHigh }) => clockHigh))
  return second.every(({ clockLow }) => clockLow > high + 1)
}

/** What was in doubt has let the next one go: only those that never were are held to their order. */
function replyWrongs({ messages, events, statuses }: Stored, { whatsapp }: Outcome): string[] {
  const doubtful = new Set(statuses.filter(({ after }) => after === 'unknown').map(({ message_id }) => message_id))
  const places = new Map(whatsapp.accepted.map(({ reference }, place) => [reference, place]))
  const texts = new Map(messages.map(({ id, text }) => [id, text.slice(0, 40)]))
  return [...events].flatMap(([conversationId, own]) => {
    const sent = own.flatMap(event => {
      const id = messageIdOf(event)
      const place = places.get(`${conversationId}/${id}`)
      return id === undefined || place === undefined || doubtful.has(id) ? [] : [{ id, place }]
    })
    return sent.flatMap(({ id, place }, index) => {
      const overtaken = sent.slice(0, index).find(other => other.place > place)
      if (overtaken === undefined) return []
      return [`in order: "${texts.get(id)}" was sent before "${texts.get(overtaken.id)}", which was said before it`]
    })
  })
}
