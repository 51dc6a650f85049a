import { forgetKeys } from '../identity/idempotency.ts'
import { startWorkLoop, type WorkLoop } from '../lib/work-loop.ts'
import type { GatewayOptions } from './options.ts'

const pauseMs = 10 * 60_000
/** At once: no transaction of it is a long one. */
const keysMax = 1_000

/** Forgets the Idempotency-Keys that nobody has to remember any more, of all tenants, every ten minutes. */
export function startForgettingKeys({ clock, database, log }: GatewayOptions): WorkLoop {
  return startWorkLoop({
    name: 'forget_keys',
    pollMs: pauseMs,
    log,
    async work() {
      const now = new Date(clock.now())
      const forgotten = await database.transaction({ role: 'worker' }, tx => forgetKeys(tx, now, keysMax))
      return forgotten === keysMax ? 'more' : 'done'
    },
  })
}
