import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openAnswer } from '../../src/identity/idempotency.ts'
import { uuids } from '../../src/lib/ids.ts'
import { addToken, jwtSecret } from '../support/callers.ts'
import { startInstallation, until } from '../support/installation.ts'
import { urlOfDatabase } from '../support/log-stores.ts'
import { ferretdb, startTestMongo, type TestMongo } from '../support/mongo.ts'
import { optionalProgram } from '../support/optional.ts'
import { startTestRedis, type TestRedis } from '../support/redis.ts'
import { searchDatabase, searchFolder, searchMongo, searchRedis } from '../support/search-stores.ts'
import { sealer } from '../support/seed.ts'

// Somebody has been a customer in every way there is; then they are erased, and everything that is kept is searched for what
// was known of them: every column, every file, every key and every document.

const zoraida = {
  phone: '34600111222',
  // How the provider knows her besides; see `echoed`.
  bsuid: 'ES.90071992547409',
  name: 'Zoraida Quintanilla',
  email: 'zoraida.q@example.net',
  words: 'quiero dos docenas de violetas',
  picture: 'a-picture-of-zoraida',
  invoice: 'an-invoice-for-zoraida',
  agentText: 'a private answer for her',
  note: 'she called from the hospital',
}
const other = { phone: '34600333444', name: 'Otro Cliente', words: 'quiero un café solo' }
const needles = Object.values(zoraida)

/** Asks for a name, tells a webhook and a cart, makes an order and waits for another answer. */
const flow = {
  name: 'Everything',
  start: 'ask',
  triggers: [{ fallback: true }],
  steps: {
    ask: {
      ...{ type: 'question', content: { type: 'text', text: '¿Cómo te llamas?' } },
      ...{ variable: 'full_name', answer: { type: 'text' }, next: 'email' },
    },
    email: {
      ...{ type: 'question', content: { type: 'text', text: '¿Tu correo?' } },
      ...{ variable: 'email', answer: { type: 'email' }, next: 'update' },
    },
    update: {
      ...{ type: 'action', handler: 'customer.update', next: 'load', error: 'end' },
      input: { name: '{{full_name}}', email: '{{email}}', variables: { nickname: '{{full_name}}' } },
    },
    load: {
      ...{ type: 'action', handler: 'catalog.list', variable: 'catalog', next: 'cart', error: 'end' },
      input: {},
    },
    cart: {
      ...{ type: 'action', handler: 'cart.add', next: 'tell', error: 'end' },
      input: { product_id: '{{catalog.products[0].id}}', quantity: 2 },
    },
    tell: {
      ...{ type: 'action', handler: 'webhook.emit', next: 'order', error: 'end' },
      input: { event: 'lead.found', data: { name: '{{full_name}}', email: '{{email}}' } },
    },
    order: {
      ...{ type: 'action', handler: 'order.create', variable: 'order', next: 'more', error: 'end' },
      input: { items: [{ product_id: '{{catalog.products[0].id}}', quantity: 1 }], notes: 'Para {{full_name}}' },
    },
    more: {
      ...{ type: 'question', content: { type: 'text', text: 'Gracias {{full_name}}. ¿Algo más?' } },
      ...{ variable: 'more', answer: { type: 'text' }, next: 'end' },
    },
  },
}

/** Where the needles are to be found while she is a customer. */
const expectedPlaces = [
  ...['audit_log', 'calls', 'consents', 'conversation_events', 'conversations', 'customer_identities', 'customers'],
  ...['held_echoes', 'ignored_webhooks', 'inbox', 'messages', 'orders', 'provider_session_keys', 'webhook_deliveries'],
]

type Stores = { readonly redis?: TestRedis | undefined; readonly mongo?: TestMongo | undefined }

