import { readAsTapped } from './answer.ts'
import type { InboundContent } from './content.ts'
import { type ActionResult, answer, goOn, takeResult, timeOut } from './continue-run.ts'
import type { ConversationEvent } from './events.ts'
import type { FlowLibrary } from './library.ts'
import { STEPS_PER_CALL_MAX } from './limits.ts'
import { liveTimer, remainingMs } from './live-timer.ts'
import { type Call, type Effect, emit, runFrom } from './run.ts'
import { type Context, scopeOf } from './scope.ts'
import type { ConversationState } from './state.ts'
import { matchTrigger } from './trigger.ts'

export type { ActionResult } from './continue-run.ts'
export type { Effect } from './run.ts'
export type { Context } from './scope.ts'

/** A version of a flow. */
export type FlowVersion = { readonly flow_id: string; readonly version: number }

/** What happens to a conversation. An input that comes too late (a token or call id no longer awaited) does nothing. */
export type Input =
  /** A message of the customer; `flows` are the bot's, the main one first, to try when no run is active. */
  | {
      readonly kind: 'message'
      readonly message_id: string
      readonly content: InboundContent
      readonly flows: readonly FlowVersion[]
    }
  /** The time of the timer with this token is over. */
  | { readonly kind: 'timer'; readonly token: string }
  | { readonly kind: 'action_result'; readonly call_id: string; readonly result: ActionResult }
  /** An agent takes over: the run stands still until it is resumed. */
  | { readonly kind: 'handoff'; readonly note: string; readonly agent_id?: string | undefined }
  /**
   * Back to the bot: a waiting question is asked again, a result that came meanwhile is gone on with. With a `step` of the
   * flow on top of the run, or of the run that ended last, it goes on there instead.
   */
  | { readonly kind: 'resume'; readonly agent_id?: string | undefined; readonly step?: string | undefined }
  | { readonly kind: 'close'; readonly reason: string }
  /** A person wrote to the customer. `takes_over`: the bot is to be silent from now on. */
  | {
      readonly kind: 'agent_message'
      readonly message_id: string
      readonly agent_id: string | null
      readonly source: 'api' | 'phone'
      readonly takes_over: boolean
    }
  /** What runs of this flow is to run in this version of it, if it can. */
  | ({ readonly kind: 'move' } & FlowVersion)

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
 * in SENDING_EVENTS. At most one timer is live: `timer` replaces it, `timer_clear` ends it.
 *
 * While a person has the conversation (`waiting`, `agent`), when it is closed, and while an action's result is awaited,
 * a message gives `message.received` only. In the last case it is no answer to what is asked after: a caller that
 * does not want that holds messages back while `isAwaitingAction(state)`.
 */
export function step(library: FlowLibrary, state: ConversationState, given: Input, context: Context): StepResult {
  const input = withTapped(state, given)
  const scope = scopeOf(() => call.state, input.kind === 'message' ? input.content : null, context)
  const call: Call = { library, context, scope, state, events: [], effects: [], stepsLeft: STEPS_PER_CALL_MAX }
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

function start(call: Call, { flows: refs, content }: Message): void {
  const flows = refs.flatMap(ref => {
    const flow = call.library.byId(ref.flow_id, ref.version)
    return flow === undefined ? [] : [{ ref, flow }]
  })
  const match = matchTrigger(flows, content, true, 'specific') ?? matchTrigger(flows, content, true, 'fallback')
  const started = match === null ? undefined : flows[match.index]
  if (flows.length === 0) emit(call, { type: 'message.ignored', data: { reason: 'no_flow' } })
  else if (match === null || started === undefined)
    emit(call, { type: 'message.ignored', data: { reason: 'no_trigger' } })
  else {
    const { ref, flow } = started
    const { flow_id, version } = ref
    emit(call, { type: 'flow.started', data: { flow_id, name: flow.name, version, trigger: match.trigger } })
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

/** The live timer follows from the states before and after: this keeps the caller's timer the same. */
function setTimer(call: Call, before: ConversationState, input: Input): void {
  const timer = liveTimer(call.state)
  if (timer?.token === liveTimer(before)?.token) return
  if (timer !== null) {
    call.effects.push({ kind: 'timer', token: timer.token, after_ms: remainingMs(timer, call.context.now) })
  } else if (input.kind !== 'timer') call.effects.push({ kind: 'timer_clear' })
}
