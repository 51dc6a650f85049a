import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'

// Ways in that have run out, of all tenants. A user's own are cleared when they log in; these are of those who do not.

const removeTokens = statement({
  name: 'clean_refresh_tokens',
  params: ['before', 'limit'],
  row: { removed: 'int4' },
  sql: `with gone as (
      delete from refresh_tokens where ctid = any (array(
        select ctid from refresh_tokens where expires_at < $1 order by expires_at limit $2 for update skip locked))
      returning 1)
    select count(*)::int as removed from gone`,
})

const removeInvites = statement({
  name: 'clean_user_invites',
  params: ['before', 'limit'],
  row: { removed: 'int4' },
  sql: `with gone as (
      delete from user_invites where ctid = any (array(
        select ctid from user_invites where expires_at < $1 order by expires_at limit $2 for update skip locked))
      returning 1)
    select count(*)::int as removed from gone`,
})

const byTable = { refresh_tokens: removeTokens, user_invites: removeInvites } as const

/** Removes up to `limit` that ran out before a moment. Says how many. */
export async function removeOldLogins(
  tx: Transaction,
  table: keyof typeof byTable,
  before: Date,
  limit: number,
): Promise<number> {
  return (await tx.run(byTable[table], { before, limit }))[0]?.removed ?? 0
}
