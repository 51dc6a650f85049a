import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'
import { receiveMessages } from '../../messaging/receive-messages.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

type Desk = { readonly as: Caller; readonly botId: string }

async function openDesk(): Promise<Desk> {
  const as = await gateway.addCaller()
  const config = { phone_number_id: '1', access_token: 'a', app_secret: 'b', verify_token: 'c' }
  const body = { name: 'Shop', provider: 'meta', config }
  return { as, botId: textAt(await gateway.call('POST', '/api/bots', { as, body }), 'id') }
}

const ana = '+573001110001'
const template = { type: 'template', name: 'hello', language: 'es', parameters: [] }
const text = { type: 'text', text: 'Hola' }

function send({ as, botId }: Desk, body: object, key?: string) {
  const headers = key === undefined ? {} : { 'idempotency-key': key }
  return gateway.call('POST', `/api/bots/${botId}/messages`, { as, body, headers })
}

/** A customer writes, so many hours ago. */
async function write({ as, botId }: Desk, phone: string, hours = 0): Promise<void> {
  const at = new Date(Date.now() - hours * 3_600_000)
  const sender = { identities: [{ kind: 'phone' as const, value: phone }], name: 'Ana' }
  const providerMessageId = `wamid.${crypto.randomUUID()}`
  await receiveMessages(
    gateway.database,
    gateway.ids,
    [{ ...{ tenantId: as.tenantId, botId, providerMessageId, at, sender }, content: { type: 'text', text: 'hola' } }],
    gateway.sealer,
  )
  await gateway.feed.announce(as.tenantId, { changed: ['conversations', 'customers'] })
}

const conversations = async ({ as }: Desk) => await gateway.call('GET', '/api/conversations', { as })

test('a recipient that is none, and a content that no provider can send, are refused', async () => {
  const desk = await openDesk()
  for (const to of ['573001110001', '+0', '', {}, { kind: 'phone', value: 'Ana' }, { kind: 'email', value: 'a@b.c' }])
    expect([to, (await send(desk, { to, content: template })).status]).toEqual([to, 422])
  expect((await send(desk, { to: ana, content: { type: 'smoke' } })).status).toBe(422)
  expect((await send(desk, { content: template })).status).toBe(422)
})

test('a template goes to a phone that nobody knew: customer and conversation are made, listed and logged', async () => {
  const desk = await openDesk()
  // Kept answers must not hide what is new.
  expect(column(await conversations(desk), 'id')).toEqual([])
  expect(column(await gateway.call('GET', '/api/customers', { as: desk.as }), 'id')).toEqual([])
  const told: string[] = []
  const stop = gateway.bus.subscribe('outbox', () => told.push('outbox'))
  const sent = await send(desk, { to: ana, content: template })
  await Bun.sleep(1)
  stop()
  expect(sent.status).toBe(202)
  expect(told).toHaveLength(1)
  const customers = await gateway.call('GET', '/api/customers', { as: desk.as })
  expect(column(customers, 'phone')).toEqual([ana])
  const listed = await conversations(desk)
  expect(at(listed, 'data.0')).toMatchObject({
    ...{ id: at(sent, 'conversation_id'), bot_id: desk.botId, status: 'bot', window_expires_at: null },
    customer: { id: at(customers, 'data.0.id'), name: '', phone: ana },
  })
  const path = `/api/conversations/${textAt(sent, 'conversation_id')}/messages`
  expect(at(await gateway.call('GET', path, { as: desk.as }), 'data.0')).toMatchObject({
    ...{ id: at(sent, 'message_id'), direction: 'outbound', status: 'queued', error: null, content: template },
  })
  const log = column(await gateway.call('GET', '/api/audit?limit=2', { as: desk.as }), 'action')
  expect(log).toEqual(['message.queued', 'customer.created'])
})

test('whoever is known is written to where they are, by phone or by what WhatsApp knows them by', async () => {
  const desk = await openDesk()
  await write(desk, ana)
  const conversation = at(await conversations(desk), 'data.0.id')
  expect(at(await send(desk, { to: ana, content: text }), 'conversation_id')).toBe(conversation)
  expect(at(await send(desk, { to: { kind: 'phone', value: ana }, content: text }), 'conversation_id')).toBe(
    conversation,
  )
  const hidden = await send(desk, { to: { kind: 'bsuid', value: 'CO.1' }, content: template })
  expect(hidden.status).toBe(202)
  expect(at(hidden, 'conversation_id')).not.toBe(conversation)
})

