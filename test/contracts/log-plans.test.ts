import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { ReservedSQL, SQL } from 'bun'
import { uuids } from '../../src/lib/ids.ts'
import { connect, type Transaction } from '../../src/stores/postgres/database.ts'
import { logStatements, preferLookUps } from '../../src/stores/postgres/log-statements.ts'
import { cacheModes, explainAll, explainList } from '../support/explain.ts'
import { after, dayMs, hour, openOnPostgres } from '../support/log-stores.ts'
import { createTestDatabase } from '../support/postgres.ts'

// What PostgreSQL does for what is asked of 300,000 entries in 30 partitions, most of them of one tenant.

const days = 30
const perDay = 10_000
/** All of them take some 15,000 pages. */
const buffersMax = 700

const [busy, small, conversation] = [uuids.next(), uuids.next(), uuids.next()]
const on = logStatements.message_logs

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let connection: ReservedSQL

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 1)
  connection = await admin.reserve()
  await connection`select make_log_partitions('message_logs',
    array(select (${hour}::timestamptz at time zone 'UTC')::date - i from generate_series(0, ${days}::int) i))`
  // Every hundredth is the small tenant's, and every thousandth of one conversation.
  await connection`insert into message_logs
    select gen_random_uuid() || ':accepted', case when i % 100 = 0 then ${small}::uuid else ${busy}::uuid end,
      ${hour}::timestamptz - make_interval(secs => i::double precision * 8.64),
      (array['inbound', 'accepted', 'delivered', 'read'])[1 + i % 4], null,
      case when i % 1000 = 0 then ${conversation}::uuid else gen_random_uuid() end, 'meta', i % 5000, i % 11,
      '{"provider": "meta", "source": "bot"}'
    from generate_series(1, ${days * perDay}::int) i`
  await connection`insert into message_logs values
    ('rare', ${busy}, ${hour}::timestamptz - interval '20 days', 'failed', null, null, '', null, null, '{}')`
  await connection`vacuum (analyze) message_logs`
}, 120_000)
afterAll(async () => {
  connection.release()
  await admin.close()
  await created.drop()
})

const newest = {
  from: new Date(0),
  to: new Date(Date.UTC(9999, 0)),
  beforeAt: new Date(Date.UTC(9999, 0)),
  beforeId: '',
}
const oldest = after(-25 * dayMs)
const older = { ...newest, to: new Date(oldest.getTime() + 1), beforeAt: oldest, beforeId: 'x' }
const hourOf = (moment: Date) => ({ from: moment, to: new Date(moment.getTime() + 3_600_000) })

const asked: Readonly<
  Record<string, readonly [string | null, rows: number | undefined, (tx: Transaction) => Promise<unknown>]>
> = {
  'the newest page': [busy, 50, tx => tx.run(on.readOfTenant, { ...newest, limit: 50, tenantId: busy })],
  'a page far back': [busy, 50, tx => tx.run(on.readOfTenant, { ...older, limit: 50, tenantId: busy })],
  'the newest page of a small tenant': [
    small,
    50,
    tx => tx.run(on.readOfTenant, { ...newest, limit: 50, tenantId: small }),
  ],
  'a page of one type': [
    busy,
    50,
    tx => tx.run(on.readOfTenantAndType, { ...newest, limit: 50, tenantId: busy, logType: 'read' }),
  ],
  'the page of a type that is rare': [
    busy,
    1,
    tx => tx.run(on.readOfTenantAndType, { ...newest, limit: 50, tenantId: busy, logType: 'failed' }),
  ],
  "an hour's figures of one tenant": [
    null,
    undefined,
    tx => tx.run(on.aggregate, { ...hourOf(after(-6 * dayMs)), tenantIds: [small] }),
  ],
  "an hour's figures of all": [null, undefined, tx => tx.run(on.aggregateAll, hourOf(after(-6 * dayMs)))],
  "a piece of a tenant's, to be handed out": [
    small,
    1_000,
    tx => tx.run(on.exportOfTenant, { tenantId: small, afterAt: after(-12 * dayMs), afterId: '' }),
  ],
}

for (const [name, [tenantId, rows, work]] of Object.entries(asked))
  test(`${name}: in few pages`, async () => {
    for (const cacheMode of cacheModes) {
      const explained = await explainList(connection, tenantId, cacheMode, work)
      if (rows !== undefined) expect([cacheMode, explained.rows]).toEqual([cacheMode, rows])
      expect(explained.scans.filter(scan => scan.startsWith('Seq Scan m'))).toEqual([])
      // Each row of a small tenant lies in a page of its own.
      expect(explained.buffers).toBeLessThan(buffersMax + explained.rows)
    }
  })

const bites: Readonly<Record<string, (tx: Transaction) => Promise<unknown>>> = {
  'the oldest': tx => tx.run(on.removeBefore, { before: after(-29 * dayMs), limit: 20 }),
  'the oldest of a tenant': tx =>
    tx.run(on.removeOfTenantBefore, { before: after(-20 * dayMs), tenantId: small, limit: 20 }),
  "a tenant's": tx => tx.run(on.removeOfTenant, { tenantId: small, limit: 20 }),
  "a conversation's": tx =>
    tx.run(on.removeOfConversations, { tenantId: small, conversationIds: [conversation], limit: 20 }),
}

for (const [name, bite] of Object.entries(bites))
  test(`a bite of ${name}: in few pages`, async () => {
    for (const cacheMode of cacheModes) {
      const explained = await explainAll(
        connection,
        { role: 'dashoffice_worker', tenantId: '' },
        cacheMode,
        async tx => {
          await tx.run(preferLookUps, {})
          await bite(tx)
        },
      )
      expect(explained.flatMap(({ scans }) => scans).filter(scan => scan.startsWith('Seq Scan m'))).toEqual([])
      expect(explained.at(-1)?.buffers).toBeLessThan(buffersMax)
    }
  })

test('figures of one hour read the partition of its day alone', async () => {
  for (const cacheMode of cacheModes) {
    const { scans } = await explainList(connection, null, cacheMode, tx => tx.run(on.aggregateAll, hourOf(hour)))
    expect(new Set(scans.map(scan => scan.split(' ').at(-1))).size).toBeLessThanOrEqual(1)
  }
})

test('the store reads what the statements read', async () => {
  const store = openOnPostgres(created.connection)
  const page = await store.read('message_logs', { tenantId: busy, logType: 'failed', limit: 5 })
  expect(page.map(({ id }) => id)).toEqual(['rare'])
  await store.close()
})
