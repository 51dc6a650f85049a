import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'
import { until } from '../../../test/support/installation.ts'
import { makeTestLog } from '../../../test/support/log.ts'
import { optionalProgram } from '../../../test/support/optional.ts'
import { freePort } from '../../../test/support/process.ts'
import { startTestRedis } from '../../../test/support/redis.ts'
import { openSocket } from '../../../test/support/socket.ts'
import { refreshMetrics } from '../../analytics/refresh-metrics.ts'
import { systemClock } from '../../lib/clock.ts'
import { firstId, uuids } from '../../lib/ids.ts'
import type { LogEntry } from '../../stores/log-store.ts'
import { openMongoLogStore } from '../../stores/mongo/log-store.ts'
import { makeRedisMetricsCache } from '../../stores/redis/metrics-cache.ts'

const hourMs = 3_600_000
/** Half past: the whole test lies in one hour. */
const now = Math.floor(Date.now() / hourMs) * hourMs + hourMs / 2

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway({ clock: { now: () => now } })
})
afterAll(() => gateway.close())

const get = (path: string, as?: Caller) => gateway.call('GET', `/api/analytics${path}`, { ...(as && { as }) })
const paths = ['/metrics', '/providers', '/events', `/flows/${uuids.next()}`]

async function addRollup(tenant: string, type: string, count: number, key = '', bot = firstId): Promise<void> {
  await gateway.admin`insert into analytics_rollups (tenant_id, hour, bot_id, log_type, key, count, sum, buckets)
    values (${tenant}, ${new Date(now - (now % hourMs))}, ${bot}, ${type}, ${key}, ${count}, 0, ${`{${count}}`}::bigint[])
    on conflict (tenant_id, hour, bot_id, log_type, key) do update set count = excluded.count, buckets = excluded.buckets`
}

/** An agent who is tied to a seller. */
async function tiedAgent(tenantId: string): Promise<Caller> {
  const [agent, seller] = [await gateway.addCaller('agent', tenantId), uuids.next()]
  await gateway.admin`insert into sellers (tenant_id, id, name) values (${tenantId}, ${seller}, 'S')`
  await gateway.admin`update users set seller_id = ${seller} where id = ${agent.userId}`
  return agent
}

async function addFlow(as: Caller): Promise<string> {
  const steps = { a: { type: 'message', content: { type: 'text', text: 'Hello' }, next: 'end' } }
  const body = { name: uuids.next(), start: 'a', triggers: [{ fallback: true }], steps }
  return textAt(await gateway.call('POST', '/api/flows', { as, body }), 'id')
}

test('nobody gets figures without a login, and a key only with its scope', async () => {
  for (const path of paths) expect([path, (await get(path)).status]).toEqual([path, 401])
  const owner = await gateway.addCaller()
  const keyOf = async (scope: string) => {
    const body = { name: 'Key', scopes: [scope] }
    return { 'x-api-key': textAt(await gateway.call('POST', '/api/api-keys', { as: owner, body }), 'key') }
  }
  const [fits, other] = [await keyOf('analytics:read'), await keyOf('products:read')]
  expect((await gateway.call('GET', '/api/analytics/metrics', { headers: fits })).status).toBe(200)
  expect((await gateway.call('GET', '/api/analytics/metrics', { headers: other })).status).toBe(403)
})

test('an agent who is tied to a seller sees the figures of the whole business, and no single event', async () => {
  const owner = await gateway.addCaller()
  await addRollup(owner.tenantId, 'inbound', 3)
  const agent = await tiedAgent(owner.tenantId)
  expect(at(await get('/metrics', agent), 'messages.inbound')).toBe(3)
  expect((await get('/providers', agent)).status).toBe(200)
  expect((await get(`/flows/${await addFlow(owner)}`, agent)).status).toBe(200)
  expect((await get('/events', agent)).status).toBe(403)
  expect((await get('/events', await gateway.addCaller('agent', owner.tenantId))).status).toBe(200)
})

