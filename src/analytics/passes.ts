import type { Config } from '../config.ts'
import type { Clock } from '../lib/clock.ts'
import type { Ids } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import type { Feed } from '../stores/feed.ts'
import type { Files } from '../stores/files.ts'
import type { LogStore } from '../stores/log-store.ts'
import type { MetricsCache } from '../stores/metrics-cache.ts'
import type { Database } from '../stores/postgres/database.ts'
import { cleanPass } from './clean.ts'
import { makeMailer } from './mailer.ts'
import { makeReports } from './make-reports.ts'
import { refreshMetrics } from './refresh-metrics.ts'
import { rollUp } from './roll-up.ts'
import { sendReportMails } from './send-report-mails.ts'

/** What the passes are made of. */
export type PassOptions = {
  readonly config: Pick<Config, 'ANALYTICS_INTERVAL_SECONDS' | 'LOG_RETENTION_DAYS' | 'SMTP_URL' | 'MAIL_FROM'>
  readonly database: Database
  readonly logs: LogStore
  readonly feed: Feed
  readonly metricsCache: MetricsCache
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
  return [
    { name: rollUpName, everyMs, run: () => rollUpAndTell(options, afterRollUpOf(options)) },
    ...reportPasses(options),
    { name: 'clean', everyMs: cleanEveryMs, run: signal => clean(options, signal) },
  ]
}

async function clean(options: PassOptions, signal: AbortSignal): Promise<void> {
  await cleanPass({ ...options, keptDays: options.config.LOG_RETENTION_DAYS, signal })
}

export const rollUpName = 'roll_up'
const cleanEveryMs = 3_600_000
/** Between two looks for days that have ended. */
const reportsEveryMs = 60_000
const mailsEveryMs = 15_000

/** Without a mail server no mails are written, and none are looked for. */
function reportPasses(options: PassOptions): readonly Pass[] {
  const mailer = makeMailer(options.config)
  const making = { ...options, sendsMail: mailer !== undefined }
  const reports: Pass = {
    ...{ name: 'reports', everyMs: reportsEveryMs },
    run: signal => makeReports(making, signal),
  }
  if (mailer === undefined) return [reports]
  const sending = { ...options, mailer }
  return [reports, { name: 'report_mails', everyMs: mailsEveryMs, run: signal => sendReportMails(sending, signal) }]
}

/** In this order, after each roll-up. */
function afterRollUpOf(options: PassOptions): readonly AfterRollUp[] {
  return [changed => refreshMetrics(options, [...changed])]
}

async function rollUpAndTell(options: PassOptions, after: readonly AfterRollUp[]): Promise<void> {
  const { database, logs, clock, config } = options
  const changed = await rollUp({ database, logs, clock, keptDays: config.LOG_RETENTION_DAYS })
  for (const tell of after) await tell(changed)
}
