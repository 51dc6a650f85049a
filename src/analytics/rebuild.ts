import type { Clock } from '../lib/clock.ts'
import { firstId } from '../lib/ids.ts'
import type { Key } from '../messaging/analytics/read-source.ts'
import { bulkMax, type LogStore } from '../stores/log-store.ts'
import type { Database, Scope } from '../stores/postgres/database.ts'
import { type Entries, entryLogs } from './entry.ts'
import { isKept, readKeptHours } from './kept-hours.ts'
import { sumUpHour } from './roll-up.ts'
import { type Source, sources } from './sources.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** Rows of a source that are read at once. */
const rowsMax = 500
const worker: Scope = { role: 'worker' }

export type RebuildOptions = {
  readonly database: Database
  readonly logs: LogStore
  readonly clock: Clock
  /** `LOG_RETENTION_DAYS`. */
  readonly keptDays: number
  /** Null: of all tenants. */
  readonly tenantId: string | null
}

/** Sums up every hour again that the log has whole: the figures are then what they would be without any late entry. */
export async function rebuildFigures(
  options: RebuildOptions,
  onHour: (done: number, all: number) => void,
): Promise<{ readonly hours: number; readonly changedTenants: number }> {
  const { database, clock, keptDays, tenantId } = options
  const kept = await readKeptHours(database, { nowMs: clock.now(), keptDays })
  const oldest = (tenantId === null ? undefined : kept.shorter.get(tenantId)) ?? kept.oldest
  const hours = hoursFrom(oldest, clock.now())
  const changed = new Set<string>()
  for (const [index, hour] of hours.entries()) {
    const except = [...kept.shorter.keys()].filter(id => !isKept(kept, hour, id))
    const tenantIds = tenantId === null ? 'all' : [tenantId]
    for (const id of await sumUpHour(options, { hour, tenantIds, except })) changed.add(id)
    onHour(index + 1, hours.length)
  }
  return { hours: hours.length, changedTenants: changed.size }
}

function hoursFrom(oldest: Date, nowMs: number): Date[] {
  const count = Math.floor((nowMs - oldest.getTime()) / hourMs) + 1
  return Array.from({ length: Math.max(0, count) }, (_, index) => new Date(oldest.getTime() + index * hourMs))
}

/**
 * Writes the logs again from the tables: all that is there goes, then comes again. What happens meanwhile is told as ever.
 * Until the figures are rebuilt after it, nobody may sum up an hour.
 */
export async function rebuildLogs(
  options: RebuildOptions,
  onRows: (source: string, rows: number) => void,
): Promise<{ readonly removed: number; readonly added: number }> {
  const removed = await removeAll(options)
  let added = 0
  for (const source of sources) added += await readIn(options, source, rows => onRows(source.name, rows))
  return { removed, added }
}

async function removeAll({ logs, clock, tenantId }: RebuildOptions): Promise<number> {
  // Entries of up to a day ahead are kept.
  const before = new Date(clock.now() + 2 * dayMs)
  let removed = 0
  for (const name of entryLogs)
    for (let gone = bulkMax; gone >= bulkMax; removed += gone)
      gone =
        tenantId === null
          ? await logs.removeBefore(name, { before, limit: bulkMax })
          : await logs.removeOf(name, { tenantId }, bulkMax)
  return removed
}

async function readIn(options: RebuildOptions, source: Source, onRows: (rows: number) => void): Promise<number> {
  const { database, tenantId } = options
  let key: Key = source.keyOf(tenantId === null ? [] : [tenantId])
  let [rows, added] = [0, 0]
  for (let isMore = true; isMore; ) {
    const batch = await database.transaction(worker, tx => source.readAll(tx, { key, limit: rowsMax }))
    added += await append(options, batch.entries)
    rows += batch.rows
    onRows(rows)
    isMore = batch.rows === rowsMax && batch.last !== null && isOf(tenantId, batch.last.key)
    key = batch.last?.key ?? key
  }
  return added
}

async function append({ logs, clock, keptDays, tenantId }: RebuildOptions, entries: Entries): Promise<number> {
  const since = clock.now() - keptDays * dayMs
  let added = 0
  for (const name of entryLogs) {
    const own = entries[name].filter(entry => isOf(tenantId, [entry.tenant_id ?? firstId]))
    const kept = own.filter(entry => entry.created_at.getTime() >= since)
    if (kept.length > 0) added += (await logs.append(name, kept)).added
  }
  return added
}

function isOf(tenantId: string | null, [keyTenant]: readonly string[]): boolean {
  return tenantId === null || keyTenant === tenantId
}