test('what is certain to be refused is refused at once, and leaves nothing behind', async () => {
  const desk = await openDesk()
  const stranger = await send(desk, { to: ana, content: text })
  expect([stranger.status, at(stranger, 'type')]).toEqual([409, '/problems/window_closed'])
  expect(textAt(stranger, 'detail')).toBe('The customer has not written yet: begin with a template.')
  const unreachable = await send(desk, { to: { kind: 'lid', value: '123@lid' }, content: template })
  expect([unreachable.status, at(unreachable, 'type')]).toEqual([409, '/problems/conflict'])
  expect(column(await gateway.call('GET', '/api/customers', { as: desk.as }), 'id')).toEqual([])
  await write(desk, ana, 25)
  const late = await send(desk, { to: ana, content: text })
  expect([late.status, at(late, 'type')]).toEqual([409, '/problems/window_closed'])
  expect(textAt(late, 'detail')).toBe('The customer last wrote more than 24 hours ago: send a template.')
  expect((await send(desk, { to: ana, content: template })).status).toBe(202)
  await write(desk, ana)
  expect((await send(desk, { to: ana, content: text })).status).toBe(202)
})

test('under one Idempotency-Key, fifty requests at once are one message to one customer', async () => {
  const desk = await openDesk()
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => send(desk, { to: ana, content: template }, 'campaign-1')),
  )
  expect(new Set(answers.map(answer => `${answer.status} ${answer.text}`)).size).toBe(1)
  expect(answers[0]?.status).toBe(202)
  const path = `/api/conversations/${answers[0] && textAt(answers[0], 'conversation_id')}/messages`
  expect(column(await gateway.call('GET', path, { as: desk.as }), 'id')).toHaveLength(1)
})

test('without a key, many at once to a new phone are as many messages in one conversation of one customer', async () => {
  const desk = await openDesk()
  const answers = await Promise.all(Array.from({ length: 8 }, () => send(desk, { to: ana, content: template })))
  expect(answers.map(answer => answer.status)).toEqual(Array.from({ length: 8 }, () => 202))
  expect(new Set(answers.map(answer => at(answer, 'conversation_id'))).size).toBe(1)
  expect(column(await gateway.call('GET', '/api/customers', { as: desk.as }), 'phone')).toEqual([ana])
})

test('the sockets are told of the message, with its conversation', async () => {
  const desk = await openDesk()
  const events: unknown[] = []
  const stop = gateway.bus.subscribe(`events:${desk.as.tenantId}`, news => events.push(...JSON.parse(news)))
  const sent = await send(desk, { to: ana, content: template })
  await Bun.sleep(1)
  stop()
  const path = `/api/conversations/${textAt(sent, 'conversation_id')}/messages`
  const message = at(await gateway.call('GET', path, { as: desk.as }), 'data.0')
  expect(events).toMatchObject([
    {
      type: 'message.created',
      data: { ...(message as object), created_at: expect.any(String), conversation_id: at(sent, 'conversation_id') },
    },
  ])
})

test('who is tied to a seller writes to new customers, who are then that seller’s, and to nobody else’s', async () => {
  const desk = await openDesk()
  const seller_id = textAt(await gateway.call('POST', '/api/sellers', { as: desk.as, body: { name: 'Own' } }), 'id')
  const agent = await gateway.addCaller('agent', desk.as.tenantId)
  await gateway.call('PUT', `/api/users/${agent.userId}`, { as: desk.as, body: { seller_id } })
  const tied = { ...desk, as: agent }
  const sent = await send(tied, { to: ana, content: template })
  expect(sent.status).toBe(202)
  expect(at(await conversations(tied), 'data.0')).toMatchObject({ id: at(sent, 'conversation_id'), seller_id })
  await write(desk, '+573001110002')
  const refused = await send(tied, { to: '+573001110002', content: text })
  expect([refused.status, at(refused, 'type')]).toEqual([409, '/problems/conflict'])
  expect(column(await conversations(tied), 'id')).toEqual([at(sent, 'conversation_id')])
})
