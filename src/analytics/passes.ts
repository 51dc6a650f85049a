import type { Config } from '../config.ts'
import type { Clock } from '../lib/clock.ts'
import type { Ids } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import type { Feed } from '../stores/feed.ts'
import type { Files } from '../stores/files.ts'
import type { LogStore } from '../stores/log-store.ts'
import type { Database } from '../stores/postgres/database.ts'
import { rollUp } from './roll-up.ts'

/** What the passes are made of. */
export type PassOptions = {
  readonly config: Pick<Config, 'ANALYTICS_INTERVAL_SECONDS' | 'LOG_RETENTION_DAYS'>
  readonly database: Database
  readonly logs: LogStore
  readonly feed: Feed
  readonly files: Files
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Log
  readonly metrics: Metrics
}

/** Something that one process does again and again. */
export type Pass = {
  /** Also that of its lease, and its label in the metrics. */
  readonly name: string
  readonly everyMs: number
  /** Ended anywhere, the next one makes up for it. `signal` asks it to end soon. */
  run(signal: AbortSignal): Promise<void>
}

/** What follows each time the hours were summed up: `changed` are the tenants whose figures are others now. */
export type AfterRollUp = (changed: ReadonlySet<string>) => Promise<void>

/** Everything that is done again and again beside telling the logs. */
export function passesOf(options: PassOptions): readonly Pass[] {
  const { config } = options
  const everyMs = config.ANALYTICS_INTERVAL_SECONDS * 1_000
  return [{ name: rollUpName, everyMs, run: () => rollUpAndTell(options, afterRollUpOf(options)) }]
}

export const rollUpName = 'roll_up'

/** In this order, after each roll-up. */
function afterRollUpOf(_options: PassOptions): readonly AfterRollUp[] {
  return []
}

async function rollUpAndTell(options: PassOptions, after: readonly AfterRollUp[]): Promise<void> {
  const { database, logs, clock, config } = options
  const changed = await rollUp({ database, logs, clock, keptDays: config.LOG_RETENTION_DAYS })
  for (const tell of after) await tell(changed)
}
