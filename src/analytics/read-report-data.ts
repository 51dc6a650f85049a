import { orderFigures, topProducts } from '../commerce/order-figures.ts'
import { figuresByFlow } from '../messaging/analytics/flow-figures.ts'
import { type Kpis, kpisOf } from '../messaging/analytics/kpis.ts'
import { splitHours, sumPart } from '../messaging/analytics/part-hours.ts'
import { providerFigures } from '../messaging/analytics/provider-figures.ts'
import { type KpiSums, readFlowSums, readKpiSums, readProviderSums } from '../messaging/analytics/read-figures.ts'
import {
  changesOf,
  ordersBeside,
  type ReportData,
  reportFlowsMax,
  reportProductsMax,
} from '../messaging/analytics/report-data.ts'
import type { ReportPeriod } from '../messaging/analytics/report-periods.ts'
import { flowNames } from '../messaging/analytics/reports.ts'
import type { LogStore } from '../stores/log-store.ts'
import type { Transaction } from '../stores/postgres/database.ts'

/** A period of a tenant, and the sums of the parts of hours at its ends. */
type Span = { readonly tenantId: string; readonly period: ReportPeriod; readonly parts: readonly KpiSums[] }

/** Sums up the parts of hours with which a period begins and ends. Most have none: midnight is a full hour (UTC) then. */
export async function readParts(logs: LogStore, tenantId: string, period: ReportPeriod): Promise<readonly KpiSums[]> {
  const sums: KpiSums[] = []
  for (const part of splitHours(period).parts) sums.push(await sumPart(logs, tenantId, part))
  return sums
}

/** What a report says of a period, beside the one before it. */
export async function readReportData(tx: Transaction, now: Span, before: Span): Promise<ReportData> {
  const [kpis, kpisBefore] = [await readKpis(tx, now), await readKpis(tx, before)]
  return {
    kpis,
    before: kpisBefore,
    change: changesOf(kpis, kpisBefore),
    providers: await readProviders(tx, now),
    flows: await readFlows(tx, now),
    orders: ordersBeside(await orderFigures(tx, spanOf(now)), await orderFigures(tx, spanOf(before))),
    top_products: await topProducts(tx, spanOf(now), reportProductsMax),
  }
}

async function readKpis(tx: Transaction, { tenantId, period, parts }: Span): Promise<Kpis> {
  const { rows, bots } = await readKpiSums(tx, tenantId, splitHours(period).full)
  const all = new Set([...bots, ...parts.flatMap(part => [...part.bots])])
  return kpisOf([...rows, ...rowsOf(parts)], all.size, period.timeZone)
}

async function readProviders(tx: Transaction, { tenantId, period, parts }: Span): Promise<ReportData['providers']> {
  const rows = await readProviderSums(tx, tenantId, splitHours(period).full)
  return providerFigures([...rows, ...rowsOf(parts)])
}

async function readFlows(tx: Transaction, { tenantId, period, parts }: Span): Promise<ReportData['flows']> {
  const rows = await readFlowSums(tx, tenantId, splitHours(period).full)
  const flows = figuresByFlow([...rows, ...rowsOf(parts)]).slice(0, reportFlowsMax)
  const names = await flowNames(
    tx,
    tenantId,
    flows.map(flow => flow.flow_id),
  )
  return flows.map(({ flow_id, ...figures }) => ({ flow_id, name: names.get(flow_id) ?? null, ...figures }))
}

function rowsOf(parts: readonly KpiSums[]) {
  return parts.flatMap(part => part.rows)
}

function spanOf({ tenantId, period: { from, to } }: Span) {
  return { tenantId, from, to }
}
