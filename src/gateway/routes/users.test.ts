import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'

let now = Date.now()
let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway({ clock: { now: () => now } })
})
afterAll(() => gateway.close())

const address = () => `${crypto.randomUUID()}@example.com`
const newUser = (more: object = {}) => ({ name: 'Beto', email: address(), role: 'agent', ...more })
const add = (as: Caller, body: object) => gateway.call('POST', '/api/users', { as, body })
const get = (as: Caller, path: string) => gateway.call('GET', `/api/users${path}`, { as })
const put = (as: Caller, id: string, body: object) => gateway.call('PUT', `/api/users/${id}`, { as, body })
const remove = (as: Caller, id: string) => gateway.call('DELETE', `/api/users/${id}`, { as })
const invite = (as: Caller, id: string) => gateway.call('POST', `/api/users/${id}/invite`, { as })
const accept = (token: string, password: string, more: object = {}) =>
  gateway.call('POST', '/api/auth/accept', { body: { token, password, ...more } })
const login = (email: string, password: string) =>
  gateway.call('POST', '/api/auth/login', { body: { email, password } })
const me = (token: string) => gateway.call('GET', '/api/me', { headers: { authorization: `Bearer ${token}` } })
const refresh = (token: string) => gateway.call('POST', '/api/auth/refresh', { body: { refresh_token: token } })

const password = 'a long password'

async function addSeller(as: Caller): Promise<string> {
  return textAt(await gateway.call('POST', '/api/sellers', { as, body: { name: 'Seller' } }), 'id')
}

test('only an owner makes, changes, invites or removes owners', async () => {
  const owner = await gateway.addCaller('owner')
  const admin = await gateway.addCaller('admin', owner.tenantId)
  expect((await add(admin, newUser({ role: 'owner' }))).status).toBe(403)
  const id = textAt(await add(admin, newUser()), 'id')
  const refused = [
    await put(admin, id, { role: 'owner' }),
    await put(admin, owner.userId, { name: 'Changed' }),
    await invite(admin, owner.userId),
    await remove(admin, owner.userId),
  ]
  expect(refused.map(answer => answer.status)).toEqual([403, 403, 403, 403])
  expect((await put(owner, id, { role: 'owner' })).status).toBe(200)
  expect((await remove(owner, id)).status).toBe(204)
})

