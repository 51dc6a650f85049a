import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  keptDays,
  openTestAnalytics,
  playTwoShops,
  storedEntries,
  storedFigures,
  type TestAnalytics,
} from '../../test/support/analytics.ts'
import { killedAt, moments } from '../../test/support/faults.ts'
import type { Shop } from '../../test/support/seed.ts'
import { systemClock } from '../lib/clock.ts'
import { uuids } from '../lib/ids.ts'
import type { LogEntry } from '../stores/log-store.ts'
import { entryOf } from './entry.ts'
import { rebuildFigures, rebuildLogs } from './rebuild.ts'

let analytics: TestAnalytics
let shops: readonly [Shop, Shop]
let expected: readonly Record<string, unknown>[]

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const presentHour = new Date(Math.floor(Date.now() / hourMs) * hourMs)

beforeAll(async () => {
  analytics = await openTestAnalytics()
  shops = await playTwoShops(analytics)
  await analytics.tellAll()
  await analytics.sumUp()
  expected = await storedFigures(analytics.admin)
})
afterAll(() => analytics.close())

/** Every hour of both shops is to be summed up again, from figures that are wrong. */
async function spoil(): Promise<void> {
  const { admin } = analytics
  await admin`update analytics_rollups set count = count + 5, sum = 1, buckets = '{7}' where log_type = 'inbound'`
  await admin`delete from analytics_rollups where log_type = 'accepted'`
  await admin`insert into analytics_rollups (tenant_id, hour, bot_id, log_type, key, count, sum, buckets)
    values (${shops[0].tenantId}, ${presentHour}, ${shops[0].botId}, 'inbound', 'nobody', 3, 0, '{}')`
}

async function markAll(): Promise<void> {
  await analytics.admin`insert into analytics_dirty_hours (hour, tenant_id, mark)
    select distinct hour, tenant_id, 0 from analytics_rollups on conflict do nothing`
}

async function marks(): Promise<number> {
  const [row] = await analytics.admin`select count(*)::int as hours from analytics_dirty_hours`
  return row.hours
}

/** An entry of the first shop. */
function entry(more: Partial<LogEntry>): LogEntry {
  const { tenantId, botId } = shops[0]
  return entryOf({
    ...{ id: uuids.next(), tenant_id: tenantId, created_at: new Date(), log_type: 'inbound', bot_id: botId },
    ...{ conversation_id: null, key: 'meta', data: {} },
    ...more,
  })
}

const inboundOf = (figures: readonly Record<string, unknown>[], hour: Date) =>
  figures.filter(row => row.log_type === 'inbound' && row.hour instanceof Date && row.hour.getTime() === hour.getTime())

test('the figures of an hour are the counts, sums and buckets of its entries', async () => {
  const entries = await storedEntries(analytics.admin)
  for (const { tenant_id, bot_id, hour, log_type, key, count, sum, buckets } of expected) {
    const own = entries.filter(
      one =>
        one.tenant_id === tenant_id &&
        one.bot_id === bot_id &&
        one.log_type === log_type &&
        one.key === key &&
        one.created_at instanceof Date &&
        Math.floor(one.created_at.getTime() / hourMs) * hourMs === Number(hour),
    )
    const inBucket = (index: number) => own.filter(one => one.bucket === index).length
    expect([log_type, key, Number(count)]).toEqual([log_type, key, own.length])
    expect(sum).toBe(own.reduce((total, one) => total + Number(one.value ?? 0), 0))
    expect(buckets).toEqual((buckets as number[]).map((_, index) => inBucket(index)))
  }
  const counted = expected.reduce((total, row) => total + Number(row.count), 0)
  expect(counted).toBe(entries.length)
  expect(await marks()).toBe(0)
})

test('what is summed up again gives the same figures, whatever stood there', async () => {
  await spoil()
  await markAll()
  expect([...(await analytics.sumUp())].sort()).toEqual([...shops.map(shop => shop.tenantId)].sort())
  expect(await storedFigures(analytics.admin)).toEqual(expected)
  await markAll()
  expect(await analytics.sumUp()).toEqual(new Set())
})

test('a process that is killed at any step leaves figures that the next one puts right', async () => {
  for (const moment of moments)
    for (let n = 1, isKilled = true; isKilled; n++) {
      await spoil()
      await markAll()
      const mortal = killedAt(analytics, n, moment)
      await analytics.sumUp(mortal).catch(() => undefined)
      isKilled = mortal.wasKilled()
      await analytics.sumUp()
      expect([n, moment, await storedFigures(analytics.admin)]).toEqual([n, moment, expected])
      expect(await marks()).toBe(0)
    }
})

test('several processes at once, while more is told, end with the figures of the log', async () => {
  const { admin, logs } = analytics
  const hour = new Date(presentHour.getTime() - 5 * hourMs)
  const { tenantId } = shops[0]
  let isOver = false
  const sumUp = async () => {
    while (!isOver) await analytics.sumUp()
  }
  const passes = [sumUp(), sumUp(), sumUp()]
  // As a projector does it: first the entry, then the mark.
  for (let n = 0; n < 60; n++) {
    await logs.append('message_logs', [entry({ created_at: new Date(hour.getTime() + n) })])
    await admin`insert into analytics_dirty_hours (hour, tenant_id, mark)
      values (${hour}, ${tenantId}, nextval('analytics_marks'))
      on conflict (hour, tenant_id) do update set mark = excluded.mark`
  }
  isOver = true
  await Promise.all(passes)
  await analytics.sumUp()
  expect(inboundOf(await storedFigures(admin), hour)).toMatchObject([{ count: '60' }])
  await clear(hour)
})

