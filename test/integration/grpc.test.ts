import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { OutboundContent } from '../../src/flow/content.ts'
import { makeSealer } from '../../src/lib/crypto.ts'
import { uuids } from '../../src/lib/ids.ts'
import { savePairing } from '../../src/messaging/bot-pairings.ts'
import { botStatuses } from '../../src/messaging/bot-status.ts'
import { addApiKey, addOtherTenant, addToken, jwtSecret } from '../support/callers.ts'
import { type GrpcAnswer, type GrpcClient, type Metadata, startGrpcClient } from '../support/grpc.ts'
import { type Installation, startInstallation } from '../support/installation.ts'
import { echoFlow, encryptionKey } from '../support/seed.ts'

let shop: Installation
let client: GrpcClient
let botId: string
/** Of the shop's tenant, which may do all that a call can ask for. */
let key: Metadata

beforeAll(async () => {
  const limits = { RATE_LIMIT_API_PER_MINUTE: '1000000' }
  shop = await startInstallation({
    flow: echoFlow,
    environment: { ADAPTER_GRPC_PORT: '0', JWT_SECRET: jwtSecret, ...limits },
  })
  client = startGrpcClient(shop.app.grpcAddress ?? '')
  botId = shop.shop.botId
  key = await keyOf(shop.shop.tenantId)
})
afterAll(async () => {
  await client.stop()
  await shop.stop()
})

const keyOf = async (tenantId: string, permissions = ['conversations:write', 'bots:write'] as const) => ({
  'x-api-key': await addApiKey(shop.app.database, tenantId, permissions),
})

const call = (method: string, request: object, metadata: Metadata = key): Promise<GrpcAnswer> =>
  client.call({ method, request, metadata })

const send = (request: object, metadata: Metadata = key) => call('SendMessage', { bot_id: botId, ...request }, metadata)

/** The status code, the code of the catalogue, and the sentence. */
const outcomeOf = ({ code, details, trailers }: GrpcAnswer) => [code, trailers['error-code'], details]

const ana = { phone: '+34600000001' }
const text = { content: { text: { text: 'Hola' } } }
const template = { content: { template: { name: 'hello', language: 'es', parameters: ['Ana'] } } }

/** How each type is written in a call, and what of it is stored. */
const contents: readonly (readonly [object, OutboundContent])[] = [
  [{ text: { text: 'Hola' } }, { type: 'text', text: 'Hola' }],
  [
    { image: { url: 'https://example.com/a.png', caption: 'Our shop' } },
    { type: 'image', url: 'https://example.com/a.png', caption: 'Our shop' },
  ],
  [{ audio: { url: 'https://example.com/a.ogg' } }, { type: 'audio', url: 'https://example.com/a.ogg' }],
  [{ video: { url: 'https://example.com/a.mp4' } }, { type: 'video', url: 'https://example.com/a.mp4' }],
  [
    { document: { url: 'https://example.com/a.pdf', filename: 'a.pdf', mime_type: 'application/pdf' } },
    { type: 'document', url: 'https://example.com/a.pdf', filename: 'a.pdf', mime_type: 'application/pdf' },
  ],
  [{ sticker: { url: 'https://example.com/a.webp' } }, { type: 'sticker', url: 'https://example.com/a.webp' }],
  [
    { buttons: { text: 'Sure?', buttons: [{ id: 'y', title: 'Yes' }] } },
    { type: 'buttons', text: 'Sure?', buttons: [{ id: 'y', title: 'Yes' }] },
  ],
  [
    { list: { text: 'Pick', button: 'Open', sections: [{ rows: [{ id: '1', title: 'One', description: 'First' }] }] } },
    {
      ...{ type: 'list', text: 'Pick', button: 'Open' },
      sections: [{ rows: [{ id: '1', title: 'One', description: 'First' }] }],
    },
  ],
  // The equator is not a field that was left out.
  [{ location: { latitude: 0, longitude: -78.5 } }, { type: 'location', latitude: 0, longitude: -78.5 }],
  [
    { contacts: { contacts: [{ name: 'Ana', phones: ['+34600000001'] }] } },
    { type: 'contacts', contacts: [{ name: 'Ana', phones: ['+34600000001'] }] },
  ],
  [
    { template: { name: 'hello', language: 'es', parameters: ['Ana'] } },
    { type: 'template', name: 'hello', language: 'es', parameters: ['Ana'] },
  ],
]

