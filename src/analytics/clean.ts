import { removeOldAudit } from '../identity/old-audit.ts'
import { removeOldLogins } from '../identity/old-logins.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { firstId } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import { restMs } from '../lib/rest.ts'
import {
  type ClosedPosition,
  clearGoneConversations,
  firstClosed,
  removeClosedConversations,
} from '../messaging/old-conversations.ts'
import { removeOldFigures, removeOldReports } from '../messaging/old-figures.ts'
import { type AgingTable, removeOldRows } from '../messaging/old-rows.ts'
import { listRetentions, type TenantRetention, tooOld } from '../messaging/retention.ts'
import type { Files } from '../stores/files.ts'
import { type LogStore, logNames } from '../stores/log-store.ts'
import type { Database, Transaction } from '../stores/postgres/database.ts'

/** Rows of a table that one transaction removes at most. */
export const biteRows = 500
/** Conversations that one transaction clears at most. */
const clearedMax = 50
/** Tenants whose retentions are read at once. */
const tenantsPage = 500
/** Days that the figures of an hour are kept. */
export const figuresDays = 800
/** Days after which an invitation that ran out is forgotten: whoever uses it until then is told that it did. */
const invitesDays = 30
/** Of what was heard of messages: a day is the longest that anything waits for it. */
const agingDaysMin = 7

export type CleanOptions = {
  readonly database: Database
  readonly files: Files
  readonly logs: LogStore
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** `LOG_RETENTION_DAYS`. */
  readonly keptDays: number
  /** Ends the pass after the bite that it is at. */
  readonly signal?: AbortSignal | undefined
}

/** Rows that a pass has removed, by table. */
export type Cleaned = Readonly<Record<string, number>>

/** What one bite has removed, by table, and whether there is more of it. */
type Bite = { readonly removed: Cleaned; readonly isOver: boolean }
/** One kind of work: bites until it is over. */
type Job = () => Promise<Bite>

/**
 * Removes everything that is older than it is kept: logs, what was heard of messages, ways in that have run out, figures
 * and, as each tenant has it, closed conversations with all that they consisted of, the audit log, reports. In small bites
 * with a rest after each. Several passes may run at the same time; one that was ended anywhere is gone on with by the next.
 * What fails is logged, and the rest is done all the same.
 */
export async function cleanPass(options: CleanOptions): Promise<Cleaned> {
  const removed: Record<string, number> = {}
  await attempt(options, 'days ahead', () => options.logs.maintain())
  for (const job of jobsOfAll(options)) await runJob(options, job, removed)
  for await (const tenant of tenantsWithRetention(options))
    for (const job of jobsOf(options, tenant)) await runJob(options, job, removed)
  await runJob(options, clearGone(options), removed)
  return removed
}

async function runJob(options: CleanOptions, job: Job, removed: Record<string, number>): Promise<void> {
  await attempt(options, 'cleaning', async () => {
    while (!options.signal?.aborted) {
      const startMs = performance.now()
      const bite = await job()
      count(options.metrics, bite.removed, removed)
      await Bun.sleep(restMs(performance.now() - startMs))
      if (bite.isOver) return
    }
  })
}

async function attempt({ log }: CleanOptions, what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    log.error({ what, error: messageOf(error) }, 'what is too old could not all be removed: the next pass goes on')
  }
}

function count(metrics: Metrics, rows: Cleaned, removed: Record<string, number>): void {
  for (const [table, number] of Object.entries(rows)) {
    if (number === 0) continue
    metrics.rowsCleaned.inc({ table }, number)
    removed[table] = (removed[table] ?? 0) + number
  }
}

/** What is kept for as long in all tenants. */
function jobsOfAll(options: CleanOptions): Job[] {
  const { clock, keptDays } = options
  const before = daysAgo(clock, keptDays)
  const agedBefore = daysAgo(clock, Math.max(keptDays, agingDaysMin))
  const now = new Date(clock.now())
  const aging: readonly AgingTable[] = ['message_statuses', 'own_message_ids', 'ignored_webhooks']
  return [
    ...logNames.map(log => logsBefore(options, log, before)),
    ...aging.map(table => inBites(options, table, (tx, limit) => removeOldRows(tx, table, agedBefore, limit))),
    inBites(options, 'provider_memo', (tx, limit) => removeOldRows(tx, 'provider_memo', now, limit)),
    inBites(options, 'refresh_tokens', (tx, limit) => removeOldLogins(tx, 'refresh_tokens', now, limit)),
    inBites(options, 'user_invites', (tx, limit) =>
      removeOldLogins(tx, 'user_invites', daysAgo(clock, invitesDays), limit),
    ),
    oldFigures(options, daysAgo(clock, figuresDays)),
  ]
}

