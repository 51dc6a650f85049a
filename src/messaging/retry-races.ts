import { type Database, sqlState, type Transaction } from '../stores/postgres/database.ts'
import { RaceLost } from './resolve-customers.ts'

const triesMax = 5
/**
 * Not a fault of the batch: another transaction was faster, or stood in the way (23503: it removed or used a customer
 * that this one uses or removes; 23505: it opened a conversation where this one moved one to).
 */
const retriedStates = new Set(['40001', '40P01', '23503', '23505'])

/** Runs what takes messages in, for all tenants, in one transaction: again where another one was faster. */
export async function retryRaces<T>(database: Database, work: (tx: Transaction) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await database.transaction({ role: 'worker' }, work)
    } catch (error) {
      if (tries >= triesMax || !(error instanceof RaceLost || retriedStates.has(sqlState(error) ?? ''))) throw error
    }
  }
}
