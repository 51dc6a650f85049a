import type { Context } from 'hono'
import type { Config } from '../config.ts'
import type { Identity } from '../identity/access-token.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sealer } from '../lib/crypto.ts'
import type { Ids } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import type { Bus } from '../stores/bus.ts'
import type { Health } from '../stores/health.ts'
import { type Database, sqlState, type Transaction } from '../stores/postgres/database.ts'

/** What the gateway is made of. */
export type Parts = {
  readonly config: Pick<Config, 'JWT_SECRET'>
  readonly database: Database
  readonly bus: Bus
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Log
  readonly metrics: Metrics
  readonly sealer: Sealer
  readonly health: () => Promise<Health>
}

/** What a request carries from step to step. */
export type Env = { Variables: { requestId: string; identity: Identity } }

const triesMax = 3
/** Not a fault of the request: another transaction stood in the way. */
const retriedStates = new Set(['40001', '40P01'])

/**
 * Runs `work` in one transaction that sees the caller's tenant only. It may run again where another transaction stood
 * in the way, so it does nothing but ask the database.
 */
export async function inTenant<T>(
  { database }: Pick<Parts, 'database'>,
  context: Context<Env>,
  work: (tx: Transaction, identity: Identity) => Promise<T>,
): Promise<T> {
  const identity = context.get('identity')
  for (let tries = 1; ; tries++) {
    try {
      return await database.transaction({ role: 'app', tenantId: identity.tenantId }, tx => work(tx, identity))
    } catch (error) {
      if (tries >= triesMax || !retriedStates.has(sqlState(error) ?? '')) throw error
    }
  }
}