test('what is no window, and a flow that is not there, are refused', async () => {
  const [owner, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
  for (const path of ['/metrics', '/providers', `/flows/${uuids.next()}`])
    expect([path, (await get(`${path}?window=1h`, owner)).status]).toEqual([path, 422])
  expect((await get(`/flows/${uuids.next()}`, owner)).status).toBe(404)
  expect((await get('/flows/none', owner)).status).toBe(404)
  expect((await get(`/flows/${await addFlow(stranger)}`, owner)).status).toBe(404)
})

describe('metrics', () => {
  test('are those of a day, a week or a month, a day if nothing is said', async () => {
    const owner = await gateway.addCaller()
    await addRollup(owner.tenantId, 'accepted', 4)
    for (const [query, window] of [
      ['', '24h'],
      ['?window=7d', '7d'],
      ['?window=30d', '30d'],
    ]) {
      const answer = await get(`/metrics${query}`, owner)
      expect(answer.json).toMatchObject({ window, messages: { total: 4, inbound: 0, outbound: 4 }, active_bots: 0 })
      expect(at(answer, 'generated_at')).toBe(new Date(now).toISOString())
    }
  })

  test('are those of the last pass: kept until the next, and then its own', async () => {
    const owner = await gateway.addCaller()
    const inbound = async () => at(await get('/metrics', owner), 'messages.inbound')
    await addRollup(owner.tenantId, 'inbound', 1)
    expect(await inbound()).toBe(1)
    await addRollup(owner.tenantId, 'inbound', 2)
    expect(await inbound()).toBe(1)
    await refreshMetrics(gateway, [owner.tenantId])
    expect(await inbound()).toBe(2)
  })

  test('have an ETag, which the next pass changes', async () => {
    const owner = await gateway.addCaller()
    const etag = (await get('/metrics', owner)).headers.get('etag') ?? ''
    const again = () => gateway.call('GET', '/api/analytics/metrics', { as: owner, headers: { 'if-none-match': etag } })
    expect((await again()).status).toBe(304)
    await addRollup(owner.tenantId, 'inbound', 9)
    await refreshMetrics(gateway, [owner.tenantId])
    expect((await again()).status).toBe(200)
  })

  test('are told to the sockets of their tenant after a pass, one for each window, and to nobody else', async () => {
    const server = gateway.listen()
    const [owner, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
    const open = async (as: Caller) => {
      const ticket = textAt(await gateway.call('POST', '/api/ws/ticket', { as }), 'ticket')
      return await openSocket(`${server.url}/api/ws?ticket=${ticket}`)
    }
    const [ours, tied, theirs] = [await open(owner), await open(await tiedAgent(owner.tenantId)), await open(stranger)]
    await addRollup(owner.tenantId, 'inbound', 6, 'meta', uuids.next())
    await refreshMetrics(gateway, [owner.tenantId])
    const kept = (await get('/metrics?window=7d', owner)).json
    for (const socket of [ours, tied]) {
      const heard = await socket.heard(3)
      expect(heard.map(event => [event.type, event.data.window])).toEqual([
        ['metrics.updated', '24h'],
        ['metrics.updated', '7d'],
        ['metrics.updated', '30d'],
      ])
      expect(heard[1]?.data).toEqual(kept as Record<string, unknown>)
      expect(heard[1]?.data).toMatchObject({ messages: { inbound: 6 }, active_bots: 1 })
    }
    await refreshMetrics(gateway, [stranger.tenantId])
    expect((await theirs.heard(3)).map(event => event.data.active_bots)).toEqual([0, 0, 0])
    expect(ours.events).toHaveLength(3)
    for (const socket of [ours, tied, theirs]) socket.close()
    await server.stop()
  })

  const program = optionalProgram('redis-server', 'figures without their Redis are not tried')
  test.skipIf(program === undefined)('come out of the rollups while Redis is away', async () => {
    if (program === undefined) return
    const redis = await startTestRedis(program)
    const metricsCache = makeRedisMetricsCache(redis.url, makeTestLog())
    const server = gateway.another({ metricsCache })
    const owner = await gateway.addCaller()
    const inbound = async () => {
      const headers = { authorization: `Bearer ${owner.token}` }
      const answer = await fetch(`${server.url}/api/analytics/metrics`, { headers })
      expect(answer.status).toBe(200)
      return (await answer.json()).messages.inbound
    }
    await addRollup(owner.tenantId, 'inbound', 1)
    // It is reached, and keeps what was read.
    await until(async () => (await inbound()) === 1 && (await metricsCache.get(owner.tenantId, '24h')) !== undefined)
    await addRollup(owner.tenantId, 'inbound', 2)
    expect(await inbound()).toBe(1)
    await redis.kill()
    await until(async () => (await metricsCache.get(owner.tenantId, '24h')) === undefined)
    expect(await inbound()).toBe(2)
    await addRollup(owner.tenantId, 'inbound', 3)
    expect(await inbound()).toBe(3)
    await refreshMetrics({ ...gateway, metricsCache }, [owner.tenantId])
    await server.stop()
    await metricsCache.close()
    await redis.stop()
  })

  test('a pass that cannot read the figures of one tenant refreshes the others', async () => {
    const owner = await gateway.addCaller()
    await addRollup(owner.tenantId, 'inbound', 1)
    await get('/metrics', owner)
    await addRollup(owner.tenantId, 'inbound', 2)
    // No id at all: the database refuses it.
    await refreshMetrics(gateway, ['none', owner.tenantId])
    expect(at(await get('/metrics', owner), 'messages.inbound')).toBe(2)
  })
})

test('the figures of a flow, and those of the providers', async () => {
  const owner = await gateway.addCaller()
  const flow = await addFlow(owner)
  await addRollup(owner.tenantId, 'flow.started', 5, flow)
  await addRollup(owner.tenantId, 'replied', 5, `${flow} a`)
  await addRollup(owner.tenantId, 'flow.ended', 4, `end ${flow} a`)
  await addRollup(owner.tenantId, 'flow.ended', 1, `closed ${flow} a`)
  await addRollup(owner.tenantId, 'accepted', 5, 'meta')
  await addRollup(owner.tenantId, 'failed', 2, 'meta 131047')
  expect((await get(`/flows/${flow}?window=7d`, owner)).json).toEqual({
    ...{ flow_id: flow, window: '7d' },
    ...{ starts: 5, completions: 4, handoffs: 0, failed: 0, retries: 0, conversions: 0 },
    steps: [{ step: 'a', reached: 5, left_here: 1, rejected: 0, timed_out: 0 }],
    generated_at: new Date(now).toISOString(),
  })
  expect(at(await get('/providers', owner), 'data')).toEqual([
    { provider: 'meta', accepted: 5, delivered: 0, read: 0, failed: 2, unknown: 0, failed_by_code: { '131047': 2 } },
  ])
})

describe('events', () => {
  let owner: Caller
  const conversation = uuids.next()

  function entry(seq: number, tenant_id: string, log_type = 'replied'): LogEntry {
    return {
      ...{ id: `${conversation}:${seq}`, tenant_id, log_type, conversation_id: conversation },
      created_at: new Date(now - (10 - seq) * 60_000),
      ...{ bot_id: null, key: '', value: null, bucket: null, data: { step: `s${seq}` } },
    }
  }

  beforeAll(async () => {
    owner = await gateway.addCaller()
    const entries = Array.from({ length: 7 }, (_, index) => entry(index + 1, owner.tenantId))
    await gateway.logs.append('analytics_events', [...entries, entry(8, owner.tenantId, 'handed_off')])
    await gateway.logs.append('analytics_events', [{ ...entry(9, (await gateway.addCaller()).tenantId), id: 'theirs' }])
  })

  const steps = async (query: string) =>
    column(await get(`/events${query}`, owner), 'data').map(data => (data as { step: string }).step)

  test('are shown newest first, and those of the tenant only', async () => {
    const answer = await get('/events?limit=1', owner)
    expect(at(answer, 'data')).toEqual([
      {
        ...{ id: `${conversation}:8`, type: 'handed_off', at: new Date(now - 120_000).toISOString() },
        ...{ bot_id: null, conversation_id: conversation, data: { step: 's8' } },
      },
    ])
    expect(await steps('')).toEqual(['s8', 's7', 's6', 's5', 's4', 's3', 's2', 's1'])
  })

  test('are narrowed by type and time', async () => {
    expect(await steps('?type=handed_off')).toEqual(['s8'])
    expect(await steps('?type=none')).toEqual([])
    const minutesAgo = (minutes: number) => new Date(now - minutes * 60_000).toISOString()
    expect(await steps(`?from=${minutesAgo(5)}&to=${minutesAgo(3)}`)).toEqual(['s6', 's5'])
    expect(await steps('?from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z')).toHaveLength(8)
  })

  test('are read page by page, whatever is added meanwhile', async () => {
    const seen: string[] = []
    for (let cursor = ''; ; ) {
      const page = await get(`/events?limit=3${cursor}`, owner)
      seen.push(...column(page, 'id').map(String))
      const next = at(page, 'next_cursor')
      if (next === null) break
      cursor = `&cursor=${next}`
      const newest = { ...entry(10, owner.tenantId, 'closed'), id: `${conversation}:new${seen.length}` }
      await gateway.logs.append('analytics_events', [newest])
    }
    expect(seen).toEqual([8, 7, 6, 5, 4, 3, 2, 1].map(seq => `${conversation}:${seq}`))
  })

  test('what is no cursor, no time and no known filter is refused', async () => {
    const forged = Buffer.from(JSON.stringify([1, 'a\0b'])).toString('base64url')
    for (const query of ['?cursor=x', `?cursor=${forged}`, '?from=yesterday', '?who=me', '?limit=101'])
      expect([query, (await get(`/events${query}`, owner)).status]).toEqual([query, 422])
  })

  test('are away with their store, which holds nothing else up', async () => {
    const url = `mongodb://127.0.0.1:${await freePort()}/none`
    const logs = openMongoLogStore({ url, log: makeTestLog(), clock: systemClock, keptDays: 30 })
    const server = gateway.another({ logs })
    const headers = { authorization: `Bearer ${owner.token}` }
    const answer = await fetch(`${server.url}/api/analytics/events`, { headers })
    expect([answer.status, (await answer.json()).type]).toEqual([503, '/problems/logs_unavailable'])
    expect((await fetch(`${server.url}/api/analytics/metrics`, { headers })).status).toBe(200)
    await server.stop()
    await logs.close()
  })
})
