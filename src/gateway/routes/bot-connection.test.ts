import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'
import { makeSealer } from '../../lib/crypto.ts'
import { claimDueChecks, finishCheck, reportStanding } from '../../messaging/bot-checks.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

const config = {
  phone_number_id: '1',
  access_token: 'EAAG-token',
  app_secret: 'shh-secret',
  verify_token: 'shh-verify',
}

async function addBot(as: Caller): Promise<string> {
  const body = { name: 'Shop', provider: 'meta', config }
  return textAt(await gateway.call('POST', '/api/bots', { as, body }), 'id')
}

const post = (as: Caller, id: string, what: string) => gateway.call('POST', `/api/bots/${id}/${what}`, { as })
const statusOf = async (as: Caller, id: string) => (await gateway.call('GET', `/api/bots/${id}/status`, { as })).json

// That of the gateway under test.
const sealer = makeSealer('an-encryption-key-for-tests-of-32-bytes')

/** Answers every check that is due, as the adapter does. Returns the bots that were checked. */
async function answerChecks(
  tenantId: string,
  status: 'connected' | 'error',
  reason: string | null = null,
): Promise<string[]> {
  const ids = await gateway.database.transaction({ role: 'worker' }, async tx => {
    const due = (await claimDueChecks(tx, 100, 60)).filter(check => check.tenantId === tenantId)
    for (const check of due) await finishCheck(tx, sealer, check, { status, reason, dueAt: new Date(), pairing: null })
    return due.map(check => check.id)
  })
  await gateway.feed.announce(tenantId, { changed: ['bots'] })
  return ids
}

test('a new bot is connecting, and is checked once', async () => {
  const as = await gateway.addCaller()
  const id = await addBot(as)
  expect(await statusOf(as, id)).toEqual({ status: 'connecting', status_reason: null })
  expect(await answerChecks(as.tenantId, 'connected')).toEqual([id])
  expect(await statusOf(as, id)).toEqual({ status: 'connected', status_reason: null })
  expect(await answerChecks(as.tenantId, 'error')).toEqual([])
})

test('a bot whose settings are changed is checked anew; one that is renamed is not', async () => {
  const as = await gateway.addCaller()
  const id = await addBot(as)
  await answerChecks(as.tenantId, 'error', 'No such token.')
  await gateway.call('PUT', `/api/bots/${id}`, { as, body: { name: 'Renamed' } })
  expect(await statusOf(as, id)).toEqual({ status: 'error', status_reason: 'No such token.' })
  await gateway.call('PUT', `/api/bots/${id}`, { as, body: { config: { access_token: 'better' } } })
  expect(await statusOf(as, id)).toEqual({ status: 'connecting', status_reason: null })
  expect(await answerChecks(as.tenantId, 'connected')).toEqual([id])
})

test('what a check finds of settings that were changed meanwhile does not count', async () => {
  const as = await gateway.addCaller()
  const id = await addBot(as)
  const [late] = await gateway.database.transaction({ role: 'worker' }, tx => claimDueChecks(tx, 100, 60))
  if (late === undefined) throw new Error('nothing is due')
  await gateway.call('PUT', `/api/bots/${id}`, { as, body: { config: { access_token: 'better' } } })
  const refused = { status: 'error', reason: 'The old token.', dueAt: new Date(), pairing: null } as const
  expect(await gateway.database.transaction({ role: 'worker' }, tx => finishCheck(tx, sealer, late, refused))).toBe(
    false,
  )
  expect(await answerChecks(as.tenantId, 'connected')).toEqual([id])
  expect(await statusOf(as, id)).toEqual({ status: 'connected', status_reason: null })
})

test('a bot is disconnected with a reason, stays so when its settings change, and is checked when it is connected', async () => {
  const as = await gateway.addCaller()
  const id = await addBot(as)
  await answerChecks(as.tenantId, 'connected')
  const disconnected = await post(as, id, 'disconnect')
  expect([disconnected.status, at(disconnected, 'status')]).toEqual([202, 'disconnected'])
  expect(textAt(disconnected, 'status_reason')).toContain('waits until it is connected again')
  await gateway.call('PUT', `/api/bots/${id}`, { as, body: { config: { access_token: 'better' } } })
  expect(await statusOf(as, id)).toEqual(disconnected.json)
  expect(await answerChecks(as.tenantId, 'connected')).toEqual([])
  const connecting = await post(as, id, 'connect')
  expect([connecting.status, connecting.json]).toEqual([202, { status: 'connecting', status_reason: null }])
  expect(await answerChecks(as.tenantId, 'connected')).toEqual([id])
})

test('connecting and disconnecting are told to the adapter and the sockets, and stand in the audit log without secrets', async () => {
  const as = await gateway.addCaller()
  const id = await addBot(as)
  const [bots, events]: [string[], unknown[]] = [[], []]
  const stops = [
    gateway.bus.subscribe('bot.changed', one => bots.push(one)),
    gateway.bus.subscribe(`events:${as.tenantId}`, news => events.push(...JSON.parse(news))),
  ]
  await post(as, id, 'disconnect')
  await post(as, id, 'disconnect')
  await post(as, id, 'connect')
  await Bun.sleep(1)
  for (const stop of stops) stop()
  expect(bots).toEqual([id, id, id])
  expect(events).toMatchObject([
    { type: 'bot.status', data: { id, status: 'disconnected' } },
    { type: 'bot.status', data: { id, status: 'connecting', status_reason: null } },
  ])
  const log = await gateway.call('GET', `/api/audit?resource_id=${id}`, { as })
  expect(JSON.parse(log.text).data.map((line: { action: string }) => line.action)).toEqual([
    ...['bot.connecting', 'bot.disconnected', 'bot.disconnected', 'bot.created'],
  ])
  for (const secret of ['EAAG-token', 'shh-secret', 'shh-verify']) expect(log.text).not.toContain(secret)
})

