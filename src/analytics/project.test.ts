import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  finish,
  openTestAnalytics,
  owner,
  playTwoShops,
  recordEnds,
  report,
  storedEntries,
  type TestAnalytics,
} from '../../test/support/analytics.ts'
import { killedAt, moments } from '../../test/support/faults.ts'
import { testServer } from '../../test/support/postgres.ts'
import { type Shop, seedShop } from '../../test/support/seed.ts'
import { drain } from '../../test/support/turns.ts'
import { AppError } from '../lib/errors.ts'
import { uuids } from '../lib/ids.ts'
import { listenToLines, makeLog } from '../lib/log.ts'
import type { LogEntry, LogStore } from '../stores/log-store.ts'
import { connect } from '../stores/postgres/database.ts'
import { projectedRowsMax } from './project.ts'

let analytics: TestAnalytics
let shops: readonly [Shop, Shop]
/** What the logs are to say of it. */
let expected: readonly Record<string, unknown>[]

beforeAll(async () => {
  analytics = await openTestAnalytics()
  shops = await playTwoShops(analytics)
  await analytics.tellAll()
  expected = await storedEntries(analytics.admin)
})
afterAll(() => analytics.close())

/** As if nothing had been told yet. `from`: what was there when the engine was new, or since then. */
async function forget(from: 'history' | 'feed'): Promise<void> {
  const { admin } = analytics
  await admin`truncate message_logs, analytics_events, analytics_dirty_hours, analytics_leases, projector_positions`
  if (from === 'history') return
  const [cluster] = await admin`select system_identifier::text as id from pg_control_system()`
  for (const name of ['conversation_events', 'messages'])
    await admin`insert into projector_positions (name, cluster, position, walk) values (${name}, ${cluster.id}, 0, null)`
}

async function marked(): Promise<number> {
  const [row] = await analytics.admin`select count(*)::int as hours from analytics_dirty_hours`
  return row.hours
}

test('everything that happened is told once, whether it was there before or came since', async () => {
  expect(expected.length).toBeGreaterThan(40)
  expect(new Set(expected.map(entry => entry.id)).size).toBe(expected.length)
  for (const from of ['history', 'feed'] as const) {
    await forget(from)
    await analytics.tellAll()
    expect(await storedEntries(analytics.admin)).toEqual(expected)
    expect(await marked()).toBeGreaterThanOrEqual(2)
    await analytics.tellAll()
    expect(await storedEntries(analytics.admin)).toEqual(expected)
  }
})

describe('a process that is killed', () => {
  test.each(['history', 'feed'] as const)(
    'at any step of the %s loses nothing and counts nothing twice',
    async from => {
      for (const moment of moments)
        for (let n = 1, isKilled = true; isKilled; n++) {
          await forget(from)
          const mortal = killedAt(analytics, n, moment)
          await finish(analytics.projector(mortal)).catch(() => undefined)
          isKilled = mortal.wasKilled()
          // Another process goes on: with another name once the lease is over, here with the same.
          await analytics.tellAll()
          expect([n, moment, await storedEntries(analytics.admin)]).toEqual([n, moment, expected])
          expect(await marked()).toBeGreaterThanOrEqual(2)
        }
    },
  )
})

describe('several processes', () => {
  test('that all think they are the one tell everything once', async () => {
    for (const from of ['history', 'feed'] as const) {
      await forget(from)
      await Promise.all(Array.from({ length: 4 }, () => finish(analytics.projector())))
      await analytics.tellAll()
      expect(await storedEntries(analytics.admin)).toEqual(expected)
    }
  })

  test('leave it to one, and another goes on once that one says nothing any more', async () => {
    await forget('feed')
    await finish(analytics.projector())
    await someoneWrites()
    const other = analytics.projector({ owner: uuids.next() })
    await finish(other)
    const told = async () => (await storedEntries(analytics.admin)).length
    const before = await told()
    await analytics.admin`update analytics_leases set until = now()`
    await finish(analytics.projector({ owner: uuids.next() }))
    expect(await told()).toBeGreaterThan(before)
  })
})

/** A customer of the first shop writes now. Returns the conversation's id. */
async function someoneWrites(phone = '+34600000009'): Promise<string> {
  return await analytics.say(shops[0], phone, { type: 'text', text: 'hola' })
}

async function inboundOf(conversationId: string): Promise<number> {
  const rows = await analytics.admin`
    select 1 from message_logs where conversation_id = ${conversationId} and log_type = 'inbound'`
  return rows.length
}

