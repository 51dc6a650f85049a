import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SQL } from 'bun'
import fc from 'fast-check'
import { makeTestLog } from '../../test/support/log.ts'
import { createTestDatabase } from '../../test/support/postgres.ts'
import { idAt, uuids } from '../lib/ids.ts'
import { makeMetrics } from '../lib/metrics.ts'
import type { Retention } from '../messaging/retention.ts'
import { type Files, makeFiles } from '../stores/files.ts'
import type { LogEntry } from '../stores/log-store.ts'
import { connect, type Database, openDatabase } from '../stores/postgres/database.ts'
import { makePostgresLogStore } from '../stores/postgres/log-store.ts'
import { biteRows, type CleanOptions, cleanPass, figuresDays } from './clean.ts'

// The clock stands at a moment; what is older or younger is written with its time.

const nowMs = Date.UTC(2026, 5, 15, 12)
const dayMs = 86_400_000
const keptDays = 30
const clock = { now: () => nowMs }

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let database: Database
let files: Files
let options: CleanOptions
const dir = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 2)
  const metrics = makeMetrics()
  database = openDatabase(created.connection, metrics)
  files = makeFiles(dir)
  const logs = makePostgresLogStore({ database, clock, keptDays: 3_650 })
  options = { database, files, logs, clock, log: makeTestLog(), metrics, keptDays }
})
afterAll(async () => {
  await database.close()
  await admin.close()
  await created.drop()
  rmSync(dir, { recursive: true, force: true })
})

const daysAgo = (days: number) => new Date(nowMs - days * dayMs)
const clean = (more: Partial<CleanOptions> = {}) => cleanPass({ ...options, ...more })

async function addTenant(retention?: Retention): Promise<string> {
  const tenant = uuids.next()
  const settings = retention === undefined ? {} : { retention }
  await admin`insert into tenants (id, name, settings) values (${tenant}, 'Shop', ${settings})`
  return tenant
}

type Past = {
  readonly status?: 'bot' | 'agent' | 'waiting' | 'closed'
  /** When somebody wrote last, and when its last event was. */
  readonly silentDays: number
  readonly closedDays?: number
  readonly messages?: number
}

/** A conversation with all that one can consist of. */
async function addConversation(tenant: string, { status = 'closed', silentDays, ...past }: Past): Promise<string> {
  const { closedDays = silentDays, messages = 2 } = past
  const [bot, customer, conversation, media] = [uuids.next(), uuids.next(), uuids.next(), uuids.next()]
  const [written, ended] = [daysAgo(silentDays), daysAgo(closedDays)]
  await admin`insert into customers (tenant_id, id, name) values (${tenant}, ${customer}, 'Ana')`
  await admin`insert into conversations (tenant_id, id, bot_id, customer_id, status, seq, last_message_at)
    values (${tenant}, ${conversation}, ${bot}, ${customer}, ${status}, ${messages + 1}, ${written})`
  await admin`insert into conversation_events (tenant_id, conversation_id, seq, type, data, at)
    select ${tenant}, ${conversation}, i, case when i > ${messages}::int then 'closed' else 'message.received' end, '{}',
      case when i > ${messages}::int then ${ended}::timestamptz else ${written}::timestamptz end
    from generate_series(1, ${messages}::int + 1) i`
  await admin`insert into messages
      (tenant_id, conversation_id, id, bot_id, direction, content, status, provider_message_id, created_at)
    select ${tenant}, ${conversation}, uuidv7(), ${bot}, 'outbound', '{"type": "text", "text": "hola"}', 'read',
      ${conversation} || i, ${written}
    from generate_series(1, ${messages}::int) i`
  await admin`insert into message_statuses (tenant_id, bot_id, provider_message_id, status, provider_at)
    select m.tenant_id, m.bot_id, m.provider_message_id, s.status, now()
    from messages m cross join (values ('delivered'), ('read')) as s (status)
    where m.conversation_id = ${conversation}`
  await admin`insert into own_message_ids (tenant_id, bot_id, provider_message_id, message_id)
    select tenant_id, bot_id, 'part ' || provider_message_id, id from messages where conversation_id = ${conversation}`
  await admin`insert into inbox (tenant_id, conversation_id, id, kind, body, failed_reason)
    values (${tenant}, ${conversation}, ${uuids.next()}, 'message', '{}', 'a turn failed')`
  await admin`insert into media
      (tenant_id, id, origin, bot_id, conversation_id, kind, declared_type, mime_type, state, bytes, sha256)
    values (${tenant}, ${media}, 'inbound', ${bot}, ${conversation}, 'image', 'image/png', 'image/png', 'stored', 1, 'x')`
  await (await files.receive(bytes(), 10))?.keep({ tenantId: tenant, id: media })
  await admin`insert into orders (tenant_id, id, number, customer_id, conversation_id, total_minor, currency)
    select ${tenant}, ${uuids.next()}, coalesce(max(number), 0) + 1, ${customer}, ${conversation}, 100, 'EUR'
    from orders where tenant_id = ${tenant}`
  return conversation
}

