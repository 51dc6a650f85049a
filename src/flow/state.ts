import type { Choice, ConversationEvent } from './events.ts'
import type { Json } from './json.ts'

/** A flow that runs; `return_step` is the caller's step that called it, null for the first. */
export type Frame = {
  readonly flow_id: string
  readonly name: string
  readonly version: number
  readonly return_step: string | null
}

/**
 * What a run waits for. `answer`: the reply to a question, the `attempt`-th (1 is the first), at most `timeout_ms`
 * long (null: for ever). `action`: the result of a call. `paused`: the result came while an agent had the
 * conversation; the run goes on from `step` when it is resumed. `wait`: a moment, in milliseconds since 1970. `handoff`:
 * that a person gives the conversation back, which the step asked one to take.
 */
export type Waiting =
  | {
      readonly kind: 'answer'
      readonly step: string
      readonly token: string
      readonly attempt: number
      readonly choices: readonly Choice[]
      readonly timeout_ms: number | null
    }
  | { readonly kind: 'action'; readonly step: string; readonly call_id: string }
  | { readonly kind: 'paused'; readonly step: string; readonly ok: boolean }
  | { readonly kind: 'wait'; readonly step: string; readonly token: string; readonly until: number }
  | { readonly kind: 'handoff'; readonly step: string }

/** A flow at work: its frames, the outermost first, the variables they share, and the step it is at. */
export type Run = {
  readonly frames: readonly Frame[]
  readonly variables: Readonly<Record<string, Json>>
  readonly step: string | null
  readonly waiting: Waiting | null
}

/**
 * Where a conversation is; plain JSON. `seq` counts the events applied. `last_run` is the run that ended last, kept
 * until the next begins so that an agent sees what was answered. `menu`: what the messages since the run began offered
 * last, of which a customer may write the number. `timer`: what runs while a person is asked for (`waiting`: nobody took
 * it) or has the conversation (`agent`: the customer waits for an answer); see `liveTimer` for all of them.
 */
export type ConversationState = {
  readonly status: 'bot' | 'waiting' | 'agent' | 'closed'
  readonly seq: number
  readonly run: Run | null
  readonly last_run: Run | null
  readonly menu?: readonly Choice[]
  readonly timer?: Timer
}

/** A time that a person has, of which the token comes back when it is over. */
export type Timer = { readonly token: string; readonly timeout_ms: number }

/** A conversation before its first event. */
export const initialState: ConversationState = { status: 'bot', seq: 0, run: null, last_run: null }

/** The state after a conversation's events in order. */
export function foldEvents(events: Iterable<ConversationEvent>): ConversationState {
  let state = initialState
  for (const event of events) state = applyEvent(state, event)
  return state
}

/** The state after one more event: a new object, never an error. An event of an unknown type is only counted. */
export function applyEvent(state: ConversationState, event: ConversationEvent): ConversationState {
  const seq = state.seq + 1
  switch (event.type) {
    case 'flow.started':
      return { status: state.status, seq, run: startRun(event.data), last_run: null }
    case 'flow.ended':
      return { ...state, seq, run: null, last_run: state.run && { ...state.run, waiting: null } }
    case 'flow.revived':
      return { ...state, seq, run: state.last_run, last_run: null }
    case 'handed_off':
      return handOver(state, seq, event.data)
    case 'agent.awaited': {
      const { token, timeout_ms } = event.data
      return { ...state, seq, timer: { token, timeout_ms } }
    }
    case 'agent.replied':
    case 'handoff.timed_out':
      return { ...withoutTimer(state), seq }
    case 'resumed':
      return { ...withoutTimer(state), seq, status: 'bot', run: state.run && applyToRun(state.run, event) }
    case 'closed':
      return { ...withoutTimer(state), seq, status: 'closed' }
    case 'replied':
      return { ...state, seq, run: state.run && applyToRun(state.run, event), ...menuOf(event.data.choices) }
    default:
      return { ...state, seq, run: state.run && applyToRun(state.run, event) }
  }
}