test('what a transaction wrote that commits after later ones is told once it has', async () => {
  await forget('feed')
  const projector = analytics.projector()
  await finish(projector)
  const slow = await analytics.admin.reserve()
  const [tenantId, conversationId] = [shops[0].tenantId, uuids.next()]
  await slow`begin`
  await slow`insert into conversation_events (tenant_id, conversation_id, seq, type, data, at)
    values (${tenantId}, ${conversationId}, 1, 'closed', '{"reason": "silence"}', now())`
  const quick = await someoneWrites('+34600000010')
  await finish(projector)
  // What is behind the transaction that is under way waits too: nothing is told out of turn.
  expect(await inboundOf(quick)).toBe(0)
  await slow`commit`
  slow.release()
  await finish(projector)
  expect(await inboundOf(quick)).toBe(1)
  const told = await analytics.admin`select id from analytics_events where conversation_id = ${conversationId}`
  expect(told.map((row: { id: string }) => row.id)).toEqual([`${conversationId}:1`])
})

test('a transaction of another database on the same server holds up nothing', async () => {
  await forget('feed')
  const projector = analytics.projector()
  await finish(projector)
  const server = connect(await testServer(), 1)
  const other = await server.reserve()
  await other`begin`
  const [{ number }] = await other`select pg_current_xact_id()::text as number`
  const id = await someoneWrites('+34600000031')
  await finish(projector)
  expect(await inboundOf(id)).toBe(1)
  const [row] = await analytics.admin`select max(position) > ${number}::bigint as is_beyond from projector_positions`
  expect(row.is_beyond).toBe(true)
  await other`rollback`
  other.release()
  await server.close()
})

describe('a database that was restored into another cluster', () => {
  test.each([
    ['of which the transactions have lower numbers', 'same', 10_000_000],
    ['of another name', 'another', 5],
  ])('%s is told from its beginning', async (_, cluster, position) => {
    await forget('feed')
    await analytics.admin`update projector_positions set position = ${position}`
    if (cluster === 'another') await analytics.admin`update projector_positions set cluster = 'another'`
    await analytics.tellAll()
    const told = await storedEntries(analytics.admin)
    expect(told.filter(entry => expected.some(one => one.id === entry.id))).toEqual([...expected])
    const [row] = await analytics.admin`select bool_and(walk is null) as is_through, max(position) as position
      from projector_positions`
    expect(row.is_through).toBe(true)
    expect(Number(row.position)).toBeLessThan(10_000_000)
  })
})

test('rows from before transactions were noted are told too', async () => {
  const before = await analytics.admin`select tenant_id, conversation_id, seq, tx from conversation_events`
  await analytics.admin`update conversation_events set tx = null`
  await forget('history')
  await analytics.tellAll()
  const told = (await storedEntries(analytics.admin)).filter(entry => expected.some(one => one.id === entry.id))
  expect(told).toEqual([...expected])
  for (const { tenant_id, conversation_id, seq, tx } of before)
    await analytics.admin`update conversation_events set tx = ${tx}
      where tenant_id = ${tenant_id} and conversation_id = ${conversation_id} and seq = ${seq}`
})

test('more than fits into one piece is told in several, of one transaction too', async () => {
  await forget('feed')
  const { admin } = analytics
  const projector = analytics.projector()
  await finish(projector)
  const [tenantId, conversationId] = [shops[0].tenantId, uuids.next()]
  const count = 2 * projectedRowsMax + 7
  await admin`insert into conversation_events (tenant_id, conversation_id, seq, type, data, at)
    select ${tenantId}, ${conversationId}, n, 'notice.sent', '{"notice": "menu"}', now() from generate_series(1, ${count}) n`
  await finish(projector)
  const [row] =
    await admin`select count(*)::int as told from analytics_events where conversation_id = ${conversationId}`
  expect(row.told).toBe(count)
  await admin`delete from conversation_events where conversation_id = ${conversationId}`
})

test('a goal or an order is one conversion, however many follow in the conversation', async () => {
  const { admin } = analytics
  const flow = {
    name: 'Goals',
    start: 'ask',
    goals: ['thanks', 'again'],
    triggers: [{ fallback: true }],
    steps: {
      ask: { type: 'question', content: { type: 'text', text: '?' }, variable: 'a', next: 'thanks' },
      thanks: { type: 'message', content: { type: 'text', text: 'Thanks' }, next: 'again' },
      again: { type: 'question', content: { type: 'text', text: '?' }, variable: 'b', next: 'thanks' },
    },
  }
  const shop = await seedShop(admin, { number: '3', flow })
  const [runner, projector] = [analytics.runner(), analytics.projector()]
  await finish(projector)
  let conversationId = ''
  for (const text of ['hola', 'a', 'b', 'c']) {
    conversationId = await analytics.say(shop, '+34600000005', { type: 'text', text })
    await drain(runner)
    // Each turn by itself: the first is found whatever was told before.
    await finish(projector)
  }
  const told = await admin`select log_type, key, data from analytics_events
    where conversation_id = ${conversationId} and log_type in ('goal.reached', 'conversion') order by created_at`
  expect(told.filter((row: { log_type: string }) => row.log_type === 'goal.reached').length).toBe(6)
  expect(told.filter((row: { log_type: string }) => row.log_type === 'conversion')).toMatchObject([
    { key: shop.flowId, data: { kind: 'goal', step: 'thanks', flow_id: shop.flowId } },
  ])
})

