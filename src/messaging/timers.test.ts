import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { SQL } from 'bun'
import { createTestDatabase } from '../../test/support/postgres.ts'
import { seedShop } from '../../test/support/seed.ts'
import { uuids } from '../lib/ids.ts'
import { makeMetrics } from '../lib/metrics.ts'
import { connect, type Database, openDatabase } from '../stores/postgres/database.ts'
import { closeSilent } from './timers.ts'

let created: Awaited<ReturnType<typeof createTestDatabase>>
let database: Database
let admin: SQL

beforeAll(async () => {
  created = await createTestDatabase()
  database = openDatabase(created.connection, makeMetrics())
  admin = connect(created.connection, 2)
})
afterAll(async () => {
  await database.close()
  await admin.close()
  await created.drop()
})

test('what nobody writes in is asked to close, but for what waits for a time, however many those are', async () => {
  const { tenantId, botId } = await seedShop(admin, { number: '1' })
  const ids = Array.from({ length: 5 }, () => uuids.next())
  for (const [index, id] of ids.entries()) {
    const customer = uuids.next()
    await admin`insert into customers (tenant_id, id) values (${tenantId}, ${customer})`
    await admin`insert into conversations (tenant_id, id, bot_id, customer_id, last_message_at)
      values (${tenantId}, ${id}, ${botId}, ${customer}, now() - make_interval(hours => ${30 - index}))`
  }
  // The three that were silent first wait for days.
  for (const id of ids.slice(0, 3))
    await admin`insert into timers (tenant_id, conversation_id, kind, token, due_at)
      values (${tenantId}, ${id}, 'answer', 'w1', now() + interval '20 days')`
  const before = new Date(Date.now() - 24 * 3_600_000)
  const closing = await database.transaction({ role: 'worker' }, tx => closeSilent(tx, uuids, before, 2))
  expect(closing).toBe(2)
  const rows = await admin`select conversation_id from inbox where kind = 'close' order by conversation_id`
  expect(rows.map((row: { conversation_id: string }) => row.conversation_id)).toEqual(ids.slice(3))
})