/** What a tenant has said of its own. */
function jobsOf(options: CleanOptions, { tenantId, retention }: TenantRetention): Job[] {
  const nowMs = options.clock.now()
  const [audit, reports] = [tooOld(nowMs, retention.audit_days), tooOld(nowMs, retention.reports_days)]
  const [logs, conversations] = [tooOld(nowMs, retention.logs_days), tooOld(nowMs, retention.conversations_days)]
  return [
    audit && inBites(options, 'audit_log', (tx, limit) => removeOldAudit(tx, tenantId, audit, limit)),
    reports && inBites(options, 'reports', (tx, limit) => removeOldReports(tx, tenantId, reports, limit)),
    ...(logs ? logNames.map(log => logsBefore(options, log, logs, tenantId)) : []),
    conversations && closedConversations(options, tenantId, conversations),
  ].filter(job => job !== null)
}

/** Bites of one table, until one finds less than it may take. */
function inBites(
  { database }: CleanOptions,
  table: string,
  bite: (tx: Transaction, limit: number) => Promise<number>,
): Job {
  return async () => {
    const removed = await database.transaction({ role: 'cleaner' }, tx => bite(tx, biteRows))
    return { removed: { [table]: removed }, isOver: removed < biteRows }
  }
}

function logsBefore({ logs }: CleanOptions, log: (typeof logNames)[number], before: Date, tenantId?: string): Job {
  return async () => {
    const removed = await logs.removeBefore(log, { before, tenantId, limit: biteRows })
    return { removed: { [log]: removed }, isOver: removed < biteRows }
  }
}

function oldFigures({ database }: CleanOptions, before: Date): Job {
  let afterTenant = firstId
  return async () => {
    const asked = { afterTenant, tenantsMax: tenantsPage, before, limit: biteRows }
    const { removed, next } = await database.transaction({ role: 'cleaner' }, tx => removeOldFigures(tx, asked))
    afterTenant = next ?? afterTenant
    return { removed: { analytics_rollups: removed }, isOver: next === null }
  }
}

/** The conversations alone: what they consisted of follows (`clearGone`). */
function closedConversations({ database }: CleanOptions, tenantId: string, before: Date): Job {
  let after: ClosedPosition = firstClosed
  return async () => {
    const asked = { tenantId, before, after, limit: biteRows }
    const { removed, next } = await database.transaction({ role: 'cleaner' }, tx =>
      removeClosedConversations(tx, asked),
    )
    after = next ?? after
    return { removed: { conversations: removed }, isOver: next === null }
  }
}

function clearGone({ database, files }: CleanOptions): Job {
  return async () => {
    const bounds = { conversationsMax: clearedMax, limit: biteRows }
    const cleared = await database.transaction({ role: 'cleaner' }, tx => clearGoneConversations(tx, bounds))
    // A file that stays because this process ends here is found without its row: see whatsapp/sweep-media.ts.
    for (const place of cleared.files) await files.remove(place)
    return { removed: cleared.rows, isOver: cleared.isOver }
  }
}

async function* tenantsWithRetention({ database, signal }: CleanOptions): AsyncGenerator<TenantRetention> {
  let afterId = firstId
  for (let isMore = true; isMore && !signal?.aborted; ) {
    const page = { afterId, limit: tenantsPage }
    const tenants = await database.read({ role: 'cleaner' }, tx => listRetentions(tx, page))
    yield* tenants
    afterId = tenants.at(-1)?.tenantId ?? afterId
    isMore = tenants.length === tenantsPage
  }
}

function daysAgo(clock: Clock, days: number): Date {
  return new Date(clock.now() - days * 86_400_000)
}
