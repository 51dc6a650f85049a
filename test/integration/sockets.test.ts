import { afterAll, beforeAll, expect, test } from 'bun:test'
import { Redis } from 'ioredis'
import { systemClock } from '../../src/lib/clock.ts'
import type { Server } from '../../src/lib/serve.ts'
import { type Feed, makeFeed } from '../../src/stores/feed.ts'
import { makeRedisBus } from '../../src/stores/redis/bus.ts'
import { makeRedisGate } from '../../src/stores/redis/request-gate.ts'
import { type Caller, openTestGateway, type TestGateway, textAt } from '../support/gateway.ts'
import { until } from '../support/installation.ts'
import { makeTestLog } from '../support/log.ts'
import { optionalProgram } from '../support/optional.ts'
import { startTestRedis, type TestRedis } from '../support/redis.ts'
import { openSocket } from '../support/socket.ts'

// Two gateways on one database and one Redis, as two processes are: what happens in one is heard in the other.

const program = optionalProgram('redis-server', 'sockets of several processes are not tried')
const log = makeTestLog()

let redis: TestRedis
let gateway: TestGateway
let servers: readonly Server[]
/** Of the second one. */
let otherFeed: Feed
const closers: (() => Promise<void>)[] = []

function openStores() {
  const [bus, gate] = [makeRedisBus(redis.url, log), makeRedisGate(redis.url, log)]
  closers.push(bus.close, gate.close)
  return { bus, gate, feed: makeFeed({ bus, gate, log }) }
}

beforeAll(async () => {
  if (program === undefined) return
  redis = await startTestRedis(program)
  gateway = await openTestGateway({ ...openStores(), clock: systemClock })
  const other = openStores()
  otherFeed = other.feed
  servers = [gateway.listen(), gateway.another(other)]
})
afterAll(async () => {
  if (program === undefined) return
  for (const server of servers) await server.stop()
  for (const close of closers) await close()
  await gateway.close()
  await redis.stop()
})

const ticketOf = async (as: Caller) => textAt(await gateway.call('POST', '/api/ws/ticket', { as }), 'ticket')
const openAt = (server: Server | undefined, ticket: string) => openSocket(`${server?.url}/api/ws?ticket=${ticket}`)
const isOpened = (server: Server | undefined, ticket: string) =>
  openAt(server, ticket).then(
    () => true,
    () => false,
  )

test.skipIf(program === undefined)(
  'what happens through one process is heard through the other, by its tenant only',
  async () => {
    const [as, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
    const sockets = await Promise.all(servers.map(async server => await openAt(server, await ticketOf(as))))
    const theirs = await openAt(servers[0], await ticketOf(stranger))
    await gateway.feed.announce(as.tenantId, { events: [{ type: 'bot.status', data: { id: 'through one' } }] })
    await otherFeed.announce(as.tenantId, { events: [{ type: 'bot.status', data: { id: 'through the other' } }] })
    for (const socket of sockets)
      expect((await socket.heard(2)).map(event => event.data.id).toSorted()).toEqual([
        'through one',
        'through the other',
      ])
    await otherFeed.announce(stranger.tenantId, { events: [{ type: 'bot.status', data: { id: 'theirs' } }] })
    expect((await theirs.heard(1)).map(event => event.data.id)).toEqual(['theirs'])
  },
)

test.skipIf(program === undefined)(
  'whoever has a socket has missed nothing that was announced since, through any process',
  async () => {
    for (let round = 0; round < 50; round++) {
      const as = await gateway.addCaller()
      const socket = await openAt(servers[round % 2], await ticketOf(as))
      await otherFeed.announce(as.tenantId, { events: [{ type: 'bot.status', data: { id: String(round) } }] })
      expect((await socket.heard(1)).map(event => event.data.id)).toEqual([String(round)])
      socket.close()
    }
  },
)

test.skipIf(program === undefined)('a ticket works once in all processes together', async () => {
  const ticket = await ticketOf(await gateway.addCaller())
  const tries = await Promise.all(Array.from({ length: 20 }, (_, index) => isOpened(servers[index % 2], ticket)))
  expect(tries.filter(Boolean)).toHaveLength(1)
})

test.skipIf(program === undefined)('who is removed through one process is thrown out of the other', async () => {
  const as = await gateway.addCaller()
  const agent = await gateway.addCaller('agent', as.tenantId)
  const socket = await openAt(servers[1], await ticketOf(agent))
  expect((await gateway.call('DELETE', `/api/users/${agent.userId}`, { as })).status).toBe(204)
  await until(() => socket.closed() === 4401)
})

test.skipIf(program === undefined)('a process listens to a tenant while it has a socket of it', async () => {
  const asking = new Redis(redis.url)
  const as = await gateway.addCaller()
  const listening = async () => Number((await asking.pubsub('NUMSUB', `dashoffice:events:${as.tenantId}`))[1])
  const sockets = []
  for (const server of [...servers, ...servers]) sockets.push(await openAt(server, await ticketOf(as)))
  expect(await listening()).toBe(2)
  sockets[0]?.close()
  sockets[1]?.close()
  sockets[2]?.close()
  await until(async () => (await listening()) === 1)
  sockets[3]?.close()
  await until(async () => (await listening()) === 0)
  expect(await isOpened(servers[0], 'no ticket')).toBe(false)
  expect(await listening()).toBe(0)
  asking.disconnect()
})

test.skipIf(program === undefined)(
  'without Redis no ticket counts as unused; sockets that are open hear again once it is back',
  async () => {
    const as = await gateway.addCaller()
    const socket = await openAt(servers[1], await ticketOf(as))
    await redis.kill()
    const ticket = await ticketOf(as)
    const answer = await gateway.call('GET', `/api/ws?ticket=${ticket}`, { headers: { upgrade: 'websocket' } })
    expect(answer.status).toBe(503)
    await redis.restart()
    await until(async () => {
      await gateway.feed.announce(as.tenantId, { events: [{ type: 'bot.status', data: { id: 'again' } }] })
      return socket.events.length > 0
    })
    await until(async () => await isOpened(servers[0], await ticketOf(as)))
  },
)
