import type { WordKind } from './business.ts'
import { askForPerson, type Call, emit } from './call.ts'
import type { InboundContent } from './content.ts'
import type { Choice } from './events.ts'
import { wordKindOf } from './languages.ts'
import { exactChoice } from './read-choice.ts'
import type { Context } from './scope.ts'
import { notify } from './send-content.ts'
import { candidates, type FlowVersion, startFlow } from './start-flow.ts'
import type { ConversationState } from './state.ts'

type Said = { readonly state: ConversationState; readonly context: Pick<Context, 'business'> }

/**
 * The word that a whole message is; null for any other message. What the bot itself offers is its flow's business: who
 * taps "Exit" leaves that flow, and does not ask to be left alone. Nor does who answers the question by writing it, as
 * everybody must where there are no buttons; the checker warns of such a title (`stop_title`).
 */
export function meantWord({ state, context }: Said, content: InboundContent): WordKind | null {
  const waiting = state.run?.waiting
  if (waiting?.kind === 'answer' && exactChoice(content, waiting.choices) !== undefined) return null
  const isOffered = content.type === 'choice' && offered(state).some(choice => choice.id === content.id)
  const word = wordKindOf(context.business, content)
  return isOffered && word === 'stop' ? null : word
}

/** What may still be tapped of what the bot said last, where it asks nothing. */
function offered({ run, menu = [] }: ConversationState): readonly Choice[] {
  return run?.waiting?.kind === 'answer' ? [] : menu
}

/**
 * Does what a word for the bot asks for. Whether it could: a word of consent is none, there is nothing to cancel without
 * a run, and no menu without a flow.
 */
export function heedWord(call: Call, word: WordKind | null, flows: readonly FlowVersion[]): boolean {
  if (word === 'menu') return openMenu(call, flows)
  if (word === 'cancel') return cancel(call)
  if (word !== 'agent') return false
  notify(call, 'agent')
  askForPerson(call, 'customer', 'The customer asked for a person')
  return true
}

/** Starts the bot's main flow, whatever its triggers. */
function openMenu(call: Call, refs: readonly FlowVersion[]): boolean {
  const [main] = candidates(call, refs.slice(0, 1))
  if (main === undefined) return false
  if (call.state.run !== null) emit(call, { type: 'flow.ended', data: { reason: 'menu' } })
  startFlow(call, main, 'menu')
  return true
}

function cancel(call: Call): boolean {
  if (call.state.run === null) return false
  emit(call, { type: 'flow.ended', data: { reason: 'cancelled' } })
  notify(call, 'cancelled')
  return true
}
