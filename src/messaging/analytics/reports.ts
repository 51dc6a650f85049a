import { type Ids, lastId } from '../../lib/ids.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { json, nullable, type RowOf, statement } from '../../stores/postgres/statement.ts'
import type { ReportData } from './report-data.ts'
import { type ReportKind, type ReportPeriod, startsOn } from './report-periods.ts'

const columns = `id, kind, to_char(starts_on, 'YYYY-MM-DD') as starts_on, period_start, period_end, time_zone, created_at`
const headRow = {
  id: 'uuid',
  kind: 'text',
  /** "2026-12-25": its first day by the tenant's calendar. */
  starts_on: 'text',
  period_start: 'timestamptz',
  period_end: 'timestamptz',
  time_zone: 'text',
  created_at: 'timestamptz',
} as const
const row = { ...headRow, data: json<ReportData>() }

/** What a list shows of a report. */
export type ReportHead = RowOf<typeof headRow>
export type Report = RowOf<typeof row>

const insert = statement({
  name: 'report_insert',
  params: ['tenant_id', 'id', 'kind', 'starts_on', 'period_start', 'period_end', 'time_zone', 'data'],
  row,
  sql: `insert into reports (tenant_id, id, kind, starts_on, period_start, period_end, time_zone, data)
    values ($1, $2, $3, $4::text::date, $5, $6, $7, $8::text::jsonb)
    on conflict (tenant_id, kind, starts_on) do nothing returning ${columns}, data`,
})

const exists = statement({
  name: 'report_exists',
  params: ['tenant_id', 'kind', 'starts_on'],
  row: { is_there: 'bool' },
  sql: `select exists (select from reports where tenant_id = $1 and kind = $2 and starts_on = $3::text::date) as is_there`,
})

// A tenant has few: one a day and one a week.
const selectPage = statement({
  name: 'report_list',
  params: ['tenant_id', 'before_id', 'kind', 'limit'],
  row: headRow,
  sql: `select ${columns} from reports
    where tenant_id = $1 and id < $2::uuid and ($3::text is null or kind = $3) order by id desc limit $4`,
})

const selectOne = statement({
  name: 'report_find',
  params: ['tenant_id', 'id'],
  row,
  sql: `select ${columns}, data from reports where tenant_id = $1 and id = $2`,
})

/** Undefined where there is one of that period already. */
export async function insertReport(
  tx: Transaction,
  ids: Ids,
  tenantId: string,
  report: { readonly period: ReportPeriod; readonly data: ReportData },
): Promise<Report | undefined> {
  const { period, data } = report
  const [made] = await tx.run(insert, {
    ...{ tenant_id: tenantId, id: ids.next(), kind: period.kind, starts_on: startsOn(period) },
    ...{ period_start: period.from, period_end: period.to, time_zone: period.timeZone, data: JSON.stringify(data) },
  })
  return made
}

export async function hasReport(tx: Transaction, tenantId: string, period: ReportPeriod): Promise<boolean> {
  const [found] = await tx.run(exists, { tenant_id: tenantId, kind: period.kind, starts_on: startsOn(period) })
  return found?.is_there === true
}

/** Newest first; `beforeId` is the last one of the page before. */
export async function listReports(
  tx: Transaction,
  page: {
    readonly tenantId: string
    readonly beforeId: string | null
    readonly kind: ReportKind | null
    readonly limit: number
  },
): Promise<ReportHead[]> {
  const { tenantId, beforeId, kind, limit } = page
  return await tx.run(selectPage, { tenant_id: tenantId, before_id: beforeId ?? lastId, kind, limit })
}

/** Undefined where the tenant has no such report. */
export async function findReport(tx: Transaction, tenantId: string, id: string): Promise<Report | undefined> {
  return (await tx.run(selectOne, { tenant_id: tenantId, id }))[0]
}

const listDue = statement({
  name: 'report_tenants',
  params: ['after_id', 'limit'],
  row: {
    id: 'uuid',
    time_zone: 'text',
    created_at: 'timestamptz',
    last_daily: nullable('text'),
    last_weekly: nullable('text'),
  },
  sql: `select t.id, t.time_zone, t.created_at,
      (select to_char(max(starts_on), 'YYYY-MM-DD') from reports where tenant_id = t.id and kind = 'daily') as last_daily,
      (select to_char(max(starts_on), 'YYYY-MM-DD') from reports where tenant_id = t.id and kind = 'weekly') as last_weekly
    from tenants t where t.id > $1::uuid order by t.id limit $2`,
})

/** Tenants by their ids, from after `afterId`, with the first days of their last reports' periods. */
export async function listReportTenants(tx: Transaction, page: { readonly afterId: string; readonly limit: number }) {
  return await tx.run(listDue, { after_id: page.afterId, limit: page.limit })
}

const tryLock = statement({
  name: 'report_try_lock',
  params: ['tenant_id'],
  row: { is_mine: 'bool' },
  sql: `select pg_try_advisory_xact_lock(hashtextextended('reports ' || $1::text, 0)) as is_mine`,
})

/** False where another process makes reports of the tenant at this moment. Until the transaction ends. */
export async function tryLockReports(tx: Transaction, tenantId: string): Promise<boolean> {
  return (await tx.run(tryLock, { tenant_id: tenantId }))[0]?.is_mine === true
}

const selectNames = statement({
  name: 'report_flow_names',
  params: ['tenant_id', 'ids'],
  row: { id: 'uuid', name: 'text' },
  sql: 'select id, name from flows where tenant_id = $1 and id = any ($2::uuid[])',
})

/** The names of those flows that are still there. */
export async function flowNames(
  tx: Transaction,
  tenantId: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await tx.run(selectNames, { tenant_id: tenantId, ids })
  return new Map(rows.map(one => [one.id, one.name]))
}
