import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test'
import { createHmac } from 'node:crypto'
import type { SQL } from 'bun'
import { until } from '../../test/support/installation.ts'
import { makeTestLog } from '../../test/support/log.ts'
import { createTestDatabase } from '../../test/support/postgres.ts'
import { actions } from '../commerce/actions/actions.ts'
import { claimDeliveries, newDeliveryCursor } from '../commerce/claim-deliveries.ts'
import { queueEvent, waitingMax } from '../commerce/webhook-deliveries.ts'
import { createWebhook, type NewWebhook, rotateSecret, updateWebhook } from '../commerce/webhooks.ts'
import { systemClock } from '../lib/clock.ts'
import { makeSealer } from '../lib/crypto.ts'
import { makeGuardedFetch } from '../lib/guarded-fetch.ts'
import { uuids } from '../lib/ids.ts'
import { makeMetrics } from '../lib/metrics.ts'
import { connect, type Database, openDatabase } from '../stores/postgres/database.ts'
import { startWebhookLoop, type WebhookLoopOptions } from './deliver-webhooks.ts'

// Deliveries wait in a real database, and go to real servers on this machine.

const worker = { role: 'worker' } as const
const sealer = makeSealer('an-encryption-key-for-tests-of-32-bytes')

type Got = { readonly path: string; readonly headers: Headers; readonly body: string }

let created: Awaited<ReturnType<typeof createTestDatabase>>
let database: Database
let admin: SQL
let server: ReturnType<typeof Bun.serve>
let tenantId: string
let got: Got[] = []
let loops: ReturnType<typeof startWebhookLoop>[] = []
let answers: (path: string, times: number) => Response | Promise<Response>
let release: () => void
let held: Promise<void>

beforeAll(async () => {
  created = await createTestDatabase()
  database = openDatabase(created.connection, makeMetrics())
  admin = connect(created.connection, 2)
  server = Bun.serve({
    ...{ port: 0, hostname: '127.0.0.1', idleTimeout: 60 },
    async fetch(request) {
      const path = new URL(request.url).pathname
      got.push({ path, headers: request.headers, body: await request.text() })
      return await answers(path, got.filter(one => one.path === path).length)
    },
  })
})
afterAll(async () => {
  await server.stop(true)
  await database.close()
  await admin.close()
  await created.drop()
})
beforeEach(async () => {
  tenantId = await addTenant()
  got = []
  answers = () => new Response(null, { status: 204 })
  held = new Promise(resolve => {
    release = resolve
  })
})
afterEach(async () => {
  release()
  await Promise.all(loops.map(loop => loop.stop()))
  loops = []
  await admin`delete from webhooks`
})

async function addTenant(): Promise<string> {
  const id = uuids.next()
  await admin`insert into tenants (id, name) values (${id}, 'T')`
  return id
}

function start(changes: Partial<WebhookLoopOptions> = {}) {
  const loop = startWebhookLoop({
    ...{ database, clock: systemClock, log: makeTestLog(), metrics: makeMetrics(), sealer, keptDays: 30 },
    ...{ fetch: makeGuardedFetch({ allowsPrivate: true }), isAlone: false, random: () => 0 },
    ...changes,
  })
  loops.push(loop)
  return loop
}

async function addWebhook(path: string, changes: Partial<NewWebhook> = {}, tenant = tenantId) {
  const url = `http://127.0.0.1:${server.port}${path}`
  const fields = { url, description: '', events: ['*'], active: true, ...changes }
  const made = await database.transaction({ role: 'app', tenantId: tenant }, tx =>
    createWebhook(tx, uuids, sealer, tenant, fields),
  )
  if (made === undefined) throw new Error('no webhook was made')
  return made
}

const emit = (type: string, data: object = {}, tenant = tenantId) =>
  database.transaction(worker, tx =>
    queueEvent(tx, uuids, { tenantId: tenant, type, data: JSON.parse(JSON.stringify(data)) }),
  )

type Row = { readonly state: string; readonly attempts: number } & Readonly<Record<string, unknown>>

async function deliveries(webhookId?: string): Promise<readonly Row[]> {
  const all =
    await admin`select *, due_at - now() > interval '3 seconds' as is_later from webhook_deliveries order by id`
  return all.filter((row: { webhook_id: string }) => webhookId === undefined || row.webhook_id === webhookId)
}

