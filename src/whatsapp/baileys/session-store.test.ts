import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import type { SQL } from 'bun'
import { createTestDatabase } from '../../../test/support/postgres.ts'
import { makeSealer } from '../../lib/crypto.ts'
import { makeMetrics } from '../../lib/metrics.ts'
import { connect, type Database, openDatabase } from '../../stores/postgres/database.ts'
import { seedBaileysBot, type TestBot } from './baileys.fixture.ts'
import {
  claimSessions,
  endSession,
  findSession,
  type Lease,
  LeaseLost,
  releaseLease,
  renewLeases,
  wantSession,
} from './leases.ts'
import { makeSessionEvents } from './session-events.ts'
import { makeSessionRows } from './session-rows.ts'

const sealer = makeSealer('a-test-encryption-key-of-32-bytes!')
const first = { owner: '00000000-0000-4000-8000-000000000001', url: 'http://127.0.0.1:1', leaseMs: 60_000 }
const second = { owner: '00000000-0000-4000-8000-000000000002', url: 'http://127.0.0.1:2', leaseMs: 60_000 }

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let database: Database
let bot: TestBot

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 2)
  database = openDatabase(created.connection, makeMetrics())
})

beforeEach(async () => {
  await admin`delete from bots`
  bot = await seedBaileysBot(admin)
})

afterAll(async () => {
  await database.close()
  await admin.close()
  await created.drop()
})

async function take(claimer = first): Promise<Lease> {
  const [claimed] = await claimSessions(database, claimer, 10)
  if (claimed === undefined) throw new Error('the session was not to be had')
  return claimed.lease
}

/** As if the owner had not been heard of for too long. */
async function runOut(): Promise<void> {
  await admin`update provider_sessions set lease_expires_at = now() - interval '1 second'`
}

describe('leases', () => {
  test('a session is one bridge’s at a time, and the next one’s when its lease has run out', async () => {
    const lease = await take()
    expect(lease.fence).toBe(1)
    expect(await claimSessions(database, second, 10)).toEqual([])
    expect((await findSession(database, bot.botId))?.url).toBe(first.url)
    await runOut()
    expect((await findSession(database, bot.botId))?.url).toBeNull()
    expect((await take(second)).fence).toBe(2)
    expect(await renewLeases(database, first)).toEqual([])
    expect(await renewLeases(database, second)).toEqual([{ botId: bot.botId, fence: 2, isWanted: true }])
  })

  test('of many that ask at the same moment one gets it', async () => {
    await seedBaileysBot(admin)
    const owners = Array.from({ length: 8 }, (_, index) => ({ ...first, owner: crypto.randomUUID(), url: `u${index}` }))
    const claimed = await Promise.all(owners.map(owner => claimSessions(database, owner, 10)))
    const bots = claimed.flat().map(({ lease }) => lease.botId)
    expect(bots.length).toBe(2)
    expect(new Set(bots).size).toBe(2)
  })

  test('a lease that has run out cannot be renewed, even where nobody else took it', async () => {
    await take()
    await runOut()
    expect(await renewLeases(database, first)).toEqual([])
  })

  test('only bots that are to be connected have a session', async () => {
    for (const status of ['disconnected', 'logged_out', 'error']) {
      await admin`update bots set status = ${status}`
      expect(await claimSessions(database, first, 10)).toEqual([])
    }
    await admin`update bots set status = 'qr', leaving = 'end'`
    expect(await claimSessions(database, first, 10)).toEqual([])
    await admin`update bots set status = 'connected', leaving = null, provider = 'evolution'`
    expect(await claimSessions(database, first, 10)).toEqual([])
    expect(await findSession(database, bot.botId)).toBeNull()
    await admin`update bots set status = 'disconnected', provider = 'baileys'`
    expect((await claimSessions(database, first, 10, bot.botId)).length).toBe(1)
    expect(await renewLeases(database, first)).toEqual([{ botId: bot.botId, fence: 1, isWanted: false }])
  })

  test('a session at a standstill is taken by nobody until it is wanted', async () => {
    const lease = await take()
    await releaseLease(database, lease, { state: 'refused', reason: 'Blocked.' })
    expect(await claimSessions(database, second, 10)).toEqual([])
    expect(await claimSessions(database, second, 10, bot.botId)).toEqual([])
    expect((await findSession(database, bot.botId))?.standstill).toEqual({ state: 'refused', reason: 'Blocked.' })
    await wantSession(database, bot.botId)
    expect((await take(second)).fence).toBe(2)
    // One that somebody has is not ended behind its back.
    await endSession(database, bot.botId, { state: 'ended', reason: 'x' })
    expect((await findSession(database, bot.botId))?.standstill).toBeNull()
  })

  test('an owner that lost the lease says nothing of where the session stands', async () => {
    const lease = await take()
    await runOut()
    await take(second)
    await releaseLease(database, lease, { state: 'refused', reason: 'late' })
    expect(await findSession(database, bot.botId)).toMatchObject({ standstill: null, url: second.url })
  })

  test('a number to pair by a code comes with the claim', async () => {
    await admin`update bots set pairing_phone = '+12025550100'`
    expect((await claimSessions(database, first, 10))[0]?.pairingPhone).toBe('+12025550100')
  })
})