test('every type of content is queued as it was given, and reaches the customer', async () => {
  await shop.say('34600000001', 'hola')
  await shop.replies('34600000001', 1)
  for (const [content, stored] of contents) {
    const { code, details, responses } = await send({ ...ana, content })
    expect([stored.type, code, details]).toEqual([stored.type, 'OK', 'OK'])
    const [row] = await shop.admin`select content, conversation_id from messages where id = ${responses[0]?.message_id}`
    expect(row).toEqual({ content: stored, conversation_id: responses[0]?.conversation_id })
  }
  const replies = await shop.replies('34600000001', 1 + contents.length)
  expect(replies.map(reply => reply.content.type)).toEqual(['text', ...contents.map(([, { type }]) => type)])
})

test('a reaction is put on a message, and taken back by an empty one', async () => {
  await shop.say('34600000001', 'hola')
  const [written] = await shop.admin`select provider_message_id as id from messages
    where direction = 'inbound' order by messages.id desc limit 1`
  for (const emoji of ['👍', '']) {
    const { responses } = await send({ ...ana, content: { reaction: { message_id: written.id, emoji } } })
    const [row] = await shop.admin`select content from messages where id = ${responses[0]?.message_id}`
    expect(row.content).toEqual({ type: 'reaction', message_id: written.id, emoji })
  }
})

test('an access token is as good as a key; what was sent is in the audit log with whoever sent it', async () => {
  const token = await addToken(shop.app.database, shop.shop.tenantId)
  const metadata = { authorization: `Bearer ${token}`, 'x-request-id': 'a-request-of-mine' }
  const { code, trailers, responses } = await send({ ...ana, ...text }, metadata)
  expect([code, trailers['x-request-id']]).toEqual(['OK', 'a-request-of-mine'])
  expect(Number(trailers['ratelimit-remaining'])).toBeGreaterThan(0)
  const [line] = await shop.admin`select actor_kind, action, resource_id, address from audit_log
    where request_id = 'a-request-of-mine'`
  expect(line).toEqual({
    ...{ actor_kind: 'user', action: 'message.queued', address: '127.0.0.1' },
    resource_id: responses[0]?.conversation_id,
  })
})

test('whoever is not known is made, and can be sent a template only', async () => {
  const stranger = { identity: { kind: 'IDENTITY_KIND_BSUID', value: `US.${crypto.randomUUID()}` } }
  expect(outcomeOf(await send({ ...stranger, ...text }))).toEqual([
    ...['FAILED_PRECONDITION', 'window_closed'],
    'Only a template can be sent now. The customer has not written yet: begin with a template.',
  ])
  const sent = await send({ ...stranger, ...template })
  expect(sent.code).toBe('OK')
  const identities = await shop.admin`select i.kind, i.value from conversations c
    join customer_identities i on i.tenant_id = c.tenant_id and i.customer_id = c.customer_id
    where c.id = ${sent.responses[0]?.conversation_id}`
  expect([...identities]).toEqual([{ kind: 'bsuid', value: stranger.identity.value }])
})

