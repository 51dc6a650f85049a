import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/lib/clock.ts'
import { makeMemoryGate } from '../../src/stores/memory/request-gate.ts'
import { makeRedisGate } from '../../src/stores/redis/request-gate.ts'
import { answerCharactersMax, answersMax, type RequestGate } from '../../src/stores/request-gate.ts'
import { until } from '../support/installation.ts'
import { makeTestLog } from '../support/log.ts'
import { optionalProgram } from '../support/optional.ts'
import { startTestRedis, type TestRedis } from '../support/redis.ts'

// What every gate promises. With Redis, two gates stand for two processes; in process there is one, twice.

const program = optionalProgram('redis-server', 'the gate of several processes is not tried')
let redis: TestRedis
const open: RequestGate[] = []
const log = makeTestLog()

beforeAll(async () => {
  if (program !== undefined) redis = await startTestRedis(program)
})
afterEach(async () => {
  for (const gate of open.splice(0)) await gate.close()
})
afterAll(() => redis?.stop())

const pairs: Readonly<Record<string, () => Promise<readonly [RequestGate, RequestGate]>>> = {
  async 'in process'() {
    const gate = makeMemoryGate(systemClock)
    open.push(gate)
    return [gate, gate]
  },
  ...(program !== undefined && { Redis: openOnRedis }),
}

async function openOnRedis(): Promise<readonly [RequestGate, RequestGate]> {
  const gates = [makeRedisGate(redis.url, log), makeRedisGate(redis.url, log)] as const
  open.push(...gates)
  for (const gate of gates) await until(() => isThere(gate))
  return gates
}

const isThere = (gate: RequestGate) => gate.take(`there:${crypto.randomUUID()}`, 1, 1_000).then(taken => taken.allowed)

function ask(gate: RequestGate, tenantId: string, field: string, resource = 'products') {
  return gate.admit({ tenantId, limit: 1_000, answer: { tenantId, resource, field } })
}

/** Asks, misses, and keeps an answer. */
async function fill(gate: RequestGate, tenantId: string, field: string, answer: string, resource = 'products') {
  const { miss } = await ask(gate, tenantId, field, resource)
  if (miss === null) throw new Error('it cannot be kept')
  gate.keep({ tenantId, resource, field }, miss, answer)
}

