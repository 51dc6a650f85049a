import { firstId } from '../lib/ids.ts'
import { listRetentions, type TenantRetention } from '../messaging/retention.ts'
import type { Database } from '../stores/postgres/database.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const pageRows = 500

/** Since when the logs are whole: an hour before that may not be summed up again, since its entries are gone, or going. */
export type KeptHours = {
  /** The oldest hour of whoever keeps logs as long as the installation does. */
  readonly oldest: Date
  /** The oldest hours of tenants that keep them shorter. */
  readonly shorter: ReadonlyMap<string, Date>
}

/** Reads them for this moment. An hour more than what is removed now: the next ones are removed while this is summed up. */
export async function readKeptHours(
  database: Database,
  { nowMs, keptDays }: { readonly nowMs: number; readonly keptDays: number },
): Promise<KeptHours> {
  const shorter = new Map<string, Date>()
  let page: readonly TenantRetention[]
  let afterId = firstId
  do {
    page = await database.read({ role: 'worker' }, tx => listRetentions(tx, { afterId, limit: pageRows }))
    for (const { tenantId, retention } of page) {
      const days = retention.logs_days ?? keptDays
      if (days < keptDays) shorter.set(tenantId, oldestHour(nowMs, days))
    }
    afterId = page.at(-1)?.tenantId ?? afterId
  } while (page.length === pageRows)
  return { oldest: oldestHour(nowMs, keptDays), shorter }
}

/** Whether all entries of an hour of a tenant are still there. */
export function isKept({ oldest, shorter }: KeptHours, hour: Date, tenantId: string): boolean {
  return hour >= (shorter.get(tenantId) ?? oldest)
}

function oldestHour(nowMs: number, keptDays: number): Date {
  return new Date(Math.ceil((nowMs - keptDays * dayMs) / hourMs) * hourMs + hourMs)
}
