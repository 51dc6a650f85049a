import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'
import { connect } from '../../stores/postgres/database.ts'

let now = Date.now()
let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway({ clock: { now: () => now } })
})
afterAll(() => gateway.close())

const add = (as: Caller, body: object) => gateway.call('POST', '/api/api-keys', { as, body })
const list = (as: Caller, query = '') => gateway.call('GET', `/api/api-keys${query}`, { as })
const withKey = (method: string, path: string, key: string, body?: object) =>
  gateway.call(method, path, { headers: { 'x-api-key': key }, body })
const bearer = (path: string, key: string) => gateway.call('GET', path, { headers: { authorization: `Bearer ${key}` } })

test('agents and viewers neither see nor make keys', async () => {
  const owner = await gateway.addCaller()
  for (const role of ['agent', 'viewer'] as const) {
    const as = await gateway.addCaller(role, owner.tenantId)
    expect((await list(as)).status).toBe(403)
    expect((await add(as, { name: 'K', scopes: ['products:read'] })).status).toBe(403)
  }
})

test("another tenant's key is not there", async () => {
  const [owner, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
  const id = textAt(await add(owner, { name: 'K', scopes: ['products:read'] }), 'id')
  for (const method of ['GET', 'DELETE'])
    expect((await gateway.call(method, `/api/api-keys/${id}`, { as: stranger })).status).toBe(404)
  expect(column(await list(stranger), 'id')).toEqual([])
})

test('a key can never make users or keys, has at least one scope, and ends in the future', async () => {
  const as = await gateway.addCaller()
  for (const scope of ['users:write', 'api_keys:read', 'api_keys:write', 'audit:write', 'me', 'everything']) {
    const refused = await add(as, { name: 'K', scopes: ['products:read', scope] })
    expect([scope, refused.status, at(refused, 'errors.0.path')]).toEqual([scope, 422, 'scopes.1'])
  }
  expect((await add(as, { name: 'K', scopes: [] })).status).toBe(422)
  const past = await add(as, { name: 'K', scopes: ['products:read'], expires_at: new Date(now).toISOString() })
  expect([past.status, at(past, 'errors.0.path')]).toEqual([422, 'expires_at'])
})

test('a key does what it is for, by either header, and is shown only once', async () => {
  const as = await gateway.addCaller()
  const made = await add(as, { name: 'Import', scopes: ['products:write', 'orders:read', 'orders:read'] })
  expect(made.status).toBe(201)
  const [key, id] = [textAt(made, 'key'), textAt(made, 'id')]
  expect(key).toMatch(/^dok_[\w-]{43}$/)
  expect(made.json).toMatchObject({
    ...{ name: 'Import', prefix: key.slice(0, 12), created_by: as.userId, revoked_at: null, expires_at: null },
    scopes: ['products:read', 'products:write', 'orders:read'],
  })
  const product = { sku: 'a', name: 'A', price_minor: 1, currency: 'EUR' }
  expect((await withKey('POST', '/api/products', key, product)).status).toBe(201)
  expect((await bearer('/api/products', key)).status).toBe(200)
  expect((await withKey('GET', '/api/orders', key)).status).toBe(200)
  const refused = await withKey('POST', '/api/customers', key, { name: 'C' })
  expect([refused.status, at(refused, 'detail')]).toEqual([403, 'The API key does not include customers:write.'])
  expect((await withKey('GET', '/api/users', key)).status).toBe(403)
  const who = await withKey('GET', '/api/me', key)
  expect(who.json).toMatchObject({
    user: null,
    tenant: { id: as.tenantId },
    permissions: ['products:read', 'products:write', 'orders:read'],
  })
  const [read, listed] = [await gateway.call('GET', `/api/api-keys/${id}`, { as }), await list(as)]
  for (const answer of [read, listed]) expect(answer.text).not.toContain(key)
  const admin = connect(gateway.connection, 1)
  const rows = await admin`select to_jsonb(k)::text as text from api_keys k`
  await admin.close()
  for (const row of rows) expect(row.text).not.toContain(key.slice(12))
})

test('what is no key is nobody', async () => {
  for (const key of ['dok_', `dok_${'a'.repeat(43)}`, 'a'.repeat(47)])
    expect((await withKey('GET', '/api/products', key)).status).toBe(401)
})

test('the use of a key is noted', async () => {
  const as = await gateway.addCaller()
  const made = await add(as, { name: 'K', scopes: ['products:read'] })
  expect(at(made, 'last_used_at')).toBeNull()
  await withKey('GET', '/api/products', textAt(made, 'key'))
  let usedAt: unknown = null
  for (let tries = 0; usedAt === null && tries < 500; tries++) {
    await Bun.sleep(10)
    usedAt = at(await gateway.call('GET', `/api/api-keys/${textAt(made, 'id')}`, { as }), 'last_used_at')
  }
  expect(usedAt).toBe(new Date(now).toISOString())
})

test('a key that is revoked works no more from the next request on, and stays in the list', async () => {
  const as = await gateway.addCaller()
  const made = await add(as, { name: 'Old', scopes: ['products:read'] })
  const [key, id] = [textAt(made, 'key'), textAt(made, 'id')]
  const other = textAt(await add(as, { name: 'New', scopes: ['products:read'] }), 'id')
  expect((await withKey('GET', '/api/products', key)).status).toBe(200)
  for (let tries = 0; tries < 2; tries++)
    expect((await gateway.call('DELETE', `/api/api-keys/${id}`, { as })).status).toBe(204)
  expect((await withKey('GET', '/api/products', key)).status).toBe(401)
  expect(textAt(await gateway.call('GET', `/api/api-keys/${id}`, { as }), 'revoked_at')).toBe(
    new Date(now).toISOString(),
  )
  expect(column(await list(as), 'id')).toEqual([other, id])
  expect(column(await list(as, '?active=true'), 'id')).toEqual([other])
  expect(column(await list(as, '?active=false'), 'id')).toEqual([id])
  expect(column(await list(as, '?q=old'), 'id')).toEqual([id])
  const audit = await gateway.call('GET', `/api/audit?resource_id=${id}`, { as })
  expect(column(audit, 'action')).toEqual(['api_key.revoked', 'api_key.created'])
})

test('a key with an end ends then', async () => {
  const as = await gateway.addCaller()
  const expires_at = new Date(now + 3_600_000).toISOString()
  const made = await add(as, { name: 'K', scopes: ['products:read'], expires_at })
  const key = textAt(made, 'key')
  expect(at(made, 'expires_at')).toBe(expires_at)
  expect((await withKey('GET', '/api/products', key)).status).toBe(200)
  now += 3_600_000
  expect((await withKey('GET', '/api/products', key)).status).toBe(401)
  expect(column(await list(gateway.renewed(as), '?active=true'), 'id')).toEqual([])
})

test('a key made again under its Idempotency-Key is the same one', async () => {
  const as = await gateway.addCaller()
  const made = () =>
    gateway.call('POST', '/api/api-keys', {
      as,
      body: { name: 'K', scopes: ['products:read'] },
      headers: { 'idempotency-key': 'once' },
    })
  const [first, again] = [await made(), await made()]
  expect([again.status, again.text]).toEqual([201, first.text])
  expect(column(await list(as), 'id')).toHaveLength(1)
})
