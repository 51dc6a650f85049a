import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'
import { saveConsents } from '../../messaging/consent.ts'
import { receiveMessages } from '../../messaging/receive-messages.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

const config = { access_token: 'token', app_secret: 'secret', verify_token: 'verify' }
const hello = { content: { type: 'text', text: 'Hello' } }
let numbers = 0

const call = (as: Caller, method: string, path: string, body?: unknown) =>
  gateway.call(method, path, { as, ...(body !== undefined && { body }) })
const post = (as: Caller, path: string, body: unknown = {}) => call(as, 'POST', path, body)

async function addCustomer(as: Caller, more: object = {}): Promise<string> {
  return textAt(await post(as, '/api/customers', { name: 'Ana', ...more }), 'id')
}
const pathOf = (id: string) => `/api/customers/${id}`

test('nobody opts anybody out without logging in, and viewers do not', async () => {
  const as = await gateway.addCaller()
  const viewer = await gateway.addCaller('viewer', as.tenantId)
  const path = pathOf(await addCustomer(as))
  for (const command of ['opt-out', 'opt-in']) {
    expect((await gateway.call('POST', `${path}/${command}`, { body: { note: 'x' } })).status).toBe(401)
    expect((await post(viewer, `${path}/${command}`, { note: 'x' })).status).toBe(403)
  }
  expect((await call(viewer, 'GET', `${path}/consents`)).status).toBe(200)
})