describe('rows', () => {
  test('eight hundred keys in one go, read back, changed and deleted', async () => {
    const rows = makeSessionRows(database, sealer, await take())
    const keys = Array.from({ length: 812 }, (_, id) => ({ type: 'pre-key', id: String(id), text: `key ${id}` }))
    await rows.save([...keys, { type: 'creds', id: '', text: '{"a":1}' }])
    const ids = keys.map(key => key.id)
    expect((await rows.find('pre-key', ids)).size).toBe(812)
    await rows.save([
      { type: 'pre-key', id: '1', text: null },
      { type: 'pre-key', id: '2', text: 'another' },
      { type: 'session', id: 'it"s, {odd} \\ . 1', text: 'ünïcode \u0001' },
    ])
    const found = await rows.find('pre-key', ['1', '2', '3', 'none'])
    expect(found).toEqual(
      new Map([
        ['2', 'another'],
        ['3', 'key 3'],
      ]),
    )
    expect((await rows.find('session', ['it"s, {odd} \\ . 1'])).get('it"s, {odd} \\ . 1')).toBe('ünïcode \u0001')
    expect((await rows.find('creds', [''])).get('')).toBe('{"a":1}')
    await rows.forget()
    expect((await rows.find('pre-key', ids)).size).toBe(0)
  })

  test('are sealed, and cannot be moved to another row', async () => {
    const rows = makeSessionRows(database, sealer, await take())
    await rows.save([{ type: 'creds', id: '', text: 'the-account-itself' }])
    const [row] = await admin`select sealed from provider_session_keys`
    expect(Buffer.from(row.sealed).toString('latin1')).not.toContain('the-account')
    await admin`update provider_session_keys set type = 'session'`
    await expect(rows.find('session', [''])).rejects.toThrow()
  })

  test('a stale owner writes nothing', async () => {
    const lease = await take()
    const [stale, events] = [makeSessionRows(database, sealer, lease), makeSessionEvents(database, sealer, lease)]
    await runOut()
    await expect(stale.save([{ type: 'session', id: '1', text: 'late' }])).rejects.toThrow(LeaseLost)
    const taken = await take(second)
    await makeSessionRows(database, sealer, taken).save([{ type: 'session', id: '1', text: 'good' }])
    for (const write of [
      () => stale.save([{ type: 'session', id: '1', text: 'late' }]),
      () => stale.save([{ type: 'session', id: '1', text: null }]),
      () => stale.prune('session', 0),
      () => stale.forget(),
      () => events.save({ kind: 'message', id: '1', data: '{}', waitMs: 0 }),
    ])
      await expect(write()).rejects.toThrow(LeaseLost)
    expect((await stale.find('session', ['1'])).get('1')).toBe('good')
  })

  test('nobody takes the lease between the check and the end of what is written under it', async () => {
    const rows = makeSessionRows(database, sealer, await take({ ...first, leaseMs: 100 }))
    let isWritten = false
    const saved = rows.save([{ type: 'session', id: '1', text: 'first' }], async () => {
      // The lease runs out meanwhile.
      await Bun.sleep(300)
      isWritten = true
    })
    await Bun.sleep(200)
    const taken = await claimSessions(database, second, 10)
    expect([taken.length, isWritten]).toEqual([1, true])
    await saved
    const after = makeSessionRows(database, sealer, taken[0]?.lease ?? (await take()))
    expect((await after.find('session', ['1'])).get('1')).toBe('first')
  })

  test('the newest of a type are kept', async () => {
    const rows = makeSessionRows(database, sealer, await take())
    for (const id of ['a', 'b', 'c']) await rows.save([{ type: 'sent', id, text: id }])
    await rows.prune('sent', 2)
    expect([...(await rows.find('sent', ['a', 'b', 'c'])).keys()].sort()).toEqual(['b', 'c'])
  })

  test('go with their bot', async () => {
    const lease = await take()
    await makeSessionRows(database, sealer, lease).save([{ type: 'creds', id: '', text: 'x' }])
    await makeSessionEvents(database, sealer, lease).save({ kind: 'message', id: '1', data: '{}', waitMs: 0 })
    await admin`delete from bots where id = ${bot.botId}`
    const [left] = await admin`select (select count(*) from provider_session_keys)
      + (select count(*) from provider_session_events) + (select count(*) from provider_sessions) as rows`
    expect(Number(left.rows)).toBe(0)
  })
})

describe('events', () => {
  test('wait in their order, each once, until they are deleted', async () => {
    const events = makeSessionEvents(database, sealer, await take())
    for (const id of ['b', 'a', 'b']) await events.save({ kind: 'message', id, data: `{"id":"${id}"}`, waitMs: 0 })
    await events.save({ kind: 'status', id: 'a', data: '{"status":3}', waitMs: 0 })
    const due = await events.due(10)
    expect(due.map(({ kind, data }) => [kind, data])).toEqual([
      ['message', '{"id":"b"}'],
      ['message', '{"id":"a"}'],
      ['status', '{"status":3}'],
    ])
    expect((await events.due(1)).length).toBe(1)
    await events.delete(due.slice(0, 2).map(event => event.seq))
    expect((await events.due(10)).map(event => event.kind)).toEqual(['status'])
    expect(await events.count()).toBe(1)
  })

  test('one that may become more waits, and what it becomes takes its place', async () => {
    const events = makeSessionEvents(database, sealer, await take())
    await events.save({ kind: 'message', id: '1', data: 'stub', waitMs: 60_000 })
    expect(await events.due(10)).toEqual([])
    await events.save({ kind: 'message', id: '1', data: 'whole', waitMs: 0 })
    await events.save({ kind: 'message', id: '1', data: 'stub', waitMs: 60_000 })
    expect((await events.due(10)).map(event => event.data)).toEqual(['whole'])
  })
})
