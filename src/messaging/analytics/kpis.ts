import * as v from 'valibot'
import { localHour } from '../../flow/time-zone.ts'
import { quartersInHour, responseBoundsMs } from './entry-dimensions.ts'

// What the figures mean: docs/guides/analytics.md says the same in words.

/** What the figures of the dashboard look back on. */
export const windowHours = { '24h': 24, '7d': 7 * 24, '30d': 30 * 24 } as const
export type Window = keyof typeof windowHours
export const windows = ['24h', '7d', '30d'] as const satisfies readonly Window[]

export const hourMs = 3_600_000
const quarterMs = hourMs / quartersInHour

/** Hours of which the figures are summed up; `to` is the first that does not count. */
export type Hours = { readonly from: Date; readonly to: Date }

/** A window begins at the full hour that lies so many hours before the present one, which counts too. */
export function hoursOf(window: Window, nowMs: number): Hours {
  const present = Math.floor(nowMs / hourMs) * hourMs
  return { from: new Date(present - windowHours[window] * hourMs), to: new Date(present + hourMs) }
}

/**
 * Figures of entries of one type, summed up over hours, keys or bots: what the reader of the rollups did not keep apart
 * is null. `buckets` goes to the last that has any.
 */
export type Sums = {
  readonly log_type: string
  readonly key: string | null
  readonly hour: Date | null
  readonly count: number
  readonly sum: number
  readonly buckets: readonly number[]
}

const count = v.pipe(v.number(), v.integer(), v.minValue(0))
const rate = v.pipe(v.number(), v.minValue(0))

export const metricsEntries = {
  messages: v.strictObject({ total: count, inbound: count, outbound: count }),
  error_rate: rate,
  avg_response_ms: v.nullable(count),
  p95_response_ms: v.nullable(count),
  active_bots: count,
  conversions: count,
  conversion_rate: rate,
  engagement_by_hour: v.pipe(v.array(count), v.length(24)),
}
const metricsSchema = v.strictObject({ window: v.picklist(windows), ...metricsEntries, generated_at: v.string() })

/** The figures of one window. `generated_at` is RFC 3339. */
export type Metrics = v.InferOutput<typeof metricsSchema>
/** The same of any hours. */
export type Kpis = Omit<Metrics, 'window' | 'generated_at'>

/** Metrics that were kept as JSON; undefined for anything else. */
export function parseMetrics(text: string): Metrics | undefined {
  try {
    const parsed = v.safeParse(metricsSchema, JSON.parse(text))
    return parsed.success ? parsed.output : undefined
  } catch {
    return undefined
  }
}

/** The types of entries that the figures below are made of. */
type KpiType = 'inbound' | 'accepted' | 'failed' | 'conversation.opened' | 'conversion'

/** The figures of some hours: of `inbound` by the hour, of the other types in any pieces. */
export function kpisOf(rows: readonly Sums[], activeBots: number, timeZone: string): Kpis {
  const of = (type: KpiType) => rows.filter(row => row.log_type === type)
  const [inbound, outbound, failed] = [total(of('inbound')), total(of('accepted')), total(of('failed'))]
  const conversions = total(of('conversion'))
  return {
    messages: { total: inbound + outbound, inbound, outbound },
    error_rate: ratio(failed, outbound + failed),
    ...responseTimes(of('accepted')),
    active_bots: activeBots,
    conversions,
    conversion_rate: ratio(conversions, total(of('conversation.opened'))),
    engagement_by_hour: byLocalHour(of('inbound'), timeZone),
  }
}

function total(rows: readonly Sums[]): number {
  return rows.reduce((sum, row) => sum + row.count, 0)
}

/** With four decimals; 0 where there is nothing to be a part of. */
function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((part / whole) * 10_000) / 10_000
}

/** Of the sends that answer a customer: those that have a bucket. */
function responseTimes(rows: readonly Sums[]): Pick<Kpis, 'avg_response_ms' | 'p95_response_ms'> {
  const buckets = addUp(rows.map(row => row.buckets))
  const answers = buckets.reduce((sum, one) => sum + one, 0)
  if (answers === 0) return { avg_response_ms: null, p95_response_ms: null }
  const sumMs = rows.reduce((sum, row) => sum + row.sum, 0)
  return { avg_response_ms: Math.round(sumMs / answers), p95_response_ms: Math.round(percentileMs(buckets, 0.95)) }
}

/**
 * The time below which a share of the response times lies, as if those of each bucket were spread evenly over it. Of the
 * last bucket, which has no end, only its beginning is known.
 */
export function percentileMs(buckets: readonly number[], share: number): number {
  const rank = share * buckets.reduce((sum, one) => sum + one, 0)
  let below = 0
  for (const [index, inside] of buckets.entries()) {
    if (inside > 0 && below + inside >= rank) return within(index, (rank - below) / inside)
    below += inside
  }
  return 0
}

function within(bucket: number, share: number): number {
  const from = responseBoundsMs[bucket - 1] ?? 0
  const to = responseBoundsMs[bucket] ?? from
  return from + (to - from) * share
}

function addUp(all: readonly (readonly number[])[]): number[] {
  const sums: number[] = []
  for (const buckets of all) for (const [index, one] of buckets.entries()) sums[index] = (sums[index] ?? 0) + one
  return sums
}

/** How many came in each hour of the day, by the clock of a time zone. */
function byLocalHour(rows: readonly Sums[], timeZone: string): number[] {
  const hours = Array.from({ length: 24 }, () => 0)
  for (const { hour, buckets } of rows)
    for (const [quarter, inside] of buckets.entries()) {
      if (inside === 0) continue
      const local = hour === null ? 0 : localHour(timeZone, hour.getTime() + quarter * quarterMs)
      hours[local] = (hours[local] ?? 0) + inside
    }
  return hours
}
