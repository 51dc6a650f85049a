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
/** Looks for what came while everything was removed. */
const roundsMax = 10

/** Ways in, in the order in which they can go. */
const waysIn = ['api_keys', 'refresh_tokens', 'user_invites', 'users']

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
  /** Whom processes that run still know, and which bots, is to be forgotten by them. */
  readonly tellOthers: () => void
  /** What is being removed, and how many are gone by now. */
  readonly onProgress: (part: string, removed: number) => void
}

/** Returns what is gone, by table and store. */
export async function eraseTenant(options: Options, tenantId: string): Promise<ReadonlyMap<string, number>> {
  const gone = new Map<string, number>()
  const tables = await readTenantTables(options.database, tenantId)
  const first = waysIn.flatMap(name => tables.filter(table => table.name === name))
  await removeAllOf(options, tenantId, first, gone)
  await removeAllOf(
    options,
    tenantId,
    tables.filter(table => table.name === 'bots'),
    gone,
  )
  options.tellOthers()
  // Again until a look finds nothing: what was under way comes to its end meanwhile.
  for (let round = 1; ; round++) {
    const before = sum(gone)
    await removeEverything(options, tenantId, tables, gone)
    const isQuiet = sum(gone) === before
    if (isQuiet && (await removeTenantItself(options, tenantId))) break
    if (round === roundsMax) throw new Error('More and more comes: stop the program, and erase the tenant again')
    await Bun.sleep(settleMs)
  }
  count(options, gone, 'tenants', 1)
  // What has no tenant to belong to is refused by now, but for rows of the hot path that were just being written.
  await Bun.sleep(settleMs)
  await removeEverything(options, tenantId, tables, gone)
  return gone
}

async function removeEverything(
  options: Options,
  tenantId: string,
  tables: readonly TenantTable[],
  gone: Map<string, number>,
): Promise<void> {
  await removeAllOf(options, tenantId, tables, gone)
  await options.files.removeAll(tenantId)
  for (const log of logNames) await removeLog(options, tenantId, log, gone)
  count(options, gone, 'keys', await options.keys.eraseTenant(tenantId))
}

/** False where something of it has come since. */
async function removeTenantItself({ database }: Options, tenantId: string): Promise<boolean> {
  try {
    await database.transaction({ role: 'privacy', tenantId }, tx => tx.run(removeTenant, { id: tenantId }))
    return true
  } catch (error) {
    if (sqlState(error) === foreignKeyViolation) return false
    throw error
  }
}

async function removeAllOf(
  options: Options,
  tenantId: string,
  tables: readonly TenantTable[],
  gone: Map<string, number>,
): Promise<void> {
  for (const table of tables) {
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
