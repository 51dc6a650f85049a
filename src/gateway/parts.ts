import type { Context } from 'hono'
import type { Caller } from '../identity/callers.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import * as postgres from '../stores/postgres/in-tenant.ts'
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
  return await postgres.inTenant(database, caller.tenantId, tx => work(tx, caller))
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
