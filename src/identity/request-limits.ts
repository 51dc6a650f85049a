import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import { makeMemoryGate } from '../stores/memory/request-gate.ts'
import { type Admission, type AnswerKey, limitWindowMs, type RequestGate, type Taken } from '../stores/request-gate.ts'
import type { Caller } from './callers.ts'

/** Counts requests, of whichever kind. Never rejects: what cannot be counted together is counted in this process. */
export type RequestLimits = {
  /** Counts a tenant's request, and looks its answer up in the same round trip. */
  admit(
    caller: Caller,
    request: { readonly isRead: boolean; readonly answer: AnswerKey | null },
  ): Promise<Admission & { readonly limit: number }>
  /** Counts a request of somebody who could not be told, by address. */
  takeStranger(address: string): Promise<Taken & { readonly limit: number }>
  /** Counts one event under a key, of at most `limit` in a window. */
  take(key: string, limit: number, windowMs: number): Promise<Taken>
  giveBack(key: string): Promise<void>
  /** Throws `too_many_requests` for what was not allowed, and counts it under the limit's name. */
  refuse(name: string, taken: Taken): void
}

const logPauseMs = 10_000

export function makeRequestLimits(options: {
  readonly config: { readonly RATE_LIMIT_API_PER_MINUTE: number }
  readonly gate: RequestGate
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}): RequestLimits {
  const { clock, config, gate, log, metrics } = options
  const perMinute = config.RATE_LIMIT_API_PER_MINUTE
  // Where the common gate is away, what changes something is counted here.
  const local = makeMemoryGate(clock)
  let lastLogMs = Number.NEGATIVE_INFINITY

  function noteOutage(error: unknown, outcome: 'let_through' | 'counted_here'): void {
    metrics.rateLimitUnavailable.inc({ outcome })
    if (clock.now() - lastLogMs < logPauseMs) return
    lastLogMs = clock.now()
    log.warn(
      { error: messageOf(error) },
      'rate limits cannot be shared: reads are let through, the rest is counted by process',
    )
  }

  async function take(key: string, limit: number, windowMs: number): Promise<Taken> {
    return await gate.take(key, limit, windowMs).catch((error: unknown) => {
      noteOutage(error, 'counted_here')
      return local.take(key, limit, windowMs)
    })
  }

  return {
    async admit({ tenantId, requestsPerMinute }, { isRead, answer }) {
      const limit = requestsPerMinute ?? perMinute
      const request = { tenantId, limit, answer }
      const admission = await gate.admit(request).catch((error: unknown) => {
        noteOutage(error, isRead ? 'let_through' : 'counted_here')
        return isRead ? openTo(limit) : local.admit({ ...request, answer: null })
      })
      return { ...admission, limit }
    },
    async takeStranger(address) {
      return { ...(await take(`rate_limit:address:${address}`, perMinute, limitWindowMs)), limit: perMinute }
    },
    take,
    async giveBack(key) {
      await gate.giveBack(key).catch(() => local.giveBack(key))
    },
    refuse(name, { allowed, resetMs }) {
      if (allowed) return
      metrics.rateLimited.inc({ limit: name })
      throw new AppError('too_many_requests', `Try again in ${Math.max(1, Math.ceil(resetMs / 1000))} s.`)
    },
  }
}

function openTo(limit: number): Admission {
  return { allowed: true, remaining: limit, resetMs: limitWindowMs, answer: null, miss: null }
}
