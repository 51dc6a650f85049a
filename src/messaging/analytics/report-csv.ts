import type { ReportData } from './report-data.ts'
import type { Report } from './reports.ts'

// RFC 4180, a line a figure, so that a spreadsheet can filter it: what it is of, which one, the figure, its value, and for
// those that are compared the value before and the change.

type Cell = string | number | null
type Line = readonly [section: string, item: Cell, figure: string, value: Cell, before?: Cell, change?: Cell]

const head: Line = ['section', 'item', 'figure', 'value', 'before', 'change']

/** "report-daily-2026-12-25.csv" */
export function csvName({ kind, starts_on }: Pick<Report, 'kind' | 'starts_on'>): string {
  return `report-${kind}-${starts_on}.csv`
}

export function reportCsv(report: Report): string {
  const { data } = report
  const lines = [
    ...[head, ...aboutOf(report), ...kpisOf(data), ...engagementOf(data), ...ordersOf(data)],
    ...[...productsOf(data), ...flowsOf(data), ...providersOf(data)],
  ]
  return lines.map(line => `${head.map((_, index) => cellText(line[index] ?? null)).join(',')}\r\n`).join('')
}

function aboutOf({ kind, starts_on, period_start, period_end, time_zone, created_at }: Report): Line[] {
  return [
    ['report', null, 'kind', kind],
    ['report', null, 'starts_on', starts_on],
    ['report', null, 'period_start', period_start.toISOString()],
    ['report', null, 'period_end', period_end.toISOString()],
    ['report', null, 'time_zone', time_zone],
    ['report', null, 'created_at', created_at.toISOString()],
  ]
}

function kpisOf({ kpis, before, change }: ReportData): Line[] {
  const messages = (['total', 'inbound', 'outbound'] as const).map(
    (name): Line => [
      ...(['kpi', null, `messages_${name}`] as const),
      ...([kpis.messages[name], before.messages[name], change.messages[name]] as const),
    ],
  )
  const names = [
    ...(['error_rate', 'avg_response_ms', 'p95_response_ms', 'active_bots'] as const),
    ...(['conversions', 'conversion_rate'] as const),
  ]
  return [...messages, ...names.map((name): Line => ['kpi', null, name, kpis[name], before[name], change[name]])]
}

function engagementOf({ kpis, before }: ReportData): Line[] {
  return kpis.engagement_by_hour.map((count, hour) => [
    ...(['engagement', `${String(hour).padStart(2, '0')}:00`, 'messages_inbound'] as const),
    ...([count, before.engagement_by_hour[hour] ?? null] as const),
  ])
}

function ordersOf({ orders }: ReportData): Line[] {
  return orders.flatMap(({ currency, orders: count, revenue_minor, cancelled, before, change }): Line[] => [
    ['orders', currency, 'orders', count, before.orders, change.orders],
    ['orders', currency, 'revenue_minor', revenue_minor, before.revenue_minor, change.revenue_minor],
    ['orders', currency, 'cancelled', cancelled],
  ])
}

function productsOf({ top_products }: ReportData): Line[] {
  return top_products.flatMap(({ name, quantity, currency, revenue_minor }): Line[] => [
    ['product', name, 'quantity', quantity],
    ['product', name, `revenue_minor ${currency}`, revenue_minor],
  ])
}

function flowsOf({ flows }: ReportData): Line[] {
  return flows.flatMap(({ flow_id, name, ...figures }) =>
    Object.entries(figures).map(([figure, value]): Line => ['flow', name ?? flow_id, figure, value]),
  )
}

function providersOf({ providers }: ReportData): Line[] {
  return providers.flatMap(({ provider, failed_by_code, ...figures }) => [
    ...Object.entries(figures).map(([figure, value]): Line => ['provider', provider, figure, value]),
    ...Object.entries(failed_by_code).map(([code, count]): Line => ['provider', provider, `failed ${code}`, count]),
  ])
}

/** A spreadsheet takes a text that begins like a formula for one: an apostrophe before it says that it is none. */
function cellText(cell: Cell): string {
  if (cell === null) return ''
  if (typeof cell === 'number') return String(cell)
  const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
