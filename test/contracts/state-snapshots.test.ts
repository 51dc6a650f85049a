import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { Redis } from 'ioredis'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { makeMemorySnapshots } from '../../src/stores/memory/state-snapshots.ts'
import { makeRedisSnapshots } from '../../src/stores/redis/state-snapshots.ts'
import { type StateSnapshots, snapshotCharactersMax, snapshotKeptMs } from '../../src/stores/state-snapshots.ts'
import { until } from '../support/installation.ts'
import { makeTestLog } from '../support/log.ts'
import { optionalProgram } from '../support/optional.ts'
import { startTestRedis, type TestRedis } from '../support/redis.ts'

// What every store of states promises. With Redis, two stand for two processes; in process there is one, twice.

const program = optionalProgram('redis-server', 'the states that several processes keep are not tried')
let redis: TestRedis
const open: StateSnapshots[] = []
const log = makeTestLog()

beforeAll(async () => {
  if (program !== undefined) redis = await startTestRedis(program)
})
afterEach(async () => {
  for (const snapshots of open.splice(0)) await snapshots.close()
})
afterAll(() => redis?.stop())

type Pair = readonly [StateSnapshots, StateSnapshots]

const pairs: Readonly<Record<string, () => Promise<Pair>>> = {
  async 'in process'() {
    const snapshots = makeMemorySnapshots(systemClock)
    open.push(snapshots)
    return [snapshots, snapshots]
  },
  ...(program !== undefined && { Redis: openOnRedis }),
}

async function openOnRedis(): Promise<Pair> {
  const pair = [makeRedisSnapshots(redis.url, log), makeRedisSnapshots(redis.url, log)] as const
  open.push(...pair)
  for (const snapshots of pair) await until(() => isThere(snapshots))
  return pair
}

/** Whether it keeps what is put in, which it does not while Redis is away. */
async function isThere(snapshots: StateSnapshots): Promise<boolean> {
  const key = newKey()
  snapshots.putMany([{ ...key, seq: 1, state: '{}' }])
  await Bun.sleep(5)
  return (await snapshots.getMany([key]))[0] !== undefined
}

const newKey = (tenantId: string = crypto.randomUUID()) => ({ tenantId, conversationId: crypto.randomUUID() })
const stateOf = (seq: number, text = 'Sí, «dos» 🍕\n') => JSON.stringify({ status: 'bot', seq, text })

for (const [name, openPair] of Object.entries(pairs))
  describe(name, () => {
    test('what one process puts in, every process finds, to the letter and with its seq', async () => {
      const [a, b] = await openPair()
      const key = newKey()
      a.putMany([{ ...key, seq: 12, state: stateOf(12) }])
      await until(async () => (await b.getMany([key]))[0] !== undefined)
      expect(await b.getMany([key])).toEqual([{ seq: 12, state: stateOf(12) }])
    })

    test('many of many tenants are found at once, in the order asked for, with gaps where nothing is kept', async () => {
      const [a, b] = await openPair()
      const tenants = Array.from({ length: 5 }, () => crypto.randomUUID())
      const keys = Array.from({ length: 100 }, (_, index) => newKey(tenants[index % tenants.length]))
      const kept = keys.flatMap((key, index) =>
        index % 3 === 0 ? [] : [{ ...key, seq: index, state: stateOf(index) }],
      )
      a.putMany(kept)
      const expected = keys.map((_, index) => (index % 3 === 0 ? undefined : { seq: index, state: stateOf(index) }))
      await until(async () => (await b.getMany(keys)).filter(one => one !== undefined).length === kept.length)
      expect(await b.getMany(keys)).toEqual(expected)
      expect(await b.getMany([])).toEqual([])
    })

    test('the last one put in is kept', async () => {
      const [a] = await openPair()
      const key = newKey()
      for (let seq = 1; seq <= 20; seq++) a.putMany([{ ...key, seq, state: stateOf(seq) }])
      await until(async () => (await a.getMany([key]))[0]?.seq === 20)
    })

    test('one that is too long is not kept, and those beside it are', async () => {
      const [a] = await openPair()
      const [long, longest, short] = [newKey(), newKey(), newKey()]
      a.putMany([
        { ...long, seq: 1, state: 'x'.repeat(snapshotCharactersMax + 1) },
        { ...longest, seq: 2, state: 'x'.repeat(snapshotCharactersMax) },
        { ...short, seq: 3, state: '{}' },
      ])
      await until(async () => (await a.getMany([short]))[0] !== undefined)
      expect((await a.getMany([long, longest, short])).map(one => one?.seq)).toEqual([undefined, 2, 3])
    })
  })

