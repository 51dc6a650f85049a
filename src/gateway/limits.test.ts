import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openTestGateway, type TestGateway } from '../../test/support/gateway.ts'
import { readSettings } from '../config.ts'
import { makeMemoryGate } from '../stores/memory/request-gate.ts'
import type { RequestGate } from '../stores/request-gate.ts'

let nowMs = Date.now()
const clock = { now: () => nowMs }
const inner = makeMemoryGate(clock)
let isAway = false

/** A gate that can be away, as Redis can. */
const gate: RequestGate = {
  ...inner,
  admit: request => (isAway ? Promise.reject(new Error('away')) : inner.admit(request)),
  take: (...given) => (isAway ? Promise.reject(new Error('away')) : inner.take(...given)),
  giveBack: key => (isAway ? Promise.reject(new Error('away')) : inner.giveBack(key)),
}

const secret = 'a-secret-for-tests-of-32-bytes-or-more'
let gateway: TestGateway
beforeAll(async () => {
  const config = { ...readSettings({ RATE_LIMIT_API_PER_MINUTE: '10' }), JWT_SECRET: secret }
  gateway = await openTestGateway({ clock, gate, config })
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

test('while the shared counts are away, reads are let through and changes are counted here', async () => {
  const as = await gateway.addCaller()
  isAway = true
  try {
    for (let tries = 0; tries < 15; tries++)
      expect((await gateway.call('GET', '/api/products', { as })).status).toBe(200)
    const statuses = []
    for (let tries = 0; tries < 11; tries++)
      statuses.push((await gateway.call('POST', '/api/products', { as, body: {} })).status)
    expect(statuses).toEqual([...Array(10).fill(422), 429])
    const metrics = await (await gateway.fetch('/metrics')).text()
    expect(metrics).toContain('rate_limit_unavailable_total{outcome="let_through"} 15')
    expect(metrics).toContain('rate_limit_unavailable_total{outcome="counted_here"} 11')
  } finally {
    isAway = false
  }
})
