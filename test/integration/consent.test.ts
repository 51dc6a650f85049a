import { afterEach, beforeEach, expect, test } from 'bun:test'
import { uuids } from '../../src/lib/ids.ts'
import { optIn, optOut, saveConsents } from '../../src/messaging/consent.ts'
import { receiveMessages } from '../../src/messaging/receive-messages.ts'
import type { Identity } from '../../src/messaging/resolve-customers.ts'
import type { Transaction } from '../../src/stores/postgres/database.ts'
import { addApiKey, jwtSecret } from '../support/callers.ts'
import { startGrpcClient } from '../support/grpc.ts'
import { type Installation, startInstallation, until } from '../support/installation.ts'
import { echoFlow, sealer } from '../support/seed.ts'

// Whoever wants no messages gets none, by whatever way they were to be sent.

const ana = '34600000001'
const phone: Identity = { kind: 'phone', value: `+${ana}` }
const bsuid: Identity = { kind: 'bsuid', value: 'ES.1' }

let shop: Installation

beforeEach(async () => {
  shop = await startInstallation({
    flow: echoFlow,
    environment: { ADAPTER_GRPC_PORT: '0', JWT_SECRET: jwtSecret, RATE_LIMIT_API_PER_MINUTE: '1000000' },
  })
})
afterEach(() => shop.stop())

function inTenant<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
  return shop.app.database.transaction({ role: 'app', tenantId: shop.shop.tenantId }, work)
}

async function writer(): Promise<{ customerId: string; conversationId: string }> {
  await shop.say(ana, 'hello')
  await shop.replies(ana, 1)
  await shop.settled()
  const [row] = await shop.admin`select id, customer_id from conversations`
  return { customerId: row.customer_id, conversationId: row.id }
}

const said = (customerId: string) => ({
  ...{ tenantId: shop.shop.tenantId, customerId, note: 'x', at: new Date() },
  caller: { kind: 'user' as const, id: uuids.next() },
})

/** Queues texts as a turn does. */
async function queue(conversationId: string, texts: readonly { text: string; consent?: boolean; dueInMs?: number }[]) {
  const { tenantId, botId } = shop.shop
  for (const { text, consent = false, dueInMs = 0 } of texts) {
    const id = uuids.next()
    await shop.admin.begin(async tx => {
      await tx`insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status)
        values (${tenantId}, ${conversationId}, ${id}, ${botId}, 'outbound', ${{ type: 'text', text }}, 'queued')`
      await tx`insert into outbox (tenant_id, conversation_id, id, bot_id, consent, due_at) values
        (${tenantId}, ${conversationId}, ${id}, ${botId}, ${consent}, now() + ${dueInMs} * interval '1 millisecond')`
    })
  }
}

async function outcomes(): Promise<(string | null)[][]> {
  const rows = await shop.admin`select content->>'text' as text, status, error->>'code' as code from messages
    where direction = 'outbound' order by id`
  return rows.map((row: { text: string; status: string; code: string | null }) => [row.text, row.status, row.code])
}

test('what waited to be sent when the customer opted out fails in plain words; what tells them so goes out', async () => {
  const { customerId, conversationId } = await writer()
  await queue(conversationId, [{ text: 'an offer', dueInMs: 400 }])
  await inTenant(tx => optOut(tx, uuids, said(customerId)))
  await queue(conversationId, [{ text: 'another offer' }, { text: 'You get no more messages.', consent: true }])
  await shop.settled()
  await until(async () => (await outcomes()).at(-1)?.[1] === 'delivered')
  expect(await outcomes()).toEqual([
    ['You said: hello', 'delivered', null],
    ['an offer', 'failed', 'customer_opted_out'],
    ['another offer', 'failed', 'customer_opted_out'],
    ['You get no more messages.', 'delivered', null],
  ])
  const [failed] = await shop.admin`select error->>'message' as message from messages where status = 'failed' limit 1`
  expect(failed.message).toBe('The customer wants no messages: they said so before this one went out.')
  expect((await shop.replies(ana, 2)).map(reply => reply.content.text)).toEqual([
    'You said: hello',
    'You get no more messages.',
  ])
  await inTenant(tx => optIn(tx, uuids, said(customerId)))
  await queue(conversationId, [{ text: 'welcome back' }])
  expect((await shop.replies(ana, 3)).at(-1)?.content.text).toBe('welcome back')
})

