import { askForPerson, type Call, currentFlow, emit, fail, failMissingFlow, handOff, topFrame } from './call.ts'
import type { CompiledDecision, CompiledHandoff, CompiledStep } from './compile.ts'
import { END } from './document.ts'
import { type Expression, ExpressionError, type Scope } from './expression.ts'
import { jsonLength } from './json.ts'
import { FLOW_DEPTH_MAX, NOTE_LENGTH_MAX, STEPS_PER_CALL_MAX, VALUE_JSON_LENGTH_MAX } from './limits.ts'
import { ask, reply } from './send-content.ts'
import { renderTemplate } from './template.ts'
import { startWait } from './wait-step.ts'
import { shorten } from './words.ts'

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
  if (flow.goals.has(id)) reachGoal(call, id)
  return attempt(call, id, () => execute(call, id, step))
}

function reachGoal(call: Call, step: string): void {
  const flow_id = topFrame(call)?.flow_id
  if (flow_id !== undefined) emit(call, { type: 'goal.reached', data: { step, flow_id } })
}

/** Does `work` on a step; an expression that fails in it fails the flow. */
function attempt(call: Call, stepId: string, work: () => string | null): string | null {
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
      reply(call, id, step)
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
      return handOver(call, id, step)
    case 'wait':
      return startWait(call, id, step)
    case 'end':
      return END
  }
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

/** Asks for a person; the run ends, unless the step says what comes after that person. */
function handOver(call: Call, id: string, step: CompiledHandoff): null {
  const note = shorten(String(renderTemplate(step.note, call.scope)), NOTE_LENGTH_MAX)
  if (!step.stays) return handOff(call, note)
  askForPerson(call, 'flow', note, { step: id, timeout_ms: step.timeout?.after_ms ?? null })
  return null
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

/** One type of step. */
export type StepOf<TType extends CompiledStep['type']> = Extract<CompiledStep, { type: TType }>

/** Does `work` on a step of the flow on top and runs on from the target it gives; fails when the step isn't there. */
export function withStep<TType extends CompiledStep['type']>(
  call: Call,
  id: string,
  type: TType,
  work: (step: StepOf<TType>, id: string) => string | null,
): void {
  const flow = currentFlow(call)
  const step = flow?.steps.get(id)
  if (flow === undefined) failMissingFlow(call, id)
  else if (step === undefined || !isOfType(step, type)) fail(call, id, null, `this step is no ${type}`)
  else {
    const next = attempt(call, id, () => work(step, id))
    if (next !== null) runFrom(call, next)
  }
}

function isOfType<TType extends CompiledStep['type']>(step: CompiledStep, type: TType): step is StepOf<TType> {
  return step.type === type
}