test('no bot of this version is paired by QR code', async () => {
  const as = await gateway.addCaller()
  const answer = await gateway.call('GET', `/api/bots/${await addBot(as)}/qr`, { as })
  expect([answer.status, at(answer, 'type')]).toEqual([409, '/problems/conflict'])
  expect(textAt(answer, 'detail')).toBe('A bot of the provider meta does not pair by QR code.')
})

async function addPhoneBot(as: Caller): Promise<string> {
  const body = { name: 'Paired', provider: 'baileys', config: {} }
  return textAt(await gateway.call('POST', '/api/bots', { as, body }), 'id')
}

/** What a provider tells of a bot that waits to be scanned. */
async function showCode(as: Caller, id: string, codes: { qr: string | null; pairingCode: string | null }, ms = 60_000) {
  const expiresAt = new Date(Date.now() + ms)
  const standing = { status: 'qr', reason: 'Scan it.', dueAt: expiresAt, pairing: { ...codes, expiresAt } } as const
  await gateway.database.transaction({ role: 'worker' }, tx =>
    reportStanding(tx, sealer, { tenantId: as.tenantId, id }, standing),
  )
}

test('the code that pairs a bot is shown, as a text and as a picture, to who may change bots', async () => {
  const as = await gateway.addCaller()
  const id = await addPhoneBot(as)
  const ask = (caller = as) => gateway.call('GET', `/api/bots/${id}/qr`, { as: caller })
  expect((await ask()).status).toBe(409)
  await showCode(as, id, { qr: 'https://wa.me/settings/linked_devices#secret', pairingCode: null })
  const answer = await ask()
  expect(answer.json).toMatchObject({ qr: 'https://wa.me/settings/linked_devices#secret', pairing_code: null })
  const png = Buffer.from(textAt(answer, 'png').replace('data:image/png;base64,', ''), 'base64')
  expect(png.subarray(1, 4).toString()).toBe('PNG')
  expect((await ask(await gateway.addCaller('viewer', as.tenantId))).status).toBe(403)
  const [row] = await gateway.admin`select sealed from bot_pairings where bot_id = ${id}`
  expect(Buffer.from(row.sealed).toString('latin1')).not.toContain('linked_devices')
})

test('a code that has run out is not shown, nor one of a bot that is connected by now', async () => {
  const as = await gateway.addCaller()
  const id = await addPhoneBot(as)
  await showCode(as, id, { qr: 'old', pairingCode: null }, -1)
  expect((await gateway.call('GET', `/api/bots/${id}/qr`, { as })).status).toBe(409)
  await showCode(as, id, { qr: 'new', pairingCode: null })
  const connected = { status: 'connected', reason: null, dueAt: new Date(), pairing: null } as const
  await gateway.database.transaction({ role: 'worker' }, tx =>
    reportStanding(tx, sealer, { tenantId: as.tenantId, id }, connected),
  )
  expect((await gateway.call('GET', `/api/bots/${id}/qr`, { as })).status).toBe(409)
  expect(await gateway.admin`select 1 from bot_pairings where bot_id = ${id}`).toHaveLength(0)
})

test('connecting with a phone gives the code to type there; a bot that is not paired refuses a phone', async () => {
  const as = await gateway.addCaller()
  const id = await addPhoneBot(as)
  const asking = gateway.call('POST', `/api/bots/${id}/connect`, { as, body: { phone: '+12025550100' } })
  await Bun.sleep(50)
  const [due] = await gateway.admin`select pairing_phone from bots where id = ${id}`
  expect(due.pairing_phone).toBe('+12025550100')
  await showCode(as, id, { qr: null, pairingCode: 'ABCD1234' })
  const answer = await asking
  expect([answer.status, answer.json]).toEqual([
    202,
    { status: 'connecting', status_reason: null, pairing_code: 'ABCD1234' },
  ])
  const other = await addBot(as)
  const refused = await gateway.call('POST', `/api/bots/${other}/connect`, { as, body: { phone: '+12025550100' } })
  expect([refused.status, at(refused, 'errors.0.path')]).toEqual([422, 'phone'])
})

test('disconnecting ends the session, and logging out does so even of a bot that is disconnected', async () => {
  const as = await gateway.addCaller()
  const id = await addPhoneBot(as)
  const leavingOf = async () => (await gateway.admin`select status, leaving from bots where id = ${id}`)[0]
  await gateway.call('POST', `/api/bots/${id}/disconnect`, { as })
  expect(await leavingOf()).toEqual({ status: 'disconnected', leaving: 'end' })
  await gateway.call('POST', `/api/bots/${id}/disconnect`, { as, body: { logout: true } })
  expect(await leavingOf()).toEqual({ status: 'disconnected', leaving: 'logout' })
  await post(as, id, 'connect')
  expect(await leavingOf()).toEqual({ status: 'connecting', leaving: null })
})