test('a status that comes later is told then, and what was told before is there once', async () => {
  await forget('feed')
  const [runner, projector] = [analytics.runner(), analytics.projector()]
  const conversationId = await someoneWrites('+34600000011')
  await drain(runner)
  const types = async () => {
    await finish(projector)
    const rows = await analytics.admin`select log_type from message_logs where conversation_id = ${conversationId}`
    return rows.map((row: { log_type: string }) => row.log_type).sort()
  }
  expect(await types()).toEqual(['inbound'])
  const [first = '', second = ''] = await recordEnds(analytics, conversationId, { status: 'sent' })
  expect(await types()).toEqual(['accepted', 'accepted', 'inbound'])
  await report(analytics, shops[0], [first], 'read')
  expect(await types()).toEqual(['accepted', 'accepted', 'delivered', 'inbound', 'read'])
  await report(analytics, shops[0], [second], 'failed', { code: '131026', message: '' })
  expect(await types()).toEqual(['accepted', 'accepted', 'delivered', 'failed', 'inbound', 'read'])
})

/** A log that is away for some appends. */
function awayFor(logs: LogStore, tries: number): LogStore {
  let left = tries
  return {
    ...logs,
    async append(log, entries: readonly LogEntry[]) {
      if (left-- > 0) throw new AppError('logs_unavailable', 'The logs cannot be reached: try again in a moment.')
      return await logs.append(log, entries)
    },
  }
}

test('a log that is away holds it up and nothing else: the lag grows, one line says so, and then all is told', async () => {
  await forget('feed')
  const lines: string[] = []
  const log = makeLog({ level: 'info', dir: undefined })
  const stopListening = listenToLines(log, line => void lines.push(line))
  let now = Date.now()
  const clock = { now: () => now }
  const projector = analytics.projector({ logs: awayFor(analytics.logs, 2), log, clock })
  expect(await projector.work()).toBe('done')
  const lag = projector.lagSeconds()
  now += 60_000
  expect(projector.lagSeconds() - lag).toBeCloseTo(60, 0)
  // It asks again after a second, then after two.
  while (projector.lagSeconds() > 0) {
    await projector.work()
    await Bun.sleep(20)
  }
  await finish(projector)
  stopListening()
  const told = (await storedEntries(analytics.admin)).filter(entry => expected.some(one => one.id === entry.id))
  expect(told).toEqual([...expected])
  expect(lines.filter(line => line.includes('cannot be written')).length).toBe(1)
  expect(lines.filter(line => line.includes('the log is back')).length).toBe(1)
})

test('nothing that was written, no phone and no secret is in an entry', async () => {
  const marked = 'xMARKEDx'
  await forget('feed')
  const { admin } = analytics
  const shop = await seedShop(admin, { number: '4' })
  const runner = analytics.runner()
  await analytics.say(shop, '+34600777888', { type: 'text', text: marked })
  await drain(runner)
  await analytics.say(shop, '+34600777888', { type: 'text', text: '1' })
  await drain(runner)
  await analytics.say(shop, '+34600777888', { type: 'text', text: `${marked} 12` })
  await drain(runner)
  const [conversation] = await admin`select id from conversations where tenant_id = ${shop.tenantId}`
  await admin`insert into inbox (tenant_id, conversation_id, id, kind, body) values
    (${shop.tenantId}, ${conversation.id}, uuidv7(), 'handoff', ${JSON.stringify({ note: marked })}::text::jsonb),
    (${shop.tenantId}, ${conversation.id}, uuidv7(), 'close',
      ${JSON.stringify({ reason: marked, agent_id: uuids.next() })}::text::jsonb)`
  await drain(runner)
  await recordEnds(analytics, conversation.id, { status: 'failed', error: { code: '131026', message: marked } })
  const [stored] = await admin`select count(*)::int as events from conversation_events
    where tenant_id = ${shop.tenantId} and data::text like ${`%${marked}%`}`
  expect(stored.events).toBeGreaterThan(1)
  await analytics.tellAll()
  const text = JSON.stringify((await storedEntries(admin)).filter(entry => entry.tenant_id === shop.tenantId))
  expect(text).toContain('"closed"')
  for (const never of [marked, '600777888', 'secret-4', 'token-4', '1 al 20']) expect(text).not.toContain(never)
})

test('where nothing has happened, nothing is written', async () => {
  const projector = analytics.projector()
  await finish(projector)
  // Which transactions wrote the rows that there are.
  const state = () => analytics.admin`select
    (select array_agg(xmin::text order by name) from projector_positions) as positions,
    (select array_agg(xmin::text order by name) from analytics_leases) as leases`
  const [before] = await state()
  for (let n = 0; n < 5; n++) expect(await projector.work()).toBe('done')
  const [after] = await state()
  expect(after).toEqual(before)
})

test('the name of a projector that works is in its lease', async () => {
  await forget('feed')
  await analytics.tellAll()
  const rows = await analytics.admin`select name, owner from analytics_leases`
  expect([...rows]).toEqual([{ name: 'project', owner }])
})
