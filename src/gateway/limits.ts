import type { Context } from 'hono'
import type { Caller } from '../identity/callers.ts'
import { sha256Hex } from '../lib/crypto.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { makeMemoryGate } from '../stores/memory/request-gate.ts'
import { type Admission, type AnswerKey, limitWindowMs, type Taken } from '../stores/request-gate.ts'
import type { Env, GatewayOptions } from './options.ts'

/** How often somebody may ask. What is refused throws `too_many_requests`. */
export type Limits = {
  /** Counts a tenant's request, and looks its answer up in the same round trip. */
  admit(context: Context<Env>, caller: Caller, answer: AnswerKey | null): Promise<Admission>
  /** Counts a request of somebody who could not be told, by address. */
  admitStranger(context: Context<Env>): Promise<void>
  /** The same for a request that no other limit has counted; refuses none, so that its answer can say what is left. */
  countStranger(context: Context<Env>): Promise<void>
  /**
   * Counts a try to log in, by account (any text that names it) and by address. `takeBack` is for what was no failure:
   * only those count in the end.
   */
  admitLogin(context: Context<Env>, account: string): Promise<{ takeBack(): Promise<void> }>
  /**
   * Counts a token that was refused, by address. It is not counted beforehand: nobody guesses a token, and a right one
   * is not held up by the wrong ones of others behind the same address.
   */
  admitWrongToken(context: Context<Env>): Promise<void>
  /** Counts a new tenant, by address. */
  admitRegistration(context: Context<Env>): Promise<void>
  /** Whether this is the first of its key in a while. */
  isFirst(key: string, windowMs: number): Promise<boolean>
}

const authWindowMs = 5 * 60_000
const registrationsPerLogin = 4
const logPauseMs = 10_000

export function makeLimits(options: GatewayOptions): Limits {
  const { clock, config, gate, log, metrics } = options
  const perMinute = config.RATE_LIMIT_API_PER_MINUTE
  const perFiveMinutes = config.RATE_LIMIT_AUTH_PER_5_MINUTES
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

  async function counted(context: Context<Env>, key: string, limit: number, windowMs: number): Promise<Taken> {
    const taken = await take(key, limit, windowMs)
    context.set('limit', { limit, ...taken })
    return taken
  }

  async function admitted(context: Context<Env>, name: string, key: string, limit: number, windowMs: number) {
    const taken = await counted(context, key, limit, windowMs)
    if (taken.allowed) return
    metrics.rateLimited.inc({ limit: name })
    throw tooMany(taken.resetMs)
  }

  function strangerKey(context: Context<Env>): string {
    return `rate_limit:address:${addressOf(context, options)}`
  }

  function giveBack(keys: readonly string[]): Promise<unknown> {
    return Promise.all(keys.map(key => gate.giveBack(key).catch(() => local.giveBack(key))))
  }

  return {
    async admit(context, caller, answer) {
      const limit = caller.requestsPerMinute ?? perMinute
      const request = { tenantId: caller.tenantId, limit, answer }
      const isRead = context.req.method === 'GET'
      const admission = await gate.admit(request).catch((error: unknown) => {
        noteOutage(error, isRead ? 'let_through' : 'counted_here')
        return isRead ? openTo(limit) : local.admit({ ...request, answer: null })
      })
      context.set('limit', { limit, remaining: admission.remaining, resetMs: admission.resetMs })
      if (admission.allowed) return admission
      metrics.rateLimited.inc({ limit: 'tenant' })
      throw tooMany(admission.resetMs)
    },
    async admitStranger(context) {
      await admitted(context, 'address', strangerKey(context), perMinute, limitWindowMs)
    },
    async countStranger(context) {
      await counted(context, strangerKey(context), perMinute, limitWindowMs)
    },
    async admitLogin(context, account) {
      const byAddress = `rate_limit:login:address:${addressOf(context, options)}`
      const byAccount = `rate_limit:login:account:${sha256Hex(account)}`
      await admitted(context, 'login_address', byAddress, perFiveMinutes, authWindowMs)
      await admitted(context, 'login_account', byAccount, perFiveMinutes, authWindowMs)
      return {
        async takeBack() {
          await giveBack([byAddress, byAccount])
        },
      }
    },
    async admitWrongToken(context) {
      const key = `rate_limit:token:address:${addressOf(context, options)}`
      await admitted(context, 'token_address', key, perFiveMinutes, authWindowMs)
    },
    async admitRegistration(context) {
      const key = `rate_limit:register:address:${addressOf(context, options)}`
      await admitted(context, 'registration', key, perFiveMinutes * registrationsPerLogin, authWindowMs)
    },
    async isFirst(key, windowMs) {
      return (await take(key, 1, windowMs)).allowed
    },
  }
}

function openTo(limit: number): Admission {
  return { allowed: true, remaining: limit, resetMs: limitWindowMs, answer: null, miss: null }
}

function tooMany(resetMs: number): AppError {
  const seconds = Math.max(1, Math.ceil(resetMs / 1000))
  return new AppError('too_many_requests', `Try again in ${seconds} s.`)
}

/** The address of whoever asks: the connection's, or what a trusted proxy says. */
export function addressOf(context: Context<Env>, { config }: Pick<GatewayOptions, 'config'>): string {
  const peer = plainAddress(context.env?.peerAddress?.() ?? 'unknown')
  if (!config.TRUSTED_PROXIES.includes(peer)) return peer
  const forwarded = (context.req.header('x-forwarded-for') ?? '').split(',').map(part => plainAddress(part.trim()))
  // Each proxy appends whom it heard from: the last one that is no proxy of ours is the caller.
  return forwarded.findLast(address => address !== '' && !config.TRUSTED_PROXIES.includes(address)) ?? peer
}

/** An IPv4 address that arrived over an IPv6 socket, without its prefix. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '').slice(0, 64)
}
