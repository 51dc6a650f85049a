import { afterAll, beforeAll, expect, test } from 'bun:test'
import {
  type Answer,
  type Caller,
  openTestGateway,
  type TestGateway,
  testPassword,
  textAt,
} from '../../test/support/gateway.ts'
import { permissionsOf, roles } from '../identity/permissions.ts'
import { emptyReport } from '../messaging/analytics/reports.fixture.ts'
import { receiveMessages } from '../messaging/receive-messages.ts'

// Every route of the API document, asked by nobody, by each role, and by another tenant with ids that are not theirs.
// What a role may do is said by the permission that the route shows, in identity/permissions.ts.

let gateway: TestGateway
let owner: Caller
let ids: Readonly<Record<string, string>>

beforeAll(async () => {
  gateway = await openTestGateway()
  owner = await gateway.addCaller()
  ids = await addOneOfEach(owner)
})
afterAll(() => gateway.close())

/** Routes for whoever is not known: they are told apart by what they send. */
const openRoutes: ReadonlySet<string> = new Set([
  'GET /health',
  'GET /api/health',
  'GET /metrics',
  'GET /openapi.json',
  'GET /docs',
  'POST /api/auth/register',
  'POST /api/auth/login',
  'POST /api/auth/refresh',
  'POST /api/auth/logout',
  'POST /api/auth/accept',
  'GET /api/ws',
])

const price = { price_minor: 100, currency: 'EUR' }
let phones = 573001000000
let numbers = 800_000_000_000

/** A body that each route takes; a route that takes one and is not here fails the test. */
const bodies: Readonly<Record<string, () => unknown>> = {
  'POST /api/auth/password': () => ({ current_password: testPassword, new_password: 'another one, for tests' }),
  'PUT /api/tenant/settings': () => ({ language: 'en' }),
  'PUT /api/tenant': () => ({ time_zone: 'America/Bogota' }),
  'POST /api/users': () => newUser(),
  'PUT /api/users/{id}': () => ({ name: 'Changed' }),
  'POST /api/ws/ticket': () => undefined,
  'POST /api/users/{id}/invite': () => undefined,
  'POST /api/api-keys': () => ({ name: 'Key', scopes: ['products:write'] }),
  'POST /api/products': () => ({ sku: crypto.randomUUID(), name: 'Product', ...price }),
  'PUT /api/products/{id}': () => ({ name: 'Changed' }),
  'POST /api/customers': () => ({ name: 'Customer', phone: `+${phones++}` }),
  'PUT /api/customers/{id}': () => ({ name: 'Changed' }),
  'POST /api/customers/{id}/opt-out': () => ({ note: 'Said so' }),
  'POST /api/customers/{id}/opt-in': () => ({ note: 'Said so' }),
  'POST /api/customers/{id}/erase': () => undefined,
  'POST /api/orders': () => ({ customer_id: ids.customers, items: [{ product_id: ids.products, quantity: 1 }] }),
  'PUT /api/orders/{id}': () => ({ notes: 'Changed' }),
  'POST /api/sellers': () => ({ name: 'Seller' }),
  'PUT /api/sellers/{id}': () => ({ name: 'Changed' }),
  'POST /api/bots': () => ({ name: 'Bot', provider: 'meta', config: metaConfig() }),
  'PUT /api/bots/{id}': () => ({ name: 'Changed' }),
  'POST /api/bots/{id}/connect': () => undefined,
  'POST /api/bots/{id}/disconnect': () => undefined,
  'POST /api/failed-messages/{id}/retry': () => undefined,
  // A body that is no object goes as it is.
  'POST /api/media': () => '"a file"',
  'POST /api/media/{id}/link': () => undefined,
  'POST /api/flows': () => flow(crypto.randomUUID()),
  'PUT /api/flows/{id}': () => flow(crypto.randomUUID()),
  'POST /api/flows/{id}/publish': () => undefined,
  'POST /api/flows/{id}/rollback': () => ({ version: 1 }),
  'POST /api/flows/{id}/move': () => ({}),
  'POST /api/flows/{id}/simulate': () => ({ inputs: ['hello'] }),
  'POST /api/conversations/{id}/messages': () => ({ content: { type: 'text', text: 'Hello' } }),
  'POST /api/bots/{id}/messages': () => ({
    to: `+${phones++}`,
    content: { type: 'template', name: 'hello', language: 'en', parameters: [] },
  }),
  'POST /api/conversations/{id}/retry': () => undefined,
  'POST /api/conversations/{id}/handoff': () => ({}),
  'POST /api/conversations/{id}/resume': () => ({}),
  'POST /api/conversations/{id}/close': () => ({}),
  'POST /api/secrets': () => ({ name: `S${numbers++}`, value: 'a secret value' }),
  'PUT /api/secrets/{id}': () => ({ value: 'another value' }),
  'POST /api/webhooks': () => ({ url: 'https://example.com/hook' }),
  'PUT /api/webhooks/{id}': () => ({ description: 'Changed' }),
  'POST /api/webhooks/{id}/rotate': () => undefined,
  'POST /api/webhooks/{id}/test': () => undefined,
  'POST /api/webhooks/{id}/deliveries/{delivery_id}/retry': () => undefined,
}

