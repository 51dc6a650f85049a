import { type Call, emit } from './call.ts'
import { type InboundContent, wordsOf } from './content.ts'
import { stopWordOf, wordKindOf } from './languages.ts'
import { REASON_LENGTH_MAX } from './limits.ts'
import { notify } from './send-content.ts'
import { shorten } from './words.ts'

type Message = { readonly message_id: string; readonly content: InboundContent }

/**
 * Heeds a wish to be left alone, or to be written to again, and leaves alone who has that wish. Whether the message is
 * done with.
 */
export function heedConsent(call: Call, message: Message): boolean {
  if (call.context.customer.opted_out) {
    if (wordKindOf(call.context.business, message.content) === 'start') optIn(call, message)
    else ignore(call)
    return true
  }
  const word = stopWordOf(call.context.business, message.content)
  if (word === null || isOffered(call, message.content)) return false
  optOut(call, message.message_id, word)
  return true
}

/** A button of the bot's own with such a title is its flow's business: who taps "Exit" leaves that flow and no more. */
function isOffered({ state }: Call, content: InboundContent): boolean {
  if (content.type !== 'choice') return false
  const waiting = state.run?.waiting
  const choices = waiting?.kind === 'answer' ? waiting.choices : (state.menu ?? [])
  return choices.some(choice => choice.id === content.id)
}

function optOut(call: Call, message_id: string, word: string): void {
  leaveAlone(call)
  emit(call, { type: 'opted_out', data: { message_id, word } })
  call.effects.push({ kind: 'consent', opted: 'out', word, message_id })
  notify(call, 'stopped', true)
}

function optIn(call: Call, { message_id, content }: Message): void {
  leaveAlone(call)
  const word = shorten(wordsOf(content), REASON_LENGTH_MAX)
  emit(call, { type: 'opted_in', data: { message_id, word } })
  call.effects.push({ kind: 'consent', opted: 'in', word, message_id })
  notify(call, 'started', true)
}

function ignore(call: Call): void {
  leaveAlone(call)
  if (call.state.status === 'bot') emit(call, { type: 'message.ignored', data: { reason: 'opted_out' } })
}

/** Ends what the bot was about to say to a customer who asked to be left alone. */
export function leaveAlone(call: Call): void {
  if (call.state.run !== null) emit(call, { type: 'flow.ended', data: { reason: 'opted_out' } })
}
