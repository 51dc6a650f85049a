import { firstId } from '../../lib/ids.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { ifGiven } from '../../stores/postgres/list-sql.ts'
import { nullable, nullableJson, statement } from '../../stores/postgres/statement.ts'
import { quartersInHour, responseBoundsMs } from './entry-dimensions.ts'
import { flowTypes, stepTypes } from './flow-figures.ts'
import { type Hours, hoursOf, kpisOf, type Metrics, type Sums, type Window } from './kpis.ts'
import { providerTypes } from './provider-figures.ts'

// Sums of the rollups of one tenant, as few rows as the figures need.

// PostgreSQL has no sum of arrays; and summing up buckets where there are none costs as much as where there are.
const bucketSums = (buckets: number) =>
  `to_jsonb(array[${Array.from({ length: buckets }, (_, index) => `sum(buckets[${index + 1}])`).join(', ')}])`
const inHours = 'from analytics_rollups where tenant_id = $1 and hour >= $2 and hour < $3'

const selectKpis = statement({
  name: 'analytics_kpi_sums',
  params: ['tenant_id', 'from', 'to'],
  row: {
    log_type: 'text',
    hour: nullable('timestamptz'),
    count: nullable('int8'),
    sum: nullable('float8'),
    buckets: nullableJson<readonly (number | null)[]>(),
  },
  sql: `select 'inbound' as log_type, hour, sum(count)::bigint as count, 0::float8 as sum, ${bucketSums(quartersInHour)} as buckets
      ${inHours} and log_type = 'inbound' group by hour
    union all
    select 'accepted', null, sum(count)::bigint, sum(sum), ${bucketSums(responseBoundsMs.length + 1)}
      ${inHours} and log_type = 'accepted'
    union all
    select log_type, null, sum(count)::bigint, 0, null
      ${inHours} and log_type in ('failed', 'conversation.opened', 'conversion') group by log_type`,
})

const selectBots = statement({
  name: 'analytics_active_bots',
  params: ['tenant_id', 'from', 'to', 'no_bot'],
  row: { bot_id: 'uuid' },
  sql: `select distinct bot_id ${inHours}
    and log_type in ('inbound', 'accepted') and bot_id <> $4::uuid and count > 0`,
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
  const [rows, bots] = await Promise.all([tx.run(selectKpis, given), tx.run(selectBots, { ...given, no_bot: firstId })])
  return {
    rows: rows.map(({ log_type, hour, count, sum, buckets }) => ({
      ...{ log_type, hour, key: null, count: count ?? 0, sum: sum ?? 0 },
      buckets: (buckets ?? []).map(one => one ?? 0),
    })),
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
