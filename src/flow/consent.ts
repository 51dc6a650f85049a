import type { WordKind } from './business.ts'
import { type Call, emit } from './call.ts'
import { type InboundContent, wordsOf } from './content.ts'
import { notify } from './send-content.ts'
import { foldWords } from './words.ts'

type Message = { readonly message_id: string; readonly content: InboundContent }

/**
 * Heeds a wish to be left alone, or to be written to again, and leaves alone who has that wish. Whether the message, which
 * is this `word` if any, is done with.
 */
export function heedConsent(call: Call, message: Message, word: WordKind | null): boolean {
  const isOut = call.context.customer.opted_out
  if (isOut && word === 'start') opt(call, 'in', message)
  else if (isOut) ignore(call)
  else if (word === 'stop') opt(call, 'out', message)
  return isOut || word === 'stop'
}

/** The message and its words are the evidence of the wish. */
function opt(call: Call, opted: 'in' | 'out', { message_id, content }: Message): void {
  const word = foldWords(wordsOf(content))
  leaveAlone(call)
  emit(call, { type: opted === 'out' ? 'opted_out' : 'opted_in', data: { message_id, word } })
  call.effects.push({ kind: 'consent', opted, word, message_id })
  notify(call, opted === 'out' ? 'stopped' : 'started', true)
}

function ignore(call: Call): void {
  leaveAlone(call)
  if (call.state.status === 'bot') emit(call, { type: 'message.ignored', data: { reason: 'opted_out' } })
}

/** Ends what the bot was about to say to a customer who asked to be left alone. */
export function leaveAlone(call: Call): void {
  if (call.state.run !== null) emit(call, { type: 'flow.ended', data: { reason: 'opted_out' } })
}
