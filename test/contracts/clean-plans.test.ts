import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { ReservedSQL, SQL } from 'bun'
import { removeOldAudit } from '../../src/identity/old-audit.ts'
import { removeOldLogins } from '../../src/identity/old-logins.ts'
import { firstId, uuids } from '../../src/lib/ids.ts'
import {
  clearGoneConversations,
  firstClosed,
  removeClosedConversations,
} from '../../src/messaging/old-conversations.ts'
import { removeOldFigures, removeOldReports } from '../../src/messaging/old-figures.ts'
import { removeOldRows } from '../../src/messaging/old-rows.ts'
import { connect, type Transaction } from '../../src/stores/postgres/database.ts'
import { cacheModes, explainAll } from '../support/explain.ts'
import { createTestDatabase } from '../support/postgres.ts'

// What PostgreSQL does for a bite of cleaning, of tables with many rows of which only some are old enough, for a tenant that
// has nearly all of them: however much there is, a bite reads and removes as much as it may, and no more.

const rowsMany = 40_000
const conversationsMany = 20_000
const perConversation = 5
const limit = 100
/** Pages that the removal of one row may touch: its own, those of its indexes, and the way down to each. */
const buffersPerRow = 20

const [tenant, other] = [uuids.next(), uuids.next()]
const [user, bot] = [uuids.next(), uuids.next()]
let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let connection: ReservedSQL

const cleaner = { role: 'dashoffice_cleaner', tenantId: '' }
const now = Date.now()
/** A tenth of all rows is from before it. */
const before = new Date(now - 900 * 3_600_000)

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 2)
  connection = await admin.reserve()
  await connection`set session_replication_role = replica`
  for (const id of [tenant, other]) await connection`insert into tenants (id, name) values (${id}, 'T')`
  // Of 1,000 hours, as many in each.
  const spread = (rows: number) => `
    select case when i % 1000 = 0 then '${other}' else '${tenant}' end::uuid as tenant_id, i,
      now() - (1000 - i * 1000.0 / ${rows}) * interval '1 hour' as at
    from generate_series(1, ${rows}) i`
  await connection.unsafe(`insert into message_statuses
      (tenant_id, bot_id, provider_message_id, status, provider_at, received_at)
    select tenant_id, '${bot}', 'm' || i, 'read', at, at from (${spread(rowsMany)}) s`)
  await connection.unsafe(`insert into own_message_ids (tenant_id, bot_id, provider_message_id, message_id, created_at)
    select tenant_id, '${bot}', 'm' || i, gen_random_uuid(), at from (${spread(rowsMany)}) s`)
  await connection.unsafe(`insert into ignored_webhooks (tenant_id, bot_id, id, reason, raw, received_at)
    select tenant_id, '${bot}', uuidv7(), 'malformed', '{}', at from (${spread(rowsMany)}) s`)
  await connection.unsafe(`insert into provider_memo (tenant_id, bot_id, key, value, expires_at)
    select tenant_id, '${bot}', 'k' || i, 'v', at from (${spread(rowsMany)}) s`)
  await connection.unsafe(`insert into refresh_tokens (tenant_id, id, user_id, family_id, token_hash, expires_at)
    select tenant_id, uuidv7(), '${user}', gen_random_uuid(), 'h' || i, at from (${spread(rowsMany)}) s`)
  await connection.unsafe(`insert into user_invites (tenant_id, user_id, token_hash, expires_at)
    select tenant_id, gen_random_uuid(), 'h' || i, at from (${spread(rowsMany)}) s`)
  await connection.unsafe(`insert into audit_log
      (tenant_id, id, actor_kind, actor_id, action, resource, request_id, at)
    select tenant_id, uuidv7(at - now()), 'user', '${user}', 'a', 'tenant', 'r', at from (${spread(rowsMany)}) s`)
  await connection.unsafe(`insert into reports
      (tenant_id, id, kind, starts_on, period_start, period_end, time_zone, data)
    select tenant_id, uuidv7(at - now()), 'daily', date '2000-01-01' + i, at, at, 'UTC', '{}'
    from (${spread(rowsMany)}) s`)
  await connection.unsafe(`insert into analytics_rollups
      (tenant_id, hour, bot_id, log_type, key, count, sum, buckets)
    select tenant_id, at, '${bot}', 'inbound', i::text, 1, 0, '{}' from (${spread(rowsMany)}) s`)
  await connection.unsafe(`insert into conversations (tenant_id, id, bot_id, customer_id, status, seq, last_message_at)
    select tenant_id, uuidv7(), '${bot}', gen_random_uuid(), 'closed', ${perConversation}, at
    from (${spread(conversationsMany)}) s`)
  await connection.unsafe(`insert into conversation_events (tenant_id, conversation_id, seq, type, data, at)
    select tenant_id, id, i, 'closed', '{}', last_message_at
    from conversations cross join generate_series(1, ${perConversation}) i`)
  await connection.unsafe(`insert into messages
      (tenant_id, conversation_id, id, bot_id, direction, content, status, provider_message_id)
    select tenant_id, id, uuidv7(), bot_id, 'outbound', '{}', 'read', id || ' ' || i
    from conversations cross join generate_series(1, ${perConversation}) i`)
  await connection.unsafe(`insert into media (tenant_id, id, origin, bot_id, conversation_id, kind, declared_type,
      mime_type, state)
    select tenant_id, uuidv7(), 'inbound', bot_id, id, 'image', 'image/png', 'image/png', 'failed' from conversations`)
  await connection.unsafe(`insert into orders
      (tenant_id, id, number, customer_id, conversation_id, total_minor, currency)
    select tenant_id, uuidv7(), row_number() over (), customer_id, id, 1, 'EUR' from conversations`)
  for (const table of ['inbox', 'outbox', 'calls', 'timers']) await fillQueue(table)
  await connection.unsafe(`insert into gone_conversations (tenant_id, id)
    select '${tenant}', gen_random_uuid() from generate_series(1, ${conversationsMany}) i`)
  await connection`set session_replication_role = origin`
  await connection`vacuum (analyze)`
}, 120_000)
afterAll(async () => {
  connection.release()
  await admin.close()
  await created.drop()
})