for (const [name, openPair] of Object.entries(pairs))
  describe(name, () => {
    test('of many requests at once, through any process, exactly as many as the limit are let through', async () => {
      const [a, b] = await openPair()
      const tenantId = crypto.randomUUID()
      const asked = Array.from({ length: 500 }, (_, index) =>
        (index % 2 === 0 ? a : b).admit({ tenantId, limit: 100, answer: null }),
      )
      const admissions = await Promise.all(asked)
      expect(admissions.filter(one => one.allowed)).toHaveLength(100)
      const left = admissions.filter(one => one.allowed).map(one => one.remaining)
      expect(left.sort((x, y) => x - y)).toEqual(Array.from({ length: 100 }, (_, index) => index))
      expect(admissions.every(one => one.resetMs > 0 && one.resetMs <= 60_000)).toBe(true)
    })

    test('each tenant has its own count', async () => {
      const [gate] = await openPair()
      const one = await gate.admit({ tenantId: crypto.randomUUID(), limit: 1, answer: null })
      const other = await gate.admit({ tenantId: crypto.randomUUID(), limit: 1, answer: null })
      expect([one.allowed, other.allowed]).toEqual([true, true])
    })

    test('a window that has ended begins again', async () => {
      const [gate] = await openPair()
      const key = `key:${crypto.randomUUID()}`
      const { allowed, resetMs } = await gate.take(key, 1, 150)
      expect([allowed, (await gate.take(key, 1, 150)).allowed]).toEqual([true, false])
      await Bun.sleep(resetMs + 50)
      expect((await gate.take(key, 1, 150)).allowed).toBe(true)
    })

    test('what is given back can be taken again', async () => {
      const [a, b] = await openPair()
      const key = `key:${crypto.randomUUID()}`
      await a.take(key, 1, 60_000)
      await b.giveBack(key)
      expect((await a.take(key, 1, 60_000)).allowed).toBe(true)
      await a.giveBack(`never taken:${key}`)
      expect((await a.take(`never taken:${key}`, 1, 60_000)).remaining).toBe(0)
    })

    test('an answer that is kept is found by every process, by its tenant, resource and field only', async () => {
      const [a, b] = await openPair()
      const [tenantId, other] = [crypto.randomUUID(), crypto.randomUUID()]
      await fill(a, tenantId, '/api/products', 'the answer')
      await until(async () => (await ask(b, tenantId, '/api/products')).answer === 'the answer')
      expect((await ask(b, tenantId, '/api/products?limit=2')).answer).toBeNull()
      expect((await ask(b, tenantId, '/api/products', 'orders')).answer).toBeNull()
      expect((await ask(b, other, '/api/products')).answer).toBeNull()
    })

    test('dropped, it is gone everywhere; the other resources stay', async () => {
      const [a, b] = await openPair()
      const tenantId = crypto.randomUUID()
      await fill(a, tenantId, 'x', 'products before')
      await fill(a, tenantId, 'x', 'orders before', 'orders')
      await until(async () => (await ask(b, tenantId, 'x', 'orders')).answer !== null)
      await b.drop(tenantId, ['products'])
      expect((await ask(a, tenantId, 'x')).answer).toBeNull()
      expect((await ask(a, tenantId, 'x', 'orders')).answer).toBe('orders before')
    })

    test('what was read before a drop is never kept after it', async () => {
      const [a, b] = await openPair()
      const tenantId = crypto.randomUUID()
      const { miss } = await ask(a, tenantId, 'x')
      await b.drop(tenantId, ['products'])
      const fresh = await ask(b, tenantId, 'x')
      if (miss === null || fresh.miss === null) throw new Error('it cannot be kept')
      a.keep({ tenantId, resource: 'products', field: 'x' }, miss, 'from before')
      b.keep({ tenantId, resource: 'products', field: 'y' }, fresh.miss, 'from after')
      await until(async () => (await ask(a, tenantId, 'y')).answer === 'from after')
      await ask(a, tenantId, 'z')
      expect((await ask(a, tenantId, 'x')).answer).toBeNull()
    })

    test('no more answers than the bound are kept of a resource, and none that is too long', async () => {
      const [gate] = await openPair()
      const tenantId = crypto.randomUUID()
      const { miss } = await ask(gate, tenantId, 'first')
      if (miss === null) throw new Error('it cannot be kept')
      const key = { tenantId, resource: 'products' }
      gate.keep({ ...key, field: 'long' }, miss, 'x'.repeat(answerCharactersMax + 1))
      for (let index = 0; index < answersMax + 50; index++) gate.keep({ ...key, field: `f${index}` }, miss, 'answer')
      const asked = Array.from({ length: answersMax + 50 }, (_, index) => ask(gate, tenantId, `f${index}`))
      const found = (await Promise.all(asked)).filter(one => one.answer !== null)
      expect(found).toHaveLength(answersMax)
      expect((await ask(gate, tenantId, 'long')).answer).toBeNull()
    })
  })

test('in process, all answers together are bounded', async () => {
  const gate = makeMemoryGate(systemClock)
  const answer = 'x'.repeat(200_000)
  let kept = 0
  const tenants = Array.from({ length: 40 }, () => crypto.randomUUID())
  for (const tenantId of tenants) await fill(gate, tenantId, 'x', answer)
  for (const tenantId of tenants) if ((await ask(gate, tenantId, 'x')).answer !== null) kept++
  expect(kept * answer.length).toBeLessThanOrEqual(4 * 1024 * 1024)
  // What is dropped makes room.
  for (const tenantId of tenants) await gate.drop(tenantId, ['products'])
  const late = crypto.randomUUID()
  await fill(gate, late, 'x', answer)
  expect((await ask(gate, late, 'x')).answer).toBe(answer)
})

test.skipIf(program === undefined)(
  'while Redis is away it rejects at once, and what changed meanwhile is not answered from before',
  async () => {
    const [a, b] = await openOnRedis()
    const tenantId = crypto.randomUUID()
    await fill(a, tenantId, 'x', 'before')
    await until(async () => (await ask(b, tenantId, 'x')).answer === 'before')
    await redis.kill()
    await until(() =>
      ask(a, tenantId, 'x').then(
        () => false,
        () => true,
      ),
    )
    // Neither waits nor fails: the change was made.
    await a.drop(tenantId, ['products'])
    await redis.restart()
    await until(() => isThere(a))
    await until(() => isThere(b))
    expect((await ask(a, tenantId, 'x')).answer).toBeNull()
    await fill(b, tenantId, 'x', 'after')
    await until(async () => (await ask(a, tenantId, 'x')).answer === 'after')
  },
)