test("another tenant's user is not there", async () => {
  const [owner, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
  const id = textAt(await add(owner, newUser()), 'id')
  const tries = [
    await get(stranger, `/${id}`),
    await put(stranger, id, { name: 'X' }),
    await invite(stranger, id),
    await remove(stranger, id),
  ]
  expect(tries.map(answer => answer.status)).toEqual([404, 404, 404, 404])
  expect(column(await get(stranger, ''), 'id')).toEqual([stranger.userId])
})

test('every field that is wrong is named, and the password never shown', async () => {
  const as = await gateway.addCaller()
  const answer = await add(as, { name: '', email: 'nobody', role: 'boss', password: 'short-one', status: 'active' })
  expect(answer.status).toBe(422)
  expect(column({ ...answer, json: { data: at(answer, 'errors') } }, 'path')).toEqual([
    'name',
    'email',
    'role',
    'password',
  ])
  expect(answer.text).not.toContain('short-one')
  const named = await add(as, newUser({ name: 'Beto Larrea', password: 'Beto-Larrea1' }))
  expect([named.status, at(named, 'errors.0.path')]).toEqual([422, 'password'])
})

test('with a password a user is active at once, and their address is one user of all tenants', async () => {
  const [owner, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
  const email = address()
  const made = await add(owner, newUser({ email: email.toUpperCase(), password }))
  expect(made.status).toBe(201)
  expect(made.json).toMatchObject({ email, status: 'active', invite_token: null, last_login_at: null, seller_id: null })
  const again = await add(stranger, newUser({ email }))
  expect([again.status, at(again, 'errors.0.path')]).toEqual([409, 'email'])
  const other = textAt(await add(stranger, newUser()), 'id')
  expect((await put(stranger, other, { email })).status).toBe(409)
  expect((await login(email, password)).status).toBe(200)
  const read = await get(owner, `/${textAt(made, 'id')}`)
  expect(Date.parse(textAt(read, 'last_login_at'))).toBe(now)
  expect((await put(owner, textAt(made, 'id'), { ...JSON.parse(read.text), name: 'Berta' })).json).toMatchObject({
    name: 'Berta',
    email,
  })
})

test('who is invited chooses a password by the token, once, and is logged in', async () => {
  const owner = await gateway.addCaller()
  const email = address()
  const made = await add(owner, newUser({ email }))
  expect(made.json).toMatchObject({ status: 'invited' })
  expect(made.headers.get('etag')).toBeNull()
  expect(Date.parse(textAt(made, 'invite_expires_at'))).toBe(now + 7 * 86_400_000)
  expect((await login(email, password)).status).toBe(401)
  const token = textAt(made, 'invite_token')
  const weak = await accept(token, 'password123')
  expect([weak.status, at(weak, 'errors.0.path')]).toEqual([422, 'password'])
  expect((await accept(token, email)).status).toBe(422)
  const accepted = await accept(token, password, { name: 'Beatriz' })
  expect(accepted.json).toMatchObject({ user: { name: 'Beatriz', email, role: 'agent', status: 'active' } })
  expect((await me(textAt(accepted, 'access_token'))).status).toBe(200)
  const spent = await accept(token, 'another long one')
  expect([spent.status, at(spent, 'type')]).toEqual([401, '/problems/wrong_invite'])
  expect((await login(email, password)).status).toBe(200)
  expect((await get(owner, `/${textAt(made, 'id')}`)).text).not.toContain('invite')
})

test('of parallel uses of one invitation one is taken', async () => {
  const owner = await gateway.addCaller()
  const token = textAt(await add(owner, newUser()), 'invite_token')
  const tries = await Promise.all(Array.from({ length: 5 }, (_, index) => accept(token, `${password} ${index}`)))
  expect(tries.map(answer => answer.status).sort()).toEqual([200, 401, 401, 401, 401])
})

test('an invitation runs out after seven days; a new one or another address makes it void', async () => {
  const owner = await gateway.addCaller()
  const made = await add(owner, newUser())
  const [id, first] = [textAt(made, 'id'), textAt(made, 'invite_token')]
  const second = textAt(await invite(owner, id), 'invite_token')
  expect((await accept(first, password)).status).toBe(401)
  await put(owner, id, { email: address() })
  expect((await accept(second, password)).status).toBe(401)
  const third = textAt(await invite(owner, id), 'invite_token')
  now += 7 * 86_400_000
  expect((await accept(third, password)).status).toBe(401)
  const fourth = textAt(await invite(gateway.renewed(owner), id), 'invite_token')
  expect((await accept(fourth, password)).status).toBe(200)
})

test('an invitation of someone who forgot their password sets a new one, and ends what was logged in', async () => {
  const owner = await gateway.addCaller()
  const email = address()
  const id = textAt(await add(owner, newUser({ email, password })), 'id')
  const before = await login(email, password)
  const token = textAt(await invite(owner, id), 'invite_token')
  expect((await me(textAt(before, 'access_token'))).status).toBe(200)
  expect((await accept(token, 'another long one')).status).toBe(200)
  expect((await me(textAt(before, 'access_token'))).status).toBe(401)
  expect((await refresh(textAt(before, 'refresh_token'))).status).toBe(401)
  expect([(await login(email, password)).status, (await login(email, 'another long one')).status]).toEqual([401, 200])
})

test('an invitation sent again under its Idempotency-Key is the same one', async () => {
  const as = await gateway.addCaller()
  const [body, headers] = [newUser(), { 'idempotency-key': 'once' }]
  const first = await gateway.call('POST', '/api/users', { as, body, headers })
  const again = await gateway.call('POST', '/api/users', { as, body, headers })
  expect([again.status, again.text]).toEqual([201, first.text])
  expect((await accept(textAt(again, 'invite_token'), password)).status).toBe(200)
})

test('only an agent has a seller, who is one of the tenant', async () => {
  const [owner, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
  const [seller, theirs] = [await addSeller(owner), await addSeller(stranger)]
  for (const [more, path] of [
    [{ role: 'agent', seller_id: theirs }, 'seller_id'],
    [{ role: 'admin', seller_id: seller }, 'seller_id'],
  ] as const) {
    const refused = await add(owner, newUser(more))
    expect([refused.status, at(refused, 'errors.0.path')]).toEqual([422, path])
  }
  const made = await add(owner, newUser({ seller_id: seller }))
  const id = textAt(made, 'id')
  expect(at(made, 'seller_id')).toBe(seller)
  expect((await put(owner, id, { role: 'viewer', seller_id: seller })).status).toBe(422)
  expect((await put(owner, id, { seller_id: theirs })).status).toBe(422)
  expect(at(await put(owner, id, { name: 'Other' }), 'seller_id')).toBe(seller)
  expect((await put(owner, id, { role: 'viewer' })).json).toMatchObject({ role: 'viewer', seller_id: null })
  expect((await put(owner, id, { role: 'agent', seller_id: seller })).json).toMatchObject({ seller_id: seller })
  expect(at(await put(owner, id, { seller_id: null }), 'seller_id')).toBeNull()
})

test('another role counts with the next request, and so does a removal', async () => {
  const owner = await gateway.addCaller()
  const agent = await gateway.addCaller('agent', owner.tenantId)
  const bots = () => gateway.call('POST', '/api/sellers', { as: agent, body: { name: 'S' } })
  expect((await bots()).status).toBe(403)
  await put(owner, agent.userId, { role: 'admin' })
  expect((await bots()).status).toBe(201)
  await put(owner, agent.userId, { role: 'viewer' })
  expect((await bots()).status).toBe(403)
  await remove(owner, agent.userId)
  expect((await bots()).status).toBe(401)
})

test('who is removed has no way back: their logins, refresh tokens and invitation are gone', async () => {
  const owner = await gateway.addCaller()
  const email = address()
  const id = textAt(await add(owner, newUser({ email, password })), 'id')
  const opened = await login(email, password)
  const token = textAt(await invite(owner, id), 'invite_token')
  expect((await remove(owner, id)).status).toBe(204)
  expect((await me(textAt(opened, 'access_token'))).status).toBe(401)
  expect((await refresh(textAt(opened, 'refresh_token'))).status).toBe(401)
  expect((await accept(token, password)).status).toBe(401)
  expect((await login(email, password)).status).toBe(401)
  expect((await get(owner, `/${id}`)).status).toBe(404)
  expect((await add(owner, newUser({ email }))).status).toBe(201)
})

test('the last owner stays one, also when two remove each other at once', async () => {
  const owner = await gateway.addCaller()
  expect((await remove(owner, owner.userId)).status).toBe(409)
  expect((await put(owner, owner.userId, { role: 'admin' })).status).toBe(409)
  // One who is invited cannot log in yet.
  await add(owner, newUser({ role: 'owner' }))
  expect((await remove(owner, owner.userId)).status).toBe(409)
  for (let round = 0; round < 5; round++) {
    const one = await gateway.addCaller()
    const other = await gateway.addCaller('owner', one.tenantId)
    await Promise.all([get(one, ''), get(other, '')])
    const removals = await Promise.all([remove(one, other.userId), put(other, one.userId, { role: 'viewer' })])
    const statuses = removals.map(answer => answer.status)
    expect(statuses.filter(status => status === 200 || status === 204)).toHaveLength(1)
    expect(statuses.filter(status => status === 409)).toHaveLength(1)
  }
})

test('of two who read the same user and change it, the second is refused', async () => {
  const as = await gateway.addCaller()
  const id = textAt(await add(as, newUser()), 'id')
  const etag = (await get(as, `/${id}`)).headers.get('etag') ?? ''
  const change = (name: string) =>
    gateway.call('PUT', `/api/users/${id}`, { as, body: { name }, headers: { 'if-match': etag } })
  const statuses = (await Promise.all([change('One'), change('Other')])).map(answer => answer.status)
  expect(statuses.sort()).toEqual([200, 412])
})

test('the list is narrowed by role, status and part of a name, and read page by page', async () => {
  const as = await gateway.addCaller()
  const ana = textAt(await add(as, newUser({ name: 'Ána López', role: 'admin', password })), 'id')
  const beto = textAt(await add(as, newUser({ name: 'Beto' })), 'id')
  const carla = textAt(await add(as, newUser({ name: 'Carla' })), 'id')
  expect(column(await get(as, '?role=agent'), 'id')).toEqual([carla, beto])
  expect(column(await get(as, '?status=invited&q=BET'), 'id')).toEqual([beto])
  expect(column(await get(as, '?status=active'), 'id')).toEqual([ana, as.userId])
  expect(column(await get(as, '?q=ana%20lopez'), 'id')).toEqual([ana])
  expect((await get(as, '?role=boss')).status).toBe(422)
  const first = await get(as, '?limit=2')
  expect(column(first, 'id')).toEqual([carla, beto])
  expect(column(await get(as, `?limit=2&cursor=${at(first, 'next_cursor')}`), 'id')).toEqual([ana, as.userId])
})