function newUser() {
  return { name: 'User', email: `${crypto.randomUUID()}@example.com`, role: 'agent' }
}

function metaConfig() {
  return { phone_number_id: String(numbers++), access_token: 'a', app_secret: 'b', verify_token: 'c' }
}

function flow(name: string) {
  return {
    ...{ name, start: 'hello', triggers: [{ fallback: true }] },
    steps: { hello: { type: 'message', content: { type: 'text', text: 'Hello' }, next: 'end' } },
  }
}

/** One of each resource; what is deleted by one try is made again before the next. */
async function addOneOfEach(as: Caller): Promise<Record<string, string>> {
  const add = async (path: string, body: unknown) => textAt(await gateway.call('POST', path, { as, body }), 'id')
  const products = await add('/api/products', { sku: crypto.randomUUID(), name: 'P', stock: 1_000, ...price })
  const customers = await add('/api/customers', { name: 'C', phone: `+${phones++}` })
  const without_orders = await add('/api/customers', { name: 'C', phone: `+${phones++}` })
  const erased = await add('/api/customers', { name: 'C', phone: `+${phones++}` })
  const sellers = await add('/api/sellers', { name: 'S' })
  const users = await add('/api/users', newUser())
  const keys = await add('/api/api-keys', { name: 'Key', scopes: ['products:read'] })
  const bots = await add('/api/bots', { name: 'Bot', provider: 'meta', config: metaConfig() })
  const flows = await add('/api/flows', flow(crypto.randomUUID()))
  // Twice: what is published now is no version to go back to.
  for (let version = 1; version <= 2; version++)
    expect((await gateway.call('POST', `/api/flows/${flows}/publish`, { as })).status).toBe(200)
  const order = { customer_id: customers, items: [{ product_id: products, quantity: 1 }] }
  await receiveMessages(
    gateway.database,
    gateway.ids,
    [
      {
        ...{ tenantId: as.tenantId, botId: bots, providerMessageId: crypto.randomUUID(), at: new Date() },
        sender: { identities: [{ kind: 'phone', value: `+${phones++}` }], name: 'Writes' },
        content: { type: 'text', text: 'hola' },
      },
    ],
    gateway.sealer,
  )
  await gateway.feed.announce(as.tenantId, { changed: ['conversations', 'customers'] })
  const conversations = textAt(await gateway.call('GET', '/api/conversations?limit=1', { as }), 'data.0.id')
  // Of these a tenant has few.
  await gateway.admin`delete from webhooks`
  await gateway.admin`delete from tenant_secrets`
  const webhooks = await add('/api/webhooks', { url: 'https://example.com/hook' })
  const delivery = gateway.ids.next()
  await gateway.admin`insert into webhook_deliveries (tenant_id, webhook_id, id, event_id, event, payload, state, ended_at)
    values (${as.tenantId}, ${webhooks}, ${delivery}, ${gateway.ids.next()}, 'e', '{}', 'failed', now())`
  const failed = gateway.ids.next()
  await gateway.admin`insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status)
    values (${as.tenantId}, ${conversations}, ${failed}, ${bots}, 'outbound', ${{ type: 'text', text: 'x' }}, 'failed')`
  const report = gateway.ids.next()
  await gateway.admin`delete from reports`
  await gateway.admin`insert into reports (tenant_id, id, kind, starts_on, period_start, period_end, time_zone, data)
    values (${as.tenantId}, ${report}, 'daily', now(), now(), now(), 'UTC', ${JSON.stringify(emptyReport)}::text::jsonb)`
  return {
    products,
    customers,
    without_orders,
    sellers,
    users,
    'api-keys': keys,
    bots,
    flows,
    conversations,
    media: await add('/api/media', '"a file"'),
    secrets: await add('/api/secrets', { name: `S${numbers++}`, value: 'a secret value' }),
    webhooks,
    delivery,
    'failed-messages': failed,
    // Their figures.
    analytics: flows,
    erasures: textAt(await gateway.call('POST', `/api/customers/${erased}/erase`, { as }), 'id'),
    reports: report,
    orders: await add('/api/orders', order),
  }
}

