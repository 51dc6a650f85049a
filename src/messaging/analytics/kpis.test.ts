import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { SQL } from 'bun'
import { createTestDatabase } from '../../../test/support/postgres.ts'
import { firstId, uuids } from '../../lib/ids.ts'
import { makeMetrics } from '../../lib/metrics.ts'
import { connect, type Database, openDatabase, type Transaction } from '../../stores/postgres/database.ts'
import { figuresByFlow, flowFigures, stepFigures } from './flow-figures.ts'
import { type Hours, hourMs, hoursOf, type Metrics, parseMetrics, percentileMs, type Window } from './kpis.ts'
import { providerFigures } from './provider-figures.ts'
import { readFlowSums, readMetrics, readProviderSums, readSumsOfFlow } from './read-figures.ts'

// Each figure, out of rollups in the database, against an answer that was worked out by hand.

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let database: Database
/** Half past ten on the clock of Bogotá (UTC-5), all year. */
const now = Date.parse('2026-03-10T15:30:00Z')

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 2)
  database = openDatabase(created.connection, makeMetrics())
})
afterAll(async () => {
  await database.close()
  await admin.close()
  await created.drop()
})

async function addTenant(timeZone = 'UTC'): Promise<string> {
  const id = uuids.next()
  await admin`insert into tenants (id, name, time_zone) values (${id}, 'Shop', ${timeZone})`
  return id
}

type Rollup = {
  readonly type: string
  readonly count: number
  /** Hours before the present one. */
  readonly ago?: number
  readonly key?: string
  readonly bot?: string
  readonly sum?: number
  readonly buckets?: readonly number[]
}

async function add(tenant: string, ...rollups: readonly Rollup[]): Promise<void> {
  for (const { type, count, ago = 1, key = '', bot = firstId, sum = 0, buckets = [] } of rollups)
    await admin`insert into analytics_rollups (tenant_id, hour, bot_id, log_type, key, count, sum, buckets)
      values (${tenant}, ${hourAgo(ago)}, ${bot}, ${type}, ${key}, ${count}, ${sum}, ${`{${buckets.join(',')}}`}::bigint[])`
}

function hourAgo(hours: number): Date {
  return new Date(Math.floor(now / hourMs) * hourMs - hours * hourMs)
}

async function metricsOf(tenant: string, window: Window = '24h'): Promise<Metrics> {
  const given = { tenantId: tenant, windows: [window], nowMs: now }
  const [metrics] = await inTenant(tenant, tx => readMetrics(tx, given))
  if (metrics === undefined) throw new Error('no metrics')
  return metrics
}

function inTenant<T>(tenantId: string, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return database.transaction({ role: 'app', tenantId }, work)
}

const ofDay: Hours = hoursOf('24h', now)

