import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, openTestGateway, type TestGateway, textAt } from '../../test/support/gateway.ts'
import { until } from '../../test/support/installation.ts'
import { openRawSocket, openSocket, type TestSocket } from '../../test/support/socket.ts'
import { accessTokenSeconds } from '../identity/access-token.ts'
import type { Server } from '../lib/serve.ts'
import { receiveMessages } from '../messaging/receive-messages.ts'
import type { FeedEvent } from '../stores/feed.ts'
import { connect, type Database } from '../stores/postgres/database.ts'
import { ticketSeconds } from './tickets.ts'

let nowMs = Date.now()
let gateway: TestGateway
let server: Server
beforeAll(async () => {
  gateway = await openTestGateway({ clock: { now: () => nowMs } })
  server = gateway.listen()
})
afterAll(async () => {
  await server.stop()
  await gateway.close()
})

const ticketOf = async (as: Caller) => textAt(await gateway.call('POST', '/api/ws/ticket', { as }), 'ticket')
const open = async (as: Caller) => await openSocket(`${server.url}/api/ws?ticket=${await ticketOf(as)}`)
const refused = (ticket: string) =>
  openSocket(`${server.url}/api/ws?ticket=${ticket}`).then(
    () => false,
    () => true,
  )
const announce = (as: Caller, ...events: FeedEvent[]) => gateway.feed.announce(as.tenantId, { events })
const idsOf = (socket: TestSocket) => socket.events.map(event => event.data.id)
const metrics = async () => await (await gateway.fetch('/metrics')).text()

/** Told last: what was not heard by then is not heard. */
async function heardAll(as: Caller, socket: TestSocket): Promise<unknown[]> {
  await announce(as, { type: 'bot.status', data: { id: 'last' } })
  await until(() => idsOf(socket).includes('last'))
  return idsOf(socket)
}

test('a ticket takes a login, and a socket takes a ticket', async () => {
  expect((await gateway.call('POST', '/api/ws/ticket')).status).toBe(401)
  const plain = await gateway.call('GET', '/api/ws?ticket=none')
  expect([plain.status, plain.headers.get('upgrade')]).toEqual([426, 'websocket'])
  expect((await gateway.call('GET', '/api/ws', { headers: { upgrade: 'websocket' } })).status).toBe(422)
  const [signed = '', signature = ''] = (await ticketOf(await gateway.addCaller())).split('.')
  for (const ticket of ['none', 'a.b.c', `${signed}.`, signed, `${signed}x.${signature}`, `${signed}.${signature}.x`]) {
    const wrong = await gateway.call('GET', `/api/ws?ticket=${ticket}`, { headers: { upgrade: 'websocket' } })
    expect([wrong.status, at(wrong, 'type')]).toEqual([401, '/problems/wrong_ticket'])
    expect(await refused(ticket)).toBe(true)
  }
})

test('a ticket works once, however many try at once, and for half a minute', async () => {
  const as = await gateway.addCaller()
  const ticket = await ticketOf(as)
  const tries = await Promise.all(Array.from({ length: 20 }, () => refused(ticket)))
  expect(tries.filter(isRefused => !isRefused)).toHaveLength(1)
  const [good, late] = [await ticketOf(as), await ticketOf(as)]
  nowMs += ticketSeconds * 1_000 - 1
  expect(await refused(good)).toBe(false)
  nowMs += 1
  expect(await refused(late)).toBe(true)
})

test('an access token is no ticket, and a ticket no access token', async () => {
  const as = await gateway.addCaller()
  expect(await refused(as.token)).toBe(true)
  const token = await ticketOf(as)
  expect((await gateway.call('GET', '/api/me', { as: { ...as, token } })).status).toBe(401)
})