async function* bytes() {
  yield new Uint8Array([1])
}

/** Rows of a conversation in each table that has any. */
async function rowsOf(conversation: string): Promise<Record<string, number>> {
  const tables = ['conversation_events', 'messages', 'inbox', 'media', 'orders']
  const counts: Record<string, number> = {}
  const add = (table: string, count: number) => {
    if (count > 0) counts[table] = count
  }
  for (const table of tables) {
    const [row] = await admin.unsafe(
      `select count(*)::int as n from ${table} where conversation_id = '${conversation}'`,
    )
    add(table, row.n)
  }
  for (const table of ['message_statuses', 'own_message_ids']) {
    const like = `provider_message_id like '%${conversation}%'`
    const [row] = await admin.unsafe(`select count(*)::int as n from ${table} where ${like}`)
    add(table, row.n)
  }
  const [row] = await admin`select count(*)::int as n from conversations where id = ${conversation}`
  add('conversations', row.n)
  return counts
}

const whole = {
  ...{ conversation_events: 3, messages: 2, inbox: 1, media: 1, orders: 1, conversations: 1 },
  ...{ message_statuses: 4, own_message_ids: 2 },
}

async function filesOf(tenant: string): Promise<number> {
  let count = 0
  for await (const place of files.walk()) if (place.tenantId === tenant) count += 1
  return count
}

test('a conversation that was closed long ago goes with all that it consisted of; its order stays', async () => {
  const tenant = await addTenant({ conversations_days: 30 })
  const [old, young] = [
    await addConversation(tenant, { silentDays: 31 }),
    await addConversation(tenant, { silentDays: 29 }),
  ]
  const removed = await clean()
  expect(await rowsOf(old)).toEqual({})
  expect(await rowsOf(young)).toEqual(whole)
  expect(await filesOf(tenant)).toBe(1)
  const orders =
    await admin`select number::int, conversation_id from orders where tenant_id = ${tenant} order by number`
  expect([...orders]).toEqual([
    { number: 1, conversation_id: null },
    { number: 2, conversation_id: young },
  ])
  expect(removed).toEqual({
    ...{ conversations: 1, conversation_events: 3, messages: 2, inbox: 1, media: 1 },
    ...{ message_statuses: 4, own_message_ids: 2 },
  })
  const [left] = await admin`select count(*)::int as n from gone_conversations`
  expect(left.n).toBe(0)
  expect(await clean()).toEqual({})
})

test('nothing of a tenant that has not said how long it keeps things goes', async () => {
  for (const retention of [undefined, {}, { conversations_days: null }]) {
    const conversation = await addConversation(await addTenant(retention), { silentDays: 3_000 })
    await clean()
    expect(await rowsOf(conversation)).toEqual(whole)
  }
})

test('what is open, or waits for something, stays, however old it is', async () => {
  const tenant = await addTenant({ conversations_days: 7 })
  const kept: string[] = []
  for (const status of ['bot', 'waiting', 'agent'] as const)
    kept.push(await addConversation(tenant, { status, silentDays: 3_000 }))
  // Closed a moment ago, long after its last message.
  kept.push(await addConversation(tenant, { silentDays: 3_000, closedDays: 6 }))
  const [mail, send, call] = [
    await addConversation(tenant, { silentDays: 3_000 }),
    await addConversation(tenant, { silentDays: 3_000 }),
    await addConversation(tenant, { silentDays: 3_000 }),
  ]
  await admin`insert into inbox (tenant_id, conversation_id, id, kind, body)
    values (${tenant}, ${mail}, ${uuids.next()}, 'message', '{}')`
  await admin`insert into outbox (tenant_id, conversation_id, id, bot_id)
    values (${tenant}, ${send}, ${uuids.next()}, ${uuids.next()})`
  await admin`insert into calls (tenant_id, conversation_id, id, call_id, handler, request)
    values (${tenant}, ${call}, ${uuids.next()}, 'a1', 'http.request', '{}')`
  await clean()
  for (const conversation of kept) expect(await rowsOf(conversation)).toEqual(whole)
  expect(await rowsOf(mail)).toEqual({ ...whole, inbox: 2 })
  expect([await rowsOf(send), await rowsOf(call)]).toEqual([whole, whole])
})