describe('the metrics of a window', () => {
  test('where nothing happened all is zero, and there is no response time', async () => {
    expect(await metricsOf(await addTenant())).toEqual({
      window: '24h',
      messages: { total: 0, inbound: 0, outbound: 0 },
      ...{ error_rate: 0, avg_response_ms: null, p95_response_ms: null },
      ...{ active_bots: 0, conversions: 0, conversion_rate: 0 },
      engagement_by_hour: Array.from({ length: 24 }, () => 0),
      generated_at: '2026-03-10T15:30:00.000Z',
    })
  })

  test('messages: received, and accepted by the provider, whatever the bot, the provider and the hour', async () => {
    const [tenant, bot] = [await addTenant(), uuids.next()]
    await add(
      tenant,
      { type: 'inbound', key: 'meta', count: 7, buckets: [7] },
      { type: 'inbound', key: 'twilio', count: 2, buckets: [2] },
      { type: 'inbound', key: 'meta', count: 1, ago: 0, bot, buckets: [0, 1] },
      { type: 'accepted', key: 'meta', count: 4 },
      { type: 'accepted', key: 'meta', count: 5, ago: 3, bot },
      ...['delivered', 'read', 'failed', 'unknown'].map(type => ({ type, key: 'meta', count: 100 })),
    )
    // 7 + 2 + 1 and 4 + 5.
    expect((await metricsOf(tenant)).messages).toEqual({ total: 19, inbound: 10, outbound: 9 })
  })

  test('error rate: of those that were accepted or failed, those that failed', async () => {
    const tenant = await addTenant()
    await add(
      tenant,
      { type: 'accepted', key: 'meta', count: 17 },
      { type: 'failed', key: 'meta 131047', count: 2 },
      { type: 'failed', key: 'meta 131026', count: 1 },
      { type: 'unknown', key: 'meta', count: 5 },
    )
    // 3 of 20.
    expect((await metricsOf(tenant)).error_rate).toBe(0.15)
  })

  test('response time: the mean over those that answer, and p95 from the histogram', async () => {
    const tenant = await addTenant()
    await add(
      tenant,
      // 50 accepted, of which 12 answer a customer.
      { type: 'accepted', key: 'meta', count: 50, sum: 4_000, buckets: [2, 6, 4] },
      { type: 'accepted', key: 'twilio', count: 8, ago: 2, sum: 8_000, buckets: [0, 0, 0, 8] },
    )
    const { avg_response_ms, p95_response_ms } = await metricsOf(tenant)
    // 12,000 ms over 20 answers.
    expect(avg_response_ms).toBe(600)
    // The 19th of 20: 12 lie below 500 ms, so it is the 7th of the 8 between 500 and 1,000: 500 + 500 × 7 / 8 = 937.5.
    expect(p95_response_ms).toBe(938)
  })

  test('active bots: those with a message received or accepted, once each', async () => {
    const [tenant, both, one, silent] = [await addTenant(), uuids.next(), uuids.next(), uuids.next()]
    await add(
      tenant,
      { type: 'inbound', key: 'meta', count: 1, bot: both, buckets: [1] },
      { type: 'accepted', key: 'meta', count: 1, bot: both },
      { type: 'inbound', key: 'meta', count: 1, bot: both, ago: 5, buckets: [1] },
      { type: 'accepted', key: 'meta', count: 1, bot: one },
      { type: 'failed', key: 'meta 1', count: 1, bot: silent },
      { type: 'conversation.opened', count: 1, bot: silent },
    )
    expect((await metricsOf(tenant)).active_bots).toBe(2)
  })

  test('conversions, and their rate among the conversations that were opened', async () => {
    const tenant = await addTenant()
    await add(
      tenant,
      { type: 'conversation.opened', count: 9 },
      { type: 'conversation.opened', count: 3, ago: 2, bot: uuids.next() },
      { type: 'conversion', key: uuids.next(), count: 3 },
      { type: 'conversion', count: 1, ago: 2 },
    )
    const { conversions, conversion_rate } = await metricsOf(tenant)
    // 4 of 12.
    expect([conversions, conversion_rate]).toEqual([4, 0.3333])
  })

  test('conversions without a conversation that was opened have no rate', async () => {
    const tenant = await addTenant()
    await add(tenant, { type: 'conversion', count: 2 })
    expect((await metricsOf(tenant)).conversion_rate).toBe(0)
  })

  const engagementAt = async (timeZone: string, ...rollups: readonly Rollup[]) => {
    const tenant = await addTenant(timeZone)
    await add(tenant, ...rollups)
    const hours = (await metricsOf(tenant, '30d')).engagement_by_hour
    return Object.fromEntries(hours.flatMap((count, hour) => (count === 0 ? [] : [[hour, count]])))
  }
  /** 15:00 UTC on the 9th and the 10th: six messages, by the quarter of the hour. */
  const atThree: Rollup[] = [
    { type: 'inbound', key: 'meta', count: 3, ago: 24, buckets: [1, 1, 0, 1] },
    { type: 'inbound', key: 'meta', count: 3, ago: 0, buckets: [0, 0, 3] },
  ]

  test('engagement: messages received by the hour of the day, in the time zone of the tenant', async () => {
    expect(await engagementAt('UTC', ...atThree)).toEqual({ 15: 6 })
    expect(await engagementAt('America/Bogota', ...atThree)).toEqual({ 10: 6 })
  })

  test('engagement in zones of half and of quarter hours', async () => {
    // +5:30: from 15:30 UTC on it is 21 o'clock.
    expect(await engagementAt('Asia/Kolkata', ...atThree)).toEqual({ 20: 2, 21: 4 })
    // +5:45: from 15:15 UTC on.
    expect(await engagementAt('Asia/Kathmandu', ...atThree)).toEqual({ 20: 1, 21: 5 })
  })

  test('engagement on both sides of a change of the clocks', async () => {
    // New York went from -5 to -4 on the 8th of March: 15:00 UTC is 10 o'clock the day before, and 11 the day after.
    const before: Rollup = { type: 'inbound', key: 'meta', count: 2, ago: 72, buckets: [2] }
    expect(await engagementAt('America/New_York', before, ...atThree)).toEqual({ 10: 2, 11: 6 })
  })

  test('a window takes in the present hour, and so many full hours before it', async () => {
    const tenant = await addTenant()
    const windows = { '24h': 24, '7d': 168, '30d': 720 } as const
    for (const ago of [0, 24, 25, 168, 169, 720, 721])
      await add(tenant, { type: 'accepted', key: 'meta', count: 1, ago })
    const seen: Record<string, number> = {}
    for (const window of Object.keys(windows) as Window[])
      seen[window] = (await metricsOf(tenant, window)).messages.outbound
    expect(seen).toEqual({ '24h': 2, '7d': 4, '30d': 6 })
  })

  test("another tenant's rollups do not count", async () => {
    const [tenant, other] = [await addTenant(), await addTenant()]
    await add(other, { type: 'inbound', key: 'meta', count: 5, bot: uuids.next(), buckets: [5] })
    expect(await metricsOf(tenant)).toMatchObject({ messages: { total: 0 }, active_bots: 0 })
    const given = { tenantId: other, windows: ['24h'] as const, nowMs: now }
    const [stolen] = await inTenant(tenant, tx => readMetrics(tx, given))
    expect(stolen?.messages.total).toBe(0)
  })

  test('what was kept of them is read back, and nothing else is', async () => {
    const metrics = await metricsOf(await addTenant())
    expect(parseMetrics(JSON.stringify(metrics))).toEqual(metrics)
    for (const text of ['', '{}', 'null', JSON.stringify({ ...metrics, window: '1h' })])
      expect(parseMetrics(text)).toBeUndefined()
  })
})

