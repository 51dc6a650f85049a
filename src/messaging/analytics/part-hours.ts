import { bulkMax, type LogEntry, type LogStore } from '../../stores/log-store.ts'
import { type Hours, hourMs, type Sums } from './kpis.ts'
import type { KpiSums } from './read-figures.ts'

// The rollups are sums of full hours (UTC). Where a day begins at half past, its first and last half hour are summed up
// from the log.

/** The full hours of a span of time, and what is left of it before and after them. */
export function splitHours({ from, to }: Hours): { readonly full: Hours; readonly parts: readonly Hours[] } {
  const first = new Date(Math.ceil(from.getTime() / hourMs) * hourMs)
  const last = new Date(Math.max(first.getTime(), Math.floor(to.getTime() / hourMs) * hourMs))
  const parts = [
    { from, to: first < to ? first : to },
    { from: last, to },
  ]
  return { full: { from: first, to: last }, parts: parts.filter(part => part.from < part.to) }
}

/** The sums of part of an hour, by type and key. */
export async function sumPart(logs: LogStore, tenantId: string, part: Hours): Promise<KpiSums> {
  const hour = new Date(Math.floor(part.from.getTime() / hourMs) * hourMs)
  const sums = new Map<string, Sums>()
  const bots = new Set<string>()
  for (const log of ['message_logs', 'analytics_events'] as const)
    for await (const entry of entriesOf(logs, log, { tenantId, ...part })) {
      const name = `${entry.log_type} ${entry.key}`
      sums.set(name, withEntry(sums.get(name) ?? emptySums(entry, hour), entry))
      const isMessage = entry.log_type === 'inbound' || entry.log_type === 'accepted'
      if (isMessage && entry.bot_id !== null) bots.add(entry.bot_id)
    }
  return { rows: [...sums.values()], bots }
}

async function* entriesOf(
  logs: LogStore,
  log: 'message_logs' | 'analytics_events',
  span: Hours & { readonly tenantId: string },
): AsyncGenerator<LogEntry> {
  for (let before: LogEntry | undefined; ; ) {
    const page: readonly LogEntry[] = await logs.read(log, { ...span, before, limit: bulkMax })
    yield* page
    before = page.at(-1)
    if (page.length < bulkMax) return
  }
}

function emptySums({ log_type, key }: LogEntry, hour: Date): Sums {
  return { log_type, key, hour, count: 0, sum: 0, buckets: [] }
}

function withEntry(sums: Sums, { value, bucket }: LogEntry): Sums {
  return { ...sums, count: sums.count + 1, sum: sums.sum + (value ?? 0), buckets: withOne(sums.buckets, bucket) }
}

function withOne(buckets: readonly number[], bucket: number | null): readonly number[] {
  if (bucket === null) return buckets
  const length = Math.max(buckets.length, bucket + 1)
  return Array.from({ length }, (_, index) => (buckets[index] ?? 0) + (index === bucket ? 1 : 0))
}
