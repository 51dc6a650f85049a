import type { Config } from '../config.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { LogStore } from './log-store.ts'
import type { Database } from './postgres/database.ts'
import { makePostgresLogStore } from './postgres/log-store.ts'

type Settings = Pick<Config, 'MONGODB_URL' | 'LOG_RETENTION_DAYS'>

/** The logs of this installation: in the MongoDB of `MONGODB_URL`, else in the database. A MongoDB that is away is no error. */
export async function openLogStore(
  config: Settings,
  parts: { readonly database: Database; readonly log: Log; readonly clock: Clock },
): Promise<LogStore> {
  const { MONGODB_URL: url, LOG_RETENTION_DAYS: keptDays } = config
  if (url === undefined) return makePostgresLogStore({ ...parts, keptDays })
  const { openMongoLogStore } = await import('./mongo/log-store.ts')
  return openMongoLogStore({ ...parts, url, keptDays })
}