describe('a percentile of a histogram', () => {
  test('of one bucket it lies within it', () => {
    expect(percentileMs([10], 0.95)).toBe(95)
    expect(percentileMs([0, 10], 0.5)).toBe(175)
  })

  test('of the last bucket, which has no end, it is the beginning', () => {
    expect(percentileMs([...Array.from({ length: 10 }, () => 0), 3], 0.95)).toBe(300_000)
  })

  test('of nothing it is 0', () => {
    expect(percentileMs([], 0.95)).toBe(0)
  })
})

describe('the figures of flows', () => {
  const [flow, other] = [uuids.next(), uuids.next()]

  /** Ten runs of a flow; three of them call another one. */
  async function addRuns(): Promise<string> {
    const tenant = await addTenant()
    await add(
      tenant,
      { type: 'flow.started', key: flow, count: 9 },
      { type: 'flow.started', key: flow, count: 1, ago: 5 },
      { type: 'replied', key: `${flow} hello`, count: 10 },
      { type: 'question.asked', key: `${flow} ask`, count: 10 },
      { type: 'question.repeated', key: `${flow} ask`, count: 4 },
      { type: 'answer.rejected', key: `${flow} ask`, count: 4 },
      { type: 'answer.timed_out', key: `${flow} ask`, count: 1 },
      { type: 'flow.called', key: `${flow} sub ${other}`, count: 3 },
      { type: 'question.asked', key: `${other} inner`, count: 3 },
      { type: 'flow.returned', key: other, count: 1 },
      { type: 'wait.started', key: `${flow} pause`, count: 1 },
      { type: 'wait.ended', key: `time ${flow} pause`, count: 1 },
      { type: 'wait.ended', key: `past ${flow} pause`, count: 2 },
      { type: 'flow.ended', key: `end ${flow} pause`, count: 3 },
      { type: 'flow.ended', key: `end ${flow} sub`, count: 1 },
      { type: 'flow.ended', key: `closed ${flow} ask`, count: 2 },
      { type: 'flow.ended', key: `closed ${flow} sub ${other} inner`, count: 1 },
      { type: 'flow.ended', key: `failed ${flow} sub ${other} inner`, count: 1 },
      { type: 'flow.ended', key: `handoff ${flow} ask`, count: 2 },
      { type: 'handed_off', key: `flow ${flow}`, count: 2 },
      { type: 'handed_off', key: `failure ${other}`, count: 1 },
      { type: 'handed_off', key: `agent ${flow}`, count: 5 },
      { type: 'handed_off', key: `customer ${flow}`, count: 1 },
      { type: 'handed_off', key: 'customer', count: 8 },
      { type: 'conversion', key: flow, count: 2 },
      { type: 'conversion', count: 6 },
    )
    return tenant
  }

  test('of one flow, whatever it calls', async () => {
    const tenant = await addRuns()
    const rows = await inTenant(tenant, tx => readSumsOfFlow(tx, tenant, ofDay, flow))
    const expected = { starts: 10, completions: 4, handoffs: 3, failed: 1, retries: 4, conversions: 2 }
    expect(flowFigures(rows, flow)).toEqual(expected)
    expect(stepFigures(rows, flow)).toEqual([
      // Two were left to themselves there, and two were handed over from there.
      { step: 'ask', reached: 10, left_here: 4, rejected: 4, timed_out: 1 },
      { step: 'hello', reached: 10, left_here: 0, rejected: 0, timed_out: 0 },
      // One that never began, since its moment had passed, counts as reached.
      { step: 'pause', reached: 3, left_here: 0, rejected: 0, timed_out: 0 },
      { step: 'sub', reached: 3, left_here: 2, rejected: 0, timed_out: 0 },
    ])
  })

  test('of a flow that others call', async () => {
    const tenant = await addRuns()
    const rows = await inTenant(tenant, tx => readSumsOfFlow(tx, tenant, ofDay, other))
    const expected = { starts: 3, completions: 1, handoffs: 1, failed: 1, retries: 0, conversions: 0 }
    expect(flowFigures(rows, other)).toEqual(expected)
    expect(stepFigures(rows, other)).toEqual([{ step: 'inner', reached: 3, left_here: 2, rejected: 0, timed_out: 0 }])
  })

  test('of all flows, those that began most often first', async () => {
    const tenant = await addRuns()
    const rows = await inTenant(tenant, tx => readFlowSums(tx, tenant, ofDay))
    expect(figuresByFlow(rows).map(one => [one.flow_id, one.starts, one.completions])).toEqual([
      [flow, 10, 4],
      [other, 3, 1],
    ])
  })

  test('of a flow that never ran', async () => {
    const tenant = await addRuns()
    const rows = await inTenant(tenant, tx => readSumsOfFlow(tx, tenant, ofDay, uuids.next()))
    expect(rows).toEqual([])
    expect(stepFigures(rows, flow)).toEqual([])
  })
})

