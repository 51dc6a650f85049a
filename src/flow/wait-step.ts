import { parseMomentMs } from './answer-rule.ts'
import { type Call, emit, fail } from './call.ts'
import type { CompiledWait } from './compile.ts'
import { ExpressionError } from './expression.ts'
import { nextTimeOfDay } from './hours.ts'
import { WAIT_MS_MAX } from './limits.ts'
import { renderTemplate } from './template.ts'

/** Lets the run wait: null, or the next step where the moment has passed already. Throws ExpressionError. */
export function startWait(call: Call, step: string, wait: CompiledWait): string | null {
  const { now } = call.context
  const until = momentOf(call, wait)
  if (until <= now) {
    emit(call, { type: 'wait.ended', data: { step, reason: 'past' } })
    return wait.next
  }
  if (until - now > WAIT_MS_MAX) return fail(call, step, 'until', 'the moment is more than 30 days ahead')
  emit(call, { type: 'wait.started', data: { step, token: `w${call.state.seq}`, until } })
  return null
}

function momentOf(call: Call, { until }: CompiledWait): number {
  const { now, business } = call.context
  if (until.kind === 'for') return now + until.ms
  if (until.kind === 'clock') return nextTimeOfDay(business.time_zone, until.time, now)
  const moment = renderTemplate(until.moment, call.scope)
  const ms = typeof moment === 'string' ? parseMomentMs(moment) : null
  if (ms === null)
    throw new ExpressionError('until', 'this is no moment: give a timestamp, or a text like 2026-12-25T17:00:00Z')
  return ms
}
