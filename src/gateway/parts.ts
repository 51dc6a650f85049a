import type { Context } from 'hono'
import type { Caller } from '../identity/callers.ts'
import { RaceLost } from '../messaging/resolve-customers.ts'
import { sqlState, type Transaction } from '../stores/postgres/database.ts'
import type { Reader } from './answers.ts'
import type { Callers } from './callers.ts'
import type { Limits } from './limits.ts'
import type { Env, GatewayOptions } from './options.ts'
import type { Sockets } from './sockets.ts'

/** What its routes are made of. */
export type Parts = GatewayOptions & {
  readonly callers: Callers
  readonly limits: Limits
  readonly reader: Reader
  readonly sockets: Sockets
}

const triesMax = 3
const retriedStates = new Set(['40001', '40P01'])

/** Not a fault of the request: another transaction stood in the way. */
function isPassing(error: unknown): boolean {
  return error instanceof RaceLost || retriedStates.has(sqlState(error) ?? '')
}

/**
 * Runs `work` in one transaction that sees the caller's tenant only. It may run again where another transaction stood
 * in the way, so it does nothing but ask the database.
 */
export async function inTenant<T>(
  { database }: Pick<Parts, 'database'>,
  context: Context<Env>,
  work: (tx: Transaction, caller: Caller) => Promise<T>,
): Promise<T> {
  const caller = context.get('caller')
  for (let tries = 1; ; tries++) {
    try {
      return await database.transaction({ role: 'app', tenantId: caller.tenantId }, tx => work(tx, caller))
    } catch (error) {
      if (tries >= triesMax || !isPassing(error)) throw error
    }
  }
}

/** The same for work that runs one statement, which only reads: it takes half the time. */
export async function readInTenant<T>(
  { database }: Pick<Parts, 'database'>,
  context: Context<Env>,
  work: (tx: Transaction, caller: Caller) => Promise<T>,
): Promise<T> {
  const caller = context.get('caller')
  return await database.read({ role: 'app', tenantId: caller.tenantId }, tx => work(tx, caller))
}