test('a customer who writes a stop word is told that they get no more, and gets none; a start word brings them back', async () => {
  const { customerId } = await writer()
  const { app, admin, shop: seeded } = shop
  const headers = {
    'content-type': 'application/json',
    'x-api-key': await addApiKey(app.database, seeded.tenantId, ['customers:read', 'conversations:write']),
  }
  const customer = async () =>
    (await (await fetch(`${app.urls.gateway}/api/customers/${customerId}`, { headers })).json()).opted_out_at
  const send = async () =>
    (
      await fetch(`${app.urls.gateway}/api/bots/${seeded.botId}/messages`, {
        ...{ method: 'POST', headers },
        body: JSON.stringify({ to: `+${ana}`, content: { type: 'text', text: 'An offer' } }),
      })
    ).status
  // Kept by the cache until somebody says otherwise.
  expect(await customer()).toBeNull()
  await shop.say(ana, 'BAJA')
  const told = await shop.replies(ana, 2)
  await until(async () => (await customer()) !== null)
  expect(await send()).toBe(409)
  await shop.say(ana, 'hola?')
  await shop.settled()
  expect((await shop.replies(ana, 2)).length).toBe(2)
  await shop.say(ana, 'ALTA')
  await shop.replies(ana, 3)
  await until(async () => (await customer()) === null)
  expect(await send()).toBe(202)
  const texts = (await shop.replies(ana, 4)).map(reply => reply.content.text)
  expect([texts[0], texts[1], texts[3]]).toEqual(['You said: hello', told[1]?.content.text, 'An offer'])
  const evidence = await admin`select kind, source, word, message_id, conversation_id from consents order by id`
  expect([...evidence]).toMatchObject([
    { kind: 'opted_out', source: 'customer', word: 'baja' },
    { kind: 'opted_in', source: 'customer', word: 'alta' },
  ])
  const [message] = await admin`select content from messages where id = ${evidence[0].message_id}`
  expect(message.content).toMatchObject({ text: 'BAJA' })
}, 30_000)

test('gRPC refuses as the API does', async () => {
  const { customerId } = await writer()
  const client = startGrpcClient(shop.app.grpcAddress ?? '')
  try {
    const metadata = { 'x-api-key': await addApiKey(shop.app.database, shop.shop.tenantId, ['conversations:write']) }
    const request = { bot_id: shop.shop.botId, phone: `+${ana}`, content: { text: { text: 'Hola' } } }
    await inTenant(tx => optOut(tx, uuids, said(customerId)))
    const refused = await client.call({ method: 'SendMessage', request, metadata })
    expect([refused.code, refused.trailers['error-code']]).toEqual(['FAILED_PRECONDITION', 'customer_opted_out'])
    expect(refused.details).toContain('opt them in')
    await inTenant(tx => optIn(tx, uuids, said(customerId)))
    expect((await client.call({ method: 'SendMessage', request, metadata })).code).toBe('OK')
  } finally {
    await client.stop()
  }
})

test('of two customers who are one, whoever opted out stays so, with the evidence and the tags of both', async () => {
  const { tenantId, botId } = shop.shop
  const message = (identities: readonly Identity[]) => ({
    ...{ tenantId, botId, providerMessageId: uuids.next(), at: new Date() },
    ...{ sender: { identities, name: null }, content: { type: 'text', text: 'hola' } as const },
  })
  await receiveMessages(shop.app.database, uuids, [message([phone])], sealer)
  await receiveMessages(shop.app.database, uuids, [message([bsuid])], sealer)
  await shop.settled()
  const [older, newer] = await shop.admin`select id from customers order by id`
  await shop.admin`update customers set tags = array['vip', 'retail'] where id = ${newer.id}`
  await shop.admin`update customers set tags = array['vip'] where id = ${older.id}`
  const words = {
    tenantId,
    source: 'customer',
    messageId: null,
    conversationId: null,
    userId: null,
    note: null,
  } as const
  const first = new Date('2026-01-01T00:00:00Z')
  await shop.app.database.transaction({ role: 'worker' }, tx =>
    saveConsents(tx, [
      { ...words, id: uuids.next(), customerId: older.id, kind: 'opted_out', word: 'BAJA', at: first },
      { ...words, id: uuids.next(), customerId: older.id, kind: 'opted_in', word: 'ALTA', at: new Date() },
      { ...words, id: uuids.next(), customerId: newer.id, kind: 'opted_out', word: 'STOP', at: first },
    ]),
  )
  await receiveMessages(shop.app.database, uuids, [message([phone, bsuid])], sealer)
  const customers = await shop.admin`select id, opted_out_at, tags from customers`
  expect([...customers]).toEqual([{ id: older.id, opted_out_at: first, tags: ['vip', 'retail'] }])
  const evidence = await shop.admin`select customer_id, word from consents order by id`
  expect(evidence.map((row: { word: string }) => row.word)).toEqual(['BAJA', 'ALTA', 'STOP'])
  expect(new Set(evidence.map((row: { customer_id: string }) => row.customer_id))).toEqual(new Set([older.id]))
  const tags = await shop.admin`select tag from customer_tags order by tag`
  expect(tags.map((row: { tag: string }) => row.tag)).toEqual(['retail', 'vip'])
})
