import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { Redis } from 'ioredis'
import type { Bus } from '../../src/stores/bus.ts'
import { makeMemoryBus } from '../../src/stores/memory/bus.ts'
import { makeRedisBus } from '../../src/stores/redis/bus.ts'
import { until } from '../support/installation.ts'
import { makeTestLog } from '../support/log.ts'
import { optionalProgram } from '../support/optional.ts'
import { startTestRedis, type TestRedis } from '../support/redis.ts'

// What every bus promises. With Redis, two stand for two processes; in process there is one, twice.

const program = optionalProgram('redis-server', 'the bus of several processes is not tried')
let redis: TestRedis
const open: Bus[] = []
const log = makeTestLog()

beforeAll(async () => {
  if (program !== undefined) redis = await startTestRedis(program)
})
afterEach(async () => {
  for (const bus of open.splice(0)) await bus.close()
})
afterAll(() => redis?.stop())

const pairs: Readonly<Record<string, () => readonly [Bus, Bus]>> = {
  'in process'() {
    const bus = makeMemoryBus()
    open.push(bus)
    return [bus, bus]
  },
  ...(program !== undefined && {
    Redis() {
      const buses = [makeRedisBus(redis.url, log), makeRedisBus(redis.url, log)] as const
      open.push(...buses)
      return buses
    },
  }),
}

/** Subscribes, and waits until it hears. */
function hear(bus: Bus, topic: 'inbox' | `events:${string}`, heard: string[]): Promise<() => void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const unsubscribe = bus.subscribe(topic, payload => heard.push(payload), resolve)
  return promise.then(() => unsubscribe)
}

for (const [name, openPair] of Object.entries(pairs))
  describe(name, () => {
    test('once a listener is ready, it hears whatever any process publishes', async () => {
      const [a, b] = openPair()
      const [ofA, ofB]: [string[], string[]] = [[], []]
      await Promise.all([hear(a, 'inbox', ofA), hear(b, 'inbox', ofB)])
      a.publish('inbox', '1')
      b.publish('inbox', () => '2')
      await until(() => ofA.length === 2 && ofB.length === 2)
      expect([ofA.toSorted(), ofB.toSorted()]).toEqual([
        ['1', '2'],
        ['1', '2'],
      ])
    })

    test('a second listener of the same topic is ready too, and one that has ended hears nothing', async () => {
      const [a] = openPair()
      const [first, second, other]: [string[], string[], string[]] = [[], [], []]
      const end = await hear(a, 'events:1', first)
      await hear(a, 'events:1', second)
      await hear(a, 'events:2', other)
      end()
      a.publish('events:1', 'x')
      await until(() => second.length === 1)
      expect([first, second, other]).toEqual([[], ['x'], []])
    })

    test('a payload is made where somebody listens, in the order of what is published', async () => {
      const [a, b] = openPair()
      const heard: string[] = []
      await hear(b, 'events:1', heard)
      let made = 0
      const make = (text: string) => () => {
        made++
        return text
      }
      for (let index = 0; index < 100; index++) {
        a.publish(`events:nobody-${index}`, make('nobody'))
        a.publish('events:1', make(String(index)))
        if (index % 7 === 0) await Bun.sleep(0)
      }
      await until(() => heard.length === 100)
      expect(heard).toEqual(Array.from({ length: 100 }, (_, index) => String(index)))
      expect(made).toBe(100)
    })

    test('who begins again right after the end hears again', async () => {
      const [a, b] = openPair()
      const [first, second]: [string[], string[]] = [[], []]
      const end = await hear(a, 'events:1', first)
      end()
      await hear(a, 'events:1', second)
      b.publish('events:1', 'x')
      await until(() => second.length === 1)
      expect(first).toEqual([])
    })
  })

describe.skipIf(program === undefined)('of several processes', () => {
  test('a channel is given back with its last listener', async () => {
    const asking = new Redis(redis.url)
    const count = async () => Number((await asking.pubsub('NUMSUB', 'dashoffice:events:7'))[1])
    const bus = makeRedisBus(redis.url, log)
    open.push(bus)
    const ends = [await hear(bus, 'events:7', []), await hear(bus, 'events:7', [])]
    ends[0]?.()
    expect(await count()).toBe(1)
    ends[1]?.()
    await until(async () => (await count()) === 0)
    asking.disconnect()
  })

  test('who listens while Redis is away is ready, and hears, once it is back', async () => {
    const bus = makeRedisBus(redis.url, log)
    open.push(bus)
    const before: string[] = []
    await hear(bus, 'inbox', before)
    await redis.kill()
    const heard: string[] = []
    let isReady = false
    const hearing = hear(bus, 'events:8', heard).then(() => {
      isReady = true
    })
    // It may arrive once Redis is back, or never.
    bus.publish('events:8', 'meanwhile')
    expect(isReady).toBe(false)
    await redis.restart()
    await hearing
    // Its other connection, over which it publishes, may come back a moment later.
    await until(() => {
      bus.publish('events:8', 'x')
      return heard.includes('x')
    })
    await until(() => {
      bus.publish('inbox', 'y')
      return before.includes('y')
    })
  })
})
