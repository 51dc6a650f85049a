import { afterEach, expect, test } from 'bun:test'
import { signAccessToken } from '../../src/identity/access-token.ts'
import { issueRefreshToken } from '../../src/identity/refresh-tokens.ts'
import { addUser } from '../../src/identity/users.ts'
import { uuids } from '../../src/lib/ids.ts'
import { type Installation, registerNumber, startInstallation, until } from '../support/installation.ts'
import { echoFlow } from '../support/seed.ts'
import { openSocket, type TestSocket } from '../support/socket.ts'

// What the sockets of a tenant are told while its customers write: by every role, after it is so.

const secret = 'a-secret-for-tests-of-32-bytes-or-more'

let shop: Installation
afterEach(() => shop.stop())

type Desk = {
  readonly socket: TestSocket
  /** The data of the events of a type, in the order in which they came. */
  readonly heard: (type: string) => Record<string, unknown>[]
  // biome-ignore lint/suspicious/noExplicitAny: what a test reads of an answer is checked by the test.
  readonly get: (path: string) => Promise<any>
  readonly post: (path: string, body: object) => Promise<unknown>
}

/** An installation, and a socket of an owner of its shop. */
async function openDesk(options: Parameters<typeof startInstallation>[0]): Promise<Desk> {
  shop = await startInstallation({ ...options, environment: { JWT_SECRET: secret, ...options?.environment } })
  const [{ tenantId }, userId, familyId] = [shop.shop, uuids.next(), uuids.next()]
  await shop.app.database.transaction({ role: 'app', tenantId }, async tx => {
    const user = { tenantId, id: userId, name: 'Owner', email: 'owner@example.com', role: 'owner' } as const
    await addUser(tx, { ...user, passwordHash: 'none' })
    await issueRefreshToken(tx, uuids, { tenantId, userId, familyId, nowMs: Date.now() })
  })
  const token = signAccessToken({ userId, tenantId, loginId: familyId }, secret, Date.now())
  const call = async (method: string, path: string, body?: object) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const content = body === undefined ? {} : { body: JSON.stringify(body) }
    return await (await fetch(`${shop.app.urls.gateway}${path}`, { method, headers, ...content })).json()
  }
  const { ticket } = await call('POST', '/api/ws/ticket')
  const socket = await openSocket(`${shop.app.urls.gateway}/api/ws?ticket=${ticket}`)
  return {
    socket,
    heard: type => socket.events.filter(event => event.type === type).map(event => event.data),
    get: path => call('GET', path),
    post: (path, body) => call('POST', path, body),
  }
}

const last = <T>(values: readonly T[]) => values.at(-1)

test('a conversation from "hola" to its order is heard as the API shows it', async () => {
  const { heard, get } = await openDesk({})
  const customer = '34600000001'
  await shop.say(customer, { type: 'text', text: 'hola', profile_name: 'Ana' })
  await shop.replies(customer, 2)
  await shop.say(customer, { type: 'choice', of: 'list', id: shop.shop.productIds[0], title: 'Café con leche' })
  await shop.replies(customer, 3)
  await shop.say(customer, '3')
  await shop.replies(customer, 4)
  await shop.say(customer, { type: 'choice', id: 'yes', title: 'Sí, confirmar' })
  await shop.replies(customer, 5)
  await until(() => heard('message.created').length === 9 && heard('order.created').length === 1)

  const [conversation] = (await get('/api/conversations')).data
  const { id: conversation_id, variables, window_expires_at, problems, seller_id, created_at, ...others } = conversation
  const { waiting_since, ...known } = others
  expect(last(heard('conversation.updated'))).toEqual({ id: conversation_id, ...known })
  expect(heard('conversation.updated')).toHaveLength(4)

  const [order] = (await get('/api/orders')).data
  expect(heard('order.created')).toEqual([order])

  // Read, and told, in the other order.
  const { data: messages } = await get(`/api/conversations/${conversation_id}/messages`)
  const asMade = messages.toReversed().map((message: Record<string, unknown>) => ({
    ...{ conversation_id, ...message },
    ...(message.direction === 'outbound' && { status: 'queued', provider_message_id: null }),
  }))
  expect(heard('message.created')).toEqual(asMade)
}, 40_000)

test('what becomes of a message is heard, to the last', async () => {
  const { heard, get } = await openDesk({ flow: echoFlow })
  await shop.say('34600000001', 'hello')
  await until(() => last(heard('message.status'))?.status === 'delivered')
  const [conversation] = (await get('/api/conversations')).data
  const [message] = (await get(`/api/conversations/${conversation.id}/messages`)).data
  expect(message.status).toBe('delivered')
  for (const status of heard('message.status'))
    expect(status).toMatchObject({ conversation_id: conversation.id, message_id: message.id, error: null })
  expect(heard('message.status')[0]?.status).toMatch(/sent|delivered/)
}, 40_000)

test('what a person writes is heard as the API shows it, in an open conversation and to a phone', async () => {
  const { heard, get, post } = await openDesk({ flow: echoFlow })
  await shop.say('34600000001', 'hello')
  await until(() => last(heard('message.status'))?.status === 'delivered')
  const [conversation] = (await get('/api/conversations')).data
  const content = { type: 'text', text: 'a person' }
  await post(`/api/conversations/${conversation.id}/messages`, { content })
  await post(`/api/bots/${shop.shop.botId}/messages`, { to: '+34600000001', content })
  await until(() => heard('message.created').length === 4)
  await until(() => heard('message.status').filter(one => one.status === 'delivered').length === 3)
  const { data } = await get(`/api/conversations/${conversation.id}/messages?limit=2`)
  const asQueued = { conversation_id: conversation.id, status: 'queued', provider_message_id: null }
  expect(heard('message.created').slice(-2)).toEqual(
    data.toReversed().map((message: Record<string, unknown>) => ({ ...message, ...asQueued })),
  )
}, 40_000)

