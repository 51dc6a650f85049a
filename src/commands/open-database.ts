import type { Config } from '../config.ts'
import { UsageError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { makeMetrics } from '../lib/metrics.ts'
import { connect, type Database, openDatabase } from '../stores/postgres/database.ts'
import { migrationStatus, readMigrations } from '../stores/postgres/migrate.ts'
import { openPostgresBeside } from '../stores/postgres/open.ts'

/** Runs a command's work on the database of the installation, beside the program where it runs. One that is not up to date is left as it is. */
export async function onDatabase(config: Config, log: Log, work: (database: Database) => Promise<void>): Promise<void> {
  const postgres = await openPostgresBeside(config, log)
  try {
    const pool = connect(postgres.target, 1)
    const status = await migrationStatus(pool, readMigrations()).finally(() => pool.close())
    if (status.some(migration => migration.appliedAt === null))
      throw new UsageError('The database is not up to date: dashoffice migrate run brings it there')
    const database = openDatabase(postgres.target, makeMetrics())
    await work(database).finally(() => database.close())
  } finally {
    await postgres.close()
  }
}
