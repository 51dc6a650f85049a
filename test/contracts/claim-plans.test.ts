import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { ReservedSQL, SQL } from 'bun'
import { uuids } from '../../src/lib/ids.ts'
import { claimConversations, newBotCursor } from '../../src/messaging/claim-conversations.ts'
import { connect } from '../../src/stores/postgres/database.ts'
import { cacheModes, explainAll } from '../support/explain.ts'
import { createTestDatabase } from '../support/postgres.ts'

// What a claim of turns reads, whatever the planner was told of the queue last: that is often that it is empty.

const bots = 50
const customersPerBot = 40
const limit = 50
const worker = { role: 'dashoffice_worker', tenantId: '' } as const

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let connection: ReservedSQL

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 1)
  connection = await admin.reserve()
  await connection`alter table inbox set (autovacuum_enabled = false)`
  const tenant = uuids.next()
  await connection`insert into tenants (id, name) values (${tenant}, 'T')`
  await connection`insert into bots (tenant_id, id, name, provider, config)
    select ${tenant}, uuidv7(), 'Bot', 'meta', '{}' from generate_series(1, ${bots}::int)`
  await connection`insert into customers (tenant_id, id)
    select ${tenant}, uuidv7() from generate_series(1, ${customersPerBot}::int)`
  await connection`insert into conversations (tenant_id, id, bot_id, customer_id)
    select b.tenant_id, uuidv7(), b.id, k.id from bots b join customers k using (tenant_id)`
  await connection`vacuum (analyze) bots, customers, conversations`
}, 60_000)
afterAll(async () => {
  connection.release()
  await admin.close()
  await created.drop()
})

/** A message of every customer to every bot. */
async function fill(times = 1): Promise<void> {
  await connection`insert into inbox (tenant_id, conversation_id, id, kind, body, bot_id)
    select c.tenant_id, c.id, uuidv7(), 'close', '{}', c.bot_id from conversations c, generate_series(1, ${times}::int)
    order by random()`
}

const empty = () => connection`delete from inbox`
const analyze = () => connection`analyze inbox`
const vacuum = () => connection`vacuum (analyze) inbox`

const pasts: Readonly<Record<string, () => Promise<unknown>>> = {
  'never looked at': () => fill(),
  async 'looked at when it was full'() {
    await fill()
    await analyze()
  },
  async 'vacuumed when it was empty'() {
    await empty()
    await vacuum()
    await fill()
  },
  async 'looked at when it was empty and had not been vacuumed'() {
    await fill()
    await empty()
    await analyze()
    await fill()
  },
  async 'looked at when it was empty, and ten times as full since'() {
    await empty()
    await analyze()
    await fill(10)
  },
  async 'looked at when all of its rows were older'() {
    await fill()
    await analyze()
    await empty()
    await fill(3)
  },
}

for (const [past, make] of Object.entries(pasts))
  test(`a claim reads little of a queue that was ${past}`, async () => {
    await empty()
    await make()
    for (const cacheMode of cacheModes)
      for (const afterId of [newBotCursor().afterId, await oldest()]) {
        const cursor = { ...newBotCursor(), afterId, allAgainAtMs: Number.POSITIVE_INFINITY }
        const explained = await explainAll(connection, worker, cacheMode, tx => claimConversations(tx, cursor, limit))
        const claim = explained.find(one => one.name === 'turn_claim')
        expect([cacheMode, claim?.rows]).toEqual([cacheMode, limit])
        // By any other index, or sorted, all of the queue is read for each bot.
        const reads = claim?.indexes.filter(index => index.startsWith('inbox.'))
        expect(new Set(reads)).toEqual(new Set(['inbox.inbox_waiting']))
      }
  })

async function oldest(): Promise<string> {
  const [row] = await connection`select id from inbox order by id limit 1`
  return row.id
}
