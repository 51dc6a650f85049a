import type { Clock } from '../../lib/clock.ts'
import { fitEntry, isOfKeptTime } from '../fit-entry.ts'
import { foldFigures } from '../fold-figures.ts'
import {
  bulkMax,
  type LogEntry,
  type LogName,
  type LogOwner,
  type LogQuery,
  type LogStore,
  logNames,
} from '../log-store.ts'
import { type Database, type Scope, sqlState, type Transaction } from './database.ts'
import { dropPartitions, findOldPartition, logStatements, makePartitions, preferLookUps } from './log-statements.ts'

const dayMs = 86_400_000
/** Partitions that are made before anybody writes into them. */
const daysAhead = 3
const hourMs = 3_600_000
const firstMoment = new Date(0)
const lastMoment = new Date(Date.UTC(9999, 0))
const worker: Scope = { role: 'worker' }

/** The logs in the program's own PostgreSQL: a partition a day. */
export function makePostgresLogStore(options: {
  readonly database: Database
  readonly clock: Clock
  readonly keptDays: number
}): LogStore {
  const { database, clock, keptDays } = options
  /** The partitions that are there, as far as this process knows: `message_logs 2026-11-24`. */
  const made = new Set<string>()

  async function appendBulk(log: LogName, bulk: readonly LogEntry[]): Promise<number> {
    const days = [...new Set(bulk.map(dayOf))]
    const add = () => database.transaction(worker, tx => addTo(tx, log, bulk))
    try {
      await makeDays(log, days)
      return await add()
    } catch (error) {
      if (!isMissingPartition(error)) throw error
      // Somebody has dropped one since.
      made.clear()
      await makeDays(log, days)
      return await add()
    }
  }

  async function makeDays(log: LogName, days: readonly string[]): Promise<void> {
    const missing = days.filter(day => !made.has(`${log} ${day}`))
    if (missing.length === 0) return
    await database.transaction(worker, tx => tx.run(makePartitions, { log, days: missing }))
    for (const day of missing) made.add(`${log} ${day}`)
  }

  /** Whole days go at once. They are counted first: nobody may read a partition that is no longer its log's. */
  async function dropDays(log: LogName, before: Date): Promise<number> {
    const [old] = await database.read(worker, tx => tx.run(findOldPartition, { log, before }))
    if (old === undefined) return 0
    return await database.transaction(worker, async tx => {
      const [row] = await tx.run(logStatements[log].countBefore, { before: startOfDay(before) })
      await tx.run(dropPartitions, { log, before })
      return row?.count ?? 0
    })
  }

  return {
    async append(log, entries) {
      const keptSince = new Date(clock.now() - keptDays * dayMs)
      const kept = entries.filter(entry => isOfKeptTime(entry, keptSince, clock.now())).map(fitEntry)
      let added = 0
      for (const bulk of bulksOf(kept)) added += await appendBulk(log, bulk)
      return { added, outside: entries.length - kept.length }
    },
    async read(log, query) {
      const { tenantId } = query
      const scope: Scope = tenantId === null ? worker : { role: 'app', tenantId }
      return await database.read(scope, tx => readPage(tx, log, query))
    },
    async aggregateHour(log, { hour, tenantIds }) {
      const { aggregate, aggregateAll } = logStatements[log]
      const range = { from: hour, to: new Date(hour.getTime() + hourMs) }
      const parts = await database.read(worker, tx =>
        tenantIds === 'all' ? tx.run(aggregateAll, range) : tx.run(aggregate, { ...range, tenantIds }),
      )
      return foldFigures(parts)
    },
    async removeBefore(log, { before, tenantId, limit }) {
      if (tenantId !== undefined) {
        const { removeOfTenantBefore } = logStatements[log]
        return await removing(database, tx => tx.run(removeOfTenantBefore, { before, tenantId, limit }))
      }
      const dropped = await dropDays(log, before)
      if (dropped >= limit) return dropped
      const { removeBefore } = logStatements[log]
      return dropped + (await removing(database, tx => tx.run(removeBefore, { before, limit: limit - dropped })))
    },
    async removeOf(log, { tenantId, conversationIds }, limit) {
      const { removeOfTenant, removeOfConversations } = logStatements[log]
      return await removing(database, tx =>
        conversationIds === undefined
          ? tx.run(removeOfTenant, { tenantId, limit })
          : tx.run(removeOfConversations, { tenantId, conversationIds, limit }),
      )
    },
    async *exportOf(log, owner) {
      const scope: Scope = { role: 'app', tenantId: owner.tenantId }
      let after = { created_at: firstMoment, id: '' }
      for (let isMore = true; isMore; ) {
        const bulk = await database.read(scope, tx => exportBulk(tx, log, owner, after))
        if (bulk.length > 0) yield bulk
        after = bulk.at(-1) ?? after
        isMore = bulk.length === bulkMax
      }
    },
    async maintain() {
      const days = Array.from({ length: daysAhead + 1 }, (_, index) => dayAt(clock.now() + index * dayMs))
      for (const log of logNames) await makeDays(log, days)
    },
    isReachable: database.isReachable,
    async close() {},
  }
}

