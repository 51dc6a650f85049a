import type { CompiledFlow } from './compile.ts'
import type { OutboundContent } from './content.ts'
import type { ConversationEvent } from './events.ts'
import type { Scope } from './expression.ts'
import type { Json } from './json.ts'
import type { FlowLibrary } from './library.ts'
import { NOTE_LENGTH_MAX } from './limits.ts'
import type { Context } from './scope.ts'
import { applyEvent, type ConversationState, type Frame } from './state.ts'
import { shorten } from './words.ts'

/** Something to do for the conversation; see `step`. */
export type Effect =
  /**
   * `step` is null for a text of the business itself. `consent`: it answers a wish to be left alone, or not, and goes out
   * whatever the wish.
   */
  | {
      readonly kind: 'send'
      readonly content: OutboundContent
      readonly step: string | null
      readonly consent?: true
    }
  | { readonly kind: 'action'; readonly call_id: string; readonly handler: string; readonly input: Json }
  | { readonly kind: 'timer'; readonly token: string; readonly after_ms: number }
  | { readonly kind: 'timer_clear' }
  /** The customer asked, in these words, to be left alone or to be written to again. */
  | { readonly kind: 'consent'; readonly opted: 'out' | 'in'; readonly word: string; readonly message_id: string }

/** One call of the engine while it is at work: what it reads, and what it has made so far. */
export type Call = {
  readonly library: FlowLibrary
  readonly context: Context
  readonly scope: Scope
  readonly events: ConversationEvent[]
  readonly effects: Effect[]
  state: ConversationState
  stepsLeft: number
}

/** Records an event. This is the only way the state moves on. */
export function emit(call: Call, event: ConversationEvent): void {
  call.events.push(event)
  call.state = applyEvent(call.state, event)
}

/** The flow on top of the run, undefined when there is no run or the library has lost that version. */
export function currentFlow(call: Call): CompiledFlow | undefined {
  const frame = topFrame(call)
  return frame && call.library.byId(frame.flow_id, frame.version)
}

export function topFrame(call: Call): Frame | undefined {
  return call.state.run?.frames.at(-1)
}

type AskedBy = Extract<ConversationEvent, { type: 'handed_off' }>['data']['by']

/**
 * Asks for a person. With `stay` the run stays at that handoff step. Somebody has `timeout_ms` to take the conversation,
 * or as long as the business says.
 */
export function askForPerson(
  call: Call,
  by: AskedBy,
  note: string,
  stay: { readonly step: string; readonly timeout_ms: number | null } | null = null,
): void {
  const timeout_ms = stay?.timeout_ms ?? call.context.business.handoff.waiting_timeout_ms
  const data = {
    by,
    note,
    ...(stay !== null && { step: stay.step }),
    ...(timeout_ms !== null && { token: `h${call.state.seq}`, timeout_ms }),
  }
  emit(call, { type: 'handed_off', data })
}

/** Ends the run and asks for a person. */
export function handOff(call: Call, note: string): null {
  emit(call, { type: 'flow.ended', data: { reason: 'handoff' } })
  askForPerson(call, 'flow', note)
  return null
}

/** Ends the run because of a defect in the flow, and asks for a person unless one is there already. */
export function fail(call: Call, step: string | null, field: string | null, message: string): null {
  const name = topFrame(call)?.name ?? ''
  emit(call, { type: 'flow.failed', data: { step, field, message } })
  emit(call, { type: 'flow.ended', data: { reason: 'failed' } })
  if (call.state.status !== 'bot') return null
  const place = [`The flow "${name}" stopped`, step && `at step "${step}"`, field && `in "${field}"`].filter(Boolean)
  askForPerson(call, 'failure', shorten(`${place.join(' ')}: ${message}`, NOTE_LENGTH_MAX))
  return null
}

/** Fails the run because the flow on top of it is in the library no more. */
export function failMissingFlow(call: Call, step: string | null): null {
  const frame = topFrame(call)
  return fail(call, step, null, `version ${frame?.version} of the flow "${frame?.name}" is not there`)
}
