import { readAsTapped } from './answer.ts'
import type { InboundContent } from './content.ts'
import { type ActionResult, answer, goOn, takeResult, timeOut } from './continue-run.ts'
import type { ConversationEvent } from './events.ts'
import type { FlowLibrary } from './library.ts'
import { STEPS_PER_CALL_MAX } from './limits.ts'
import { type Call, type Effect, emit, runFrom } from './run.ts'
import { type Context, scopeOf } from './scope.ts'
import type { ConversationState } from './state.ts'
import { matchTrigger } from './trigger.ts'

export type { ActionResult } from './continue-run.ts'
export type { Effect } from './run.ts'
export type { Context } from './scope.ts'

/** What happens to a conversation. An input that comes too late (a token or call id no longer awaited) does nothing. */
export type Input =
  /** A message of the customer; `flow` is the bot's flow, to try when no run is active. */
  | {
      readonly kind: 'message'
      readonly message_id: string
      readonly content: InboundContent
      readonly flow: { readonly flow_id: string; readonly version: number } | null
    }
  /** The time to answer the question with this token is over. */
  | { readonly kind: 'timer'; readonly token: string }
  | { readonly kind: 'action_result'; readonly call_id: string; readonly result: ActionResult }
  /** An agent takes over: the run stands still until it is resumed. */
  | { readonly kind: 'handoff'; readonly note: string; readonly agent_id?: string | undefined }
  /** Back to the bot: a waiting question is asked again, a result that came meanwhile is gone on with. */
  | { readonly kind: 'resume'; readonly agent_id?: string | undefined }
  | { readonly kind: 'close'; readonly reason: string }

/** What one call of `step` gives: the next state, what happened (in order), and what is to be done (in order). */
export type StepResult = {
  readonly state: ConversationState
  readonly events: readonly ConversationEvent[]
  readonly effects: readonly Effect[]
}

/**
 * One input to one conversation. Pure: the same arguments give the same result, nothing is changed or performed, and
 * whatever the flow does wrong is an event (`flow.failed`, then a person is asked for), never an exception.
 * The state returned is `state` with `events` applied. The n-th `send` effect belongs to the n-th event whose type is
 * in SENDING_EVENTS. At most one answer timer is live: `timer` replaces it, `timer_clear` ends it.
 *
 * While a person has the conversation (`waiting`, `agent`), when it is closed, and while an action's result is awaited,
 * a message gives `message.received` only. In the last case it is no answer to what is asked after: a caller that
 * does not want that holds messages back while `isAwaitingAction(state)`.
 */
export function step(library: FlowLibrary, state: ConversationState, given: Input, context: Context): StepResult {
  const input = withTapped(state, given)
  const scope = scopeOf(() => call.state, input.kind === 'message' ? input.content : null, context)
  const call: Call = { library, scope, state, events: [], effects: [], stepsLeft: STEPS_PER_CALL_MAX }
  dispatch(call, input)
  setTimer(call, state, input)
  return { state: call.state, events: call.events, effects: call.effects }
}

/** Where nothing is asked, "2" is the second of what the bot offered last: where there are no buttons, so it is chosen. */
function withTapped({ run, menu = [] }: ConversationState, input: Input): Input {
  if (input.kind !== 'message' || run !== null || menu.length === 0) return input
  return { ...input, content: readAsTapped(input.content, menu) }
}

/** Whether the run waits for the result of an action, so that messages had better wait too. */
export function isAwaitingAction(state: ConversationState): boolean {
  return state.status === 'bot' && state.run?.waiting?.kind === 'action'
}

function dispatch(call: Call, input: Input): void {
  const { status } = call.state
  if (input.kind === 'message') receive(call, input)
  else if (input.kind === 'timer') timeOut(call, input.token)
  else if (input.kind === 'action_result') takeResult(call, input.call_id, input.result)
  else if (input.kind === 'handoff' && status !== 'closed') takeOver(call, input.note, input.agent_id)
  else if (input.kind === 'resume' && (status === 'waiting' || status === 'agent')) resume(call, input.agent_id)
  else if (input.kind === 'close' && status !== 'closed') close(call, input.reason)
}

type Message = Extract<Input, { kind: 'message' }>

function receive(call: Call, message: Message): void {
  emit(call, { type: 'message.received', data: { message_id: message.message_id } })
  const { status, run } = call.state
  if (status !== 'bot') return
  if (run === null) start(call, message)
  else if (run.waiting?.kind === 'answer') answer(call, run.waiting, message.content)
}

function start(call: Call, { flow: ref, content }: Message): void {
  const flow = ref === null ? undefined : call.library.byId(ref.flow_id, ref.version)
  const trigger = flow === undefined ? null : matchTrigger(flow, content)
  if (ref === null || flow === undefined) emit(call, { type: 'message.ignored', data: { reason: 'no_flow' } })
  else if (trigger === null) emit(call, { type: 'message.ignored', data: { reason: 'no_trigger' } })
  else {
    const { flow_id, version } = ref
    emit(call, { type: 'flow.started', data: { flow_id, name: flow.name, version, trigger } })
    runFrom(call, flow.start)
  }
}

function takeOver(call: Call, note: string, agent_id: string | undefined): void {
  emit(call, { type: 'handed_off', data: { by: 'agent', note, ...(agent_id !== undefined && { agent_id }) } })
}

function resume(call: Call, agent_id: string | undefined): void {
  emit(call, { type: 'resumed', data: { by: agent_id ?? null } })
  goOn(call)
}

function close(call: Call, reason: string): void {
  if (call.state.run !== null) emit(call, { type: 'flow.ended', data: { reason: 'closed' } })
  emit(call, { type: 'closed', data: { reason } })
}

/** The live answer timer follows from the states before and after: this keeps the caller's timer the same. */
function setTimer(call: Call, before: ConversationState, input: Input): void {
  const timer = liveTimer(call.state)
  const hadToken = liveTimer(before)?.token
  if (timer?.token === hadToken) return
  if (timer !== null) call.effects.push({ kind: 'timer', token: timer.token, after_ms: timer.timeout_ms })
  else if (input.kind !== 'timer') call.effects.push({ kind: 'timer_clear' })
}

function liveTimer({ status, run }: ConversationState): { token: string; timeout_ms: number } | null {
  const waiting = run?.waiting
  if (status !== 'bot' || waiting?.kind !== 'answer' || waiting.timeout_ms === null) return null
  return { token: waiting.token, timeout_ms: waiting.timeout_ms }
}
