import type { Config } from '../../config.ts'
import { messageOf, UsageError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { lockDataDir } from '../data-dir-lock.ts'
import { connect, isConnectionError } from './database.ts'
import { findRunningPostgres, type PostgresConnection, startEmbeddedPostgres } from './embedded.ts'
import { readMigrations, runMigrations } from './migrate.ts'

/** The PostgreSQL of this installation: the one of `DATABASE_URL`, else the embedded one. */
export type Postgres = {
  readonly target: string | PostgresConnection
  readonly isEmbedded: boolean
  /** Brings the schema up to date. Safe from several processes at the same time. */
  migrate(): Promise<void>
  /** Ends the embedded server, and gives the data dir back. */
  close(): Promise<void>
}

type Settings = Pick<Config, 'DATABASE_URL' | 'DASHOFFICE_DATA_DIR' | 'DATABASE_PASSWORD'>

/** For a command that only looks: the server of the process that runs, where one does. */
export async function openPostgresBeside(config: Settings, log: Log): Promise<Postgres> {
  const running =
    config.DATABASE_URL === undefined
      ? findRunningPostgres(config.DASHOFFICE_DATA_DIR, config.DATABASE_PASSWORD)
      : undefined
  return running === undefined ? await openPostgres(config, log) : postgresAt(running, true, async () => undefined, log)
}

/** Throws a `UsageError` where another process has the data dir. */
export async function openPostgres(config: Settings, log: Log): Promise<Postgres> {
  if (config.DATABASE_URL !== undefined) return postgresAt(config.DATABASE_URL, false, async () => undefined, log)
  const dataDir = config.DASHOFFICE_DATA_DIR
  const lock = lockDataDir(dataDir)
  try {
    const server = await startEmbeddedPostgres({ dataDir, password: config.DATABASE_PASSWORD, log })
    const close = async () => {
      await server.stop()
      lock.release()
    }
    return postgresAt(server.connection, true, close, log)
  } catch (error) {
    lock.release()
    throw error
  }
}

function postgresAt(
  target: string | PostgresConnection,
  isEmbedded: boolean,
  close: () => Promise<void>,
  log: Log,
): Postgres {
  return {
    target,
    isEmbedded,
    close,
    async migrate() {
      const pool = connect(target, 1)
      try {
        for (const { version, name } of await runMigrations(pool, readMigrations()))
          log.info({ version, name }, 'migration applied')
      } catch (error) {
        if (!isConnectionError(error)) throw error
        const name = isEmbedded ? 'the embedded PostgreSQL' : 'DATABASE_URL'
        throw new UsageError(`${name} cannot be reached: ${messageOf(error)}`)
      } finally {
        await pool.close()
      }
    },
  }
}