const ended = async (count: number) =>
  await until(async () => (await deliveries()).filter(row => row.ended_at !== null).length === count)

/** Makes what waits for its next try due. */
async function hurry(): Promise<void> {
  await admin`update webhook_deliveries set due_at = now() where state = 'queued'`
  for (const loop of loops) loop.wake()
}

function isSigned({ headers, body }: Got, secret: string): boolean {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64')
  const signed = `${headers.get('webhook-id')}.${headers.get('webhook-timestamp')}.${body}`
  const signature = `v1,${createHmac('sha256', key).update(signed).digest('base64')}`
  return headers.get('webhook-signature')?.split(' ').includes(signature) === true
}

test('an event of a flow goes to the webhooks that want it, signed by the secret of each', async () => {
  const all = await addWebhook('/all')
  const some = await addWebhook('/some', { events: ['other.thing', 'shop.thing'] })
  await addWebhook('/none', { events: ['other.thing'] })
  await addWebhook('/off', { active: false })
  await addWebhook('/theirs', {}, await addTenant())
  const action = actions.get('webhook.emit')
  if (action?.kind !== 'database') throw new Error('it is an action on the database')
  const call = { tenantId, customerId: uuids.next(), conversationId: uuids.next() }
  const input = { event: 'shop.thing', data: { name: 'Té', n: 1 } }
  const before = Date.now()
  const result = await database.transaction(worker, tx => action.run(tx, uuids, { ...call, input }))
  expect(result).toEqual({ ok: true, value: { deliveries: 2 } })
  start()
  await ended(2)
  expect(got.map(one => one.path).sort()).toEqual(['/all', '/some'])
  for (const [path, { secret }, other] of [
    ['/all', all, some.secret],
    ['/some', some, all.secret],
  ] as const) {
    const one = got.find(given => given.path === path)
    if (one === undefined) throw new Error('nothing came')
    expect([isSigned(one, secret), isSigned(one, other)]).toEqual([true, false])
    const { timestamp, ...said } = JSON.parse(one.body)
    expect(said).toEqual({
      ...{ type: 'shop.thing', data: input.data },
      ...{ conversation_id: call.conversationId, customer_id: call.customerId },
    })
    expect(Date.parse(timestamp)).toBeGreaterThanOrEqual(before)
    expect(Math.abs(Number(one.headers.get('webhook-timestamp')) * 1000 - Date.now())).toBeLessThan(60_000)
  }
  expect(new Set(got.map(one => one.headers.get('webhook-id'))).size).toBe(1)
  expect(await deliveries()).toMatchObject([
    { state: 'delivered', attempts: 1, response_status: 204, error: null, latency_ms: expect.any(Number) },
    { state: 'delivered', attempts: 1, response_status: 204 },
  ])
})

test('what an event says is checked', async () => {
  const action = actions.get('webhook.emit')
  if (action?.kind !== 'database') throw new Error('it is an action on the database')
  const call = { tenantId, customerId: uuids.next(), conversationId: uuids.next() }
  for (const input of [{}, { event: 'a b' }, { event: 'a..b' }, { event: 'webhook.test' }, { event: 'a', data: [1] }])
    expect(
      await database.transaction(worker, tx =>
        action.run(tx, uuids, { ...call, input: JSON.parse(JSON.stringify(input)) }),
      ),
    ).toMatchObject({ ok: false, code: 'invalid_input' })
})

test('a delivery that is not taken is tried again later, under the same id, with a signature of its own time', async () => {
  const { secret, webhook } = await addWebhook('/')
  answers = (_path, times) =>
    times === 1
      ? new Response('no\nroom', { status: 500 })
      : times === 2
        ? Response.redirect('/elsewhere')
        : new Response('taken')
  await emit('a')
  start()
  await until(async () => (await deliveries())[0]?.response_status === 500)
  const [first] = await deliveries()
  expect(first).toMatchObject({
    ...{ state: 'queued', attempts: 1, is_later: true, ended_at: null },
    error: { code: 'http_500', message: expect.stringMatching(/answered 500: no room$/) },
  })
  expect((await admin`select failing_since from webhooks where id = ${webhook.id}`)[0].failing_since).not.toBeNull()
  await hurry()
  await until(async () => (await deliveries())[0]?.response_status === 302)
  await hurry()
  await ended(1)
  expect(await deliveries()).toMatchObject([{ state: 'delivered', attempts: 3, response_status: 200, error: null }])
  expect((await admin`select failing_since from webhooks where id = ${webhook.id}`)[0].failing_since).toBeNull()
  expect(new Set(got.map(one => one.headers.get('webhook-id'))).size).toBe(1)
  expect(got.map(one => isSigned(one, secret))).toEqual([true, true, true])
  expect(got.map(one => one.path)).toEqual(['/', '/', '/'])
}, 10_000)