/** An installation in which two people did everything, and what can be done with it. */
async function openShop({ redis, mongo }: Stores) {
  const dataDir = mkdtempSync(join(tmpdir(), 'dashoffice-erase-'))
  const receiver = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() })
  const mongoUrl = mongo && urlOfDatabase(mongo.url, `test_${crypto.randomUUID().slice(0, 8)}`)
  const shop = await startInstallation({
    flow,
    environment: {
      ...{ DASHOFFICE_DATA_DIR: dataDir, JWT_SECRET: jwtSecret, ALLOW_PRIVATE_URLS: 'true' },
      ...{ RATE_LIMIT_API_PER_MINUTE: '1000000' },
      ...(redis && { REDIS_URL: redis.url }),
      ...(mongoUrl && { MONGODB_URL: mongoUrl }),
    },
  })
  const token = await addToken(shop.app.database, shop.shop.tenantId)

  // biome-ignore lint/suspicious/noExplicitAny: what a test reads of an answer is checked by the test.
  async function api(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<any> {
    const response = await fetch(`${shop.app.urls.gateway}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text === '' ? null : JSON.parse(text)
  }

  return {
    ...{ shop, api, dataDir, redis },
    async search(texts: readonly string[]): Promise<string[]> {
      return [
        ...(await searchDatabase(shop.admin, texts)),
        ...searchFolder(dataDir, texts),
        ...(redis ? await searchRedis(redis.url, texts) : []),
        ...(mongoUrl ? await searchMongo(mongoUrl, texts) : []),
      ]
    },
    async close() {
      await shop.stop()
      await receiver.stop(true)
      rmSync(dataDir, { recursive: true, force: true })
    },
    webhookUrl: receiver.url.href,
  }
}

type Open = Awaited<ReturnType<typeof openShop>>

async function talk({ shop }: Open, phone: string, texts: readonly string[]): Promise<void> {
  for (const [index, text] of texts.entries()) {
    await shop.say(phone, text)
    // The last answer ends the flow.
    await shop.replies(phone, Math.min(index + 1, 3))
  }
  await shop.settled()
}

/** All that a customer can leave behind. Returns their ids, and what else is to be found of them nowhere. */
async function becomeCustomers(open: Open) {
  const { shop, api } = open
  await api('POST', '/api/webhooks', { url: open.webhookUrl })
  await talk(open, zoraida.phone, ['hola', zoraida.name, zoraida.email, zoraida.words])
  await talk(open, other.phone, ['hola', other.name, 'otro@example.net', other.words])
  const conversation = (await api('GET', `/api/conversations?q=${zoraida.phone}`)).data[0]
  const { id: conversationId, customer_id: customerId } = conversation
  await talkWithAgent(open, conversationId)
  await sendPicture(open)
  // What only the API knows of her.
  const key = { 'idempotency-key': 'a-key' }
  const identities = [{ kind: 'bsuid', value: zoraida.bsuid }]
  const { tags } = await api('PUT', `/api/customers/${customerId}`, { identities, tags: ['vip'] })
  expect(tags).toEqual(['vip'])
  await api('POST', `/api/customers/${customerId}/opt-in`, { note: zoraida.note })
  await api('POST', `/api/customers/${customerId}/opt-out`, { note: zoraida.note }, key)
  await api('GET', `/api/customers?q=${encodeURIComponent(zoraida.name)}`)
  await leaveTraces(open, conversationId)
  const messages = await shop.admin`select provider_message_id as id from messages
    where conversation_id = ${conversationId} and provider_message_id is not null`
  return {
    customerId,
    conversationId,
    providerIds: messages.map((row: { id: string }) => row.id),
  }
}

async function talkWithAgent({ api, shop }: Open, conversationId: string): Promise<void> {
  await api('POST', `/api/conversations/${conversationId}/handoff`, { note: zoraida.note })
  const invoice = await api('POST', '/api/media?filename=factura.pdf', zoraida.invoice, {
    'content-type': 'application/octet-stream',
  })
  const path = `/api/conversations/${conversationId}/messages`
  await api('POST', path, { content: { type: 'document', media_id: invoice.id, filename: 'factura.pdf' } })
  const text = { content: { type: 'text', text: zoraida.agentText } }
  await api('POST', path, text, { 'idempotency-key': 'another-key' })
  await shop.settled()
}

async function sendPicture({ shop }: Open): Promise<void> {
  const png = Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    Buffer.from(zoraida.picture),
  ])
  const headers = { 'content-type': 'image/png' }
  const made = await fetch(`${shop.emulator.url}/emulator/media`, { method: 'POST', body: png, headers })
  const { id } = await made.json()
  await shop.say(zoraida.phone, { type: 'image', media_id: id, mime_type: 'image/png', caption: zoraida.words })
  await until(async () => {
    const [row] = await shop.admin`select state from media where origin = 'inbound'`
    return row?.state === 'stored'
  })
  await shop.settled()
}

/** What takes a fault, or another provider, to come about. */
async function leaveTraces({ shop }: Open, conversationId: string): Promise<void> {
  const { admin } = shop
  const { tenantId, botId } = shop.shop
  const [user, merged] = [uuids.next(), uuids.next()]
  await admin`insert into ignored_webhooks (tenant_id, bot_id, id, reason, raw)
    values (${tenantId}, ${botId}, ${uuids.next()}, 'malformed', ${{ from: zoraida.phone, text: zoraida.words }})`
  // Held for as long as something is being sent.
  const [busy, nowhere] = [uuids.next(), uuids.next()]
  await admin`insert into outbox (tenant_id, conversation_id, id, bot_id, state, due_at)
    values (${tenantId}, ${nowhere}, ${busy}, ${botId}, 'sending', now() + interval '1 day')`
  const echo = { to: [{ kind: 'phone', value: `+${zoraida.phone}` }], content: { type: 'text', text: zoraida.words } }
  await admin`insert into held_echoes (tenant_id, bot_id, provider_message_id, message, waits_for, waits_in)
    values (${tenantId}, ${botId}, 'wamid.held', ${echo}, array[${busy}]::uuid[], array[${nowhere}]::uuid[])`
  await admin`insert into audit_log (tenant_id, id, actor_kind, actor_id, action, resource, resource_id, after, request_id)
    values (${tenantId}, ${uuids.next()}, 'user', ${user}, 'customer.created', 'customers', ${merged},
      ${{ name: zoraida.name, phone: `+${zoraida.phone}` }}, 'r')`
  await admin`insert into calls (tenant_id, conversation_id, id, call_id, handler, request, due_at)
    values (${tenantId}, ${conversationId}, ${uuids.next()}, 'a9', 'http.request', ${{ body: zoraida.words }},
      now() + interval '1 day')`
  await admin`insert into inbox (tenant_id, conversation_id, id, kind, body, failed_reason)
    values (${tenantId}, ${conversationId}, ${uuids.next()}, 'handoff', ${{ note: zoraida.note }}, 'a turn failed')`
  await admin`insert into provider_sessions (tenant_id, bot_id, state) values (${tenantId}, ${botId}, 'ended')`
  for (const id of [`${zoraida.phone}.0`, `${zoraida.phone}`])
    await admin`insert into provider_session_keys (tenant_id, bot_id, type, id, sealed)
      values (${tenantId}, ${botId}, 'session', ${id}, '')`
}

/** Waits for the first look through everything, then has the second made at once. */
async function finish({ shop, api }: Open, customerId: string, erasureId: string): Promise<void> {
  const passes = async () => (await shop.admin`select passes, done_at from erasures where id = ${erasureId}`)[0]
  await until(async () => (await passes()).passes === 1)
  expect((await api('GET', `/api/erasures/${erasureId}`)).state).toBe('running')
  await shop.admin`update erasures set due_at = now() where id = ${erasureId}`
  // Asked for again, it is the same one, and is gone on with.
  expect(await api('POST', `/api/customers/${customerId}/erase`)).toMatchObject({ id: erasureId })
  await until(async () => (await passes()).done_at !== null)
}

const redisProgram = optionalProgram('redis-server', 'it is not searched in Redis')
const mongoProgram = optionalProgram(ferretdb, 'it is not searched in MongoDB')
const running: { stop(): Promise<void> }[] = []
afterAll(async () => {
  for (const one of running) await one.stop()
})

async function startStores(): Promise<Stores> {
  const redis = redisProgram === undefined ? undefined : await startTestRedis(redisProgram)
  const mongo = mongoProgram === undefined ? undefined : await startTestMongo(mongoProgram)
  for (const one of [redis, mongo]) if (one !== undefined) running.push(one)
  return { redis, mongo }
}

const installations = [
  { name: 'one process, everything in PostgreSQL', open: () => openShop({}), isSkipped: false },
  {
    name: 'Redis and MongoDB beside it',
    open: async () => openShop(await startStores()),
    isSkipped: redisProgram === undefined && mongoProgram === undefined,
  },
]

for (const { name, open: openOne, isSkipped } of installations)
  describe.skipIf(isSkipped)(name, () => {
    test('nothing of who was erased is found anywhere, and everything of the others is', async () => {
      const open = await openOne()
      const { api, shop, dataDir, redis } = open
      try {
        const { customerId, conversationId, providerIds } = await becomeCustomers(open)
        await until(async () => (await logEntries(open, conversationId)) > 3)
        // What is looked for is really found, and where it is to be expected.
        const before = await open.search(needles)
        for (const needle of needles) expect([needle, before.some(one => one.includes(needle))]).toEqual([needle, true])
        for (const place of [...expectedPlaces, ...(redis ? ['conversation:{', 'cache:api:{'] : []), dataDir])
          expect([place, before.some(one => one.startsWith(place))]).toEqual([place, true])
        const ofOther = await open.search(Object.values(other))
        expect(ofOther.length).toBeGreaterThan(10)
        const exported = await api('GET', `/api/customers/${customerId}/export`)
        for (const needle of [zoraida.name, zoraida.email, zoraida.words, zoraida.agentText, zoraida.note])
          expect([needle, JSON.stringify(exported).includes(needle)]).toEqual([needle, true])
        expect(exported.media.length).toBe(1)
        expect(exported.log_entries.length).toBeGreaterThan(3)

        const reason = `Asked by ${zoraida.name}, ${zoraida.email}`
        const erasure = await api('POST', `/api/customers/${customerId}/erase`, { reason })
        expect(erasure).toMatchObject({
          customer_id: customerId,
          reason: 'Asked by …, …',
          state: 'running',
          done_at: null,
        })
        await finish(open, customerId, erasure.id)

        expect(await open.search([...needles, ...providerIds])).toEqual([])
        expect(await open.search(Object.values(other))).toEqual(ofOther)
        await shop.admin`delete from outbox`
        expect(await logEntries(open, conversationId)).toBe(0)
        expect(await openAnswers(open)).toEqual([])
        const orders = (await api('GET', '/api/orders')).data
        expect(orders.map((one: { number: number; total_minor: number }) => [one.number, one.total_minor])).toEqual([
          [2, 250],
          [1, 250],
        ])
        expect(orders[1]).toMatchObject({ notes: null, conversation_id: null, status: 'pending' })
        expect((await api('GET', `/api/customers/${orders[1].customer_id}`)).name).toBe('erased')
        await staysOptedOut(open)
      } finally {
        await open.close()
      }
    }, 60_000)
  })

/** Entries of the logs that are of a conversation, in whichever store they are. */
async function logEntries(open: Open, conversationId: string): Promise<number> {
  const places = await open.search([conversationId])
  const inPostgres = await open.shop
    .admin`select (select count(*) from message_logs where conversation_id = ${conversationId})
    + (select count(*) from analytics_events where conversation_id = ${conversationId}) as n`
  const inMongo = places.filter(place => /^(message_logs|analytics_events): /.test(place)).length
  return Number(inPostgres[0].n) + inMongo
}

/** What is kept for a key, opened, as far as it says anything of her. */
async function openAnswers({ shop }: Open): Promise<string[]> {
  const rows = await shop.admin`select tenant_id, caller_id, key, answer from idempotency_keys where answer is not null`
  return rows
    .map((row: { tenant_id: string; caller_id: string; key: string; answer: Uint8Array }) =>
      openAnswer(sealer, { tenantId: row.tenant_id, callerId: row.caller_id, key: row.key, answer: row.answer }),
    )
    .filter((text: string) => needles.some(needle => text.includes(needle)))
}

/** Known again by her phone, she is somebody new, who wants no messages. */
async function staysOptedOut({ shop, api }: Open): Promise<void> {
  const content = { type: 'template', name: 'hello', language: 'en', parameters: [] }
  const send = api('POST', `/api/bots/${shop.shop.botId}/messages`, { to: `+${zoraida.phone}`, content })
  await expect(send).rejects.toThrow(/customer_opted_out|wants no messages/)
  const sends = (await shop.sends()).length
  await shop.say(zoraida.phone, 'hola otra vez')
  await shop.settled()
  const customer = (await api('GET', `/api/customers?phone=%2B${zoraida.phone}`)).data[0]
  expect(customer.opted_out_at).not.toBeNull()
  expect((await shop.sends()).length).toBe(sends)
  const evidence = (await api('GET', `/api/customers/${customer.id}/consents`)).data
  expect(evidence).toMatchObject([{ kind: 'opted_out', source: 'erasure', note: null }])
  const [left] = await shop.admin`select count(*)::int as n from suppressions`
  expect(left.n).toBe(0)
}
