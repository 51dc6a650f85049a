import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { Redis } from 'ioredis'
import { systemClock } from '../../src/lib/clock.ts'
import { makeMemoryMetricsCache } from '../../src/stores/memory/metrics-cache.ts'
import { type MetricsCache, metricsKeptMs } from '../../src/stores/metrics-cache.ts'
import { makeRedisMetricsCache } from '../../src/stores/redis/metrics-cache.ts'
import { until } from '../support/installation.ts'
import { makeTestLog } from '../support/log.ts'
import { optionalProgram } from '../support/optional.ts'
import { startTestRedis, type TestRedis } from '../support/redis.ts'

// What every cache of figures promises. With Redis, two stand for two processes; in process there is one, twice.

const program = optionalProgram('redis-server', 'the figures that several processes keep are not tried')
let redis: TestRedis
const open: MetricsCache[] = []

beforeAll(async () => {
  if (program !== undefined) redis = await startTestRedis(program)
})
afterEach(async () => {
  for (const cache of open.splice(0)) await cache.close()
})
afterAll(() => redis?.stop())

type Pair = readonly [MetricsCache, MetricsCache]

const pairs: Readonly<Record<string, () => Promise<Pair>>> = {
  async 'in process'() {
    const cache = makeMemoryMetricsCache(systemClock)
    return [cache, cache]
  },
  ...(program !== undefined && { Redis: openOnRedis }),
}

async function openOnRedis(): Promise<Pair> {
  const pair = [
    makeRedisMetricsCache(redis.url, makeTestLog()),
    makeRedisMetricsCache(redis.url, makeTestLog()),
  ] as const
  open.push(...pair)
  for (const cache of pair) await until(() => isThere(cache))
  return pair
}

/** Whether it keeps what is put in, which it does not while Redis is away. */
async function isThere(cache: MetricsCache): Promise<boolean> {
  const tenant = crypto.randomUUID()
  await cache.put(tenant, [{ window: '24h', text: '{}' }])
  return (await cache.get(tenant, '24h')) !== undefined
}

for (const [name, openPair] of Object.entries(pairs))
  describe(name, () => {
    test('what one process has put in, every process finds, to the letter, and of that tenant and window only', async () => {
      const [a, b] = await openPair()
      const tenant = crypto.randomUUID()
      const text = '{"messages":{"total":3},"note":"Sí, «dos» 🍕"}'
      await a.put(tenant, [
        { window: '24h', text },
        { window: '7d', text: '{"week":1}' },
      ])
      expect(await b.get(tenant, '24h')).toBe(text)
      expect(await b.get(tenant, '7d')).toBe('{"week":1}')
      expect(await b.get(tenant, '30d')).toBeUndefined()
      expect(await b.get(crypto.randomUUID(), '24h')).toBeUndefined()
    })

    test('what the engine has worked out replaces what there was, what a reader has, does not', async () => {
      const [a, b] = await openPair()
      const tenant = crypto.randomUUID()
      b.add(tenant, { window: '24h', text: 'read' })
      await until(async () => (await a.get(tenant, '24h')) === 'read')
      await a.put(tenant, [{ window: '24h', text: 'worked out' }])
      expect(await b.get(tenant, '24h')).toBe('worked out')
      b.add(tenant, { window: '24h', text: 'read before' })
      await b.put(crypto.randomUUID(), [{ window: '24h', text: 'after it' }])
      expect(await b.get(tenant, '24h')).toBe('worked out')
    })
  })

describe('in process', () => {
  test('figures are kept for five minutes, and those of a reader come in then', async () => {
    let now = 0
    const cache = makeMemoryMetricsCache({ now: () => now })
    await cache.put('t', [{ window: '24h', text: 'a' }])
    now = metricsKeptMs - 1
    expect(await cache.get('t', '24h')).toBe('a')
    now = metricsKeptMs
    expect(await cache.get('t', '24h')).toBeUndefined()
    cache.add('t', { window: '24h', text: 'b' })
    expect(await cache.get('t', '24h')).toBe('b')
  })

  test('they are bounded: those not asked for longest go', async () => {
    const cache = makeMemoryMetricsCache(systemClock)
    for (let tenant = 0; tenant < 3_010; tenant++) await cache.put(`t${tenant}`, [{ window: '24h', text: 'x' }])
    expect(await cache.get('t9', '24h')).toBeUndefined()
    expect(await cache.get('t10', '24h')).toBe('x')
  })
})

describe.skipIf(program === undefined)('of several processes', () => {
  test('figures lie where the operator looks for them, for five minutes', async () => {
    const [a] = await openOnRedis()
    const asking = new Redis(redis.url)
    const tenant = crypto.randomUUID()
    await a.put(tenant, [{ window: '24h', text: '{"a":1}' }])
    a.add(tenant, { window: '7d', text: '{"b":1}' })
    await until(async () => (await a.get(tenant, '7d')) !== undefined)
    for (const window of ['24h', '7d']) {
      const seconds = await asking.ttl(`analytics:metrics:{${tenant}}:${window}`)
      expect(seconds).toBeGreaterThan(240)
      expect(seconds).toBeLessThanOrEqual(300)
    }
    expect(await asking.get(`analytics:metrics:{${tenant}}:24h`)).toBe('{"a":1}')
    asking.disconnect()
  })

  test('reading is one command', async () => {
    const [a] = await openOnRedis()
    const asking = new Redis(redis.url)
    const calls = async () => Number(/cmdstat_get:calls=(\d+)/.exec(await asking.info('commandstats'))?.[1] ?? 0)
    const all = async () =>
      [...(await asking.info('commandstats')).matchAll(/cmdstat_(?!info)[^:]+:calls=(\d+)/g)].reduce(
        (sum, [, count]) => sum + Number(count),
        0,
      )
    const tenant = crypto.randomUUID()
    await a.put(tenant, [{ window: '24h', text: '{}' }])
    const [gets, commands] = [await calls(), await all()]
    expect(await a.get(tenant, '24h')).toBe('{}')
    expect([(await calls()) - gets, (await all()) - commands]).toEqual([1, 1])
    asking.disconnect()
  })

  test('while Redis is away nothing is found, nothing fails, and it goes on when it is back', async () => {
    const [a, b] = await openOnRedis()
    const tenant = crypto.randomUUID()
    await a.put(tenant, [{ window: '24h', text: '1' }])
    expect(await b.get(tenant, '24h')).toBe('1')
    await redis.kill()
    await until(async () => (await b.get(tenant, '24h')) === undefined)
    await a.put(tenant, [{ window: '24h', text: '2' }])
    a.add(tenant, { window: '24h', text: '3' })
    expect(await a.get(tenant, '24h')).toBeUndefined()
    await redis.restart()
    await until(() => isThere(a))
    await until(() => isThere(b))
    await a.put(tenant, [{ window: '24h', text: '4' }])
    expect(await b.get(tenant, '24h')).toBe('4')
  })

  test('a Redis that does not answer finds nothing, and does not hold up those who ask next', async () => {
    const [a] = await openOnRedis()
    const tenant = crypto.randomUUID()
    const asking = new Redis(redis.url)
    await a.put(tenant, [{ window: '24h', text: '1' }])
    await asking.call('CLIENT', 'PAUSE', '2500', 'ALL')
    expect(await a.get(tenant, '24h')).toBeUndefined()
    let asked = 0
    while ((await a.get(tenant, '24h')) === undefined && asked < 100) asked++
    // If each of them had waited, Redis would have been back before the hundredth.
    expect(asked).toBe(100)
    await until(async () => (await a.get(tenant, '24h')) === '1')
    asking.disconnect()
  })
})
