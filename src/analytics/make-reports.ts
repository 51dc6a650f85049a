import { queueEvent } from '../commerce/webhook-deliveries.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, errorCatalogue, messageOf } from '../lib/errors.ts'
import { firstId, type Ids } from '../lib/ids.ts'
import type { Json } from '../lib/json.ts'
import type { Log } from '../lib/log.ts'
import { queueReportMails } from '../messaging/analytics/report-mails.ts'
import {
  duePeriods,
  periodBefore,
  type ReportPeriod,
  reportKinds,
  startsOn,
} from '../messaging/analytics/report-periods.ts'
import {
  hasReport,
  insertReport,
  listReportTenants,
  type Report,
  tryLockReports,
} from '../messaging/analytics/reports.ts'
import { findToldTo, hasDirtyHours } from '../messaging/analytics/told-to.ts'
import { findSettings } from '../messaging/tenant-settings.ts'
import type { LogStore } from '../stores/log-store.ts'
import type { Database, Transaction } from '../stores/postgres/database.ts'
import { inTenant } from '../stores/postgres/in-tenant.ts'
import { readParts, readReportData } from './read-report-data.ts'

/** After the end of a period, for what turns up late. */
const graceMs = 5 * 60_000
const tenantsMax = 200

export type ReportOptions = {
  readonly database: Database
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Log
  readonly logs: LogStore
  /** Whether this installation sends mail. */
  readonly sendsMail: boolean
}

/** A report that is to be made. */
type Due = { readonly tenantId: string; readonly period: ReportPeriod }
type Made = 'made' | 'there_already' | 'too_soon'

/**
 * Makes the reports that are due, each once, whoever else makes any: of periods whose figures are complete, some time
 * after their end. What was missed is made up for. One that fails is made by a later call, and holds up no other tenant's.
 */
export async function makeReports(options: ReportOptions, signal: AbortSignal): Promise<void> {
  const { database, clock } = options
  const toldTo = await database.read({ role: 'worker' }, tx => findToldTo(tx, clock.now()))
  if (toldTo === null) return
  for (let afterId: string | undefined = firstId; afterId !== undefined && !signal.aborted; ) {
    const tenants: Awaited<ReturnType<typeof listReportTenants>> = await listTenants(database, afterId)
    for (const tenant of tenants) await makeReportsOf(options, dueOf(tenant, toldTo.getTime() - graceMs), signal)
    afterId = tenants.length < tenantsMax ? undefined : tenants.at(-1)?.id
  }
}

function listTenants(database: Database, afterId: string) {
  return database.read({ role: 'worker' }, tx => listReportTenants(tx, { afterId, limit: tenantsMax }))
}

function dueOf(tenant: Awaited<ReturnType<typeof listReportTenants>>[number], nowMs: number): readonly Due[] {
  const { id: tenantId, time_zone: timeZone, created_at: createdAt } = tenant
  const last = { daily: tenant.last_daily, weekly: tenant.last_weekly }
  return reportKinds
    .flatMap(kind => duePeriods({ kind, timeZone, last: last[kind], createdAt, nowMs }))
    .map(period => ({ tenantId, period }))
}

/** The oldest first: where one cannot be made, those after it wait, so that it is not left out. */
async function makeReportsOf(options: ReportOptions, all: readonly Due[], signal: AbortSignal): Promise<void> {
  for (const [, ofKind] of Map.groupBy(all, due => due.period.kind))
    for (const due of ofKind) if (signal.aborted || (await tryToMake(options, due)) === 'too_soon') break
}

async function tryToMake(options: ReportOptions, due: Due): Promise<Made> {
  try {
    return await make(options, due)
  } catch (error) {
    const { kind } = due.period
    const told = { tenant_id: due.tenantId, kind, starts_on: startsOn(due.period), error: messageOf(error) }
    const isAway = error instanceof AppError && errorCatalogue[error.code].kind === 'operational'
    options.log[isAway ? 'warn' : 'error'](told, 'a report could not be made: it is tried again')
    return 'too_soon'
  }
}

async function make(options: ReportOptions, { tenantId, period }: Due): Promise<Made> {
  const { database, logs, log } = options
  const before = periodBefore(period)
  const now = { tenantId, period, parts: await readParts(logs, tenantId, period) }
  const then = { tenantId, period: before, parts: await readParts(logs, tenantId, before) }
  const made = await inTenant(database, tenantId, async tx => {
    if (!(await tryLockReports(tx, tenantId))) return 'too_soon'
    if (await hasReport(tx, tenantId, period)) return 'there_already'
    if (await hasDirtyHours(tx, tenantId, { from: before.from, to: period.to })) return 'too_soon'
    const data = await readReportData(tx, now, then)
    const report = await insertReport(tx, options.ids, tenantId, { period, data })
    if (report === undefined) return 'there_already'
    return await tell(tx, options, tenantId, report)
  })
  if (made === 'too_much_waiting')
    log.warn(
      { tenant_id: tenantId, starts_on: startsOn(period) },
      'a report was told to no webhook: too much waits there',
    )
  return made === 'too_much_waiting' ? 'made' : made
}

/** To the webhooks that want it, and by e-mail to whom the settings say. */
async function tell(
  tx: Transaction,
  { ids, sendsMail }: ReportOptions,
  tenantId: string,
  report: Report,
): Promise<'made' | 'too_much_waiting'> {
  const addresses = sendsMail ? ((await findSettings(tx, tenantId))?.reports.emails ?? []) : []
  await queueReportMails(tx, { tenantId, reportId: report.id, addresses })
  const data: Json = JSON.parse(JSON.stringify(report))
  const { kind } = await queueEvent(tx, ids, { tenantId, type: 'report.created', data })
  return kind === 'queued' ? 'made' : kind
}