test('the same key twice is done once, over HTTP too; another request under it is refused', async () => {
  const request = { ...ana, ...text, idempotency_key: 'order-1042' }
  const [first, second] = await Promise.all([send(request), send(request)])
  expect(first.code).toBe('OK')
  expect(second.responses).toEqual(first.responses)
  const over = await fetch(`${shop.app.urls.gateway}/api/bots/${botId}/messages`, {
    method: 'POST',
    headers: { ...key, 'content-type': 'application/json', 'idempotency-key': 'order-1042' },
    body: JSON.stringify({ content: { text: 'Hola', type: 'text' }, to: ana.phone }),
  })
  expect(await over.json()).toEqual(first.responses[0])
  const reused = await send({ ...request, ...template })
  expect(outcomeOf(reused).slice(0, 2)).toEqual(['INVALID_ARGUMENT', 'idempotency_key_reused'])
})

test('fields that are wrong are named as they are in the file', async () => {
  const wrong = async (request: object) => (await send(request)).details.replace('Some fields are not valid. ', '')
  expect(await wrong({ ...ana, content: { text: {} } })).toMatch(/^content\.text\.text: /)
  expect(await wrong({ ...ana, content: {} })).toBe('content: Is missing')
  expect(await wrong(ana)).toBe('content: Is missing')
  expect(await wrong(text)).toBe('to: Is missing')
  expect(await wrong({ phone: '600', ...text })).toBe('phone: Must be a phone in E.164, like +573001234567')
  expect(await wrong({ identity: { value: 'x' }, ...text })).toMatch(/^identity(\.kind)?: /)
  expect(await wrong({ identity: { kind: 99, value: 'x' }, ...text })).toMatch(/^identity(\.kind)?: /)
  expect(await wrong({ ...ana, ...text, bot_id: 'mine' })).toBe('bot_id: Must be an id, in lower case')
  expect(await wrong({ ...ana, ...text, idempotency_key: 'ñ' })).toMatch(/^idempotency_key: /)
  const buttons = { text: 'Sure?', buttons: [{ id: 'y', title: 'An answer that is far too long' }] }
  expect(await wrong({ ...ana, content: { buttons } })).toMatch(/^content\.buttons\.buttons\.0\.title: /)
  expect(await wrong({ ...ana, content: { location: { latitude: 91 } } })).toMatch(/^content\.location\.latitude: /)
  expect(await wrong({ ...ana, content: { image: { media_id: uuids.next() } } })).toMatch(/^content\.image\.media_id: /)
  const { code, trailers } = await send({ ...ana, content: { location: { latitude: 'NaN' } } })
  expect([code, trailers['error-code']]).toEqual(['INVALID_ARGUMENT', 'invalid'])
})

test('a text that no database takes is mended, not refused', async () => {
  const { code, responses } = await send({ ...ana, content: { text: { text: 'a\0b' } } })
  expect(code).toBe('OK')
  const [row] = await shop.admin`select content from messages where id = ${responses[0]?.message_id}`
  expect(row.content.text).toBe('a\ufffdb')
})

test('who cannot be told, who may not, and whose bot it is not', async () => {
  const bot = { bot_id: botId }
  for (const metadata of [{}, { 'x-api-key': 'dok_wrong' }, { authorization: 'Bearer wrong' }])
    for (const method of ['SendMessage', 'GetQr', 'GetStatus'])
      expect(outcomeOf(await call(method, bot, metadata)).slice(0, 2)).toEqual(['UNAUTHENTICATED', 'unauthenticated'])
  const reader = { 'x-api-key': await addApiKey(shop.app.database, shop.shop.tenantId, ['bots:read']) }
  expect((await call('GetStatus', bot, reader)).code).toBe('OK')
  expect(outcomeOf(await send({ ...ana, ...text }, reader))).toEqual([
    ...['PERMISSION_DENIED', 'forbidden'],
    'Your role does not allow this. The API key does not include conversations:write.',
  ])
  // Whoever has a code takes the account over.
  expect((await call('GetQr', bot, reader)).code).toBe('PERMISSION_DENIED')
  const other = await keyOf(await addOtherTenant(shop.app.database))
  for (const method of ['GetQr', 'GetStatus']) expect((await call(method, bot, other)).code).toBe('NOT_FOUND')
  expect(outcomeOf(await send({ ...ana, ...text }, other))).toEqual([
    ...['NOT_FOUND', 'not_found'],
    'There is nothing here. There is no such bot.',
  ])
})