test('the figures of providers, with the codes that sends failed with', async () => {
  const tenant = await addTenant()
  await add(
    tenant,
    { type: 'accepted', key: 'twilio', count: 3 },
    { type: 'accepted', key: 'meta', count: 20 },
    { type: 'accepted', key: 'meta', count: 5, ago: 4, bot: uuids.next() },
    { type: 'delivered', key: 'meta', count: 22 },
    { type: 'read', key: 'meta', count: 11 },
    { type: 'unknown', key: 'twilio', count: 1 },
    { type: 'failed', key: 'meta 131026', count: 1 },
    { type: 'failed', key: 'meta 131047', count: 2, ago: 6 },
    { type: 'failed', key: 'meta 131047', count: 1, ago: 7 },
    { type: 'failed', key: 'meta', count: 1 },
    { type: 'inbound', key: 'evolution', count: 1, buckets: [1] },
  )
  expect(providerFigures(await inTenant(tenant, tx => readProviderSums(tx, tenant, ofDay)))).toEqual([
    {
      ...{ provider: 'meta', accepted: 25, delivered: 22, read: 11, failed: 5, unknown: 0 },
      failed_by_code: { '131047': 3, '131026': 1 },
    },
    { provider: 'twilio', accepted: 3, delivered: 0, read: 0, failed: 0, unknown: 1, failed_by_code: {} },
  ])
})
