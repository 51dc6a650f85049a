import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'

let now = Date.now()
let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway({ clock: { now: () => now } })
})
afterAll(() => gateway.close())

const password = 'a long password'
const registration = (email: string) => ({ tenant_name: 'Café Aurora', name: 'Ana', email, password })
const register = (email: string) => gateway.call('POST', '/api/auth/register', { body: registration(email) })
const login = (email: string, given: string = password) =>
  gateway.call('POST', '/api/auth/login', { body: { email, password: given } })
const refresh = (token: string) => gateway.call('POST', '/api/auth/refresh', { body: { refresh_token: token } })
const me = (token: string) => gateway.call('GET', '/api/me', { headers: { authorization: `Bearer ${token}` } })

test('registering makes a tenant and its owner, who is logged in', async () => {
  const made = await register('  Ana@Example.COM ')
  expect(made.status).toBe(201)
  expect(made.json).toMatchObject({
    user: { name: 'Ana', email: 'ana@example.com', role: 'owner' },
    tenant: { name: 'Café Aurora' },
    token_type: 'Bearer',
    expires_in: 86_400,
  })
  const who = await me(textAt(made, 'access_token'))
  expect(who.status).toBe(200)
  expect(at(who, 'tenant.id')).toBe(at(made, 'tenant.id'))
  expect(at(who, 'permissions')).toContain('bots:write')
})

test('registering names every field that is wrong, and never the password', async () => {
  const answer = await gateway.call('POST', '/api/auth/register', {
    body: { tenant_name: ' ', email: 'nobody', password: 'short-one', role: 'owner' },
  })
  expect(answer.status).toBe(422)
  expect(at(answer, 'errors')).toEqual([
    { path: 'tenant_name', message: 'Must not be empty' },
    { path: 'name', message: 'Is missing' },
    { path: 'email', message: 'Must be an e-mail address' },
    { path: 'password', message: 'Must have at least 10 characters' },
    { path: 'role', message: 'Is not known here' },
  ])
  expect(answer.text).not.toContain('short-one')
  const long = await gateway.call('POST', '/api/auth/register', {
    body: { ...registration('long@example.com'), password: 'ñ'.repeat(37) },
  })
  expect(at(long, 'errors.0.message')).toContain('72 bytes')
})

test('an address is registered once, however it is written and however many try at once', async () => {
  const tries = ['Twice@example.com', 'twice@example.com', 'TWICE@EXAMPLE.COM'].map(register)
  const statuses = (await Promise.all(tries)).map(answer => answer.status)
  expect(statuses.sort()).toEqual([201, 409, 409])
})

test('a wrong password and an unknown address are answered alike', async () => {
  await register('known@example.com')
  const wrong = await login('known@example.com', 'another password')
  const unknown = await login('unknown@example.com')
  expect([wrong.status, unknown.status]).toEqual([401, 401])
  expect(at(wrong, 'detail')).toBe(at(unknown, 'detail'))
  expect(at(wrong, 'type')).toBe('/problems/wrong_credentials')
})

test('logging in gives tokens, until they run out', async () => {
  await register('in@example.com')
  const opened = await login('IN@example.com')
  expect(opened.status).toBe(200)
  const token = textAt(opened, 'access_token')
  expect((await me(token)).status).toBe(200)
  const before = now
  now += 24 * 3_600_000
  expect((await me(token)).status).toBe(401)
  now = before
})

test('a refresh token works once, and a second use ends its whole family', async () => {
  const first = textAt(await register('once@example.com'), 'refresh_token')
  const other = textAt(await login('once@example.com'), 'refresh_token')
  const second = textAt(await refresh(first), 'refresh_token')
  const third = textAt(await refresh(second), 'refresh_token')
  const reused = await refresh(first)
  expect(reused.status).toBe(401)
  expect(at(reused, 'type')).toBe('/problems/wrong_refresh_token')
  expect((await refresh(third)).status).toBe(401)
  expect((await refresh(other)).status).toBe(200)
})

test('of parallel uses of one refresh token at most one gets tokens', async () => {
  const token = textAt(await register('parallel@example.com'), 'refresh_token')
  const statuses = (await Promise.all(Array.from({ length: 8 }, () => refresh(token)))).map(answer => answer.status)
  expect(statuses.filter(status => status === 200)).toHaveLength(1)
})

test('a refresh token that is unknown, or not used for a month, is refused', async () => {
  expect((await refresh('nothing')).status).toBe(401)
  const token = textAt(await register('month@example.com'), 'refresh_token')
  const before = now
  now += 31 * 86_400_000
  expect((await refresh(token)).status).toBe(401)
  now = before
})

test('logging out ends the login with its access tokens, once or twice, and no other', async () => {
  const opened = await register('out@example.com')
  const other = await login('out@example.com')
  const token = textAt(opened, 'refresh_token')
  expect((await me(textAt(opened, 'access_token'))).status).toBe(200)
  const logout = () => gateway.call('POST', '/api/auth/logout', { body: { refresh_token: token } })
  expect((await logout()).status).toBe(204)
  expect((await logout()).status).toBe(204)
  expect((await refresh(token)).status).toBe(401)
  expect((await me(textAt(opened, 'access_token'))).status).toBe(401)
  expect((await me(textAt(other, 'access_token'))).status).toBe(200)
})

test('a second use of a refresh token ends the access tokens of its login too', async () => {
  const first = await register('stolen@example.com')
  const second = await refresh(textAt(first, 'refresh_token'))
  expect((await me(textAt(second, 'access_token'))).status).toBe(200)
  expect((await refresh(textAt(first, 'refresh_token'))).status).toBe(401)
  expect((await me(textAt(second, 'access_token'))).status).toBe(401)
})

test('a password that is tried first, or is known of the person, is refused', async () => {
  for (const given of ['password123', 'aaaaaaaaaaaa', 'cafe-aurora1', 'ana.perez@example.com', 'AnaPerez2024']) {
    const body = { ...registration('ana.perez@example.com'), name: 'Ana Pérez', password: given }
    const refused = await gateway.call('POST', '/api/auth/register', { body })
    expect([given, refused.status, at(refused, 'errors.0.path')]).toEqual([given, 422, 'password'])
    expect(refused.text).not.toContain(given)
  }
})

test('when somebody logged in is told', async () => {
  const opened = await register('last@example.com')
  expect(at(opened, 'user.last_login_at')).toBe(new Date(now).toISOString())
  now += 60_000
  const again = await login('last@example.com')
  expect(at(again, 'user.last_login_at')).toBe(new Date(now).toISOString())
})

test('what each role may do is told with who they are', async () => {
  const owner = await gateway.addCaller('owner')
  const agent = await gateway.addCaller('agent', owner.tenantId)
  const viewer = await gateway.addCaller('viewer', owner.tenantId)
  const permissions = async (as: typeof owner) => at(await gateway.call('GET', '/api/me', { as }), 'permissions')
  expect(await permissions(agent)).toContain('orders:write')
  expect(await permissions(agent)).not.toContain('bots:write')
  expect(await permissions(viewer)).not.toContain('orders:write')
})
