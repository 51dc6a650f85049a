import type { Config } from '../config.ts'
import { systemClock } from '../lib/clock.ts'
import { UsageError } from '../lib/errors.ts'
import { isUuid, uuids } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import { makeMetrics } from '../lib/metrics.ts'
import { giveUpLease, stealLease } from '../messaging/analytics/leases.ts'
import { openLogStore } from '../stores/open-log-store.ts'
import { connect, type Database, openDatabase } from '../stores/postgres/database.ts'
import { migrationStatus, readMigrations } from '../stores/postgres/migrate.ts'
import { openPostgresBeside } from '../stores/postgres/open.ts'
import { rollUpName } from './passes.ts'
import { type RebuildOptions, rebuildFigures, rebuildLogs } from './rebuild.ts'
import { nameOf } from './run-pass.ts'

type Print = (line: string) => void

/** What `analytics rebuild` takes. */
export type RebuildArguments = { readonly tenant?: string | undefined; readonly logs?: boolean | undefined }

const progressMs = 2_000
const leaseMs = 30_000
const renewMs = 10_000

/**
 * Runs `analytics rebuild`: the figures again from the logs, and with `logs` those before from the tables. The roles may be
 * at work meanwhile: what they tell the logs counts, and none sums up an hour before this is through.
 */
export async function runRebuild(config: Config, log: Log, given: RebuildArguments, print: Print): Promise<void> {
  const tenantId = given.tenant ?? null
  if (tenantId !== null && !isUuid(tenantId))
    throw new UsageError('--tenant takes a UUID: dashoffice tenant list tells them', 2)
  const postgres = await openPostgresBeside(config, log)
  try {
    await refuseOldDatabase(postgres.target)
    const database = openDatabase(postgres.target, makeMetrics())
    const logs = await openLogStore(config, { database, log, clock: systemClock })
    const options = { database, logs, clock: systemClock, keptDays: config.LOG_RETENTION_DAYS, tenantId }
    await aloneOn(database, () => rebuild(options, given.logs === true, print))
      .finally(logs.close)
      .finally(database.close)
  } finally {
    await postgres.close()
  }
}

async function rebuild(options: RebuildOptions, withLogs: boolean, print: Print): Promise<void> {
  const tell = atTimes(print)
  if (withLogs) {
    print('Removing the logs of messages and conversations, to write them again')
    const { removed, added } = await rebuildLogs(options, (source, rows) => tell(`${source}: ${rows} rows read`))
    print(`The logs are written again: ${removed} entries removed, ${added} written`)
  }
  const { hours, changedTenants } = await rebuildFigures(options, (done, all) => tell(`${done} of ${all} hours`))
  print(`The figures of ${hours} hours are summed up again: those of ${changedTenants} tenants were others`)
}

/** Of the many things that could be said, one every two seconds. */
function atTimes(print: Print): Print {
  let next = performance.now() + progressMs
  return line => {
    if (performance.now() < next) return
    next = performance.now() + progressMs
    print(line)
  }
}

async function aloneOn(database: Database, work: () => Promise<void>): Promise<void> {
  const lease = { name: nameOf({ name: rollUpName }), owner: uuids.next(), ttlMs: leaseMs }
  const take = () => database.transaction({ role: 'worker' }, tx => stealLease(tx, lease))
  await take()
  const renewal = setInterval(() => void take().catch(() => undefined), renewMs)
  try {
    await work()
  } finally {
    clearInterval(renewal)
    await database.transaction({ role: 'worker' }, tx => giveUpLease(tx, lease))
  }
}

async function refuseOldDatabase(target: Parameters<typeof connect>[0]): Promise<void> {
  const pool = connect(target, 1)
  const status = await migrationStatus(pool, readMigrations()).finally(() => pool.close())
  if (status.some(migration => migration.appliedAt === null))
    throw new UsageError('The database is not up to date: dashoffice migrate run brings it there')
}