test('of any conversations, those that are young enough are never touched, and no other stays', async () => {
  const past = fc.record({
    status: fc.constantFrom('bot', 'waiting', 'agent', 'closed', 'closed', 'closed'),
    silentDays: fc.integer({ min: 0, max: 40 }),
    closedDays: fc.integer({ min: 0, max: 40 }),
    messages: fc.integer({ min: 0, max: 3 }),
  })
  const property = fc.asyncProperty(
    fc.array(past, { minLength: 1, maxLength: 8 }),
    fc.option(fc.integer({ min: 7, max: 40 })),
    async (pasts, conversations_days) => {
      const tenant = await addTenant({ conversations_days })
      const seeded: { id: string; isOld: boolean; rows: Record<string, number> }[] = []
      for (const one of pasts) {
        const closedDays = Math.min(one.closedDays, one.silentDays)
        const id = await addConversation(tenant, { ...one, closedDays } as Past)
        const isOld = one.status === 'closed' && conversations_days !== null && closedDays > conversations_days
        seeded.push({ id, isOld, rows: await rowsOf(id) })
      }
      await clean()
      for (const { id, isOld, rows } of seeded) expect(await rowsOf(id)).toEqual(isOld ? {} : rows)
    },
  )
  await fc.assert(property, { numRuns: 12 })
})

test('conversations of more rows than a bite, cleaned by two at once, and by one that was ended in the middle', async () => {
  const tenant = await addTenant({ conversations_days: 30 })
  const messages = biteRows * 2 + 10
  const old = [
    await addConversation(tenant, { silentDays: 50, messages }),
    await addConversation(tenant, { silentDays: 51, messages }),
    await addConversation(tenant, { silentDays: 52 }),
  ]
  const young = await addConversation(tenant, { silentDays: 1 })
  const stopping = new AbortController()
  let bites = 0
  const counting: Database = {
    ...database,
    async transaction(scope, work) {
      const result = await database.transaction(scope, work)
      if (scope.role === 'cleaner' && ++bites === 10) stopping.abort()
      return result
    },
  }
  const ended = await clean({ database: counting, signal: stopping.signal })
  expect(await rowsOf(old[0] ?? '')).not.toEqual({})
  const passes = [ended, ...(await Promise.all([clean(), clean()]))]
  for (const id of old) expect(await rowsOf(id)).toEqual({})
  expect(await rowsOf(young)).toEqual(whole)
  // Each row was removed by one of them, once.
  const sum = (table: string) => passes.reduce((total, removed) => total + (removed[table] ?? 0), 0)
  expect([sum('conversations'), sum('messages'), sum('media')]).toEqual([3, 2 * messages + 2, 3])
  const [left] = await admin`select count(*)::int as n from gone_conversations`
  expect(left.n).toBe(0)
})

test('lines of the audit log and reports go by age, as each tenant has it', async () => {
  const [short, long] = [await addTenant({ audit_days: 30, reports_days: 30 }), await addTenant({ audit_days: 365 })]
  for (const tenant of [short, long])
    for (const days of [400, 31, 29]) {
      await admin`insert into audit_log (tenant_id, id, actor_kind, actor_id, action, resource, request_id, at)
        values (${tenant}, ${idAt(nowMs - days * dayMs)}, 'user', ${uuids.next()}, 'a', 'tenant', 'r', ${daysAgo(days)})`
      await admin`insert into reports (tenant_id, id, kind, starts_on, period_start, period_end, time_zone, data)
        values (${tenant}, ${idAt(nowMs - days * dayMs)}, 'daily', ${daysAgo(days)}, ${daysAgo(days + 1)},
          ${daysAgo(days)}, 'UTC', '{}')`
    }
  await clean()
  const kept = async (table: string, tenant: string) => {
    const [row] = await admin.unsafe(`select count(*)::int as n from ${table} where tenant_id = '${tenant}'`)
    return row.n
  }
  expect([await kept('audit_log', short), await kept('audit_log', long)]).toEqual([1, 2])
  expect([await kept('reports', short), await kept('reports', long)]).toEqual([1, 3])
})