test("another tenant's customer is not there", async () => {
  const [as, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
  const path = pathOf(await addCustomer(as))
  for (const command of ['opt-out', 'opt-in'])
    expect((await post(stranger, `${path}/${command}`, { note: 'x' })).status).toBe(404)
  expect((await call(stranger, 'GET', `${path}/consents`)).status).toBe(404)
  expect(at(await call(as, 'GET', path), 'opted_out_at')).toBeNull()
})

test('a note is needed: it is the evidence', async () => {
  const as = await gateway.addCaller()
  const path = pathOf(await addCustomer(as))
  for (const body of [{}, { note: '' }, { note: '  ' }]) {
    const refused = await post(as, `${path}/opt-out`, body)
    expect([refused.status, at(refused, 'errors.0.path')]).toEqual([422, 'note'])
  }
})

test('a customer is opted out and in again, and each time it is kept who said so, when and why', async () => {
  const as = await gateway.addCaller()
  const agent = await gateway.addCaller('agent', as.tenantId)
  const path = pathOf(await addCustomer(as))
  const out = await post(agent, `${path}/opt-out`, { note: 'Said so on the phone' })
  expect([out.status, typeof at(out, 'opted_out_at')]).toEqual([200, 'string'])
  const again = await post(agent, `${path}/opt-out`, { note: 'And by e-mail' })
  expect(at(again, 'opted_out_at')).toBe(at(out, 'opted_out_at'))
  const back = await post(as, `${path}/opt-in`, { note: 'Signed up at the counter' })
  expect([back.status, at(back, 'opted_out_at')]).toEqual([200, null])
  const consents = await call(as, 'GET', `${path}/consents`)
  expect(at(consents, 'data.0')).toMatchObject({
    ...{ kind: 'opted_in', source: 'agent', user_id: as.userId, note: 'Signed up at the counter' },
    ...{ word: null, message_id: null, conversation_id: null },
  })
  expect(column(consents, 'note')).toEqual(['Signed up at the counter', 'And by e-mail', 'Said so on the phone'])
  expect(column(consents, 'user_id')).toEqual([as.userId, agent.userId, agent.userId])
  const log = await call(as, 'GET', '/api/audit?resource=customers')
  expect(column(log, 'action')).toEqual([
    ...['customer.opted_in', 'customer.opted_out', 'customer.opted_out', 'customer.created'],
  ])
  expect(at(log, 'data.0.after.note')).toBe('Signed up at the counter')
  expect([at(log, 'data.0.before.opted_out_at'), at(log, 'data.0.after.opted_out_at')]).toEqual([
    at(out, 'opted_out_at'),
    null,
  ])
})

test('a program with an API key says it too, and the evidence names the key', async () => {
  const as = await gateway.addCaller()
  const path = pathOf(await addCustomer(as))
  const made = await post(as, '/api/api-keys', { name: 'Shop', scopes: ['customers:write'] })
  const headers = { 'x-api-key': textAt(made, 'key') }
  const out = await gateway.call('POST', `${path}/opt-out`, { headers, body: { note: 'Form 12' } })
  expect(out.status).toBe(200)
  expect(at(await call(as, 'GET', `${path}/consents`), 'data.0')).toMatchObject({
    ...{ kind: 'opted_out', source: 'api', user_id: at(made, 'id'), note: 'Form 12' },
  })
})

test('evidence comes in pages, newest first', async () => {
  const as = await gateway.addCaller()
  const path = pathOf(await addCustomer(as))
  for (let count = 1; count <= 5; count++)
    await post(as, `${path}/${count % 2 ? 'opt-out' : 'opt-in'}`, { note: `${count}` })
  const seen: unknown[] = []
  for (let cursor: unknown = ''; cursor !== null; ) {
    const page = await call(as, 'GET', `${path}/consents?limit=2${cursor && `&cursor=${cursor}`}`)
    seen.push(...column(page, 'note'))
    cursor = at(page, 'next_cursor')
  }
  expect(seen).toEqual(['5', '4', '3', '2', '1'])
})

test('what a customer has written is evidence with its word and its message', async () => {
  const as = await gateway.addCaller()
  const customerId = await addCustomer(as)
  const [messageId, conversationId] = [gateway.ids.next(), gateway.ids.next()]
  const row = { tenantId: as.tenantId, customerId, source: 'customer', messageId, conversationId } as const
  const rest = { ...row, userId: null, note: null, at: new Date() }
  await gateway.database.transaction({ role: 'worker' }, tx =>
    saveConsents(tx, [
      { ...rest, id: gateway.ids.next(), kind: 'opted_out', word: 'BAJA' },
      { ...rest, id: gateway.ids.next(), kind: 'opted_in', word: 'ALTA' },
      { ...rest, id: gateway.ids.next(), kind: 'opted_out', word: 'stop' },
    ]),
  )
  await gateway.feed.announce(as.tenantId, { changed: ['customers'] })
  // Of several things said the last counts.
  expect(at(await call(as, 'GET', pathOf(customerId)), 'opted_out_at')).toBe(rest.at.toISOString())
  const consents = await call(as, 'GET', `${pathOf(customerId)}/consents`)
  expect(column(consents, 'word')).toEqual(['stop', 'ALTA', 'BAJA'])
  expect(at(consents, 'data.0')).toMatchObject({ message_id: messageId, conversation_id: conversationId })
})

test('customers are found by their tags, and by whether they want messages', async () => {
  const as = await gateway.addCaller()
  const [plain, vip, both] = [
    await addCustomer(as),
    await addCustomer(as, { tags: ['vip'] }),
    await addCustomer(as, { tags: ['vip', 'wholesale', 'vip'] }),
  ]
  await post(as, `${pathOf(both)}/opt-out`, { note: 'x' })
  const list = async (query: string) => column(await call(as, 'GET', `/api/customers?${query}`), 'id')
  expect(await list('tag=vip')).toEqual([both, vip])
  expect(await list('tag=wholesale')).toEqual([both])
  expect(await list('tag=none')).toEqual([])
  expect(await list('opted_out=true')).toEqual([both])
  expect(await list('opted_out=false')).toEqual([vip, plain])
  expect(await list('opted_out=false&tag=vip')).toEqual([vip])
  expect(await list('tag=vip&limit=1')).toEqual([both])
  const changed = await call(as, 'PUT', pathOf(both), { tags: ['retail'] })
  expect(at(changed, 'tags')).toEqual(['retail'])
  expect([await list('tag=vip'), await list('tag=retail')]).toEqual([[vip], [both]])
  expect((await call(as, 'PUT', pathOf(vip), { name: 'Same tags' })).status).toBe(200)
  expect(await list('tag=vip')).toEqual([vip])
  for (const tags of [[''], ['x'.repeat(51)], Array.from({ length: 51 }, (_, count) => `${count}`)])
    expect((await call(as, 'PUT', pathOf(vip), { tags })).status).toBe(422)
  await call(as, 'DELETE', pathOf(vip))
  expect(await list('tag=vip')).toEqual([])
})

test('one who is opted out is not removed: entered again, they would be written to', async () => {
  const as = await gateway.addCaller()
  const path = pathOf(await addCustomer(as))
  await post(as, `${path}/opt-out`, { note: 'x' })
  const refused = await call(as, 'DELETE', path)
  expect([refused.status, at(refused, 'type')]).toEqual([409, '/problems/conflict'])
  await post(as, `${path}/opt-in`, { note: 'x' })
  expect((await call(as, 'DELETE', path)).status).toBe(204)
})

test('every way to send refuses a message to one who is opted out, with the same code and what to do', async () => {
  const as = await gateway.addCaller()
  const number = String(70_000 + numbers++)
  const bot = await post(as, '/api/bots', {
    ...{ name: 'Bot', provider: 'meta', config: { ...config, phone_number_id: number } },
  })
  const botId = textAt(bot, 'id')
  const phone = '+573001110001'
  await receiveMessages(
    gateway.database,
    gateway.ids,
    [
      {
        ...{ tenantId: as.tenantId, botId, providerMessageId: crypto.randomUUID(), at: new Date() },
        sender: { identities: [{ kind: 'phone', value: phone }], name: 'Ana' },
        content: { type: 'text', text: 'hola' },
      },
    ],
    gateway.sealer,
  )
  await gateway.feed.announce(as.tenantId, { changed: ['conversations', 'customers'] })
  const conversation = await call(as, 'GET', '/api/conversations')
  const [id, customerId] = [textAt(conversation, 'data.0.id'), textAt(conversation, 'data.0.customer_id')]
  const failed = gateway.ids.next()
  await gateway.admin`insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status)
    values (${as.tenantId}, ${id}, ${failed}, ${botId}, 'outbound', ${{ type: 'text', text: 'x' }}, 'failed')`
  await post(as, `${pathOf(customerId)}/opt-out`, { note: 'x' })
  const template = { type: 'template', name: 'offer', language: 'es', parameters: [] }
  const ways: readonly (readonly [string, unknown])[] = [
    [`/api/conversations/${id}/messages`, hello],
    [`/api/bots/${botId}/messages`, { to: phone, ...hello }],
    [`/api/bots/${botId}/messages`, { to: phone, content: template }],
    [`/api/failed-messages/${failed}/retry`, {}],
  ]
  for (const [path, body] of ways) {
    const refused = await post(as, path, body)
    expect([path, refused.status, at(refused, 'type')]).toEqual([path, 409, '/problems/customer_opted_out'])
    expect(textAt(refused, 'detail')).toContain('opt them in')
  }
  const [queued] = await gateway.admin`select count(*)::int as rows from outbox where tenant_id = ${as.tenantId}`
  expect(queued.rows).toBe(0)
  await post(as, `${pathOf(customerId)}/opt-in`, { note: 'x' })
  for (const [path, body] of ways) expect([path, (await post(as, path, body)).status]).toEqual([path, 202])
})

test.each([
  ['the phone and the identities', { phone: null, identities: [] }],
  ['the phone', { phone: null, identities: [{ kind: 'lid', value: '1' }] }],
  ['an identity', { identities: [] }],
])('%s of who is opted out cannot be taken away: whoever is known by it wants no messages', async (_, body) => {
  const as = await gateway.addCaller()
  const bot = { name: 'Shop', provider: 'meta', config: { ...config, phone_number_id: String(++numbers) } }
  const botId = textAt(await post(as, '/api/bots', bot), 'id')
  const phone = '+573001110001'
  const path = pathOf(await addCustomer(as, { phone, identities: [{ kind: 'lid', value: '1' }] }))
  await post(as, `${path}/opt-out`, { note: 'Said so' })
  const refused = await call(as, 'PUT', path, body)
  expect([refused.status, at(refused, 'detail')]).toEqual([409, expect.stringContaining('wants no messages')])
  expect(at(await call(as, 'GET', path), 'identities')).toHaveLength(2)
  expect((await post(as, `/api/bots/${botId}/messages`, { to: phone, ...hello })).status).toBe(409)
  expect((await call(as, 'PUT', path, { name: 'Ana María', phone })).status).toBe(200)
  await post(as, `${path}/opt-in`, { note: 'Said so' })
  expect((await call(as, 'PUT', path, body)).status).toBe(200)
})

test('a phone of who is opted out stays theirs also where there is no bot yet', async () => {
  const as = await gateway.addCaller()
  const path = pathOf(await addCustomer(as, { phone: '+573001110001' }))
  await post(as, `${path}/opt-out`, { note: 'Said so' })
  expect((await call(as, 'PUT', path, { phone: '+573001110002' })).status).toBe(409)
})
