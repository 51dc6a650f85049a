import { afterAll, beforeAll, expect, test } from 'bun:test'
import {
  type Answer,
  at,
  type Caller,
  column,
  openTestGateway,
  type TestGateway,
  testPassword,
  textAt,
} from '../../../test/support/gateway.ts'
import { until } from '../../../test/support/installation.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

const audit = (as: Caller, query = '') => gateway.call('GET', `/api/audit${query}`, { as })
const product = (sku: string) => ({ sku, name: 'P', price_minor: 1, currency: 'EUR' })
const add = (as: Caller, sku: string) => gateway.call('POST', '/api/products', { as, body: product(sku) })

test('owners and admins read the log, and each tenant its own', async () => {
  const [owner, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
  await add(owner, 'a')
  for (const [role, status] of [
    ['admin', 200],
    ['agent', 403],
    ['viewer', 403],
  ] as const)
    expect((await audit(await gateway.addCaller(role, owner.tenantId))).status).toBe(status)
  expect(column(await audit(owner), 'action')).toEqual(['product.created'])
  expect(column(await audit(stranger), 'action')).toEqual([])
})

test('it is narrowed by who, what, which and when, and read page by page', async () => {
  const owner = await gateway.addCaller()
  const admin = await gateway.addCaller('admin', owner.tenantId)
  const first = textAt(await add(owner, 'a'), 'id')
  await add(admin, 'b')
  await gateway.call('PUT', `/api/products/${first}`, { as: admin, body: { stock: 5 } })
  await gateway.call('PUT', '/api/tenant', { as: owner, body: { name: 'N' } })
  const actions = async (query: string) => column(await audit(owner, query), 'action')
  const all = ['tenant.updated', 'product.updated', 'product.created', 'product.created']
  expect(await actions('')).toEqual(all)
  expect(await actions(`?actor_id=${admin.userId}`)).toEqual(['product.updated', 'product.created'])
  expect(await actions('?resource=tenant')).toEqual(['tenant.updated'])
  expect(await actions(`?resource_id=${first}`)).toEqual(['product.updated', 'product.created'])
  expect(await actions('?action=product.created')).toEqual(['product.created', 'product.created'])
  expect(await actions(`?action=product.created&actor_id=${owner.userId}`)).toEqual(['product.created'])
  const at2 = String(column(await audit(owner), 'at')[2])
  expect((await actions(`?from=${at2}`)).length).toBeGreaterThanOrEqual(3)
  expect(column(await audit(owner, `?to=${at2}`), 'at').every(at => String(at) < at2)).toBe(true)
  const ahead = new Date(Date.now() + 60_000).toISOString()
  expect([await actions(`?from=${ahead}`), await actions(`?to=${ahead}`)]).toEqual([[], all])
  const page = await audit(owner, '?limit=3')
  expect(column(page, 'action')).toEqual(all.slice(0, 3))
  expect(await actions(`?limit=3&cursor=${at(page, 'next_cursor')}`)).toEqual(all.slice(3))
  for (const query of ['?from=yesterday', '?resource=everything', '?actor_id=1', '?who=me'])
    expect([query, (await audit(owner, query)).status]).toEqual([query, 422])
})

test('logins, passwords, invitations and keys are lines, without their secrets', async () => {
  const email = `${crypto.randomUUID()}@example.com`
  const registered = await gateway.call('POST', '/api/auth/register', {
    body: { tenant_name: 'T', name: 'Ana', email, password: 'a long password' },
  })
  const userId = textAt(registered, 'user.id')
  const asked = (method: string, path: string, body?: object) =>
    gateway.call(method, path, { headers: { authorization: `Bearer ${textAt(registered, 'access_token')}` }, body })
  await gateway.call('POST', '/api/auth/login', {
    body: { email, password: 'a long password' },
    headers: { 'user-agent': 'test/1' },
  })
  await asked('POST', '/api/auth/password', { current_password: 'a long password', new_password: 'another long one' })
  const made = await asked('POST', '/api/users', { name: 'B', email: `b-${email}`, role: 'viewer' })
  const token = textAt(made, 'invite_token')
  await gateway.call('POST', '/api/auth/accept', { body: { token, password: 'a third long one' } })
  const key = textAt(await asked('POST', '/api/api-keys', { name: 'K', scopes: ['products:read'] }), 'key')
  const log: Answer = await asked('GET', '/api/audit')
  expect(column(log, 'action')).toEqual([
    ...['api_key.created', 'user.invite_accepted', 'user.invited', 'user.created', 'user.password_changed'],
    ...['user.logged_in', 'tenant.created'],
  ])
  expect(at(log, 'data.1')).toMatchObject({ actor_id: textAt(made, 'id'), actor_name: 'B', resource: 'users' })
  expect(at(log, 'data.5')).toMatchObject({ actor_id: userId, resource_id: userId, user_agent: 'test/1' })
  for (const secret of [token, key, 'long', '$2b$'])
    expect([secret, log.text.includes(secret)]).toEqual([secret, false])
})

test('logins that fail are a line a minute for each account', async () => {
  const owner = await gateway.addCaller()
  const admin = await gateway.addCaller('admin', owner.tenantId)
  const guess = ({ userId }: Caller, password: string) =>
    gateway.call('POST', '/api/auth/login', { body: { email: `${userId}@example.com`, password } })
  await Promise.all(Array.from({ length: 6 }, () => guess(owner, 'wrong')))
  await guess(admin, 'wrong')
  expect((await guess(owner, testPassword)).status).toBe(200)
  const failed = () => audit(owner, '?action=user.login_failed')
  await until(async () => column(await failed(), 'resource_id').length >= 2)
  // Whatever else would come was asked for before the last one.
  await guess(owner, 'wrong')
  await guess(admin, 'wrong')
  expect(column(await failed(), 'resource_id').sort()).toEqual([owner.userId, admin.userId].sort())
})
