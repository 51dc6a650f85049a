import { systemClock } from '../../src/lib/clock.ts'
import { makeMetrics } from '../../src/lib/metrics.ts'
import type { LogEntry, LogName, LogOwner, LogStore } from '../../src/stores/log-store.ts'
import { openMongoLogStore } from '../../src/stores/mongo/log-store.ts'
import { openDatabase } from '../../src/stores/postgres/database.ts'
import type { PostgresConnection } from '../../src/stores/postgres/embedded.ts'
import { makePostgresLogStore } from '../../src/stores/postgres/log-store.ts'
import { makeTestLog } from './log.ts'

export const hourMs = 3_600_000
export const dayMs = 24 * hourMs
export const keptDays = 30

/** The full hour two hours ago, and moments after it. */
export const hour = new Date(Math.floor(Date.now() / hourMs) * hourMs - 2 * hourMs)
export const after = (ms: number) => new Date(hour.getTime() + ms)

/** A log store on a PostgreSQL, with connections of its own, as a process has them. */
export function openOnPostgres(connection: PostgresConnection): LogStore {
  const database = openDatabase(connection, makeMetrics())
  const store = makePostgresLogStore({ database, clock: systemClock, keptDays })
  return { ...store, close: database.close }
}

export function openOnMongo(url: string, days: number = keptDays, clock = systemClock): LogStore {
  return openMongoLogStore({ url, log: makeTestLog(), clock, keptDays: days })
}

/** The same server's URL, with a database of this name. */
export function urlOfDatabase(url: string, name: string): string {
  return url.replace(/^(mongodb(?:\+srv)?:\/\/[^/?]+)\/?[^?]*/, `$1/${name}`)
}

export function newEntry(fields: Partial<LogEntry> = {}): LogEntry {
  return {
    ...{ id: crypto.randomUUID(), tenant_id: null, created_at: hour, log_type: 'inbound', bot_id: null },
    ...{ conversation_id: null, key: '', value: null, bucket: null, data: {}, ...fields },
  }
}

/** Newest first, as a page has them. */
export function newestFirst(entries: readonly LogEntry[]): LogEntry[] {
  return entries.toSorted((a, b) => b.created_at.getTime() - a.created_at.getTime() || (a.id < b.id ? 1 : -1))
}

export async function readAll(store: LogStore, log: LogName, tenantId: string, limit = 1_000): Promise<LogEntry[]> {
  const all: LogEntry[] = []
  for (let page = await store.read(log, { tenantId, limit }); page.length > 0; ) {
    all.push(...page)
    page = await store.read(log, { tenantId, limit, before: page.at(-1) })
  }
  return all
}

export async function exportAll(store: LogStore, log: LogName, owner: LogOwner): Promise<LogEntry[]> {
  const all: LogEntry[] = []
  for await (const bulk of store.exportOf(log, owner)) all.push(...bulk)
  return all
}

/** Removes bite by bite, to the end; returns the bites. */
export async function removeAll(bite: () => Promise<number>, limit: number): Promise<number[]> {
  const bites: number[] = []
  do bites.push(await bite())
  while ((bites.at(-1) ?? 0) >= limit)
  return bites
}
