import { readAsTapped } from './answer.ts'
import type { WordKind } from './business.ts'
import { type Call, emit } from './call.ts'
import { heedConsent } from './consent.ts'
import type { InboundContent } from './content.ts'
import { answer } from './continue-run.ts'
import { heedWord, meantWord } from './global-words.ts'
import { awaitAgent } from './handoff-run.ts'
import { exactChoice } from './read-choice.ts'
import { withStep } from './run.ts'
import { candidates, type FlowVersion, startTriggered } from './start-flow.ts'
import type { ConversationState, Waiting } from './state.ts'

/** A message of the customer, and the bot's flows, the main one first. */
export type Message = {
  readonly message_id: string
  readonly content: InboundContent
  readonly flows: readonly FlowVersion[]
}

/** Where nothing is asked, "2" is the second of what the bot offered last: where there are no buttons, so it is chosen. */
export function asTapped({ run, menu = [] }: ConversationState, content: InboundContent): InboundContent {
  const isAsked = run !== null && run.waiting?.kind !== 'wait'
  return isAsked || menu.length === 0 ? content : readAsTapped(content, menu)
}

/**
 * Takes a message. What the customer says of being left alone comes first, whoever has the conversation; then what a run
 * waits for, the words that work anywhere, and the triggers of the bot's flows.
 */
export function receive(call: Call, message: Message): void {
  emit(call, { type: 'message.received', data: { message_id: message.message_id } })
  // A thumbs-up to what the bot said is no answer to what it asks.
  if (call.state.status === 'closed' || message.content.type === 'reaction') return
  const word = meantWord(call, message.content)
  if (heedConsent(call, message, word)) return
  const { status, run } = call.state
  if (status !== 'bot') awaitAgent(call)
  else if (run === null) startRun(call, message, word)
  else if (run.waiting?.kind === 'answer') takeAnswer(call, run.waiting, message, word)
  else if (run.waiting?.kind === 'wait') interruptWait(call, run.waiting, message, word)
}

function startRun(call: Call, { flows: refs, content }: Message, word: WordKind | null): void {
  const flows = candidates(call, refs)
  const isTaken =
    startTriggered(call, flows, content, 'specific') ||
    heedWord(call, word, refs) ||
    startTriggered(call, flows, content, 'fallback')
  const reason = flows.length === 0 ? 'no_flow' : 'no_trigger'
  if (!isTaken) emit(call, { type: 'message.ignored', data: { reason } })
}

type WaitingFor<TKind extends Waiting['kind']> = Extract<Waiting, { kind: TKind }>

/** What the question offers is chosen even where it is such a word as "menu"; a word goes before any other answer. */
function takeAnswer(call: Call, waiting: WaitingFor<'answer'>, message: Message, word: WordKind | null): void {
  const { content, flows } = message
  const isHeeded = word !== null && exactChoice(content, waiting.choices) === undefined && heedWord(call, word, flows)
  if (!isHeeded) answer(call, waiting, content)
}

/**
 * A wait with a branch for messages goes there. Another one ends only where a message is meant for a flow: a "thank you"
 * after a booking, which a fallback would take, does not cost the customer the reminder.
 */
function interruptWait(call: Call, waiting: WaitingFor<'wait'>, message: Message, word: WordKind | null): void {
  if (heedWord(call, word, message.flows)) return
  withStep(call, waiting.step, 'wait', (wait, step) => {
    if (wait.on_message === null) return replaceRun(call, message)
    emit(call, { type: 'wait.ended', data: { step, reason: 'message' } })
    return wait.on_message
  })
}

function replaceRun(call: Call, { flows, content }: Message): null {
  const isReplaced = startTriggered(call, candidates(call, flows), content, 'specific')
  if (!isReplaced) emit(call, { type: 'message.ignored', data: { reason: 'waiting' } })
  return null
}
