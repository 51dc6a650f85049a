import { type Call, type Effect, emit } from './call.ts'
import { leaveAlone } from './consent.ts'
import type { InboundContent } from './content.ts'
import { type ActionResult, takeResult, timeOut } from './continue-run.ts'
import type { ConversationEvent } from './events.ts'
import { meantWord } from './global-words.ts'
import { type AgentMessage, callPerson, recordAgentMessage, resume, takeOver, timeOutPerson } from './handoff-run.ts'
import type { FlowLibrary } from './library.ts'
import { STEPS_PER_CALL_MAX } from './limits.ts'
import { liveTimer, remainingMs } from './live-timer.ts'
import { moveRun } from './move-run.ts'
import { asTapped, type Message, receive } from './receive-message.ts'
import { type Context, scopeOf } from './scope.ts'
import type { FlowVersion } from './start-flow.ts'
import type { ConversationState } from './state.ts'

export type { Effect } from './call.ts'
export type { ActionResult } from './continue-run.ts'
export type { Context } from './scope.ts'
export type { FlowVersion } from './start-flow.ts'

/** What happens to a conversation. An input that comes too late (a token or call id no longer awaited) does nothing. */
export type Input =
  /** A message of the customer; `flows` are the bot's, the main one first, to try when no run is active. */
  | ({ readonly kind: 'message' } & Message)
  /** The time of the timer with this token is over. */
  | { readonly kind: 'timer'; readonly token: string }
  | { readonly kind: 'action_result'; readonly call_id: string; readonly result: ActionResult }
  /** An agent takes over, or without one a person is asked for: the run stands still until it is resumed. */
  | { readonly kind: 'handoff'; readonly note: string; readonly agent_id?: string | undefined }
  /**
   * Back to the bot: a waiting question is asked again, a result that came meanwhile is gone on with. With a `step` of the
   * flow on top of the run, or of the run that ended last, it goes on there instead.
   */
  | { readonly kind: 'resume'; readonly agent_id?: string | undefined; readonly step?: string | undefined }
  | { readonly kind: 'close'; readonly reason: string }
  /** A person wrote to the customer. `takes_over`: the bot is to be silent from now on. */
  | ({ readonly kind: 'agent_message' } & AgentMessage)
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
 * a message gives `message.received` only, but for a word that asks to be left alone. In the last case it is no answer to
 * what is asked after: a caller that does not want that holds messages back while `isAwaitingAction(state)`,
 * but for those of `isHeededAtOnce`.
 *
 * To a customer who is left alone (`context.customer.opted_out`) nothing is sent but what has `consent`; a caller that
 * plays several inputs with one context says so in it after a `consent` effect.
 */
export function step(library: FlowLibrary, state: ConversationState, given: Input, context: Context): StepResult {
  const input = given.kind === 'message' ? withTapped(state, given) : given
  const scope = scopeOf(() => call.state, input.kind === 'message' ? input.content : null, context)
  const call: Call = { library, context, scope, state, events: [], effects: [], stepsLeft: STEPS_PER_CALL_MAX }
  if (input.kind === 'message') receive(call, input)
  else dispatch(call, input)
  setTimer(call, state, input)
  return { state: call.state, events: call.events, effects: call.effects }
}

type MessageInput = Extract<Input, { kind: 'message' }>

function withTapped(state: ConversationState, input: MessageInput): MessageInput {
  const content = asTapped(state, input.content)
  return content === input.content ? input : { ...input, content }
}

/** Whether the run waits for the result of an action, so that messages had better wait too: unless `isHeededAtOnce`. */
export function isAwaitingAction(state: ConversationState): boolean {
  return state.status === 'bot' && state.run?.waiting?.kind === 'action'
}

/**
 * Whether a message means the same whatever a run waits for: it asks to be left alone, or comes from who is left alone.
 * It ends the run, whose result then comes too late.
 */
export function isHeededAtOnce(
  state: ConversationState,
  content: InboundContent,
  context: Pick<Context, 'business'> & { readonly customer: Pick<Context['customer'], 'opted_out'> },
): boolean {
  return context.customer.opted_out || meantWord({ state, context }, content) === 'stop'
}

function dispatch(call: Call, input: Exclude<Input, MessageInput>): void {
  if (input.kind === 'action_result') takeResult(call, input.call_id, input.result)
  if (call.context.customer.opted_out) leaveAlone(call)
  const { status } = call.state
  if (input.kind === 'timer') takeTimer(call, input.token)
  else if (input.kind === 'handoff' && status !== 'closed') handOver(call, input)
  else if (input.kind === 'resume' && (status === 'waiting' || status === 'agent')) takeBack(call, input)
  else if (input.kind === 'close' && status !== 'closed') close(call, input.reason)
  else if (input.kind === 'agent_message') recordAgentMessage(call, input)
  else if (input.kind === 'move') moveRun(call, input)
}

function takeTimer(call: Call, token: string): void {
  if (liveTimer(call.state)?.token !== token) return
  if (call.state.status === 'bot') timeOut(call)
  else timeOutPerson(call)
}

function handOver(call: Call, { note, agent_id }: Extract<Input, { kind: 'handoff' }>): void {
  if (agent_id === undefined) callPerson(call, note)
  else takeOver(call, note, agent_id)
}

function takeBack(call: Call, { agent_id, step: target }: Extract<Input, { kind: 'resume' }>): void {
  // Who asked to be left alone is told nothing more by a run that has ended.
  resume(call, agent_id ?? null, call.context.customer.opted_out ? undefined : target)
}

function close(call: Call, reason: string): void {
  if (call.state.run !== null) emit(call, { type: 'flow.ended', data: { reason: 'closed' } })
  emit(call, { type: 'closed', data: { reason } })
}

/** The live timer follows from the states before and after: this keeps the caller's timer the same. */
function setTimer(call: Call, before: ConversationState, input: Input): void {
  const timer = liveTimer(call.state)
  const token = liveTimer(before)?.token
  if (timer?.token === token) return
  if (timer !== null) {
    call.effects.push({ kind: 'timer', token: timer.token, after_ms: remainingMs(timer, call.context.now) })
  } else if (input.kind !== 'timer' || input.token !== token) call.effects.push({ kind: 'timer_clear' })
}
