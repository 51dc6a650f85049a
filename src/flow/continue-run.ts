import { readAnswer } from './answer.ts'
import type { CompiledStep } from './compile.ts'
import type { InboundContent } from './content.ts'
import type { AnswerProblem } from './events.ts'
import { isJsonObject, type Json, jsonLength } from './json.ts'
import { ACTIONS_PER_TURN_MAX, NOTE_LENGTH_MAX, VALUE_JSON_LENGTH_MAX, VARIABLES_JSON_LENGTH_MAX } from './limits.ts'
import {
  askAgain,
  attempt,
  type Call,
  currentFlow,
  emit,
  fail,
  failMissingFlow,
  handOff,
  reply,
  runFrom,
} from './run.ts'
import type { Waiting } from './state.ts'
import { shorten } from './words.ts'

/** How an action ended. */
export type ActionResult =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly code: string; readonly message: string }

/** How the action that is one too many of a turn ends. */
export const tooManyActions: ActionResult = {
  ok: false,
  code: 'too_many_actions',
  message: `A turn makes at most ${ACTIONS_PER_TURN_MAX} calls`,
}

type WaitingAnswer = Extract<Waiting, { kind: 'answer' }>

/** Takes a message as the answer to the waiting question. */
export function answer(call: Call, waiting: WaitingAnswer, content: InboundContent): void {
  withStep(call, waiting.step, 'question', (question, step) => {
    const read = readAnswer(question.answer, content, waiting.choices, call.context)
    if ('problem' in read) return reject(call, waiting, question, read.problem)
    if (!hasRoomFor(call, step, question.variable, read.value)) return null
    emit(call, { type: 'answer.accepted', data: { step, variable: question.variable, value: read.value } })
    return question.next
  })
}

function reject(
  call: Call,
  waiting: WaitingAnswer,
  question: StepOf<'question'>,
  reason: AnswerProblem,
): string | null {
  const { step, attempt: rejected } = waiting
  emit(call, { type: 'answer.rejected', data: { step, attempt: rejected, reason } })
  const { text, limit, next } = question.retry
  if (rejected > limit) return next ?? handOff(call, `No answer to the step "${step}" that could be understood`)
  if (text === null) return askAgain(call, step, rejected + 1, question)
  if (question.answer.type !== 'choice') return askAgain(call, step, rejected + 1, question, text)
  reply(call, step, text)
  return askAgain(call, step, rejected + 1, question)
}

/** The time to answer is over; nothing happens when the question with that token waits no more. */
export function timeOut(call: Call, token: string): void {
  const { status, run } = call.state
  if (status !== 'bot' || run?.waiting?.kind !== 'answer' || run.waiting.token !== token) return
  withStep(call, run.waiting.step, 'question', (question, step) => {
    if (question.timeout === null) return null
    emit(call, { type: 'answer.timed_out', data: { step } })
    return question.timeout.next
  })
}

/** Takes an action's result; while an agent has the conversation it is only recorded, and `resume` goes on with it. */
export function takeResult(call: Call, call_id: string, result: ActionResult): void {
  const waiting = call.state.run?.waiting
  if (waiting?.kind !== 'action' || waiting.call_id !== call_id) return
  withStep(call, waiting.step, 'action', (action, step) => {
    if (!recordResult(call, step, call_id, action.variable, result)) return null
    return call.state.status === 'bot' ? afterAction(call, step, action, result.ok) : null
  })
}

function recordResult(
  call: Call,
  step: string,
  call_id: string,
  variable: string | null,
  result: ActionResult,
): boolean {
  if (!result.ok) {
    const message = shorten(result.message, NOTE_LENGTH_MAX)
    emit(call, { type: 'action.failed', data: { step, call_id, code: result.code, message } })
    return true
  }
  const value = variable === null ? null : result.value
  if (!hasRoomFor(call, step, variable, value)) return false
  emit(call, { type: 'action.completed', data: { step, call_id, variable, value } })
  return true
}

function afterAction(call: Call, step: string, action: StepOf<'action'>, ok: boolean): string | null {
  if (ok) return action.next
  if (action.error !== null) return action.error
  const error = call.state.run?.variables.error
  const reason = isJsonObject(error) ? `: ${String(error.message)}` : ''
  return fail(call, step, null, `the action "${action.handler}" failed${reason}`)
}

/** Goes on after an agent: a waiting question is asked again, a result that came meanwhile is taken up. */
export function goOn(call: Call): void {
  const waiting = call.state.run?.waiting
  if (waiting?.kind === 'answer') {
    withStep(call, waiting.step, 'question', (question, step) => askAgain(call, step, waiting.attempt, question))
  } else if (waiting?.kind === 'paused') {
    withStep(call, waiting.step, 'action', (action, step) => afterAction(call, step, action, waiting.ok))
  }
}

type StepOf<TType extends CompiledStep['type']> = Extract<CompiledStep, { type: TType }>

/** Does `work` on a step of the flow on top and runs on from the target it gives; fails when the step isn't there. */
function withStep<TType extends CompiledStep['type']>(
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

function hasRoomFor(call: Call, step: string, variable: string | null, value: Json): boolean {
  const variables = { ...call.state.run?.variables, ...(variable !== null && { [variable]: value }) }
  const fits =
    jsonLength(value, VALUE_JSON_LENGTH_MAX) <= VALUE_JSON_LENGTH_MAX &&
    jsonLength(variables, VARIABLES_JSON_LENGTH_MAX) <= VARIABLES_JSON_LENGTH_MAX
  if (!fits) fail(call, step, 'variable', 'the value is too large to keep')
  return fits
}
