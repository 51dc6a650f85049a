import { SENDING_EVENTS } from '../../../src/flow/events.ts'
import { countBy, type Outcome } from './outcome.ts'
import type { Event, Stored } from './read-stored.ts'

/** What customers wrote is there once, with whoever it was written to. */
export function inboundWrongs({ messages }: Stored, { shops, written }: Outcome): string[] {
  const inbound = messages.filter(message => message.direction === 'inbound')
  const byId = Map.groupBy(inbound, message => message.provider_message_id)
  return [...written].flatMap(([id, { text, tenant }]) => {
    const found = byId.get(id) ?? []
    if (found.length !== 1) return [`once in effect: "${text}" was stored ${found.length} times`]
    return found.flatMap(({ tenant_id, status, error }) => [
      ...(tenant_id === shops[tenant]?.tenantId ? [] : [`tenants are sealed: "${text}" is with another tenant`]),
      ...(status === 'failed' ? [`no silent drop: "${text}" was given up: ${error}`] : []),
    ])
  })
}

/** Each message has one turn, and each turn of the bot's one answer. */
export function replyWrongs(stored: Stored, { plan }: Outcome): string[] {
  const { messages, events } = stored
  const all = [...events.values()].flat()
  const turns = countBy(all.flatMap(event => (event.type === 'message.received' ? [event.data.message_id] : [])))
  return [
    ...messages.flatMap(({ id, text, direction }) => {
      const count = turns.get(id) ?? 0
      return direction === 'outbound' || count === 1 ? [] : [`once in effect: "${text}" had ${count} turns`]
    }),
    ...stored.conversations.flatMap(({ id }) => [
      ...answerWrongs(id, events.get(id) ?? [], plan.hasAgents),
      ...queueWrongs(id, stored),
    ]),
  ]
}

/** Every message and every time-out has one answer of the bot's; fewer, where a person has the conversation, or it ends. */
function answerWrongs(id: string, own: readonly Event[], hasAgents: boolean): string[] {
  const count = (types: readonly string[]) => own.filter(({ type }) => types.includes(type)).length
  const said = own.filter(({ type }) => SENDING_EVENTS.has(type)).length
  const asked = count(['message.received', 'answer.timed_out'])
  const isLoose = hasAgents || count(['closed']) > 0
  // A question is asked again when the conversation comes back to the bot.
  const isRight = isLoose ? said <= asked + count(['resumed']) : said === asked
  return isRight ? [] : [`once in effect: conversation ${id} has ${said} answers to ${asked} occasions`]
}

/** What an event says was sent is there to be sent, and nothing else. */
function queueWrongs(id: string, { messages, events }: Stored): string[] {
  const said = (events.get(id) ?? []).flatMap(event => messageIdOf(event) ?? []).sort()
  const queued = messages.filter(one => one.direction === 'outbound' && one.conversation_id === id).map(one => one.id)
  const isSame = said.join() === queued.sort().join()
  return isSame
    ? []
    : [`replay = state: conversation ${id} has ${queued.length} messages to send, and events of ${said.length}`]
}

/** The message that an event of the bot's sent. */
export function messageIdOf(event: Event): string | undefined {
  if (!SENDING_EVENTS.has(event.type) || !('message_id' in event.data)) return undefined
  return String(event.data.message_id)
}

/** Orders, their numbers and what is left agree with each other and with the events. */
export function stockWrongs({ sold, events }: Stored, { plan }: Outcome): string[] {
  const all = [...events.values()].flat()
  const made = all.filter(event => event.type === 'action.completed' && event.data.step === 'order').length
  const orders = sold.reduce((sum, one) => sum + one.orders, 0)
  return [
    ...(made === orders ? [] : [`once in effect: ${orders} orders were made, and events of ${made}`]),
    ...sold.flatMap(one => {
      if (one.stock < 0 || one.stock + one.sold !== plan.stock)
        return [`once in effect: ${one.sold} of ${plan.stock} were sold, and ${one.stock} are left`]
      return one.last_number === one.orders ? [] : [`once in effect: ${one.orders} orders go up to ${one.last_number}`]
    }),
  ]
}