test('after a day of tries a delivery has failed, and shows why', async () => {
  await addWebhook('/')
  answers = () => new Response('', { status: 503, headers: { 'retry-after': '600' } })
  await emit('a')
  start()
  const waits: number[] = []
  for (let attempts = 1; attempts <= 8; attempts++) {
    await until(
      async () => (await deliveries())[0]?.attempts === attempts && (await deliveries())[0]?.state === 'queued',
    )
    const [row] = await admin`select extract(epoch from due_at - now())::int as wait from webhook_deliveries`
    waits.push(row.wait)
    await hurry()
  }
  await ended(1)
  expect(await deliveries()).toMatchObject([{ state: 'failed', attempts: 9, error: { code: 'http_503' } }])
  // What the receiver asked for, where that is longer.
  expect(waits.slice(0, 3).every(wait => wait > 590 && wait <= 600)).toBe(true)
  const [total] = [waits.reduce((sum, wait) => sum + wait, 0)]
  expect(total).toBeGreaterThan(17 * 3_600)
  expect(total).toBeLessThan(32 * 3_600)
}, 30_000)

test('a webhook that fails for days is switched off with a reason, and what waits for it fails', async () => {
  const { webhook } = await addWebhook('/')
  const well = await addWebhook('/well')
  answers = path => new Response('', { status: path === '/well' ? 200 : 500 })
  await emit('a')
  await emit('b')
  await admin`update webhooks set failing_since = now() - interval '4 days'`
  await admin`update webhook_deliveries set attempts = 8 where event = 'a'`
  await admin`update webhook_deliveries set due_at = now() + interval '1 hour' where event = 'b' and webhook_id = ${webhook.id}`
  start()
  await ended(4)
  const shown = await admin`select active, disabled_reason, failing_since from webhooks order by id`
  expect([...shown]).toMatchObject([
    { active: false, disabled_reason: 'Nothing could be delivered to it for days.' },
    { active: true, disabled_reason: null, failing_since: null },
  ])
  const reasons = (await deliveries(webhook.id)).map(row => [row.state, Object(row.error).code])
  expect(reasons).toEqual([
    ['failed', 'http_500'],
    ['failed', 'webhook_off'],
  ])
  // Whoever puts it right begins anew.
  const again = await database.transaction({ role: 'app', tenantId }, tx =>
    updateWebhook(tx, tenantId, { ...webhook, active: false }, { active: true }),
  )
  expect(again).toMatchObject({ active: true, disabled_reason: null, failing_since: null })
  expect((await deliveries(well.webhook.id)).map(row => row.state)).toEqual(['delivered', 'delivered'])
})

test('a webhook that failed long ago is not switched off by one try that fails', async () => {
  const { webhook } = await addWebhook('/')
  answers = () => new Response('', { status: 500 })
  await admin`update webhooks set failing_since = now() - interval '4 days'`
  await emit('a')
  start()
  await until(async () => (await deliveries())[0]?.response_status === 500)
  expect((await admin`select active from webhooks where id = ${webhook.id}`)[0].active).toBe(true)
})

test('a receiver that is gone is told nothing more', async () => {
  const { webhook } = await addWebhook('/')
  answers = () => new Response('', { status: 410 })
  await emit('a')
  start()
  await ended(1)
  const [row] = await admin`select active, disabled_reason from webhooks where id = ${webhook.id}`
  expect(row).toMatchObject({ active: false, disabled_reason: expect.stringContaining('410 Gone') })
  expect(await emit('b')).toEqual({ kind: 'queued', deliveries: 0 })
})

test('while its secret is changed, a delivery is signed by both', async () => {
  const { secret, webhook } = await addWebhook('/')
  const rotated = await database.transaction({ role: 'app', tenantId }, tx =>
    rotateSecret(tx, sealer, tenantId, webhook.id),
  )
  await emit('a')
  start()
  await ended(1)
  await admin`update webhooks set previous_until = now()`
  await emit('b')
  await ended(2)
  expect(got.map(one => [isSigned(one, secret), isSigned(one, rotated?.secret ?? '')])).toEqual([
    [true, true],
    [false, true],
  ])
})

