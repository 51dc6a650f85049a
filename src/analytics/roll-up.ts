import type { Clock } from '../lib/clock.ts'
import {
  clearMarks,
  findDirtyHours,
  lockForSums,
  marksOf,
  type Replaced,
  replaceHour,
} from '../messaging/analytics/rollups.ts'
import type { LogStore } from '../stores/log-store.ts'
import type { Database, Scope } from '../stores/postgres/database.ts'
import { entryLogs } from './entry.ts'
import { isKept, readKeptHours } from './kept-hours.ts'

/** Hours of tenants that are looked at together. */
const dirtyMax = 5_000
const worker: Scope = { role: 'worker' }

export type RollUpOptions = {
  readonly database: Database
  readonly logs: LogStore
  readonly clock: Clock
  /** `LOG_RETENTION_DAYS`. */
  readonly keptDays: number
}

/**
 * Sums up again the hours of which the log knows more than the figures: those that go on, and older ones in which
 * something turned up late. Returns the tenants whose figures are others now. Ended anywhere, and by several processes at
 * once, it gives the same figures.
 */
export async function rollUp(options: RollUpOptions): Promise<ReadonlySet<string>> {
  const { database, clock, keptDays } = options
  const kept = await readKeptHours(database, { nowMs: clock.now(), keptDays })
  const changed = new Set<string>()
  for (let found = dirtyMax; found === dirtyMax; ) {
    const dirty = await database.read(worker, tx => findDirtyHours(tx, dirtyMax))
    for (const [time, rows] of Map.groupBy(dirty, row => row.hour.getTime())) {
      const hour = new Date(time)
      const tenantIds = rows.map(row => row.tenant_id)
      const except = tenantIds.filter(id => !isKept(kept, hour, id))
      for (const id of await sumUpHour(options, { hour, tenantIds, except })) changed.add(id)
    }
    found = dirty.length
  }
  return changed
}

/**
 * Sums up one hour from the log, and forgets what was marked of it before; `except` keep their figures. The marks are read
 * before the log: what is appended after them is marked again. Returns the tenants whose figures are others now.
 */
export async function sumUpHour(
  { database, logs }: Pick<RollUpOptions, 'database' | 'logs'>,
  replaced: Replaced,
): Promise<readonly string[]> {
  const { hour, tenantIds, except } = replaced
  const asked = tenantIds === 'all' ? 'all' : tenantIds.filter(id => !except.includes(id))
  return await database.transaction(worker, async tx => {
    // Whoever comes second reads the log after the first has written: the figures never go back.
    await lockForSums(tx, hour)
    const marks = await marksOf(tx, { hour, tenantIds })
    const figures = asked.length === 0 ? [] : await figuresOf(logs, hour, asked)
    const changed = asked.length === 0 ? [] : await replaceHour(tx, { hour, tenantIds: asked, except }, figures)
    await clearMarks(tx, marks)
    return changed
  })
}

async function figuresOf(logs: LogStore, hour: Date, tenantIds: readonly string[] | 'all') {
  const parts = await Promise.all(entryLogs.map(name => logs.aggregateHour(name, { hour, tenantIds })))
  return parts.flat()
}
