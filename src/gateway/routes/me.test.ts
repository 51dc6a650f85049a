import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, openTestGateway, type TestGateway, testPassword, textAt } from '../../../test/support/gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

const email = () => `${crypto.randomUUID()}@example.com`
const login = (address: string, password: string) =>
  gateway.call('POST', '/api/auth/login', { body: { email: address, password } })
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const me = (token: string) => gateway.call('GET', '/api/me', { headers: bearer(token) })
const change = (token: string, current_password: string, new_password: string) =>
  gateway.call('POST', '/api/auth/password', { headers: bearer(token), body: { current_password, new_password } })

async function addUser(address: string): Promise<void> {
  const as = await gateway.addCaller()
  const body = { name: 'Ana', email: address, role: 'viewer', password: 'a long password' }
  expect((await gateway.call('POST', '/api/users', { as, body })).status).toBe(201)
}

test('nobody changes a password without logging in, and an API key has none', async () => {
  expect((await change('x', 'a long password', 'another long one')).status).toBe(401)
  const as = await gateway.addCaller()
  const made = await gateway.call('POST', '/api/api-keys', { as, body: { name: 'K', scopes: ['products:read'] } })
  expect((await change(textAt(made, 'key'), testPassword, 'another long one')).status).toBe(403)
})

test('a password is changed by who knows the one before, and every other login ends', async () => {
  const address = email()
  await addUser(address)
  const [here, there] = [await login(address, 'a long password'), await login(address, 'a long password')]
  const [token, other] = [textAt(here, 'access_token'), textAt(there, 'access_token')]
  expect([(await me(token)).status, (await me(other)).status]).toEqual([200, 200])
  const wrong = await change(token, 'not my password', 'another long one')
  expect([wrong.status, at(wrong, 'type')]).toEqual([401, '/problems/wrong_credentials'])
  expect((await change(token, 'a long password', 'another long one')).status).toBe(204)
  expect([(await me(token)).status, (await me(other)).status]).toEqual([200, 401])
  const refresh = (opened: typeof here) =>
    gateway.call('POST', '/api/auth/refresh', { body: { refresh_token: textAt(opened, 'refresh_token') } })
  expect([(await refresh(here)).status, (await refresh(there)).status]).toEqual([200, 401])
  expect((await login(address, 'a long password')).status).toBe(401)
  expect((await login(address, 'another long one')).status).toBe(200)
})

test('the new one must be strong, and another', async () => {
  const address = email()
  await addUser(address)
  const token = textAt(await login(address, 'a long password'), 'access_token')
  for (const chosen of ['short', 'password123', address, 'a long password']) {
    const refused = await change(token, 'a long password', chosen)
    expect([chosen, refused.status, at(refused, 'errors.0.path')]).toEqual([chosen, 422, 'new_password'])
  }
})

test('of two changes at once, one counts', async () => {
  const address = email()
  await addUser(address)
  const token = textAt(await login(address, 'a long password'), 'access_token')
  const chosen = ['first long one', 'second long one']
  const answers = await Promise.all(chosen.map(one => change(token, 'a long password', one)))
  expect(answers.map(answer => answer.status).sort()).toEqual([204, 401])
  const [won = '', lost = ''] = answers[0]?.status === 204 ? chosen : chosen.toReversed()
  expect([(await login(address, won)).status, (await login(address, lost)).status]).toEqual([200, 401])
})

test('an open invitation is void once the password was changed', async () => {
  const owner = await gateway.addCaller()
  const path = `/api/users/${owner.userId}/invite`
  const token = textAt(await gateway.call('POST', path, { as: owner }), 'invite_token')
  expect((await change(owner.token, testPassword, 'another long one')).status).toBe(204)
  const accepted = await gateway.call('POST', '/api/auth/accept', { body: { token, password: 'a third long one' } })
  expect(accepted.status).toBe(401)
})