type HandedOff = Extract<ConversationEvent, { type: 'handed_off' }>['data']

/** An agent who takes over from another leaves the customer waiting as long as before. */
function handOver(
  state: ConversationState,
  seq: number,
  { by, step, token, timeout_ms }: HandedOff,
): ConversationState {
  const status = by === 'agent' ? 'agent' : 'waiting'
  const run: Run | null = step === undefined || state.run === null ? state.run : stayAt(state.run, step)
  if (status === 'agent' && state.status === 'agent') return { ...state, seq, status, run }
  const timer = token === undefined || timeout_ms === undefined ? {} : { timer: { token, timeout_ms } }
  return { ...withoutTimer(state), seq, status, run, ...timer }
}

function stayAt(run: Run, step: string): Run {
  return { ...run, step, waiting: { kind: 'handoff', step } }
}

function withoutTimer(state: ConversationState): ConversationState {
  if (state.timer === undefined) return state
  const { timer: _, ...rest } = state
  return rest
}

function menuOf(choices: readonly Choice[] | undefined) {
  return choices === undefined ? {} : { menu: choices }
}

type FlowRef = { readonly flow_id: string; readonly name: string; readonly version: number }

function startRun(flow: FlowRef): Run {
  return { frames: [frame(flow, null)], variables: {}, step: null, waiting: null }
}

function frame({ flow_id, name, version }: FlowRef, return_step: string | null): Frame {
  return { flow_id, name, version, return_step }
}

function applyToRun(run: Run, event: ConversationEvent): Run {
  switch (event.type) {
    case 'replied':
    case 'decision.made':
    case 'goal.reached':
      return { ...run, step: event.data.step }
    case 'question.asked': {
      const { step, token, choices = [], timeout_ms = null } = event.data
      return { ...run, step, waiting: { kind: 'answer', step, token, attempt: 1, choices, timeout_ms } }
    }
    case 'question.repeated': {
      if (run.waiting?.kind !== 'answer') return run
      const { attempt, token, choices = run.waiting.choices } = event.data
      return { ...run, step: event.data.step, waiting: { ...run.waiting, attempt, token, choices } }
    }
    case 'answer.accepted':
      return { ...run, waiting: null, variables: { ...run.variables, [event.data.variable]: event.data.value } }
    case 'answer.timed_out':
      return { ...run, waiting: null }
    case 'action.requested': {
      const { step, call_id } = event.data
      return { ...run, step, waiting: { kind: 'action', step, call_id } }
    }
    case 'action.completed': {
      const { step, variable, value } = event.data
      const variables = variable === null ? run.variables : { ...run.variables, [variable]: value }
      return { ...run, variables, waiting: { kind: 'paused', step, ok: true } }
    }
    case 'action.failed': {
      const { step, code, message, data } = event.data
      const variables = { ...run.variables, error: { code, message, ...(data !== undefined && { data }) } }
      return { ...run, variables, waiting: { kind: 'paused', step, ok: false } }
    }
    case 'wait.started': {
      const { step, token, until } = event.data
      return { ...run, step, waiting: { kind: 'wait', step, token, until } }
    }
    case 'wait.ended':
      return { ...run, step: event.data.step, waiting: null }
    case 'resumed':
      return event.data.step === undefined && run.waiting?.kind !== 'handoff' ? run : { ...run, waiting: null }
    case 'flow.moved':
      return { ...run, frames: run.frames.map(one => moved(one, event.data)) }
    case 'flow.called':
      return { ...run, step: null, waiting: null, frames: [...run.frames, frame(event.data, event.data.step)] }
    case 'flow.returned':
      return { ...run, step: event.data.step, frames: run.frames.slice(0, -1) }
    default:
      return run
  }
}

function moved(one: Frame, { flow_id, version }: { readonly flow_id: string; readonly version: number }): Frame {
  return one.flow_id === flow_id ? { ...one, version } : one
}
