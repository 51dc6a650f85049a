import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'

// Rows that only serve for a while, of all tenants, found by their age.

/** Rows are told by where they lie: that is one look a row, whatever the planner thinks of the table. */
function removeOld(table: string, column: string) {
  return statement({
    name: `clean_${table}`,
    params: ['before', 'limit'],
    row: { removed: 'int4' },
    sql: `with gone as (
      delete from ${table} where ctid = any (array(
        select ctid from ${table} where ${column} < $1 order by ${column} limit $2 for update skip locked))
      returning 1)
    select count(*)::int as removed from gone`,
  })
}

// Statuses of messages that nobody here knows are among them: a number may be used by other programs too.
const statuses = removeOld('message_statuses', 'received_at')
const ownIds = removeOld('own_message_ids', 'created_at')
const ignored = removeOld('ignored_webhooks', 'received_at')
const memo = removeOld('provider_memo', 'expires_at')

const byTable = {
  message_statuses: statuses,
  own_message_ids: ownIds,
  ignored_webhooks: ignored,
  provider_memo: memo,
} as const

/** A table of which nothing is needed that is old: statuses are in their messages by then. */
export type AgingTable = keyof typeof byTable

/** Removes up to `limit` rows from before a moment (of `provider_memo`: that ran out before it). Says how many. */
export async function removeOldRows(tx: Transaction, table: AgingTable, before: Date, limit: number): Promise<number> {
  return (await tx.run(byTable[table], { before, limit }))[0]?.removed ?? 0
}
