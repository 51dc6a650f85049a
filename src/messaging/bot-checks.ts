import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'

// Bots that are `connecting`: each waits until its provider was asked whether it may send.

const claimDue = statement({
  name: 'bot_check_claim',
  params: ['limit', 'lease_seconds'],
  row: { tenant_id: 'uuid', id: 'uuid', attempts: 'int4', version: 'text' },
  sql: `update bots b
    set check_attempts = check_attempts + 1, check_due_at = now() + $2::int * interval '1 second'
    where b.status = 'connecting' and b.id = any (array(
      select id from bots where status = 'connecting' and check_due_at <= now()
      order by check_due_at limit $1 for no key update skip locked))
    returning b.tenant_id, b.id, b.check_attempts as attempts, b.updated_at::text as version`,
})

const finish = statement({
  name: 'bot_check_finish',
  params: ['tenant_id', 'bot_id', 'version', 'status', 'reason', 'due_at'],
  row: { is_news: 'bool' },
  sql: `update bots b set status = $4, status_reason = $5, check_due_at = $6,
      updated_at = case when o.is_news then now() else b.updated_at end
    from (
      select id, (status, status_reason) is distinct from ($4::text, $5::text) as is_news from bots
      where tenant_id = $1 and id = $2 and status = 'connecting' and updated_at = $3::text::timestamptz
      for no key update) o
    where b.tenant_id = $1 and b.id = o.id
    returning o.is_news`,
})

/** A bot whose provider is to be asked now. */
export type DueCheck = {
  readonly tenantId: string
  readonly id: string
  /** How often it was asked since the bot began to connect, this time included. */
  readonly attempts: number
  /** As in `BotWithSecrets`. */
  readonly version: string
}

/** What came of asking; `connecting` asks again at `dueAt`. */
export type CheckOutcome = {
  readonly status: 'connected' | 'error' | 'connecting'
  readonly reason: string | null
  readonly dueAt: Date
}

/** Takes bots that are due, for as long as `leaseSeconds`: after it a check of which nothing was heard is made again. */
export async function claimDueChecks(tx: Transaction, limit: number, leaseSeconds: number): Promise<DueCheck[]> {
  const rows = await tx.run(claimDue, { limit, lease_seconds: leaseSeconds })
  return rows.map(({ tenant_id, id, attempts, version }) => ({ tenantId: tenant_id, id, attempts, version }))
}

/**
 * Writes what came of a check. Returns whether the bot stands otherwise than before. One that was changed since is left
 * as it is: it is checked for what it is now.
 */
export async function finishCheck(tx: Transaction, check: DueCheck, outcome: CheckOutcome): Promise<boolean> {
  const [row] = await tx.run(finish, {
    ...{ tenant_id: check.tenantId, bot_id: check.id, version: check.version },
    ...{ status: outcome.status, reason: outcome.reason, due_at: outcome.dueAt },
  })
  return row?.is_news ?? false
}
