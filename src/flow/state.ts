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
 * conversation; the run goes on from `step` when it is resumed.
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
 * last, of which a customer may write the number.
 */
export type ConversationState = {
  readonly status: 'bot' | 'waiting' | 'agent' | 'closed'
  readonly seq: number
  readonly run: Run | null
  readonly last_run: Run | null
  readonly menu?: readonly Choice[]
}

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
    case 'handed_off':
      return { ...state, seq, status: event.data.by === 'agent' ? 'agent' : 'waiting' }
    case 'resumed':
      return { ...state, seq, status: 'bot' }
    case 'closed':
      return { ...state, seq, status: 'closed' }
    case 'replied':
      return { ...state, seq, run: state.run && applyToRun(state.run, event), ...menuOf(event.data.choices) }
    default:
      return { ...state, seq, run: state.run && applyToRun(state.run, event) }
  }
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
      const { step, code, message } = event.data
      const variables = { ...run.variables, error: { code, message } }
      return { ...run, variables, waiting: { kind: 'paused', step, ok: false } }
    }
    case 'flow.called':
      return { ...run, step: null, waiting: null, frames: [...run.frames, frame(event.data, event.data.step)] }
    case 'flow.returned':
      return { ...run, step: event.data.step, frames: run.frames.slice(0, -1) }
    default:
      return run
  }
}
