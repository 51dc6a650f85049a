import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { ReservedSQL, SQL } from 'bun'
import { uuids } from '../../src/lib/ids.ts'
import { listConversations } from '../../src/messaging/list-conversations.ts'
import { connect } from '../../src/stores/postgres/database.ts'
import { cacheModes, explainList } from '../support/explain.ts'
import { createTestDatabase } from '../support/postgres.ts'

// What PostgreSQL does for a page of a tenant's conversations, by each filter and without a search, where there are 300,000
// and the few that a filter looks for are those written in longest ago.

const many = 300_000
const few = 5
const limit = 21
const buffersMax = 200

const [tenant, bot, rareBot] = [uuids.next(), uuids.next(), uuids.next()]
const [seller, rareSeller, customer, rareCustomer] = [uuids.next(), uuids.next(), uuids.next(), uuids.next()]

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let connection: ReservedSQL

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 1)
  connection = await admin.reserve()
  await connection`insert into tenants (id, name) values (${tenant}, 'T')`
  await connection`insert into customers (tenant_id, id) values (${tenant}, ${rareCustomer}), (${tenant}, ${customer})`
  // Open ones are of as many customers; the constraint allows a customer one on each bot.
  await connection`set session_replication_role = replica`
  await connection`create temp table given as select i, uuidv7() as id, case when i <= ${few}::int then ${rareCustomer}::uuid
    when i % 3 = 0 then gen_random_uuid() else ${customer}::uuid end as customer_id from generate_series(1, ${many}::int) i`
  await connection`insert into customers (tenant_id, id)
    select ${tenant}, customer_id from given where customer_id not in (${customer}, ${rareCustomer})`
  await connection`insert into conversations (tenant_id, id, bot_id, customer_id, seller_id, status, last_message_at)
    select ${tenant}, id, case when i <= ${few}::int then ${rareBot}::uuid else ${bot}::uuid end, customer_id,
      case when i <= ${few}::int then ${rareSeller}::uuid when i % 2 = 0 then ${seller}::uuid end,
      case when i = 12 or i = 18 then 'waiting' when i % 3 = 0 and i > ${few}::int then 'bot' else 'closed' end,
      now() + make_interval(secs => i - ${many}::int)
    from given`
  await connection`set session_replication_role = origin`
  await connection`vacuum (analyze) conversations, customers`
}, 60_000)
afterAll(async () => {
  connection.release()
  await admin.close()
  await created.drop()
})

type Filter = Partial<Parameters<typeof listConversations>[1]>

const filters: Readonly<Record<string, readonly [Filter, rows: number]>> = {
  'those written in last': [{}, limit],
  'a later page': [{ after: { lastMessageMicros: (Date.now() - 100_000_000) * 1_000, id: uuids.next() } }, limit],
  'the closed ones': [{ status: 'closed' }, limit],
  'the few that wait': [{ status: 'waiting' }, 2],
  'those of a bot with many': [{ botId: bot }, limit],
  'those of a bot with few': [{ botId: rareBot }, few],
  'the few of a bot that wait': [{ botId: bot, status: 'waiting' }, 2],
  'those of a seller with many': [{ sellerId: seller }, limit],
  'those of a seller with few': [{ sellerId: rareSeller }, few],
  'the few of a seller that wait': [{ sellerId: seller, status: 'waiting' }, 2],
  'those of a customer with few': [{ customerId: rareCustomer }, few],
}

for (const [name, [filter, rows]] of Object.entries(filters))
  test(`${name} are found in few pages`, async () => {
    for (const cacheMode of cacheModes) {
      const none = { status: null, botId: null, customerId: null, sellerId: null, search: null, after: null }
      const page = { tenantId: tenant, limit, ...none, ...filter }
      const explained = await explainList(connection, page.tenantId, cacheMode, tx => listConversations(tx, page))
      expect([cacheMode, explained.rows]).toEqual([cacheMode, rows])
      expect(explained.scans.filter(scan => scan === 'Seq Scan conversations')).toEqual([])
      expect(explained.buffers).toBeLessThan(buffersMax)
    }
  })