test('a private address is refused, and the delivery says so', async () => {
  await addWebhook('/')
  await emit('a')
  start({ fetch: makeGuardedFetch({ allowsPrivate: false }) })
  await until(async () => Object((await deliveries())[0]?.error).code === 'address_refused')
  expect(got).toEqual([])
})

test('several processes deliver each once, and what one of them leaves behind is delivered by another', async () => {
  for (const path of ['/1', '/2', '/3']) await addWebhook(path)
  for (let index = 0; index < 20; index++) await emit(`e${index}`)
  // A process takes some, and is gone before it has said anything.
  const bounds = { limit: 5, perTenantMax: 10, perWebhookMax: 4, leaseMs: 60_000 }
  const lost = await database.transaction(worker, tx => claimDeliveries(tx, newDeliveryCursor(), bounds))
  expect(lost.deliveries.length).toBe(5)
  for (let index = 0; index < 3; index++) start()
  await ended(55)
  expect((await deliveries()).filter(row => row.state === 'sending').length).toBe(5)
  await Promise.all(loops.map(loop => loop.stop()))
  start({ isAlone: true })
  await ended(60)
  const told = got.map(one => `${one.path} ${JSON.parse(one.body).type}`)
  expect(told.length).toBe(60)
  expect(new Set(told).size).toBe(60)
}, 15_000)

test('a stop in the middle of a delivery loses nothing', async () => {
  await addWebhook('/')
  answers = (_path, times) => (times === 1 ? held.then(() => new Response('late')) : new Response('taken'))
  await emit('a')
  const loop = start()
  await until(async () => got.length === 1)
  await loop.stop()
  expect(await deliveries()).toMatchObject([{ state: 'queued', attempts: 1, is_later: false }])
  expect((await admin`select failing_since from webhooks`)[0].failing_since).toBeNull()
  start()
  await ended(1)
  expect(got[0]?.headers.get('webhook-id')).toBe(got[1]?.headers.get('webhook-id') ?? '')
}, 15_000)

test("a webhook that hangs has a share of its tenant's, which has a share of all", async () => {
  answers = path => (path.startsWith('/hangs') ? held.then(() => new Response('late')) : new Response('taken'))
  const hanging = [await addWebhook('/hangs1'), await addWebhook('/hangs2')]
  await addWebhook('/well')
  const other = await addTenant()
  await addWebhook('/other', {}, other)
  for (let index = 0; index < 15; index++) await emit(`e${index}`)
  start()
  start()
  await until(async () => got.filter(one => one.path === '/well').length === 15)
  for (let index = 0; index < 15; index++) await emit(`e${index}`, {}, other)
  await until(async () => got.filter(one => one.path === '/other').length === 15)
  for (const { webhook } of hanging)
    expect((await deliveries(webhook.id)).filter(row => row.state === 'sending').length).toBe(4)
  release()
  await ended(60)
}, 15_000)

test('a webhook that has too much waiting takes no more, and the flow is told', async () => {
  const { webhook } = await addWebhook('/')
  await admin`insert into webhook_deliveries (tenant_id, webhook_id, id, event_id, event, payload, due_at)
    select ${tenantId}, ${webhook.id}, gen_random_uuid(), gen_random_uuid(), 'e', '{}', now() + interval '1 day'
    from generate_series(1, ${waitingMax}::int)`
  expect(await emit('a')).toEqual({ kind: 'too_much_waiting' })
})

test('deliveries that ended long ago are forgotten', async () => {
  await addWebhook('/')
  await emit('old')
  await emit('waits')
  await emit('new')
  await admin`update webhook_deliveries set state = 'delivered', ended_at = now() - interval '31 days' where event = 'old'`
  await admin`update webhook_deliveries set state = 'failed', ended_at = now() - interval '29 days' where event = 'new'`
  await admin`update webhook_deliveries set due_at = now() + interval '1 day', created_at = now() - interval '40 days'
    where event = 'waits'`
  start()
  await until(async () => (await deliveries()).length === 2)
  expect((await deliveries()).map(row => row.event)).toEqual(['waits', 'new'])
})