test('what serves for a while only goes in all tenants: statuses, ids, webhooks, ways in, figures', async () => {
  const [tenant, user, bot] = [await addTenant(), uuids.next(), uuids.next()]
  await admin`insert into users (tenant_id, id, name, email, role)
    values (${tenant}, ${user}, 'U', ${`${user}@example.com`}, 'owner')`
  await admin`insert into bots (tenant_id, id, name, provider, config) values (${tenant}, ${bot}, 'B', 'meta', '{}')`
  for (const days of [keptDays + 1, keptDays - 1]) {
    const at = daysAgo(days)
    await admin`insert into message_statuses (tenant_id, bot_id, provider_message_id, status, provider_at, received_at)
      values (${tenant}, ${bot}, ${`m${days}`}, 'sent', ${at}, ${at})`
    await admin`insert into own_message_ids (tenant_id, bot_id, provider_message_id, message_id, created_at)
      values (${tenant}, ${bot}, ${`m${days}`}, ${uuids.next()}, ${at})`
    await admin`insert into ignored_webhooks (tenant_id, bot_id, id, reason, raw, received_at)
      values (${tenant}, ${bot}, ${uuids.next()}, 'malformed', '{}', ${at})`
    await admin`insert into refresh_tokens (tenant_id, id, user_id, family_id, token_hash, expires_at)
      values (${tenant}, ${uuids.next()}, ${user}, ${uuids.next()}, ${uuids.next()}, ${daysAgo(days - keptDays)})`
    await admin`insert into provider_memo (tenant_id, bot_id, key, value, expires_at)
      values (${tenant}, ${bot}, ${`k${days}`}, 'v', ${daysAgo(days - keptDays)})`
    await admin`insert into analytics_rollups (tenant_id, hour, bot_id, log_type, key, count, sum, buckets)
      values (${tenant}, ${daysAgo(figuresDays + days - keptDays)}, ${bot}, 'inbound', '', 1, 0, '{}')`
  }
  await admin`insert into provider_memo (tenant_id, bot_id, key, value) values (${tenant}, ${bot}, 'for ever', 'v')`
  await admin`insert into user_invites (tenant_id, user_id, token_hash, expires_at)
    values (${tenant}, ${user}, ${uuids.next()}, ${daysAgo(31)})`
  const removed = await clean()
  expect(removed).toEqual({
    ...{ message_statuses: 1, own_message_ids: 1, ignored_webhooks: 1, refresh_tokens: 1, provider_memo: 1 },
    ...{ analytics_rollups: 1, user_invites: 1 },
  })
  expect(await clean()).toEqual({})
})

test('logs go after the days of the installation, and of a tenant that wants it sooner', async () => {
  const [usual, soon] = [await addTenant(), await addTenant({ logs_days: 5 })]
  const entry = (tenant_id: string | null, days: number): LogEntry => ({
    ...{ id: `${tenant_id}:${days}`, tenant_id, created_at: daysAgo(days), log_type: 'inbound', bot_id: null },
    ...{ conversation_id: null, key: '', value: null, bucket: null, data: {} },
  })
  const days = [keptDays + 2, 10, 1]
  await options.logs.append(
    'message_logs',
    [usual, soon].flatMap(tenant => days.map(one => entry(tenant, one))),
  )
  await options.logs.append(
    'system_logs',
    days.map(one => entry(null, one)),
  )
  await clean()
  const ages = async (log: 'message_logs' | 'system_logs', tenantId: string | null) =>
    (await options.logs.read(log, { tenantId, limit: 10 })).map(one => (nowMs - one.created_at.getTime()) / dayMs)
  expect(await ages('message_logs', usual)).toEqual([1, 10])
  expect(await ages('message_logs', soon)).toEqual([1])
  expect(await ages('system_logs', null)).toEqual([1, 10])
})

test('what cannot be removed does not keep the rest', async () => {
  const tenant = await addTenant({ conversations_days: 30 })
  const old = await addConversation(tenant, { silentDays: 31 })
  const down = { ...options.logs, removeBefore: () => Promise.reject(new Error('the logs cannot be reached')) }
  await clean({ logs: down })
  expect(await rowsOf(old)).toEqual({})
})