/** In the order of the key: two processes that append the same entries wait for each other, and never both. */
function bulksOf(entries: readonly LogEntry[]): LogEntry[][] {
  const sorted = entries.toSorted((a, b) => a.created_at.getTime() - b.created_at.getTime() || (a.id < b.id ? -1 : 1))
  return Array.from({ length: Math.ceil(sorted.length / bulkMax) }, (_, index) =>
    sorted.slice(index * bulkMax, (index + 1) * bulkMax),
  )
}

async function addTo(tx: Transaction, log: LogName, bulk: readonly LogEntry[]): Promise<number> {
  const [row] = await tx.run(logStatements[log].append, {
    ids: bulk.map(entry => entry.id),
    tenantIds: bulk.map(entry => entry.tenant_id),
    times: bulk.map(entry => entry.created_at.toISOString()),
    types: bulk.map(entry => entry.log_type),
    botIds: bulk.map(entry => entry.bot_id),
    conversationIds: bulk.map(entry => entry.conversation_id),
    keys: bulk.map(entry => entry.key),
    values: bulk.map(entry => entry.value),
    buckets: bulk.map(entry => entry.bucket),
    data: bulk.map(entry => JSON.stringify(entry.data)),
  })
  return row?.added ?? 0
}

/** "No partition of relation found for row" is a check that failed; the logs have no other check. */
function isMissingPartition(error: unknown): boolean {
  return sqlState(error) === '23514'
}

async function readPage(tx: Transaction, log: LogName, query: LogQuery): Promise<readonly LogEntry[]> {
  const { tenantId, logType, from = firstMoment, to = lastMoment, before } = query
  const { readOfTenant, readOfTenantAndType, readOfNobody, readOfNobodyAndType } = logStatements[log]
  const page = {
    from,
    // The key alone would say it all, but only by a moment PostgreSQL leaves partitions out.
    to: before !== undefined && before.created_at < to ? new Date(before.created_at.getTime() + 1) : to,
    beforeAt: before?.created_at ?? lastMoment,
    beforeId: before?.id ?? '',
    limit: query.limit,
  }
  if (tenantId !== null && logType !== undefined)
    return await tx.run(readOfTenantAndType, { ...page, tenantId, logType })
  if (tenantId !== null) return await tx.run(readOfTenant, { ...page, tenantId })
  if (logType !== undefined) return await tx.run(readOfNobodyAndType, { ...page, logType })
  return await tx.run(readOfNobody, page)
}

async function exportBulk(
  tx: Transaction,
  log: LogName,
  { tenantId, conversationIds }: LogOwner,
  after: { readonly created_at: Date; readonly id: string },
): Promise<readonly LogEntry[]> {
  const { exportOfTenant, exportOfConversations } = logStatements[log]
  const from = { tenantId, afterAt: after.created_at, afterId: after.id }
  if (conversationIds === undefined) return await tx.run(exportOfTenant, from)
  return await tx.run(exportOfConversations, { ...from, conversationIds })
}

async function removing(
  database: Database,
  remove: (tx: Transaction) => Promise<readonly { readonly removed: number }[]>,
): Promise<number> {
  const [row] = await database.transaction(worker, async tx => {
    const [, rows] = await Promise.all([tx.run(preferLookUps, {}), remove(tx)])
    return rows
  })
  return row?.removed ?? 0
}

function dayOf(entry: LogEntry): string {
  return dayAt(entry.created_at.getTime())
}

function dayAt(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

function startOfDay(moment: Date): Date {
  return new Date(Math.floor(moment.getTime() / dayMs) * dayMs)
}