/** Without the entries that a test has put into an hour. */
async function clear(hour: Date): Promise<void> {
  await analytics.admin`delete from message_logs where created_at >= ${hour} and created_at < ${new Date(hour.getTime() + hourMs)}`
  await analytics.admin`delete from analytics_rollups where hour = ${hour}`
}

test('what comes late counts in the hour in which it happened', async () => {
  const hour = new Date(presentHour.getTime() - 3 * hourMs)
  await analytics.logs.append('message_logs', [entry({ created_at: new Date(hour.getTime() + 60_000) })])
  await markAll()
  await analytics.admin`insert into analytics_dirty_hours values (${hour}, ${shops[0].tenantId}, 7)`
  expect(await analytics.sumUp()).toEqual(new Set([shops[0].tenantId]))
  expect(inboundOf(await storedFigures(analytics.admin), hour)).toMatchObject([{ count: '1' }])
  await clear(hour)
})

describe('an hour of which the log has lost entries', () => {
  test('keeps its figures: of all tenants where it is too old, of one that keeps its logs shorter', async () => {
    const { admin } = analytics
    const [one, two] = shops
    const old = (days: number) => new Date(presentHour.getTime() - days * dayMs)
    await admin`update tenants set settings = '{"retention": {"logs_days": 2}}' where id = ${one.tenantId}`
    const hours = [old(1), old(3), old(keptDays + 1)]
    for (const hour of hours)
      for (const { tenantId, botId } of shops) {
        await admin`insert into analytics_rollups (tenant_id, hour, bot_id, log_type, key, count, sum, buckets)
          values (${tenantId}, ${hour}, ${botId}, 'inbound', 'meta', 9, 0, '{}')`
        await admin`insert into analytics_dirty_hours values (${hour}, ${tenantId}, 1)`
      }
    const kept = async (tenantId: string) => {
      const rows =
        await admin`select hour from analytics_rollups where tenant_id = ${tenantId} and count = 9 order by hour`
      return rows.map((row: { hour: Date }) => hours.findIndex(hour => hour.getTime() === row.hour.getTime()))
    }
    await analytics.sumUp()
    expect([await kept(one.tenantId), await kept(two.tenantId)]).toEqual([[2, 1], [2]])
    expect(await marks()).toBe(0)
    await rebuildFigures(rebuilding(null), () => undefined)
    expect([await kept(one.tenantId), await kept(two.tenantId)]).toEqual([[2, 1], [2]])
    await admin`delete from analytics_rollups where count = 9`
    await admin`update tenants set settings = '{}' where id = ${one.tenantId}`
  })
})

function rebuilding(tenantId: string | null) {
  const { database, logs } = analytics
  return { database, logs, clock: systemClock, keptDays, tenantId }
}

describe('a rebuild', () => {
  test('from the log gives equal figures, and tells how far it is', async () => {
    await spoil()
    await markAll()
    const progress: number[] = []
    const { hours, changedTenants } = await rebuildFigures(rebuilding(null), done => void progress.push(done))
    expect(await storedFigures(analytics.admin)).toEqual(expected)
    expect(changedTenants).toBe(2)
    // Those that are being removed are left alone.
    expect(hours).toBeWithin(keptDays * 24 - 2, keptDays * 24 + 1)
    expect(progress).toEqual(Array.from({ length: hours }, (_, index) => index + 1))
    expect(await marks()).toBe(0)
  })

  test('of one tenant leaves the others as they are', async () => {
    await spoil()
    const own = (figures: readonly Record<string, unknown>[], shop: Shop) =>
      figures.filter(row => row.tenant_id === shop.tenantId)
    const spoilt = own(await storedFigures(analytics.admin), shops[1])
    await rebuildFigures(rebuilding(shops[0].tenantId), () => undefined)
    const figures = await storedFigures(analytics.admin)
    expect(own(figures, shops[0])).toEqual(own(expected, shops[0]))
    expect(own(figures, shops[1])).toEqual(spoilt)
    await rebuildFigures(rebuilding(null), () => undefined)
  })

  test('of the log from the tables gives equal entries, of all tenants and of one', async () => {
    const entries = await storedEntries(analytics.admin)
    for (const tenantId of [null, shops[0].tenantId]) {
      await analytics.admin`update message_logs set key = 'spoilt' where tenant_id = ${shops[0].tenantId}`
      const told = await rebuildLogs(rebuilding(tenantId), () => undefined)
      expect(await storedEntries(analytics.admin)).toEqual(entries)
      const own = tenantId === null ? entries : entries.filter(one => one.tenant_id === tenantId)
      expect(told).toEqual({ removed: own.length, added: own.length })
    }
    await rebuildFigures(rebuilding(null), () => undefined)
    expect(await storedFigures(analytics.admin)).toEqual(expected)
  })
})
