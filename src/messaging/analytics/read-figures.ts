import { firstId } from '../../lib/ids.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { ifGiven } from '../../stores/postgres/list-sql.ts'
import { json, nullable, statement } from '../../stores/postgres/statement.ts'
import { responseBoundsMs } from './entry-dimensions.ts'
import { flowTypes, stepTypes } from './flow-figures.ts'
import { type Hours, hoursOf, kpisOf, kpiTypes, type Metrics, type Sums, type Window } from './kpis.ts'
import { providerTypes } from './provider-figures.ts'

// Sums of the rollups of one tenant, as few rows as the figures need.

// PostgreSQL has no sum of arrays. Response times have the most buckets.
const bucketSums = Array.from({ length: responseBoundsMs.length + 1 }, (_, index) => `sum(buckets[${index + 1}])`)

const selectKpis = statement({
  name: 'analytics_kpi_sums',
  params: ['tenant_id', 'from', 'to', 'types'],
  row: {
    log_type: 'text',
    hour: nullable('timestamptz'),
    count: 'int8',
    sum: 'float8',
    buckets: json<readonly (number | null)[]>(),
  },
  sql: `select log_type, case when log_type = 'inbound' then hour end as hour, sum(count)::bigint as count,
      sum(sum) as sum, to_jsonb(array[${bucketSums.join(', ')}]) as buckets
    from analytics_rollups
    where tenant_id = $1 and log_type = any($4::text[]) and hour >= $2 and hour < $3
    group by 1, 2`,
})

const selectBots = statement({
  name: 'analytics_active_bots',
  params: ['tenant_id', 'from', 'to', 'no_bot'],
  row: { bot_id: 'uuid' },
  sql: `select distinct bot_id from analytics_rollups
    where tenant_id = $1 and log_type in ('inbound', 'accepted') and hour >= $2 and hour < $3
      and bot_id <> $4::uuid and count > 0`,
})

const selectByKey = statement({
  name: 'analytics_key_sums',
  params: ['tenant_id', 'from', 'to', 'types', 'flow_id'],
  row: { log_type: 'text', key: 'text', count: 'int8' },
  sql: `select log_type, key, sum(count)::bigint as count from analytics_rollups
    where tenant_id = $1 and log_type = any($4::text[]) and hour >= $2 and hour < $3
      and ${ifGiven('$5::text', "$5 = any(string_to_array(key, ' '))")}
    group by log_type, key`,
})

const selectTimeZone = statement({
  name: 'analytics_time_zone',
  params: ['tenant_id'],
  row: { time_zone: 'text' },
  sql: 'select time_zone from tenants where id = $1',
})

/** What `kpisOf` takes, of some hours of a tenant: the sums, and the bots that had any message. */
export type KpiSums = { readonly rows: readonly Sums[]; readonly bots: ReadonlySet<string> }

export async function readKpiSums(tx: Transaction, tenantId: string, hours: Hours): Promise<KpiSums> {
  const given = { tenant_id: tenantId, ...hours }
  const [rows, bots] = await Promise.all([
    tx.run(selectKpis, { ...given, types: kpiTypes }),
    tx.run(selectBots, { ...given, no_bot: firstId }),
  ])
  return {
    rows: rows.map(row => ({ ...row, key: null, buckets: row.buckets.map(count => count ?? 0) })),
    bots: new Set(bots.map(row => row.bot_id)),
  }
}

/** The figures of windows that end now. */
export async function readMetrics(
  tx: Transaction,
  given: { readonly tenantId: string; readonly windows: readonly Window[]; readonly nowMs: number },
): Promise<readonly Metrics[]> {
  const { tenantId, windows, nowMs } = given
  const [timeZone, ...sums] = await Promise.all([
    readTimeZone(tx, tenantId),
    ...windows.map(async window => ({ window, ...(await readKpiSums(tx, tenantId, hoursOf(window, nowMs))) })),
  ])
  const generated_at = new Date(nowMs).toISOString()
  return sums.map(({ window, rows, bots }) => ({ window, ...kpisOf(rows, bots.size, timeZone), generated_at }))
}

async function readTimeZone(tx: Transaction, tenantId: string): Promise<string> {
  const [row] = await tx.run(selectTimeZone, { tenant_id: tenantId })
  return row?.time_zone ?? 'UTC'
}

/** What `providerFigures` takes. */
export function readProviderSums(tx: Transaction, tenantId: string, hours: Hours): Promise<readonly Sums[]> {
  return readByKey(tx, { tenantId, hours, types: providerTypes, flowId: null })
}

/** What `figuresByFlow` takes. */
export function readFlowSums(tx: Transaction, tenantId: string, hours: Hours): Promise<readonly Sums[]> {
  return readByKey(tx, { tenantId, hours, types: flowTypes, flowId: null })
}

/** What `flowFigures` and `stepFigures` take, of one flow. */
export function readSumsOfFlow(
  tx: Transaction,
  tenantId: string,
  hours: Hours,
  flowId: string,
): Promise<readonly Sums[]> {
  return readByKey(tx, { tenantId, hours, types: [...new Set([...flowTypes, ...stepTypes])], flowId })
}

async function readByKey(
  tx: Transaction,
  given: {
    readonly tenantId: string
    readonly hours: Hours
    readonly types: readonly string[]
    readonly flowId: string | null
  },
): Promise<readonly Sums[]> {
  const { tenantId, hours, types, flowId } = given
  const rows = await tx.run(selectByKey, { tenant_id: tenantId, ...hours, types, flow_id: flowId })
  return rows.map(row => ({ ...row, hour: null, sum: 0, buckets: [] }))
}
