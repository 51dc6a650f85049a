import * as v from 'valibot'
import type { Transaction } from '../stores/postgres/database.ts'
import { json, statement } from '../stores/postgres/statement.ts'

// How long a business keeps what is over.

const daysMax = 3_650
const dayMs = 86_400_000

function days(min: number) {
  const message = `Must be a whole number of days from ${min} to ${daysMax}, or null`
  const number = v.pipe(v.number(message), v.integer(message), v.minValue(min, message), v.maxValue(daysMax, message))
  return v.optional(v.nullable(number))
}

/**
 * Days, by what is kept; null, or left out: as long as the business is there. Logs are never kept for longer than the
 * installation keeps them (`LOG_RETENTION_DAYS`).
 */
export const retention = v.strictObject({
  /** Since a conversation was closed. */
  conversations_days: days(7),
  audit_days: days(30),
  logs_days: days(1),
  reports_days: days(30),
})

export type Retention = v.InferOutput<typeof retention>

const select = statement({
  name: 'retention_list',
  params: ['after_id', 'limit'],
  row: { id: 'uuid', retention: json<Retention>() },
  sql: `select id, settings->'retention' as retention from tenants
    where id > $1::uuid and settings->'retention' is not null order by id limit $2`,
})

/** A tenant, with how long it keeps things. */
export type TenantRetention = { readonly tenantId: string; readonly retention: Retention }

/** Tenants that have said how long they keep things, by their ids, from after `afterId`. */
export async function listRetentions(
  tx: Transaction,
  page: { readonly afterId: string; readonly limit: number },
): Promise<TenantRetention[]> {
  const rows = await tx.run(select, { after_id: page.afterId, limit: page.limit })
  return rows.map(row => ({ tenantId: row.id, retention: row.retention }))
}

/** Before when something is too old that is kept for so many days; null: it never is. */
export function tooOld(nowMs: number, keptDays: number | null | undefined): Date | null {
  return keptDays === null || keptDays === undefined ? null : new Date(nowMs - keptDays * dayMs)
}
