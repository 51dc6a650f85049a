import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openTestGateway, type TestGateway, testPassword, textAt } from '../../../test/support/gateway.ts'
import { readSettings } from '../../config.ts'
import { hashesAtOnceMax, hashesWaitingMax, hashPassword } from '../../identity/passwords.ts'
import { connect } from '../../stores/postgres/database.ts'

// The limit is five tries in five minutes.

let nowMs = Date.now()
let gateway: TestGateway
beforeAll(async () => {
  const settings = readSettings({ RATE_LIMIT_AUTH_PER_5_MINUTES: '5' })
  const config = { ...settings, JWT_SECRET: 'a-secret-for-tests-of-32-bytes-or-more' }
  gateway = await openTestGateway({ clock: { now: () => nowMs }, config })
})
afterAll(() => gateway.close())

let addresses = 0
/** An address that nobody used yet. */
const fresh = () => `203.0.113.${++addresses}`

async function post(path: string, peer: string, body: object) {
  const init = { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
  return await gateway.fetch(`/api/auth/${path}`, init, { peerAddress: () => peer })
}

const login = (email: string, password: string, peer: string) => post('login', peer, { email, password })

/** The address of a user whose password is `testPassword`. */
async function addAccount(): Promise<string> {
  const as = await gateway.addCaller()
  return `${as.userId}@example.com`
}

async function statuses(tries: number, one: (index: number) => Promise<Response>): Promise<number[]> {
  const found = []
  for (let index = 0; index < tries; index++) found.push((await one(index)).status)
  return found
}

test('tries at one account are counted wherever they come from, however the address is written', async () => {
  const email = await addAccount()
  const wrong = (index: number) => login(index % 2 ? email.toUpperCase() : ` ${email}`, 'wrong', fresh())
  expect(await statuses(5, wrong)).toEqual(Array(5).fill(401))
  const refused = await login(email, testPassword, fresh())
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(refused.headers.get('retry-after')).toBe(refused.headers.get('ratelimit-reset'))
  nowMs += 5 * 60_000
  expect((await login(email, testPassword, fresh())).status).toBe(200)
})

test('tries from one address are counted whatever account they are for, also for accounts that there are not', async () => {
  const [peer, email] = [fresh(), await addAccount()]
  expect(await statuses(5, index => login(`nobody-${index}@example.com`, 'wrong', peer))).toEqual(Array(5).fill(401))
  expect((await login(email, testPassword, peer)).status).toBe(429)
  expect((await login(email, testPassword, fresh())).status).toBe(200)
})

test('who logs in rightly is not counted', async () => {
  const [peer, email] = [fresh(), await addAccount()]
  expect(await statuses(8, () => login(email, testPassword, peer))).toEqual(Array(8).fill(200))
  expect(await statuses(4, () => login(email, 'wrong', peer))).toEqual(Array(4).fill(401))
  expect(await statuses(3, () => login(email, testPassword, peer))).toEqual(Array(3).fill(200))
})

test('of fifty guesses at once, five are looked at', async () => {
  const email = await addAccount()
  const answers = await Promise.all(Array.from({ length: 50 }, () => login(email, 'wrong', fresh())))
  const found = answers.map(answer => answer.status)
  expect(found.filter(status => status === 401)).toHaveLength(5)
  expect(found.filter(status => status === 429)).toHaveLength(45)
})

test('tokens that are wrong are counted by address, and hold up no right one', async () => {
  const [peer, email] = [fresh(), await addAccount()]
  const opened = await (await login(email, testPassword, fresh())).json()
  const wrong = (index: number) =>
    index % 3 === 0
      ? post('refresh', peer, { refresh_token: `wrong-${index}` })
      : index % 3 === 1
        ? post('logout', peer, { refresh_token: `wrong-${index}` })
        : post('accept', peer, { token: `wrong-${index}`, password: 'a long password' })
  expect(await statuses(5, wrong)).toEqual([401, 204, 401, 401, 204])
  for (const path of ['refresh', 'logout'])
    expect((await post(path, peer, { refresh_token: 'wrong' })).status).toBe(429)
  const refused = await post('accept', peer, { token: 'wrong', password: 'a long password' })
  expect([refused.status, refused.headers.get('retry-after') !== null]).toEqual([429, true])
  const renewed = await post('refresh', peer, { refresh_token: opened.refresh_token })
  expect(renewed.status).toBe(200)
  expect((await post('logout', peer, { refresh_token: (await renewed.json()).refresh_token })).status).toBe(204)
})

test('new tenants are counted by address', async () => {
  const [peer, email] = [fresh(), await addAccount()]
  const register = () => post('register', peer, { tenant_name: 'T', name: 'N', email, password: 'a long password' })
  const found = await statuses(21, register)
  expect(found).toEqual([...Array(20).fill(409), 429])
}, 30_000)

test('a wrong current password counts as a login that failed', async () => {
  const as = await gateway.addCaller()
  const change = (current_password: string) =>
    gateway.call('POST', '/api/auth/password', { as, body: { current_password, new_password: 'a long password' } })
  for (let tries = 0; tries < 5; tries++) expect((await change('wrong')).status).toBe(401)
  const refused = await change(testPassword)
  expect([refused.status, refused.headers.get('retry-after') !== null]).toEqual([429, true])
  expect((await login(`${as.userId}@example.com`, testPassword, fresh())).status).toBe(429)
  expect(textAt(refused, 'type')).toBe('/problems/too_many_requests')
})

test('what the machine is too busy for is answered 503, and counts as no try', async () => {
  const tries = hashesAtOnceMax + hashesWaitingMax + 10
  const known = await Promise.all(Array.from({ length: tries }, () => addAccount()))
  await makeSlow()
  const answers = await Promise.all(known.map(email => login(email, 'wrong', fresh())))
  const [refused, busy] = [401, 503].map(status => known.filter((_, index) => answers[index]?.status === status))
  expect((refused?.length ?? 0) + (busy?.length ?? 0)).toBe(tries)
  expect(busy?.length).toBeGreaterThan(0)
  const [email = ''] = busy ?? []
  expect(await statuses(4, () => login(email, 'wrong', fresh()))).toEqual(Array(4).fill(401))
  expect((await login(email, testPassword, fresh())).status).toBe(200)
}, 60_000)

/** Hashes every password at its real cost. */
async function makeSlow(): Promise<void> {
  const admin = connect(gateway.connection, 1)
  await admin`update users set password_hash = ${await hashPassword(testPassword)}`
  await admin.close()
}
