import { readAnswer } from './answer.ts'
import { type Call, emit, fail, handOff } from './call.ts'
import type { InboundContent } from './content.ts'
import type { AnswerProblem } from './events.ts'
import { isJsonObject, type Json, jsonLength } from './json.ts'
import {
  ACTIONS_PER_TURN_MAX,
  ERROR_JSON_LENGTH_MAX,
  NOTE_LENGTH_MAX,
  VALUE_JSON_LENGTH_MAX,
  VARIABLES_JSON_LENGTH_MAX,
} from './limits.ts'
import { type StepOf, withStep } from './run.ts'
import { askAgain, reply } from './send-content.ts'
import type { Waiting } from './state.ts'
import { shorten } from './words.ts'

/** How an action ended. `data` says in figures what the message says in words. */
export type ActionResult =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly data?: Json }

/** How the action that is one too many of a turn ends. */
export const tooManyActions: ActionResult = {
  ok: false,
  code: 'too_many_actions',
  message: `A turn makes at most ${ACTIONS_PER_TURN_MAX} calls`,
}

type WaitingFor<TKind extends Waiting['kind']> = Extract<Waiting, { kind: TKind }>

/** Takes a message as the answer to the waiting question. */
export function answer(call: Call, waiting: WaitingFor<'answer'>, content: InboundContent): void {
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
  waiting: WaitingFor<'answer'>,
  question: StepOf<'question'>,
  reason: AnswerProblem,
): string | null {
  const { step, attempt: rejected } = waiting
  emit(call, { type: 'answer.rejected', data: { step, attempt: rejected, reason } })
  const { text, limit, next } = question.retry
  if (rejected > limit) return next ?? handOff(call, `No answer to the step "${step}" that could be understood`)
  if (text === null) return askAgain(call, step, rejected + 1, question)
  const retry = { content: text, template: null }
  if (question.answer.type !== 'choice') return askAgain(call, step, rejected + 1, retry)
  reply(call, step, retry)
  return askAgain(call, step, rejected + 1, question)
}

/** What the run waits for has not come in time, or the moment it waits for has. */
export function timeOut(call: Call): void {
  const waiting = call.state.run?.waiting
  if (waiting?.kind === 'wait') endWait(call, waiting)
  if (waiting?.kind !== 'answer') return
  withStep(call, waiting.step, 'question', (question, step) => {
    if (question.timeout === null) return null
    emit(call, { type: 'answer.timed_out', data: { step } })
    return question.timeout.next
  })
}

function endWait(call: Call, { step }: WaitingFor<'wait'>): void {
  withStep(call, step, 'wait', wait => {
    emit(call, { type: 'wait.ended', data: { step, reason: 'time' } })
    return wait.next
  })
}

/** Takes an action's result. Where the bot may not speak it is only recorded; after an agent, `goOn` goes on with it. */
export function takeResult(call: Call, call_id: string, result: ActionResult): void {
  const waiting = call.state.run?.waiting
  if (waiting?.kind !== 'action' || waiting.call_id !== call_id) return
  withStep(call, waiting.step, 'action', (action, step) => {
    if (!recordResult(call, step, call_id, action.variable, result)) return null
    const isSilent = call.state.status !== 'bot' || call.context.customer.opted_out
    return isSilent ? null : afterAction(call, step, action, result.ok)
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
    const { code, data } = result
    const isKept = data !== undefined && jsonLength(data, ERROR_JSON_LENGTH_MAX) <= ERROR_JSON_LENGTH_MAX
    emit(call, { type: 'action.failed', data: { step, call_id, code, message, ...(isKept && { data }) } })
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

/**
 * Goes on from where the run stood while an agent had it: a question is asked again, a result or a moment that came
 * meanwhile is taken up, a handoff step is left; a wait that is not over goes on. `waiting` is what the run waited for.
 */
export function goOn(call: Call, waiting: Waiting | null): void {
  if (waiting?.kind === 'answer') {
    withStep(call, waiting.step, 'question', (question, step) => askAgain(call, step, waiting.attempt, question))
  } else if (waiting?.kind === 'paused') {
    withStep(call, waiting.step, 'action', (action, step) => afterAction(call, step, action, waiting.ok))
  } else if (waiting?.kind === 'handoff') {
    withStep(call, waiting.step, 'handoff', handoff => handoff.next ?? endRun(call))
  } else if (waiting?.kind === 'wait' && waiting.until <= call.context.now) {
    endWait(call, waiting)
  }
}

function endRun(call: Call): null {
  emit(call, { type: 'flow.ended', data: { reason: 'handoff' } })
  return null
}

function hasRoomFor(call: Call, step: string, variable: string | null, value: Json): boolean {
  const variables = { ...call.state.run?.variables, ...(variable !== null && { [variable]: value }) }
  const fits =
    jsonLength(value, VALUE_JSON_LENGTH_MAX) <= VALUE_JSON_LENGTH_MAX &&
    jsonLength(variables, VARIABLES_JSON_LENGTH_MAX) <= VARIABLES_JSON_LENGTH_MAX
  if (!fits) fail(call, step, 'variable', 'the value is too large to keep')
  return fits
}