type Route = {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly permission: string | undefined
  /** Whether it can succeed for the bot here: one of a provider that has no QR code. */
  readonly canSucceed: boolean
}

function routes(): Route[] {
  return Object.entries(gateway.api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      ...{ method: method.toUpperCase(), path, permission: operation['x-permission'] },
      canSucceed: path !== '/api/bots/{id}/qr',
    })),
  )
}

function call(
  { name, method, path }: Route,
  as: Caller | undefined,
  known: Readonly<Record<string, string>>,
): Promise<Answer> {
  const resource = name === 'DELETE /api/customers/{id}' ? 'without_orders' : (path.split('/')[2] ?? '')
  const address = path
    .replace('{id}', known[resource] ?? 'no-id')
    .replace('{delivery_id}', known.delivery ?? 'no-id')
    .replace(/\{\w+\}/, '1')
  const body = method === 'GET' || method === 'DELETE' ? undefined : bodies[name]?.()
  return gateway.call(method, address, { ...(as && { as }), ...(body !== undefined && { body }) })
}

/** Whether what it was about cannot be used by the next one. */
function isSpent({ method, path }: Route): boolean {
  return method === 'DELETE' || /\/(close|erase)$/.test(path) || /(failed-messages|deliveries).*\/retry$/.test(path)
}

const guarded = () => routes().filter(route => !openRoutes.has(route.name))

test('every route is guarded by a permission of the table, or known to be open', () => {
  const all = permissionsOf('owner')
  expect(guarded().length).toBeGreaterThan(25)
  for (const { name, permission } of guarded())
    expect([name, permission === 'me' || all.some(one => one === permission)]).toEqual([name, true])
})

test('every route that takes a body has one here', () => {
  const without = guarded().filter(({ name, method }) => (method === 'POST' || method === 'PUT') && !(name in bodies))
  expect(without.map(route => route.name)).toEqual([])
})

test('nobody gets nothing', async () => {
  for (const route of guarded())
    expect([route.name, (await call(route, undefined, ids)).status]).toEqual([route.name, 401])
})

for (const role of roles)
  test(`as ${role}, what the table allows is done, and nothing else`, async () => {
    const as = await gateway.addCaller(role, owner.tenantId)
    const may = permissionsOf(role)
    for (const route of guarded()) {
      const isAllowed = route.permission === 'me' || may.some(one => one === route.permission)
      const { status } = await call(route, as, ids)
      if (isAllowed && !route.canSucceed) expect([route.name, status]).toEqual([route.name, 409])
      else if (isAllowed) expect([route.name, status >= 200 && status < 300]).toEqual([route.name, true])
      else expect([route.name, status]).toEqual([route.name, 403])
      if (isAllowed && isSpent(route)) ids = await addOneOfEach(owner)
    }
  })

test("another tenant's ids are not there, whatever is tried", async () => {
  const stranger = await gateway.addCaller()
  for (const route of guarded()) {
    const answer = await call(route, stranger, ids)
    if (route.path.includes('{id}')) expect([route.name, answer.status]).toEqual([route.name, 404])
    for (const id of Object.values(ids)) expect([route.name, answer.text.includes(id)]).toEqual([route.name, false])
  }
})
