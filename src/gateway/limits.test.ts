import { afterAll, beforeAll, expect, test } from 'bun:test'
import pino from 'pino'
import { openTestGateway, type TestGateway } from '../../test/support/gateway.ts'
import { until } from '../../test/support/installation.ts'
import { makeTestLog } from '../../test/support/log.ts'
import { optionalProgram } from '../../test/support/optional.ts'
import { startTestRedis } from '../../test/support/redis.ts'
import { readSettings } from '../config.ts'
import { makeRedisGate } from '../stores/redis/request-gate.ts'

const program = optionalProgram('redis-server', 'limits while Redis is away are not tried')
let nowMs = Date.now()
const clock = { now: () => nowMs }
const secret = 'a-secret-for-tests-of-32-bytes-or-more'
let gateway: TestGateway
beforeAll(async () => {
  const config = { ...readSettings({ RATE_LIMIT_API_PER_MINUTE: '10' }), JWT_SECRET: secret }
  gateway = await openTestGateway({ clock, config })
})
afterAll(() => gateway.close())

test('every answer says how much of the limit is left, and the one too many when to come back', async () => {
  const as = await gateway.addCaller()
  for (let left = 9; left >= 0; left--) {
    const { headers, status } = await gateway.call('GET', '/api/products', { as })
    expect([status, headers.get('ratelimit-limit'), headers.get('ratelimit-remaining')]).toEqual([200, '10', `${left}`])
    expect(Number(headers.get('ratelimit-reset'))).toBeGreaterThan(0)
  }
  const refused = await gateway.call('GET', '/api/products', { as })
  expect([refused.status, refused.headers.get('ratelimit-remaining')]).toEqual([429, '0'])
  expect(refused.headers.get('retry-after')).toBe(refused.headers.get('ratelimit-reset'))
  nowMs += 61_000
  expect((await gateway.call('GET', '/api/products', { as })).status).toBe(200)
})

test('all users of a tenant share its limit; another tenant has its own', async () => {
  const [as, other] = [await gateway.addCaller(), await gateway.addCaller()]
  const viewer = await gateway.addCaller('viewer', as.tenantId)
  const asked = Array.from({ length: 30 }, (_, index) =>
    gateway.call('GET', `/api/products?limit=${index + 1}`, { as: index % 2 === 0 ? as : viewer }),
  )
  const statuses = (await Promise.all(asked)).map(answer => answer.status)
  expect(statuses.filter(status => status === 200)).toHaveLength(10)
  expect(statuses.filter(status => status === 429)).toHaveLength(20)
  expect((await gateway.call('GET', '/api/products', { as: other })).status).toBe(200)
})

test('a tenant can have a limit of its own', async () => {
  const as = await gateway.addCaller()
  await gateway.setRequestsPerMinute(as.tenantId, 2)
  const statuses = []
  for (let tries = 0; tries < 3; tries++) statuses.push((await gateway.call('GET', '/api/products', { as })).status)
  expect(statuses).toEqual([200, 200, 429])
})

test('strangers are counted by their address, and told apart behind a proxy that is trusted', async () => {
  const from = (peer: string, forwarded?: string) =>
    gateway.fetch(
      '/api/products',
      { headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded } },
      { peerAddress: () => peer },
    )
  for (let tries = 0; tries < 10; tries++) expect((await from('203.0.113.7')).status).toBe(401)
  const refused = await from('203.0.113.7', '198.51.100.1')
  expect([refused.status, refused.headers.get('retry-after') !== null]).toEqual([429, true])
  for (let tries = 0; tries < 10; tries++) expect((await from('127.0.0.1', '1.1.1.1, 203.0.113.8')).status).toBe(401)
  expect((await from('::1', '9.9.9.9, 203.0.113.8')).status).toBe(429)
  expect((await from('127.0.0.1', '203.0.113.9')).status).toBe(401)
})

test('an answer that nothing else has counted says what the address has left, and is not refused', async () => {
  const left = async (path: string) => {
    const peer = { peerAddress: () => '203.0.113.20' }
    const { status, headers } = await gateway.fetch(path, {}, peer)
    return [status, headers.get('ratelimit-limit'), headers.get('ratelimit-remaining')]
  }
  expect(await left('/api/nowhere')).toEqual([404, '10', '9'])
  for (let tries = 0; tries < 10; tries++) await left('/api/nowhere')
  expect(await left('/api/nowhere')).toEqual([404, '10', '0'])
  expect(await left('/api/health')).toEqual([200, '10', '0'])
  expect(await left('/docs')).toEqual([200, null, null])
})

test.skipIf(program === undefined)(
  'while Redis is away, reads are let through and changes are counted here, with a line and a metric',
  async () => {
    const redis = await startTestRedis(program ?? '')
    const lines: string[] = []
    const log = pino({}, { write: line => void lines.push(line) })
    const gate = makeRedisGate(redis.url, makeTestLog())
    const other = await openTestGateway({
      ...{ clock, gate, log },
      config: { ...readSettings({ RATE_LIMIT_API_PER_MINUTE: '10' }), JWT_SECRET: secret },
    })
    try {
      const as = await other.addCaller()
      await until(
        async () => (await other.call('GET', '/api/products', { as })).headers.get('ratelimit-remaining') !== '10',
      )
      await redis.kill()
      await until(() =>
        gate.take('gone', 1, 1_000).then(
          () => false,
          () => true,
        ),
      )
      for (let tries = 0; tries < 15; tries++)
        expect((await other.call('GET', '/api/products', { as })).status).toBe(200)
      const statuses = []
      for (let tries = 0; tries < 11; tries++)
        statuses.push((await other.call('POST', '/api/products', { as, body: {} })).status)
      expect(statuses).toEqual([...Array(10).fill(422), 429])
      const metrics = await (await other.fetch('/metrics')).text()
      expect(metrics).toMatch(/rate_limit_unavailable_total\{outcome="let_through"\} \d+/)
      expect(metrics).toContain('rate_limit_unavailable_total{outcome="counted_here"} 11')
      expect(lines.filter(line => line.includes('rate limits cannot be shared'))).toHaveLength(1)
    } finally {
      await other.close()
      await redis.stop()
    }
  },
)
