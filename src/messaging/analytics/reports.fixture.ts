import type { Kpis } from './kpis.ts'
import { changesOf, type ReportData } from './report-data.ts'

const kpis: Kpis = {
  messages: { total: 0, inbound: 0, outbound: 0 },
  ...{ error_rate: 0, avg_response_ms: null, p95_response_ms: null, active_bots: 0 },
  ...{ conversions: 0, conversion_rate: 0 },
  engagement_by_hour: Array.from({ length: 24 }, () => 0),
}

/** Of a day on which nothing happened. */
export const emptyReport: ReportData = {
  ...{ kpis, before: kpis, change: changesOf(kpis, kpis) },
  ...{ providers: [], flows: [], orders: [], top_products: [] },
}
