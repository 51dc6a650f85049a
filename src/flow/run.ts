import type { CompiledContent, CompiledDecision, CompiledFlow, CompiledQuestion, CompiledStep } from './compile.ts'
import type { OutboundContent } from './content.ts'
import { END } from './document.ts'
import type { Choice, ConversationEvent } from './events.ts'
import { type Expression, ExpressionError, type Scope } from './expression.ts'
import { fitContent } from './fit-content.ts'
import { type Json, jsonLength } from './json.ts'
import type { FlowLibrary } from './library.ts'
import { FLOW_DEPTH_MAX, NOTE_LENGTH_MAX, STEPS_PER_CALL_MAX, VALUE_JSON_LENGTH_MAX } from './limits.ts'
import type { Context } from './scope.ts'
import { applyEvent, type ConversationState } from './state.ts'
import { renderTemplate } from './template.ts'
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

/** Runs from the step `target` of the flow on top until the run waits, ends, hands over or fails. */
export function runFrom(call: Call, target: string): void {
  let next: string | null = target
  while (next !== null) next = next === END ? leaveFlow(call) : runStep(call, next)
}

function runStep(call: Call, id: string): string | null {
  const flow = currentFlow(call)
  if (flow === undefined) return failMissingFlow(call, id)
  const step = flow.steps.get(id)
  if (step === undefined) return fail(call, id, null, 'this step does not exist')
  if (--call.stepsLeft < 0) return fail(call, id, null, `more than ${STEPS_PER_CALL_MAX} steps without waiting`)
  return attempt(call, id, () => execute(call, id, step))
}

/** Does `work` on a step; an expression that fails in it fails the flow. */
export function attempt(call: Call, stepId: string, work: () => string | null): string | null {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    return fail(call, stepId, error.field, error.message)
  }
}

/** Performs one step: where to go next, or null when the run stops here for now. */
function execute(call: Call, id: string, step: CompiledStep): string | null {
  switch (step.type) {
    case 'message':
      reply(call, id, step.content)
      return step.next
    case 'question':
      return ask(call, id, step)
    case 'decision':
      return decide(call, id, step)
    case 'action':
      return requestAction(call, id, step)
    case 'flow':
      return callFlow(call, id, step.flow)
    case 'handoff':
      return handOff(call, shorten(String(renderTemplate(step.note, call.scope)), NOTE_LENGTH_MAX))
    case 'wait':
      return step.next
    case 'end':
      return END
  }
}

/** Sends a content that expects no answer. Throws ExpressionError. */
export function reply(call: Call, step: string, compiled: CompiledContent): void {
  const content = renderContent(call, compiled)
  const choices = offered(content)
  const data = { step, flow_id: topFrame(call)?.flow_id ?? '', ...(choices.length > 0 && { choices }) }
  emit(call, { type: 'replied', data })
  call.effects.push({ kind: 'send', content, step })
}

function ask(call: Call, step: string, question: CompiledQuestion): null {
  const content = renderContent(call, question.content)
  const choices = offered(content)
  const data = {
    step,
    token: `q${call.state.seq}`,
    ...(choices.length > 0 && { choices }),
    ...(question.timeout && { timeout_ms: question.timeout.after_ms }),
  }
  emit(call, { type: 'question.asked', data })
  call.effects.push({ kind: 'send', content, step })
  return null
}

/** Asks a waiting question again with its own content or another one. Throws ExpressionError. */
export function askAgain(
  call: Call,
  step: string,
  attemptNumber: number,
  question: CompiledQuestion,
  compiled = question.content,
): null {
  const content = renderContent(call, compiled)
  const choices = offered(content)
  const data = { step, attempt: attemptNumber, token: `q${call.state.seq}`, ...(choices.length > 0 && { choices }) }
  emit(call, { type: 'question.repeated', data })
  call.effects.push({ kind: 'send', content, step })
  return null
}

function offered(content: OutboundContent): readonly Choice[] {
  if (content.type === 'buttons') return content.buttons
  if (content.type !== 'list') return []
  return content.sections.flatMap(section => section.rows.map(({ id, title }) => ({ id, title })))
}

