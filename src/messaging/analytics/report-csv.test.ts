import { expect, test } from 'bun:test'
import type { Kpis } from './kpis.ts'
import { csvName, reportCsv } from './report-csv.ts'
import { changesOf, ordersBeside, type ReportData } from './report-data.ts'
import type { Report } from './reports.ts'

const kpis = (inbound: number, avg_response_ms: number | null): Kpis => ({
  messages: { total: inbound, inbound, outbound: 0 },
  ...{ error_rate: 0.125, avg_response_ms, p95_response_ms: null, active_bots: 1 },
  ...{ conversions: 0, conversion_rate: 0 },
  engagement_by_hour: Array.from({ length: 24 }, (_, hour) => (hour === 9 ? inbound : 0)),
})

const data = (changes: Partial<ReportData> = {}): ReportData => ({
  ...{ kpis: kpis(6, 900), before: kpis(8, null), change: changesOf(kpis(6, 900), kpis(8, null)) },
  ...{ providers: [], flows: [], orders: [], top_products: [] },
  ...changes,
})

const report = (changes: Partial<ReportData> = {}): Report => ({
  ...{ id: 'i', kind: 'daily', starts_on: '2026-03-10', time_zone: 'America/Bogota', data: data(changes) },
  ...{ period_start: new Date('2026-03-10T05:00:00Z'), period_end: new Date('2026-03-11T05:00:00Z') },
  created_at: new Date('2026-03-11T05:06:07Z'),
})

/** A reader of RFC 4180, written from its grammar. */
function parse(csv: string): string[][] {
  const lines: string[][] = [[]]
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y
  while (field.lastIndex < csv.length) {
    const match = field.exec(csv)
    if (match === null) throw new Error('this is no CSV')
    const [, quoted, plain = '', end] = match
    lines.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain)
    if (end === '\r\n') lines.push([])
  }
  if (lines.pop()?.length !== 0) throw new Error('the last line has no end')
  return lines
}

const linesOf = (section: string, changes: Partial<ReportData> = {}) =>
  parse(reportCsv(report(changes))).filter(([first]) => first === section)

test('a line a figure, each with as many cells as the first', () => {
  const lines = parse(reportCsv(report()))
  expect(lines[0]).toEqual(['section', 'item', 'figure', 'value', 'before', 'change'])
  expect(new Set(lines.map(line => line.length))).toEqual(new Set([6]))
  expect(linesOf('report')).toContainEqual(['report', '', 'starts_on', '2026-03-10', '', ''])
  expect(linesOf('kpi')).toContainEqual(['kpi', '', 'messages_inbound', '6', '8', '-0.25'])
  expect(linesOf('kpi')).toContainEqual(['kpi', '', 'avg_response_ms', '900', '', ''])
  expect(linesOf('engagement')[9]).toEqual(['engagement', '09:00', 'messages_inbound', '6', '8', ''])
})

test('orders and revenue beside those before, products, flows and providers', () => {
  const orders = ordersBeside(
    [{ currency: 'EUR', orders: 3, revenue_minor: 4_500, cancelled: 1 }],
    [
      { currency: 'EUR', orders: 2, revenue_minor: 3_000, cancelled: 0 },
      { currency: 'COP', orders: 1, revenue_minor: 90_000, cancelled: 0 },
    ],
  )
  const lines = parse(
    reportCsv(
      report({
        orders,
        top_products: [{ product_id: 'p', name: 'Café', quantity: 7, currency: 'EUR', revenue_minor: 1_750 }],
        flows: [
          {
            ...{ flow_id: 'f', name: null, starts: 5, completions: 4, handoffs: 1, failed: 0 },
            ...{ retries: 2, conversions: 3 },
          },
        ],
        providers: [
          {
            ...{ provider: 'meta', accepted: 9, delivered: 8, read: 7, failed: 2, unknown: 0 },
            failed_by_code: { '131047': 2 },
          },
        ],
      }),
    ),
  )
  for (const line of [
    ['orders', 'COP', 'orders', '0', '1', '-1'],
    ['orders', 'EUR', 'revenue_minor', '4500', '3000', '0.5'],
    ['orders', 'EUR', 'cancelled', '1', '', ''],
    ['product', 'Café', 'quantity', '7', '', ''],
    ['flow', 'f', 'completions', '4', '', ''],
    ['provider', 'meta', 'failed 131047', '2', '', ''],
  ])
    expect(lines).toContainEqual(line)
})

test('quotes, commas and line ends in a name stay in its cell', () => {
  const name = 'Café "grande", con\r\nleche'
  const product = { product_id: 'p', name, quantity: 1, currency: 'EUR', revenue_minor: 1 }
  expect(linesOf('product', { top_products: [product] })[0]?.[1]).toBe(name)
})

test('a name that begins like a formula is a text, and a change that is negative stays a number', () => {
  for (const name of ['=1+1', '+34', '-cmd', '@SUM(A1)', '\tx', '\rx', '=HYPERLINK("http://evil.example","x")']) {
    const product = { product_id: 'p', name, quantity: 1, currency: 'EUR', revenue_minor: 1 }
    expect(linesOf('product', { top_products: [product] })[0]?.[1]).toBe(`'${name}`)
  }
  expect(linesOf('kpi')[0]?.[5]).toBe('-0.25')
})

test('the file is named by what it is of', () => {
  expect(csvName(report())).toBe('report-daily-2026-03-10.csv')
})