test('what happens is told to every socket of the tenant, and to nobody else', async () => {
  const [as, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
  const viewer = await gateway.addCaller('viewer', as.tenantId)
  const [one, other, theirs] = [await open(as), await open(viewer), await open(stranger)]
  const add = async (path: string, body: object) => textAt(await gateway.call('POST', path, { as, body }), 'id')
  const product_id = await add('/api/products', { sku: 'a', name: 'A', price_minor: 1, currency: 'EUR', stock: 1 })
  const customer_id = await add('/api/customers', { name: 'C', phone: '+573001234567' })
  const body = { customer_id, items: [{ product_id, quantity: 1 }] }
  const order = await gateway.call('POST', '/api/orders', { as, body })
  for (const socket of [one, other]) {
    const [event] = await socket.heard(1)
    expect<unknown>(event).toEqual({ type: 'order.created', data: order.json, at: expect.any(String) })
    expect(event?.at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  }
  expect(await heardAll(stranger, theirs)).toEqual(['last'])
})

test('who reads what an event tells of reads it as it is now', async () => {
  const as = await gateway.addCaller()
  const socket = await open(as)
  const body = { sku: 'a', name: 'A', price_minor: 1, currency: 'EUR', stock: 1_000 }
  const product_id = textAt(await gateway.call('POST', '/api/products', { as, body }), 'id')
  const customer = { name: 'C', phone: '+573001234567' }
  const customer_id = textAt(await gateway.call('POST', '/api/customers', { as, body: customer }), 'id')
  for (let count = 1; count <= 20; count++) {
    await gateway.call('GET', `/api/products/${product_id}`, { as })
    await gateway.call('POST', '/api/orders', { as, body: { customer_id, items: [{ product_id, quantity: 1 }] } })
    await socket.heard(count)
    expect(at(await gateway.call('GET', `/api/products/${product_id}`, { as }), 'stock')).toBe(1_000 - count)
  }
})

test('who is tied to a seller hears of that seller’s orders and conversations only, and of bots', async () => {
  const as = await gateway.addCaller()
  const [mine, another] = [await addSeller(as), await addSeller(as)]
  const agent = await gateway.addCaller('agent', as.tenantId)
  const bound = await gateway.call('PUT', `/api/users/${agent.userId}`, { as, body: { seller_id: mine } })
  expect(bound.status).toBe(200)
  const [own, theirs] = [await addConversation(as, mine), await addConversation(as, another)]
  const [owner, tied] = [await open(as), await open(agent)]
  await announce(
    as,
    { type: 'order.updated', data: { id: 'their order', seller_id: another } },
    { type: 'order.updated', data: { id: "nobody's order", seller_id: null } },
    { type: 'order.updated', data: { id: 'my order', seller_id: mine } },
    { type: 'conversation.updated', data: { id: theirs } },
    { type: 'conversation.updated', data: { id: own } },
    { type: 'conversation.updated', data: { id: crypto.randomUUID() } },
    { type: 'message.created', data: { conversation_id: theirs, id: 'their message' } },
    { type: 'message.created', data: { conversation_id: own, id: 'my message' } },
    { type: 'message.status', data: { message_id: 'unknown', id: 'a message of who knows where' } },
    { type: 'bot.status', data: { id: 'a bot' } },
  )
  expect(await heardAll(as, tied)).toEqual(['my order', own, 'my message', 'a bot', 'last'])
  expect(await heardAll(as, owner)).toHaveLength(11)
})

async function addSeller(as: Caller): Promise<string> {
  return textAt(await gateway.call('POST', '/api/sellers', { as, body: { name: 'S' } }), 'id')
}

/** One that was given to the seller. */
async function addConversation(as: Caller, sellerId: string): Promise<string> {
  const config = {
    access_token: 'a',
    app_secret: 'b',
    verify_token: 'c',
    phone_number_id: String(Math.random()).slice(2, 12),
  }
  const body = { name: 'Bot', provider: 'meta', config }
  const botId = textAt(await gateway.call('POST', '/api/bots', { as, body }), 'id')
  await receiveMessages(
    gateway.database,
    gateway.ids,
    [
      {
        ...{ tenantId: as.tenantId, botId, providerMessageId: crypto.randomUUID(), at: new Date() },
        sender: { identities: [{ kind: 'phone', value: '+573009990000' }], name: null },
        content: { type: 'text', text: 'hola' },
      },
    ],
    gateway.sealer,
  )
  await gateway.feed.announce(as.tenantId, { changed: ['conversations', 'customers'] })
  const id = textAt(await gateway.call('GET', `/api/conversations?bot_id=${botId}`, { as }), 'data.0.id')
  const taken = await gateway.call('POST', `/api/conversations/${id}/handoff`, { as, body: { seller_id: sellerId } })
  expect(taken.status).toBe(202)
  return id
}

test('a key hears only of what it may read, until it is revoked', async () => {
  const as = await gateway.addCaller()
  const made = await gateway.call('POST', '/api/api-keys', { as, body: { name: 'Bots', scopes: ['bots:read'] } })
  const headers = { 'x-api-key': textAt(made, 'key') }
  const ticket = textAt(await gateway.call('POST', '/api/ws/ticket', { headers }), 'ticket')
  const socket = await openSocket(`${server.url}/api/ws?ticket=${ticket}`)
  await announce(as, { type: 'order.updated', data: { id: 'order' } }, { type: 'message.created', data: { id: 'one' } })
  expect(await heardAll(as, socket)).toEqual(['last'])
  const unused = textAt(await gateway.call('POST', '/api/ws/ticket', { headers }), 'ticket')
  expect((await gateway.call('DELETE', `/api/api-keys/${textAt(made, 'id')}`, { as })).status).toBe(204)
  await until(() => socket.closed() === 4401)
  expect(await refused(unused)).toBe(true)
})

test('who is removed, or may do something else now, hears nothing any more; their tickets are worth nothing', async () => {
  const as = await gateway.addCaller()
  const [removed, changed] = [
    await gateway.addCaller('agent', as.tenantId),
    await gateway.addCaller('agent', as.tenantId),
  ]
  const [gone, other, stays] = [await open(removed), await open(changed), await open(as)]
  const unused = await ticketOf(removed)
  expect((await gateway.call('DELETE', `/api/users/${removed.userId}`, { as })).status).toBe(204)
  await gateway.call('PUT', `/api/users/${changed.userId}`, { as, body: { role: 'viewer' } })
  await announce(as, { type: 'message.created', data: { id: 'too late' } })
  await until(() => gone.closed() === 4401 && other.closed() === 4401)
  expect([...gone.events, ...other.events]).toEqual([])
  expect(await refused(unused)).toBe(true)
  expect(await heardAll(as, stays)).toEqual(['too late', 'last'])
})

test('who changes while their socket is being opened is found out', async () => {
  const as = await gateway.addCaller()
  const agent = await gateway.addCaller('agent', as.tenantId)
  const [wasRead, mayGoOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const slow: Database = {
    ...gateway.database,
    async read(scope, work) {
      const result = await gateway.database.read(scope, work)
      wasRead.resolve()
      await mayGoOn.promise
      return result
    },
  }
  const other = gateway.another({ database: slow })
  const opening = openSocket(`${other.url}/api/ws?ticket=${await ticketOf(agent)}`)
  await wasRead.promise
  await gateway.call('PUT', `/api/users/${agent.userId}`, { as, body: { role: 'viewer' } })
  mayGoOn.resolve()
  const socket = await opening
  await until(() => socket.closed() === 4401)
  await other.stop()
})

test('a socket ends with the login, also where nobody told of it', async () => {
  const as = await gateway.addCaller()
  const agent = await gateway.addCaller('agent', as.tenantId)
  const [lasting, ended] = [await open(as), await open(agent)]
  const admin = connect(gateway.connection, 1)
  await admin`update refresh_tokens set revoked_at = now() where user_id = ${agent.userId}`
  await admin.close()
  nowMs += 30_000
  await until(() => ended.closed() === 4401)
  expect(await heardAll(as, lasting)).toEqual(['last'])
  nowMs += accessTokenSeconds * 1_000
  await until(() => lasting.closed() === 4401)
})

test('a ping is answered, anything else ends the socket', async () => {
  for (const [text, code] of [
    ['hello', 4400],
    ['{"type":"pong"}', 4400],
    ['{"type":"ping","data":1}', 4400],
    ['null', 4400],
  ] as const) {
    const socket = await open(await gateway.addCaller())
    socket.send('{"type": "ping"}')
    expect(await socket.heard(1)).toMatchObject([{ type: 'pong' }])
    socket.send(text)
    await until(() => socket.closed() === code)
  }
  const talkative = await open(await gateway.addCaller())
  for (let count = 0; count < 1_000; count++) talkative.send('{"type":"ping"}')
  await until(() => talkative.closed() === 4429)
  const large = await open(await gateway.addCaller())
  large.send(JSON.stringify({ type: 'ping', data: 'x'.repeat(5_000) }))
  await until(() => large.closed() !== undefined)
})

test('who does not read is let go and told why, while others hear everything', async () => {
  const as = await gateway.addCaller()
  const fast = await open(as)
  const slow = await openRawSocket(`${server.url}/api/ws?ticket=${await ticketOf(as)}`)
  slow.pause()
  const large = 'x'.repeat(16_000)
  let told = 0
  await until(async () => {
    for (let count = 0; count < 20; count++)
      await announce(as, { type: 'bot.status', data: { id: String(told++), large } })
    await fast.heard(told)
    return /websocket_closed_total\{reason="too_slow"\} 1/.test(await metrics())
  })
  expect(idsOf(fast)).toEqual(Array.from({ length: told }, (_, index) => String(index)))
  expect(await slow.closeCode()).toBe(4408)
})

test('no more sockets of a tenant than can be', async () => {
  const as = await gateway.addCaller()
  const opened = await Promise.all(Array.from({ length: 1_000 }, () => open(as)))
  const tooMany = await open(as)
  await until(() => tooMany.closed() === 4429)
  const other = await open(await gateway.addCaller())
  expect(other.closed()).toBeUndefined()
  for (const socket of opened) socket.close()
  await until(async () => {
    const again = await open(as)
    await Bun.sleep(10)
    return again.closed() === undefined
  })
})

test('how many sockets are open is in the metrics', async () => {
  const other = gateway.another({})
  const socket = await openSocket(`${other.url}/api/ws?ticket=${await ticketOf(await gateway.addCaller())}`)
  const before = /^websocket_connections (\d+)/m.exec(await metrics())?.[1]
  expect(Number(before)).toBeGreaterThan(0)
  socket.close()
  await other.stop()
})

test('a server that stops says so to its sockets, and takes no more', async () => {
  const other = gateway.another({})
  const socket = await openSocket(`${other.url}/api/ws?ticket=${await ticketOf(await gateway.addCaller())}`)
  await other.stop()
  await until(() => socket.closed() === 1012)
})