describe('in process', () => {
  test('a state is kept for a day', async () => {
    let now = 0
    const clock: Clock = { now: () => now }
    const snapshots = makeMemorySnapshots(clock)
    const key = newKey()
    snapshots.putMany([{ ...key, seq: 1, state: '{}' }])
    now = snapshotKeptMs - 1
    expect(await snapshots.getMany([key])).toEqual([{ seq: 1, state: '{}' }])
    now = snapshotKeptMs
    expect(await snapshots.getMany([key])).toEqual([undefined])
  })

  test('a state that is in its row is not kept, nor the one before it', async () => {
    const snapshots = makeMemorySnapshots(systemClock)
    const key = newKey()
    snapshots.putMany([{ ...key, seq: 1, state: '{}', isInRow: false }])
    expect(await snapshots.getMany([key])).toEqual([{ seq: 1, state: '{}' }])
    snapshots.putMany([{ ...key, seq: 2, state: '{}', isInRow: true }])
    expect(await snapshots.getMany([key])).toEqual([undefined])
  })

  test('all states together are bounded, in number and in length: those not asked for longest go', async () => {
    const snapshots = makeMemorySnapshots(systemClock)
    const keptOf = async (keys: readonly ReturnType<typeof newKey>[]) =>
      (await snapshots.getMany(keys)).flatMap((one, index) => (one === undefined ? [] : [index]))
    const many = Array.from({ length: 10_100 }, () => newKey())
    snapshots.putMany(many.map(key => ({ ...key, seq: 1, state: '{}' })))
    expect(await keptOf(many)).toEqual(Array.from({ length: 10_000 }, (_, index) => index + 100))
    const long = Array.from({ length: 80 }, () => newKey())
    for (const key of long) {
      snapshots.putMany([{ ...key, seq: 1, state: 'x'.repeat(snapshotCharactersMax) }])
      await snapshots.getMany(long.slice(0, 1))
    }
    // Four million characters are 64 of the longest: the first, which is asked for all the time, and the last ones.
    expect(await keptOf(long)).toEqual([0, ...Array.from({ length: 63 }, (_, index) => index + 17)])
    expect(await keptOf(many)).toEqual([])
  })
})

describe.skipIf(program === undefined)('of several processes', () => {
  test('a state lies where the operator looks for it, with its seq, and for a day', async () => {
    const [a] = await openOnRedis()
    const asking = new Redis(redis.url)
    const { tenantId, conversationId } = newKey()
    a.putMany([{ tenantId, conversationId, seq: 7, state: stateOf(7) }])
    const name = `conversation:{${tenantId}}:${conversationId}`
    await until(async () => (await asking.exists(name)) === 1)
    expect(JSON.parse((await asking.get(name)) ?? '')).toEqual({ seq: 7, state: JSON.parse(stateOf(7)) })
    const seconds = await asking.ttl(name)
    expect(seconds).toBeGreaterThan(86_400 - 60)
    expect(seconds).toBeLessThanOrEqual(86_400)
    asking.disconnect()
  })

  test('what somebody else has written there is no state', async () => {
    const [a] = await openOnRedis()
    const asking = new Redis(redis.url)
    const key = newKey()
    for (const text of ['', 'x', '{}', '{"seq":"1","state":{}}']) {
      await asking.set(`conversation:{${key.tenantId}}:${key.conversationId}`, text)
      expect(await a.getMany([key])).toEqual([undefined])
    }
    asking.disconnect()
  })

  test('while Redis is away nothing is found, nothing fails, and it goes on when it is back', async () => {
    const [a, b] = await openOnRedis()
    const key = newKey()
    a.putMany([{ ...key, seq: 1, state: stateOf(1) }])
    await until(async () => (await b.getMany([key]))[0]?.seq === 1)
    await redis.kill()
    await until(async () => (await b.getMany([key]))[0] === undefined)
    a.putMany([{ ...key, seq: 2, state: stateOf(2) }])
    expect(await a.getMany([key, newKey()])).toEqual([undefined, undefined])
    await redis.restart()
    // All of it is lost.
    expect(await b.getMany([key])).toEqual([undefined])
    await until(() => isThere(a))
    a.putMany([{ ...key, seq: 3, state: stateOf(3) }])
    await until(async () => (await b.getMany([key]))[0]?.seq === 3)
  })

  test('a Redis that does not answer is a miss, and does not hold up those who ask next', async () => {
    const [a] = await openOnRedis()
    const key = newKey()
    const asking = new Redis(redis.url)
    a.putMany([{ ...key, seq: 1, state: '{}' }])
    await until(async () => (await a.getMany([key]))[0]?.seq === 1)
    await asking.call('CLIENT', 'PAUSE', '2500', 'ALL')
    expect(await a.getMany([key])).toEqual([undefined])
    let asked = 0
    while ((await a.getMany([key]))[0] === undefined && asked < 100) asked++
    // If each of them had waited, Redis would have been back before the hundredth.
    expect(asked).toBe(100)
    await until(async () => (await a.getMany([key]))[0]?.seq === 1)
    asking.disconnect()
  })
})
