import { askForPerson, type Call, emit } from './call.ts'
import type { InboundContent } from './content.ts'
import { wordKindOf } from './languages.ts'
import { notify } from './send-content.ts'
import { candidates, type FlowVersion, startFlow } from './start-flow.ts'

/** A word that works wherever the bot has the conversation. */
export type GlobalWord = 'menu' | 'cancel' | 'agent'

/** The word that a whole message is; null for any other message. */
export function wordOf(call: Call, content: InboundContent): GlobalWord | null {
  const kind = wordKindOf(call.context.business, content)
  return kind === 'menu' || kind === 'cancel' || kind === 'agent' ? kind : null
}

/** Does what the word asks for. Whether it could: there is nothing to cancel without a run, and no menu without a flow. */
export function heedWord(call: Call, word: GlobalWord | null, flows: readonly FlowVersion[]): boolean {
  if (word === 'menu') return openMenu(call, flows)
  if (word === 'cancel') return cancel(call)
  if (word === null) return false
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
