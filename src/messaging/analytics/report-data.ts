import * as v from 'valibot'
import { type Kpis, metricsEntries } from './kpis.ts'

// What a report says. It is kept as it was made, so what is added here later is missing in older ones.

const count = v.pipe(v.number(), v.integer(), v.minValue(0))
/** How much more, as a part of what was before: 0.5 is half as much again. Null where there was nothing before. */
const change = v.nullable(v.number())

const kpiChanges = v.strictObject({
  messages: v.strictObject({ total: change, inbound: change, outbound: change }),
  ...{ error_rate: change, avg_response_ms: change, p95_response_ms: change, active_bots: change },
  ...{ conversions: change, conversion_rate: change },
})

/** Flows that a report shows: those that began most often. */
export const reportFlowsMax = 100
export const reportProductsMax = 10

export const reportDataEntries = {
  kpis: v.strictObject(metricsEntries),
  before: v.strictObject(metricsEntries),
  change: kpiChanges,
  providers: v.array(
    v.strictObject({
      provider: v.string(),
      ...{ accepted: count, delivered: count, read: count, failed: count, unknown: count },
      failed_by_code: v.record(v.string(), count),
    }),
  ),
  flows: v.array(
    v.strictObject({
      flow_id: v.string(),
      name: v.nullable(v.string()),
      ...{ starts: count, completions: count, handoffs: count, failed: count, retries: count, conversions: count },
    }),
  ),
  orders: v.array(
    v.strictObject({
      currency: v.string(),
      ...{ orders: count, revenue_minor: count, cancelled: count },
      before: v.strictObject({ orders: count, revenue_minor: count }),
      change: v.strictObject({ orders: change, revenue_minor: change }),
    }),
  ),
  top_products: v.array(
    v.strictObject({
      ...{ product_id: v.string(), name: v.string(), quantity: count },
      ...{ currency: v.string(), revenue_minor: count },
    }),
  ),
}
const reportData = v.strictObject(reportDataEntries)
export type ReportData = v.InferOutput<typeof reportData>

/** The orders of some time in one currency: those that stand, and those that were cancelled. */
export type OrderFigures = {
  readonly currency: string
  readonly orders: number
  readonly revenue_minor: number
  readonly cancelled: number
}

export function changesOf(now: Kpis, before: Kpis): ReportData['change'] {
  return {
    messages: {
      total: changeOf(now.messages.total, before.messages.total),
      inbound: changeOf(now.messages.inbound, before.messages.inbound),
      outbound: changeOf(now.messages.outbound, before.messages.outbound),
    },
    error_rate: changeOf(now.error_rate, before.error_rate),
    avg_response_ms: changeOf(now.avg_response_ms, before.avg_response_ms),
    p95_response_ms: changeOf(now.p95_response_ms, before.p95_response_ms),
    active_bots: changeOf(now.active_bots, before.active_bots),
    conversions: changeOf(now.conversions, before.conversions),
    conversion_rate: changeOf(now.conversion_rate, before.conversion_rate),
  }
}

/** The orders of each currency, beside those of the time before; of which there may be some in this one alone. */
export function ordersBeside(now: readonly OrderFigures[], before: readonly OrderFigures[]): ReportData['orders'] {
  const currencies = [...new Set([...now, ...before].map(one => one.currency))].sort()
  return currencies.map(currency => {
    const [one, other] = [figuresIn(now, currency), figuresIn(before, currency)]
    return {
      ...one,
      before: { orders: other.orders, revenue_minor: other.revenue_minor },
      change: {
        orders: changeOf(one.orders, other.orders),
        revenue_minor: changeOf(one.revenue_minor, other.revenue_minor),
      },
    }
  })
}

function figuresIn(figures: readonly OrderFigures[], currency: string): OrderFigures {
  return figures.find(one => one.currency === currency) ?? { currency, orders: 0, revenue_minor: 0, cancelled: 0 }
}

/** With four decimals. */
function changeOf(now: number | null, before: number | null): number | null {
  if (now === null || before === null || before === 0) return null
  return Math.round(((now - before) / before) * 10_000) / 10_000
}
