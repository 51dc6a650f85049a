import type { Clock } from '../lib/clock.ts'
import { AppError, errorCatalogue, messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import { takeLease } from '../messaging/analytics/leases.ts'
import {
  type DirtyHour,
  type Horizon,
  loadPosition,
  movePosition,
  type Position,
  readHorizon,
} from '../messaging/analytics/positions.ts'
import type { LogEntry, LogStore } from '../stores/log-store.ts'
import type { Database, Scope } from '../stores/postgres/database.ts'
import { type Entries, entryLogs } from './entry.ts'
import { type Batch, type Source, sources } from './sources.ts'

/** Rows of a source that are told in one piece. */
export const projectedRowsMax = 250
/** How long a process goes on alone after what it told last. */
const leaseMs = 10_000
/** Between two tries to reach a log that is away. */
const retryMinMs = 1_000
const retryMaxMs = 30_000
/** While the history is read, it rests as long as a piece took, and no longer than this: nobody waits for it. */
const restMaxMs = 500

const hourMs = 3_600_000
const worker: Scope = { role: 'worker' }

export type ProjectorOptions = {
  readonly database: Database
  readonly logs: LogStore
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** `LOG_RETENTION_DAYS`: what is older is told no more. */
  readonly keptDays: number
  /** Who this process is to the others. */
  readonly owner: string
}

export type Projector = {
  /** Tells one piece of each source. Says whether there is more at once. */
  work(): Promise<'more' | 'done'>
  /** How long the oldest row has waited that is known of and not told, in seconds. */
  lagSeconds(): number
}

/** How far a source is. */
type Progress = {
  /** As it is in the database; null: to be read from there. */
  stored: Position | null
  /** Where it is read from: up to here there was nothing more to tell. */
  from: Pick<Position, 'position' | 'after_key'>
  pendingSince: Date | null
}

type Told = 'told' | 'not_told'
/** What is to be told, and where its source is after that. */
type Piece = { readonly entries: Entries; readonly before: Position; readonly after: Position }

/**
 * Tells the logs what happened, from the tables that say it. A piece is appended first; then, in one transaction, its
 * source is moved on and its hours are marked. Ended anywhere in between, the piece is told again, and an entry is there
 * once, whoever appends it how often: nothing is lost, and nothing counts twice. A log that is away holds this up and
 * nothing else.
 */
export function makeProjector(options: ProjectorOptions): Projector {
  const { database, logs, clock, log, metrics, keptDays, owner } = options
  const all = sources.map(source => ({ source, progress: newProgress() }))
  let leasedUntil = 0
  let pausedUntil = 0
  let triesInVain = 0

  async function work(): Promise<'more' | 'done'> {
    metrics.analyticsLag.set(lagSeconds())
    if (performance.now() < pausedUntil) return 'done'
    const horizon = await database.read(worker, readHorizon)
    let isMore = false
    for (const { source, progress } of all) if (await tellNext(source, progress, horizon)) isMore = true
    metrics.analyticsLag.set(lagSeconds())
    return isMore && performance.now() >= pausedUntil ? 'more' : 'done'
  }

  function lagSeconds(): number {
    const oldest = all.reduce(
      (min, { progress }) => Math.min(min, progress.pendingSince?.getTime() ?? min),
      clock.now(),
    )
    return Math.max(0, clock.now() - oldest) / 1_000
  }

  /** What was committed since, else a piece of the history. Says whether there is more. */
  async function tellNext(source: Source, progress: Progress, horizon: Horizon): Promise<boolean> {
    const stored = await positionOf(source, progress, horizon)
    const batch = await readCommitted(source, progress, horizon)
    progress.pendingSince = batch?.since ?? null
    if (batch !== null && batch.rows > 0) {
      const from = placeAfter(batch, horizon)
      if ((await tell(source, progress, batch.entries, { ...stored, ...from })) === 'not_told') return false
      progress.pendingSince = null
      return batch.rows === projectedRowsMax
    }
    progress.from = { position: Math.max(progress.from.position, horizon.below), after_key: [] }
    return stored.walk !== null && (await walkOn(source, progress, stored, stored.walk))
  }

  async function positionOf(source: Source, progress: Progress, horizon: Horizon): Promise<Position> {
    const known = progress.stored
    if (known !== null && known.cluster === horizon.cluster && known.position <= horizon.next) return known
    const stored = await database.transaction(worker, tx => loadPosition(tx, source.name, horizon))
    progress.stored = stored
    progress.from = stored
    return stored
  }

  async function readCommitted(source: Source, { from }: Progress, { below }: Horizon): Promise<Batch | null> {
    // No transaction has ended since: most looks end here.
    if (from.position >= below) return null
    const part = { from: from.position, key: source.keyOf(from.after_key), below, limit: projectedRowsMax }
    return await database.transaction(worker, tx => source.readCommitted(tx, part))
  }

  async function walkOn(
    source: Source,
    progress: Progress,
    stored: Position,
    walk: readonly string[],
  ): Promise<boolean> {
    const start = performance.now()
    const part = { key: source.keyOf(walk), limit: projectedRowsMax }
    const batch = await database.transaction(worker, tx => source.readAll(tx, part))
    const isThrough = batch.rows < projectedRowsMax
    const after = { ...stored, ...progress.from, walk: isThrough ? null : (batch.last?.key ?? null) }
    if ((await tell(source, progress, batch.entries, after)) === 'not_told') return false
    if (isThrough && walk.length > 0) log.info({ source: source.name }, 'what was there before is in the log')
    if (!isThrough) await Bun.sleep(Math.min(performance.now() - start, restMaxMs))
    return !isThrough
  }

  async function tell(source: Source, progress: Progress, entries: Entries, after: Position): Promise<Told> {
    const before = progress.stored
    if (before === null || !(await isMine())) return 'not_told'
    const kept = keepSince(entries, clock.now() - keptDays * 24 * hourMs)
    if (!(await append(kept))) return 'not_told'
    return (await move(source, progress, { entries: kept, before, after })) ? 'told' : 'not_told'
  }

  /** Where another process does it, this one stands back as long as that one has said. */
  async function isMine(): Promise<boolean> {
    if (performance.now() < leasedUntil - leaseMs / 2) return true
    const lease = await database.transaction(worker, tx => takeLease(tx, { name: 'project', owner, ttlMs: leaseMs }))
    leasedUntil = lease.isMine ? performance.now() + leaseMs : 0
    if (!lease.isMine) {
      pausedUntil = performance.now() + lease.leftMs
      for (const { progress } of all) forget(progress)
    }
    return lease.isMine
  }

  async function append(entries: Entries): Promise<boolean> {
    try {
      for (const name of entryLogs) {
        if (entries[name].length === 0) continue
        const { added, outside } = await logs.append(name, entries[name])
        metrics.analyticsEntries.inc({ log: name }, added)
        metrics.analyticsEntriesOutside.inc({ log: name }, outside)
      }
    } catch (error) {
      waitForLog(error)
      return false
    }
    if (triesInVain > 0) log.info('the log is back: what happened meanwhile is told now')
    triesInVain = 0
    return true
  }

  /** Said once, however long it takes: how much waits is in the metrics. */
  function waitForLog(error: unknown): void {
    pausedUntil = performance.now() + Math.min(retryMinMs * 2 ** triesInVain, retryMaxMs)
    if (triesInVain++ > 0) return
    const isAway = error instanceof AppError && errorCatalogue[error.code].kind === 'operational'
    const text = 'the log cannot be written: what happens is told once it can'
    if (isAway) log.warn({ error: messageOf(error) }, text)
    else log.error({ error: messageOf(error) }, text)
  }

  async function move(source: Source, progress: Progress, { entries, before, after }: Piece): Promise<boolean> {
    const isMoved = await database.transaction(worker, tx =>
      movePosition(tx, source.name, { before, after }, hoursOf(entries)),
    )
    if (!isMoved) {
      forget(progress)
      return false
    }
    progress.stored = after
    progress.from = after
    return true
  }

  return { work, lagSeconds }
}

function newProgress(): Progress {
  return { stored: null, from: { position: 0, after_key: [] }, pendingSince: null }
}

function forget(progress: Progress): void {
  progress.stored = null
  progress.pendingSince = null
}

/** A piece that is not full was all there is. */
function placeAfter({ rows, last }: Batch, { below }: Horizon): Pick<Position, 'position' | 'after_key'> {
  if (rows < projectedRowsMax || last === null || last.tx === null) return { position: below, after_key: [] }
  return { position: last.tx, after_key: last.key }
}

/** Without what the logs keep no more. */
function keepSince(entries: Entries, sinceMs: number): Entries {
  const kept = (some: readonly LogEntry[]) => some.filter(entry => entry.created_at.getTime() >= sinceMs)
  return { message_logs: kept(entries.message_logs), analytics_events: kept(entries.analytics_events) }
}

/** Each hour of a tenant that has an entry. */
export function hoursOf(entries: Entries): DirtyHour[] {
  const hours = new Map<string, DirtyHour>()
  for (const { tenant_id: tenantId, created_at } of entryLogs.flatMap(name => entries[name])) {
    if (tenantId === null) continue
    const startMs = Math.floor(created_at.getTime() / hourMs) * hourMs
    const key = tenantId + startMs
    if (!hours.has(key)) hours.set(key, { hour: new Date(startMs), tenantId })
  }
  return [...hours.values()]
}