/** Of conversations that nothing is cleared of. */
async function fillQueue(table: string): Promise<void> {
  const columns = {
    inbox: ['kind, body, failed_reason', "'message', '{}', 'a turn failed'"],
    outbox: ['bot_id', `'${bot}'`],
    calls: ['call_id, handler, request', "'a1', 'http.request', '{}'"],
    timers: ['kind, token, due_at', "'answer', '', now()"],
  }[table]
  const id = table === 'timers' ? ['', ''] : ['id, ', 'uuidv7(), ']
  await connection.unsafe(`insert into ${table} (tenant_id, conversation_id, ${id[0]}${columns?.[0]})
    select '${tenant}', gen_random_uuid(), ${id[1]}${columns?.[1]} from generate_series(1, ${conversationsMany}) i`)
}

const bites: Readonly<Record<string, (tx: Transaction) => Promise<unknown>>> = {
  message_statuses: tx => removeOldRows(tx, 'message_statuses', before, limit),
  own_message_ids: tx => removeOldRows(tx, 'own_message_ids', before, limit),
  ignored_webhooks: tx => removeOldRows(tx, 'ignored_webhooks', before, limit),
  provider_memo: tx => removeOldRows(tx, 'provider_memo', before, limit),
  refresh_tokens: tx => removeOldLogins(tx, 'refresh_tokens', before, limit),
  user_invites: tx => removeOldLogins(tx, 'user_invites', before, limit),
  audit_log: tx => removeOldAudit(tx, tenant, before, limit),
  reports: tx => removeOldReports(tx, tenant, before, limit),
  analytics_rollups: tx => removeOldFigures(tx, { afterTenant: firstId, tenantsMax: 500, before, limit }),
  conversations: tx => removeClosedConversations(tx, { tenantId: tenant, before, after: firstClosed, limit }),
}

async function count(table: string): Promise<number> {
  const [row] = await admin.unsafe(`select count(*)::int as n from ${table}`)
  return row.n
}

for (const [table, bite] of Object.entries(bites))
  test(`a bite of ${table} removes what it may, and reads little else`, async () => {
    for (const cacheMode of cacheModes) {
      const rows = await count(table)
      const [explained] = await explainAll(connection, cleaner, cacheMode, bite)
      expect([cacheMode, await count(table)]).toEqual([cacheMode, rows - limit])
      expect([cacheMode, seqScans(explained?.scans)]).toEqual([cacheMode, []])
      const { buffers = Number.POSITIVE_INFINITY } = explained ?? {}
      expect([cacheMode, buffers < limit * buffersPerRow || buffers]).toEqual([cacheMode, true])
    }
  })

test('what conversations that are gone consisted of is found by them, whatever else there is', async () => {
  const gone = await admin`select ctid::text as place, tenant_id, id from gone_conversations g
    where exists (select from messages m where m.tenant_id = g.tenant_id and m.conversation_id = g.id) limit 50`
  expect(gone.length).toBe(50)
  for (const [index, cacheMode] of cacheModes.entries()) {
    const claimed = gone.slice(index * 25, index * 25 + 25)
    const explained = await explainAll(connection, cleaner, cacheMode, tx =>
      clearGoneConversations(
        {
          // Its rows are what the statement declares.
          run: (statement, values) =>
            statement.name === 'gone_claim' ? Promise.resolve(claimed as never) : tx.run(statement, values),
        },
        { conversationsMax: 50, limit },
      ),
    )
    expect(explained.length).toBe(9)
    for (const { name, scans, buffers } of explained) {
      expect([cacheMode, name, seqScans(scans)]).toEqual([cacheMode, name, []])
      expect([name, buffers < limit * buffersPerRow || buffers]).toEqual([name, true])
    }
  }
  for (const table of ['conversation_events', 'messages'])
    expect([table, await count(table)]).toEqual([table, conversationsMany * perConversation - 2 * limit])
})

/** Of tables: functions and lists are read from their beginning too. */
function seqScans(scans: readonly string[] = []): string[] {
  return scans.filter(scan => scan.startsWith('Seq Scan') && scan !== 'Seq Scan tenants')
}
