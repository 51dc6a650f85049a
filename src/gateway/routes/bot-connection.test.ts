import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'
import { claimDueChecks, finishCheck } from '../../messaging/bot-checks.ts'

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

/** Answers every check that is due, as the adapter does. Returns the bots that were checked. */
async function answerChecks(
  tenantId: string,
  status: 'connected' | 'error',
  reason: string | null = null,
): Promise<string[]> {
  const ids = await gateway.database.transaction({ role: 'worker' }, async tx => {
    const due = (await claimDueChecks(tx, 100, 60)).filter(check => check.tenantId === tenantId)
    for (const check of due) await finishCheck(tx, check, { status, reason, dueAt: new Date() })
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
  const refused = { status: 'error', reason: 'The old token.', dueAt: new Date() } as const
  expect(await gateway.database.transaction({ role: 'worker' }, tx => finishCheck(tx, late, refused))).toBe(false)
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
