import { type Database, type Scope, sqlState, type Transaction } from './database.ts'

/** Thrown in a transaction where nothing is wrong with it: another one stood in the way. */
export class TryAgain extends Error {
  override readonly name: string = 'TryAgain'
}

const triesMax = 3
/** A serialization failure, a deadlock: "PostgreSQL Error Codes". */
const retriedStates = new Set(['40001', '40P01'])

/**
 * Runs `work` in one transaction that sees one tenant only. It may run again where another transaction stood in the way,
 * so it does nothing but ask the database.
 */
export async function inTenant<T>(
  database: Database,
  tenantId: string,
  work: (tx: Transaction) => Promise<T>,
  role: Extract<Scope, { tenantId: string }>['role'] = 'app',
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await database.transaction({ role, tenantId }, work)
    } catch (error) {
      if (tries >= triesMax || !isPassing(error)) throw error
    }
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof TryAgain || retriedStates.has(sqlState(error) ?? '')
}