test('a send that fails, or is tried again, is heard with the reason', async () => {
  const { heard } = await openDesk({ flow: echoFlow, environment: { SEND_TIMEOUT_SECONDS: '1' } })
  await shop.setFaults([{ kind: '500', count: 1 }])
  await shop.say('34600000001', 'hello')
  await until(() => last(heard('message.status'))?.status === 'delivered')
  expect(heard('message.status')[0]).toMatchObject({ status: 'queued', error: { message: expect.any(String) } })
  await shop.admin`update bots set status = 'connected', flow_id = null`
  await shop.admin`delete from customer_identities`
  const [{ id, bot_id, tenant_id }] = await shop.admin`select id, bot_id, tenant_id from conversations`
  await shop.admin`with message as (
      insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status)
      values (${tenant_id}, ${id}, ${uuids.next()}, ${bot_id}, 'outbound', ${'{"type":"text","text":"x"}'}::text::jsonb, 'queued')
      returning *)
    insert into outbox (tenant_id, conversation_id, id, bot_id) select tenant_id, conversation_id, id, bot_id from message`
  await until(() => last(heard('message.status'))?.status === 'failed')
  expect(last(heard('message.status'))).toMatchObject({ conversation_id: id, error: { code: 'no_address' } })
}, 40_000)

test('a bot whose account is refused is heard of', async () => {
  const { heard, get } = await openDesk({ flow: echoFlow })
  const { number, botId } = shop.shop
  expect((await get(`/api/bots/${botId}`)).status).toBe('connected')
  await registerNumber(
    shop.emulator.url,
    { ...shop.shop, number: { ...number, access_token: 'rotated' } },
    shop.webhookUrl,
  )
  await shop.say('34600000001', 'hello')
  await until(() => heard('bot.status').length > 0)
  const { id, status, status_reason } = await get(`/api/bots/${botId}`)
  expect(status).toBe('error')
  expect(heard('bot.status')).toEqual([{ id, status, status_reason }])
}, 40_000)

test('mail that is given up is heard, on the message and on its conversation', async () => {
  const { heard, get } = await openDesk({ flow: echoFlow })
  // No turn of it can be written.
  await shop.admin.unsafe(`create function refuse() returns trigger language plpgsql as $$ begin raise 'refused'; end $$;
    create trigger refuse before insert on conversation_events for each row execute function refuse()`)
  await shop.say('34600000001', 'hello')
  await until(() => heard('message.status').length > 0)
  const [conversation] = (await get('/api/conversations')).data
  const [message] = (await get(`/api/conversations/${conversation.id}/messages`)).data
  const { id: message_id, status, error } = message
  expect(status).toBe('failed')
  expect(heard('message.status')).toEqual([{ conversation_id: conversation.id, message_id, status, error }])
  const { id, bot_id, customer_id } = conversation
  expect(heard('conversation.updated')).toMatchObject([{ id, bot_id, customer_id, status: 'bot' }])
  expect(conversation.problems).toBe(1)
}, 40_000)

test('who writes for the first time is found at once, and so are a name and a phone that are learnt', async () => {
  const { heard, get } = await openDesk({ flow: echoFlow })
  type Customer = { readonly name: string; readonly phone: string | null }
  const customers = async () => (await get('/api/customers')).data.map(({ name, phone }: Customer) => [name, phone])
  expect(await customers()).toEqual([])
  await webhookOf('1', { from_user_id: 'ES.1' })
  await until(() => heard('message.created').length >= 1)
  expect(await customers()).toEqual([['', null]])
  await webhookOf('2', { from_user_id: 'ES.1', from: '34600000001' }, 'Ana')
  await until(() => heard('message.created').length >= 3)
  expect(await customers()).toEqual([['Ana', '+34600000001']])
}, 40_000)

test('conversations of customers who turn out to be one are heard of with the one who stays', async () => {
  const { heard, get } = await openDesk({ flow: echoFlow })
  const [byPhone, byUser] = [{ from: '34600000009' }, { from_user_id: 'ES.9' }]
  await webhookOf('1', byPhone)
  await webhookOf('2', byUser)
  await until(() => heard('message.created').length === 4)
  const before = heard('conversation.updated').length
  await webhookOf('3', { ...byPhone, ...byUser })
  await until(() => heard('message.created').length === 6)
  const { data } = await get('/api/conversations')
  const [closed, open] = ['closed', 'bot'].map(status => data.find((one: { status: string }) => one.status === status))
  expect(closed.customer_id).toBe(open.customer_id)
  const { id, bot_id, customer_id } = closed
  expect(heard('conversation.updated').slice(before)).toContainEqual({ id, bot_id, customer_id, status: 'closed' })
}, 40_000)

async function webhookOf(id: string, sender: Record<string, string>, name?: string): Promise<void> {
  const message = {
    id: `wamid.${id}`,
    timestamp: String(Math.floor(Date.now() / 1_000)),
    type: 'text',
    text: { body: id },
  }
  const value = {
    messaging_product: 'whatsapp',
    metadata: { phone_number_id: shop.shop.number.phone_number_id },
    messages: [{ ...message, ...sender }],
    ...(name !== undefined && { contacts: [{ profile: { name }, wa_id: sender.from, user_id: sender.from_user_id }] }),
  }
  await shop.webhook({
    object: 'whatsapp_business_account',
    entry: [{ id: '1', changes: [{ field: 'messages', value }] }],
  })
}