function renderContent(call: Call, compiled: CompiledContent): OutboundContent {
  if (compiled.fixed !== null) return compiled.fixed
  const fitted = fitContent(renderTemplate(compiled.template, call.scope))
  if ('content' in fitted) return fitted.content
  throw new ExpressionError(fitted.path === '' ? compiled.field : `${compiled.field}.${fitted.path}`, fitted.problem)
}

function decide(call: Call, step: string, decision: CompiledDecision): string {
  const index = decision.cases.findIndex(one => isTrue(one.condition, call.scope))
  const result = index >= 0
  const next = decision.cases[index]?.next ?? decision.else
  const data = { step, result, next, ...(result && !decision.isPlain && { case: index }) }
  emit(call, { type: 'decision.made', data })
  return next
}

function isTrue(condition: Expression, scope: Scope): boolean {
  const result = condition.evaluate(scope)
  if (typeof result === 'boolean') return result
  throw new ExpressionError(condition.field, 'the condition is neither true nor false')
}

function requestAction(call: Call, step: string, action: Extract<CompiledStep, { type: 'action' }>): null {
  const input = renderTemplate(action.input, call.scope)
  if (jsonLength(input, VALUE_JSON_LENGTH_MAX) > VALUE_JSON_LENGTH_MAX) {
    return fail(call, step, 'input', 'the input is larger than 64 KB')
  }
  const call_id = `a${call.state.seq}`
  emit(call, { type: 'action.requested', data: { step, call_id, handler: action.handler } })
  call.effects.push({ kind: 'action', call_id, handler: action.handler, input })
  return null
}

function callFlow(call: Call, step: string, name: string): string | null {
  const published = call.library.published(name)
  if (published === undefined) return fail(call, step, 'flow', `the flow "${name}" is not published`)
  if ((call.state.run?.frames.length ?? 0) >= FLOW_DEPTH_MAX) {
    return fail(call, step, 'flow', `flows call each other more than ${FLOW_DEPTH_MAX} deep`)
  }
  const { flow_id, version, flow } = published
  emit(call, { type: 'flow.called', data: { step, flow_id, name: flow.name, version } })
  return flow.start
}

/** The flow on top is at its end: back to its caller, or the run ends. */
function leaveFlow(call: Call): string | null {
  const frame = topFrame(call)
  const step = frame?.return_step ?? null
  if (frame === undefined || step === null) {
    emit(call, { type: 'flow.ended', data: { reason: 'end' } })
    return null
  }
  emit(call, { type: 'flow.returned', data: { step, flow_id: frame.flow_id } })
  const flow = currentFlow(call)
  if (flow === undefined) return failMissingFlow(call, step)
  const caller = flow.steps.get(step)
  return caller?.type === 'flow' ? caller.next : fail(call, step, null, 'this step called no flow')
}

/** Ends the run and asks for a person. */
export function handOff(call: Call, note: string): null {
  emit(call, { type: 'flow.ended', data: { reason: 'handoff' } })
  emit(call, { type: 'handed_off', data: { by: 'flow', note } })
  return null
}

/** Ends the run because of a defect in the flow, and asks for a person unless one is there already. */
export function fail(call: Call, step: string | null, field: string | null, message: string): null {
  const name = topFrame(call)?.name ?? ''
  emit(call, { type: 'flow.failed', data: { step, field, message } })
  emit(call, { type: 'flow.ended', data: { reason: 'failed' } })
  if (call.state.status !== 'bot') return null
  const place = [`The flow "${name}" stopped`, step && `at step "${step}"`, field && `in "${field}"`].filter(Boolean)
  const note = shorten(`${place.join(' ')}: ${message}`, NOTE_LENGTH_MAX)
  emit(call, { type: 'handed_off', data: { by: 'failure', note } })
  return null
}

/** Fails the run because the flow on top of it is in the library no more. */
export function failMissingFlow(call: Call, step: string | null): null {
  const frame = topFrame(call)
  return fail(call, step, null, `version ${frame?.version} of the flow "${frame?.name}" is not there`)
}

/** The flow on top of the run, undefined when there is no run or the library has lost that version. */
export function currentFlow(call: Call): CompiledFlow | undefined {
  const frame = topFrame(call)
  return frame && call.library.byId(frame.flow_id, frame.version)
}

function topFrame(call: Call) {
  return call.state.run?.frames.at(-1)
}