test('a tenant’s limit of requests counts calls, together with those over HTTP', async () => {
  const tenantId = await addOtherTenant(shop.app.database)
  await shop.admin`update tenants set requests_per_minute = 2 where id = ${tenantId}`
  const other = await keyOf(tenantId)
  const status = () => call('GetStatus', { bot_id: botId }, other)
  expect((await status()).trailers['ratelimit-remaining']).toBe('1')
  const over = await fetch(`${shop.app.urls.gateway}/api/bots`, { headers: other })
  expect(over.headers.get('ratelimit-remaining')).toBe('0')
  const refused = await status()
  expect(outcomeOf(refused).slice(0, 2)).toEqual(['RESOURCE_EXHAUSTED', 'too_many_requests'])
  expect(Number(refused.trailers['ratelimit-reset'])).toBeGreaterThan(0)
})

test('a bot shows how it is connected, in each status that there is', async () => {
  for (const status of botStatuses) {
    const id = uuids.next()
    const reason = status === 'error' ? 'The token was refused.' : null
    await shop.admin`insert into bots (tenant_id, id, name, provider, config, status, status_reason)
      values (${shop.shop.tenantId}, ${id}, 'Bot', 'meta', '{"phone_number_id": "1"}'::jsonb, ${status}, ${reason})`
    const { responses } = await call('GetStatus', { bot_id: id })
    const name = `BOT_STATUS_${status.toUpperCase()}`
    expect(responses).toEqual([reason === null ? { status: name } : { status: name, reason }])
    await shop.admin`delete from bots where id = ${id}`
  }
})

test('the code that pairs a bot is given while there is one; a provider without a phone has none', async () => {
  expect(outcomeOf(await call('GetQr', { bot_id: botId }))).toEqual([
    ...['FAILED_PRECONDITION', 'conflict'],
    'This is in conflict with what exists. A bot of the provider meta does not pair by QR code.',
  ])
  const id = uuids.next()
  const { tenantId } = shop.shop
  await shop.admin`insert into bots (tenant_id, id, name, provider, config, status)
    values (${tenantId}, ${id}, 'Phone', 'baileys', '{}'::jsonb, 'qr')`
  expect(outcomeOf(await call('GetQr', { bot_id: id }))[0]).toBe('FAILED_PRECONDITION')
  const expiresAt = new Date(Date.now() + 60_000)
  await shop.app.database.transaction({ role: 'worker' }, tx =>
    savePairing(tx, makeSealer(encryptionKey), { tenantId, id }, { qr: '2@abc', pairingCode: null, expiresAt }),
  )
  const { responses } = await call('GetQr', { bot_id: id })
  expect(responses).toEqual([{ qr: '2@abc', expires_at: expiresAt.toISOString() }])
  await shop.admin`delete from bots where id = ${id}`
})

/** A customer's message, as Meta's webhook has it, and its signature. */
function webhookOf(customer: string, words: string, secret = shop.shop.number.app_secret) {
  const { phone_number_id } = shop.shop.number
  const metadata = { display_phone_number: '34910000010', phone_number_id }
  const message = {
    from: customer,
    id: `wamid.${crypto.randomUUID()}`,
    timestamp: String(Math.floor(Date.now() / 1000)),
  }
  const value = {
    ...{ messaging_product: 'whatsapp', metadata },
    contacts: [{ profile: { name: 'Eva' }, wa_id: customer }],
    messages: [{ ...message, type: 'text', text: { body: words } }],
  }
  const entry = [{ id: '1', changes: [{ field: 'messages', value }] }]
  const body = Buffer.from(JSON.stringify({ object: 'whatsapp_business_account', entry }))
  const signature = new Bun.CryptoHasher('sha256', secret).update(body).digest('hex')
  return {
    ...{ provider: 'meta', bot_id: botId, body: body.toString('base64') },
    headers: [
      { name: 'Content-Type', value: 'application/json' },
      { name: 'X-Hub-Signature-256', value: `sha256=${signature}` },
    ],
  }
}

