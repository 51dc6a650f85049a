import { UsageError } from '../../lib/errors.ts'
import { restMs } from '../../lib/rest.ts'
import type { Files } from '../../stores/files.ts'
import type { KeyEraser } from '../../stores/key-eraser.ts'
import { bulkMax, type LogStore, logNames } from '../../stores/log-store.ts'
import { type Database, sqlState, type Transaction } from '../../stores/postgres/database.ts'
import { statement } from '../../stores/postgres/statement.ts'
import { readTenantTables, removeRows, type TenantTable } from './tenant-tables.ts'

// Everything of a tenant, everywhere. Ways in go first, then its bots, so that nothing new comes; then all else, in small
// bites, so that other tenants do not notice; then the tenant. Ended anywhere, it is done again and goes on.

const biteRows = 1_000
/** For what was under way: a webhook that is being stored, a turn, a send whose answer is awaited. */
const settleMs = 2_000
/** Looks for what came meanwhile. */
const roundsMax = 20

/** Ways in, in the order in which they can go. */
const waysIn = ['api_keys', 'refresh_tokens', 'user_invites', 'users', 'bots']
/** What the program works on: no turn and no send is to find half of what it needs. */
const queues = ['inbox', 'outbox', 'timers', 'calls']

const foreignKeyViolation = '23503'

const removeTenant = statement({
  name: 'tenant_remove',
  params: ['id'],
  row: { id: 'uuid' },
  sql: 'delete from tenants where id = $1 returning id',
})

const countLeaving = statement({
  name: 'tenant_count_leaving',
  params: ['tenant_id'],
  row: { count: 'int4' },
  sql: 'select count(*)::int as count from bots where tenant_id = $1 and leaving is not null',
})

/** Bots whose sessions with their phones have not ended yet. */
export async function countLeavingBots(tx: Transaction, tenantId: string): Promise<number> {
  return (await tx.run(countLeaving, { tenant_id: tenantId }))[0]?.count ?? 0
}

type Options = {
  readonly database: Database
  readonly files: Files
  readonly logs: LogStore
  readonly keys: KeyEraser
  /** Has processes that run forget whom, and which bots, they still know: until it resolves they take webhooks in. */
  readonly tellOthers: () => Promise<void>
  /** What is being removed, and how many are gone by now. */
  readonly onProgress: (part: string, removed: number) => void
}

/** Returns what is gone, by table and store. */
export async function eraseTenant(options: Options, tenantId: string): Promise<ReadonlyMap<string, number>> {
  const gone = new Map<string, number>()
  const all = await readTenantTables(options.database, tenantId)
  const named = (names: readonly string[]) => names.flatMap(name => all.filter(table => table.name === name))
  await removeAllOf(options, tenantId, named(waysIn), gone)
  await options.tellOthers()
  const tables = [...named(queues), ...all.filter(table => !queues.includes(table.name))]
  await untilQuiet(options, gone, async () => {
    const isThrough = await removeEverything(options, tenantId, tables, gone)
    // Most of what comes after it is refused by the database: rows that were just being written are found the next time.
    return isThrough && (await removeTenantItself(options, tenantId))
  })
  return gone
}

/** Again until a look finds nothing: what was under way comes to its end meanwhile. `work`: false where it is to be done again. */
async function untilQuiet(
  options: Options,
  gone: ReadonlyMap<string, number>,
  work: () => Promise<boolean>,
): Promise<void> {
  for (let round = 1; round <= roundsMax; round++) {
    const before = sum(gone)
    const isThrough = await work()
    if (isThrough && sum(gone) === before) return
    options.onProgress('everything', sum(gone))
    await Bun.sleep(settleMs)
  }
  throw new UsageError('More and more comes: stop the program, and erase the tenant again')
}

async function removeEverything(
  options: Options,
  tenantId: string,
  tables: readonly TenantTable[],
  gone: Map<string, number>,
): Promise<boolean> {
  const isThrough = await removeAllOf(options, tenantId, tables, gone)
  await options.files.removeAll(tenantId)
  for (const log of logNames) await removeLog(options, tenantId, log, gone)
  count(options, gone, 'keys', await options.keys.eraseTenant(tenantId))
  return isThrough
}

/** False where something of it has come since. */
async function removeTenantItself({ database }: Options, tenantId: string): Promise<boolean> {
  return await unlessReferred(async () => {
    await database.transaction({ role: 'privacy', tenantId }, tx => tx.run(removeTenant, { id: tenantId }))
  })
}

/** False where something that refers to what was to be removed has just come: it goes the next time. */
async function unlessReferred(work: () => Promise<void>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    if (sqlState(error) === foreignKeyViolation) return false
    throw error
  }
}

/** False where some rows had to be left for the next time. */
async function removeAllOf(
  options: Options,
  tenantId: string,
  tables: readonly TenantTable[],
  gone: Map<string, number>,
): Promise<boolean> {
  let isThrough = true
  for (const table of tables)
    isThrough = (await unlessReferred(() => removeTable(options, tenantId, table, gone))) && isThrough
  return isThrough
}

async function removeTable(
  options: Options,
  tenantId: string,
  table: TenantTable,
  gone: Map<string, number>,
): Promise<void> {
  let removed: number
  do {
    const startMs = performance.now()
    removed = await options.database.transaction({ role: 'privacy', tenantId }, tx =>
      removeRows(tx, table, tenantId, biteRows),
    )
    count(options, gone, table.name, removed)
    if (removed > 0) await Bun.sleep(restMs(performance.now() - startMs))
  } while (removed > 0)
}

async function removeLog(
  options: Options,
  tenantId: string,
  log: (typeof logNames)[number],
  gone: Map<string, number>,
): Promise<void> {
  let removed: number
  do {
    removed = await options.logs.removeOf(log, { tenantId }, bulkMax)
    count(options, gone, log, removed)
  } while (removed === bulkMax)
}

function count({ onProgress }: Options, gone: Map<string, number>, part: string, removed: number): void {
  if (removed === 0) return
  const all = (gone.get(part) ?? 0) + removed
  gone.set(part, all)
  onProgress(part, all)
}

function sum(gone: ReadonlyMap<string, number>): number {
  return [...gone.values()].reduce((total, number) => total + number, 0)
}
