import type { Context } from 'hono'
import type { Caller } from '../identity/callers.ts'
import { makeRequestLimits } from '../identity/request-limits.ts'
import { sha256Hex } from '../lib/crypto.ts'
import { callerAddress } from '../lib/peer-address.ts'
import type { Admission, AnswerKey, Taken } from '../stores/request-gate.ts'
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

export function makeLimits(options: GatewayOptions): Limits {
  const perFiveMinutes = options.config.RATE_LIMIT_AUTH_PER_5_MINUTES
  const requests = makeRequestLimits(options)

  /** For the headers of the answer. */
  function note<T extends Taken & { readonly limit: number }>(context: Context<Env>, taken: T): T {
    const { limit, remaining, resetMs } = taken
    context.set('limit', { limit, remaining, resetMs })
    return taken
  }

  async function admitTry(context: Context<Env>, name: string, key: string, limit = perFiveMinutes): Promise<void> {
    requests.refuse(name, note(context, { limit, ...(await requests.take(key, limit, authWindowMs)) }))
  }

  async function countStranger(context: Context<Env>): Promise<Taken> {
    return note(context, await requests.takeStranger(addressOf(context, options)))
  }

  return {
    async admit(context, caller, answer) {
      const isRead = context.req.method === 'GET'
      const admission = note(context, await requests.admit(caller, { isRead, answer }))
      requests.refuse('tenant', admission)
      return admission
    },
    async admitStranger(context) {
      requests.refuse('address', await countStranger(context))
    },
    async countStranger(context) {
      await countStranger(context)
    },
    async admitLogin(context, account) {
      const byAddress = `rate_limit:login:address:${addressOf(context, options)}`
      const byAccount = `rate_limit:login:account:${sha256Hex(account)}`
      await admitTry(context, 'login_address', byAddress)
      await admitTry(context, 'login_account', byAccount)
      return {
        async takeBack() {
          await Promise.all([byAddress, byAccount].map(requests.giveBack))
        },
      }
    },
    async admitWrongToken(context) {
      await admitTry(context, 'token_address', `rate_limit:token:address:${addressOf(context, options)}`)
    },
    async admitRegistration(context) {
      const key = `rate_limit:register:address:${addressOf(context, options)}`
      await admitTry(context, 'registration', key, perFiveMinutes * registrationsPerLogin)
    },
    async isFirst(key, windowMs) {
      return (await requests.take(key, 1, windowMs)).allowed
    },
  }
}

/** The address of whoever asks: the connection's, or what a trusted proxy says. */
export function addressOf(context: Context<Env>, { config }: Pick<GatewayOptions, 'config'>): string {
  const whence = { peer: context.env?.peerAddress?.(), forwardedFor: context.req.header('x-forwarded-for') }
  return callerAddress(whence, config.TRUSTED_PROXIES)
}