test('a webhook that another service received is taken with its signature alone, and answered by the bot', async () => {
  const taken = await call('HandleWebhook', webhookOf('34600000077', 'by gRPC'), {})
  expect([taken.code, taken.responses]).toEqual(['OK', [{}]])
  const replies = await shop.replies('34600000077', 1)
  expect(replies[0]?.content.text).toBe('You said: by gRPC')
})

test('a webhook with a wrong signature stores nothing', async () => {
  const refused = await call('HandleWebhook', webhookOf('34600000078', 'forged', 'another secret'), {})
  expect(outcomeOf(refused).slice(0, 2)).toEqual(['UNAUTHENTICATED', 'wrong_signature'])
  const [{ count }] = await shop.admin`select count(*)::int as count from messages where content->>'text' = 'forged'`
  expect(count).toBe(0)
})

test('a webhook of nobody’s, and one that is none, are refused', async () => {
  const webhook = webhookOf('34600000079', 'hola')
  for (const change of [{ bot_id: uuids.next() }, { bot_id: 'mine' }, { provider: 'twilio' }, { provider: '' }])
    expect(outcomeOf(await call('HandleWebhook', { ...webhook, ...change }, {}))[1]).toBe('not_found')
  const named = async (change: object) => (await call('HandleWebhook', { ...webhook, ...change }, {})).details
  expect(await named({ headers: [{ name: 'a b', value: '' }] })).toContain('headers.0: ')
  expect(await named({ headers: Array.from({ length: 201 }, () => ({ name: 'a', value: 'b' })) })).toContain(
    'headers: ',
  )
  expect(await named({ url: 'hooks' })).toContain('url: ')
  const large = Buffer.alloc(3 * 1024 * 1024 + 1).toString('base64')
  expect(outcomeOf(await call('HandleWebhook', { ...webhook, body: large }, {})).slice(0, 2)).toEqual([
    ...['INVALID_ARGUMENT', 'too_large'],
  ])
})

test('only the bot’s own tenant may say that a webhook was for another address', async () => {
  const webhook = webhookOf('34600000080', 'elsewhere')
  const own = `http://localhost:3010/webhooks/meta/${botId}`
  const at = async (url: string, metadata: Metadata) =>
    (await call('HandleWebhook', { ...webhook, url }, metadata)).code
  expect(await at('https://hooks.example/whatsapp', {})).toBe('UNAUTHENTICATED')
  expect(await at(`${own}.example/`, {})).toBe('UNAUTHENTICATED')
  const other = await keyOf(await addOtherTenant(shop.app.database))
  expect(await at('https://hooks.example/whatsapp', other)).toBe('NOT_FOUND')
  expect(await at('https://hooks.example/whatsapp', key)).toBe('OK')
  expect(await at(`${own}?a=b`, {})).toBe('OK')
})

test('calls are counted by method and by what came of them, and by nothing that a caller writes', async () => {
  await client.call({ method: 'GetStatus', request: { bot_id: 'x' }, metadata: key })
  const metrics = await (await fetch(`${shop.app.urls.adapter}/metrics`)).text()
  const labels = [...metrics.matchAll(/^grpc_calls_total\{(.*)\} \d+$/gm)].map(match => match[1] ?? '')
  expect(labels).toContain('method="GetStatus",code="INVALID_ARGUMENT"')
  expect(labels).toContain('method="SendMessage",code="OK"')
  for (const label of labels)
    expect(label).toMatch(/^method="(SendMessage|GetQr|GetStatus|HandleWebhook)",code="[A-Z_]+"$/)
  expect(metrics).toContain('grpc_call_duration_seconds_count{method="SendMessage"}')
})
