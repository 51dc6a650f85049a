import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../test/support/gateway.ts'
import { listAudit } from '../identity/audit.ts'
import type { Caller as Identity } from '../identity/callers.ts'
import { forgetKeys } from '../identity/idempotency.ts'

let nowMs = Date.now()
let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway({ clock: { now: () => nowMs } })
})
afterAll(() => gateway.close())

const product = (sku: string, more: object = {}) => ({
  ...{ sku, name: 'Product', price_minor: 100, currency: 'EUR' },
  ...more,
})

function add(as: Caller, key: string | undefined, body: unknown) {
  return gateway.call('POST', '/api/products', { as, body, ...(key && { headers: { 'idempotency-key': key } }) })
}

async function auditOf({ tenantId }: Pick<Identity, 'tenantId'>) {
  const none = { actorId: null, resource: null, resourceId: null, action: null, from: null, to: null }
  return await gateway.database.transaction({ role: 'app', tenantId }, tx =>
    listAudit(tx, { tenantId, beforeId: null, limit: 100, ...none }),
  )
}

test('the same request under the same key is done once, and answered the same', async () => {
  const as = await gateway.addCaller()
  const first = await add(as, 'key-1', product('a'))
  const again = await add(as, 'key-1', product('a'))
  expect([first.status, again.status, again.text]).toEqual([201, 201, first.text])
  expect(again.headers.get('etag')).toBe(first.headers.get('etag'))
  expect(column(await gateway.call('GET', '/api/products', { as }), 'sku')).toEqual(['a'])
})

test('fifty times at once, too', async () => {
  const as = await gateway.addCaller()
  const answers = await Promise.all(Array.from({ length: 50 }, () => add(as, 'key-1', product('a'))))
  expect(new Set(answers.map(answer => `${answer.status} ${answer.text}`)).size).toBe(1)
  expect(answers[0]?.status).toBe(201)
  expect(await auditOf(as)).toHaveLength(1)
})

test('the order of the fields makes no other request; another body, path or caller does', async () => {
  const as = await gateway.addCaller()
  const agent = await gateway.addCaller('admin', as.tenantId)
  const { sku, ...rest } = product('a')
  await add(as, 'key-1', { sku, ...rest })
  expect((await add(as, 'key-1', { ...rest, sku })).status).toBe(201)
  const other = await add(as, 'key-1', product('b'))
  expect([other.status, at(other, 'type')]).toEqual([422, '/problems/idempotency_key_reused'])
  const path = await gateway.call('POST', '/api/customers', {
    as,
    body: { name: 'C', phone: '+573001234567' },
    headers: { 'idempotency-key': 'key-1' },
  })
  expect(path.status).toBe(422)
  expect((await add(agent, 'key-1', product('b'))).status).toBe(201)
})

test('a request that failed may be tried again under its key', async () => {
  const as = await gateway.addCaller()
  await add(as, undefined, product('a'))
  expect((await add(as, 'key-1', product('a'))).status).toBe(409)
  const id = textAt(await gateway.call('GET', '/api/products', { as }), 'data.0.id')
  await gateway.call('DELETE', `/api/products/${id}`, { as })
  expect((await add(as, 'key-1', product('a'))).status).toBe(201)
})

test('a key is forgotten after a day', async () => {
  const as = await gateway.addCaller()
  await add(as, 'key-1', product('a'))
  nowMs += 86_400_001
  expect((await add(gateway.renewed(as), 'key-1', product('b'))).status).toBe(201)
  nowMs += 86_400_001
  const forgotten = await gateway.database.transaction({ role: 'worker' }, tx => forgetKeys(tx, new Date(nowMs), 1_000))
  expect(forgotten).toBeGreaterThan(0)
  expect((await add(gateway.renewed(as), 'key-1', product('c'))).status).toBe(201)
})

test('a key that is none is refused', async () => {
  const as = await gateway.addCaller()
  for (const key of ['with a space', 'x'.repeat(256), 'é']) {
    const refused = await add(as, key, product('a'))
    expect([refused.status, at(refused, 'errors.0.path')]).toEqual([422, 'Idempotency-Key'])
  }
})

test('of two who read the same and change it, the second is refused', async () => {
  const as = await gateway.addCaller()
  const id = textAt(await add(as, undefined, product('a')), 'id')
  const etag = (await gateway.call('GET', `/api/products/${id}`, { as })).headers.get('etag') ?? ''
  const put = (stock: number, match: string) =>
    gateway.call('PUT', `/api/products/${id}`, { as, body: { stock }, headers: { 'if-match': match } })
  const statuses = (await Promise.all(Array.from({ length: 10 }, (_, index) => put(index + 1, etag)))).map(
    answer => answer.status,
  )
  expect(statuses.filter(status => status === 200)).toHaveLength(1)
  expect(statuses.filter(status => status === 412)).toHaveLength(9)
  expect((await gateway.call('DELETE', `/api/products/${id}`, { as, headers: { 'if-match': etag } })).status).toBe(412)
  const fresh = await put(50, '*')
  expect(fresh.status).toBe(200)
  // The ETag of a change is that of what can be read then.
  expect((await put(51, fresh.headers.get('etag') ?? '')).status).toBe(200)
})

test('the audit log says who changed what, from where; what was refused is not in it', async () => {
  const as = await gateway.addCaller('admin')
  const made = await gateway.call('POST', '/api/products', {
    as,
    body: product('a'),
    headers: { 'user-agent': 'test/1', 'x-request-id': 'request-1' },
  })
  const id = textAt(made, 'id')
  await gateway.call('PUT', `/api/products/${id}`, { as, body: { stock: 7 } })
  await gateway.call('PUT', `/api/products/${id}`, { as, body: { stock: -1 } })
  await add(as, undefined, product('a'))
  await gateway.call('DELETE', `/api/products/${id}`, { as })
  const [deleted, updated, created, ...more] = await auditOf(as)
  expect(more).toEqual([])
  expect(created).toMatchObject({
    ...{ actor_kind: 'user', actor_id: as.userId, actor_name: 'admin', action: 'product.created' },
    ...{ resource: 'products', resource_id: id, before: null, user_agent: 'test/1', request_id: 'request-1' },
    after: { sku: 'a', stock: 0 },
  })
  expect(updated).toMatchObject({ action: 'product.updated', before: { stock: 0 }, after: { stock: 7 } })
  expect(deleted).toMatchObject({ action: 'product.deleted', before: { stock: 7 }, after: null })
})
