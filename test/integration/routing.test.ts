import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { ReservedSQL, SQL } from 'bun'
import { actions } from '../../src/commerce/actions/actions.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { makeSealer } from '../../src/lib/crypto.ts'
import { uuids } from '../../src/lib/ids.ts'
import { makeMetrics } from '../../src/lib/metrics.ts'
import { findBotWithSecrets } from '../../src/messaging/find-bot.ts'
import { type InboundMessage, receiveMessages } from '../../src/messaging/receive-messages.ts'
import { makeTurnRunner } from '../../src/orchestrator/run-turns.ts'
import { makeFeed } from '../../src/stores/feed.ts'
import { makeMemoryBus } from '../../src/stores/memory/bus.ts'
import { makeMemoryGate } from '../../src/stores/memory/request-gate.ts'
import { connect, type Database } from '../../src/stores/postgres/database.ts'
import { cacheModes } from '../support/explain.ts'
import { makeExplainingDatabase, type Read } from '../support/explaining-database.ts'
import { makeTestLog } from '../support/log.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { echoFlow, encryptionKey } from '../support/seed.ts'

// What is read for a message, from its bot to its reply, where there are 10,000 bots, one of which has as many customers as
// all others together: rows that are looked for by their keys, whatever the planner thinks of such a table.

const bots = 10_000
const tenants = 1_000
const customersOfOne = 40_000
const customersOfEach = 10
/** Rows of a batch that are read beside those that are looked for: a few on a page that holds others too. */
const removedMax = 200

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let connection: ReservedSQL

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 1)
  connection = await admin.reserve()
  const document = JSON.stringify(echoFlow)
  // The keys that the rows point to are there.
  await connection`set session_replication_role = replica`
  await connection`insert into tenants (id, name) select uuidv7(), 'Shop' from generate_series(1, ${tenants}::int)`
  await connection`insert into flows (tenant_id, id, name, document, published_version)
    select id, uuidv7(), 'Echo', ${document}::text::jsonb, 1 from tenants`
  await connection`insert into flow_versions (tenant_id, flow_id, version, document)
    select tenant_id, id, 1, document from flows`
  await connection`insert into bots (tenant_id, id, name, provider, config, flow_id, status)
    select tenant_id, uuidv7(), 'Bot', 'meta', '{"phone_number_id": "1"}', id, 'connected'
    from flows, generate_series(1, ${bots / tenants}::int)`
  await connection`create temp table given as
    select b.tenant_id, b.id as bot_id, uuidv7() as customer_id, '+34' || (600000000 + row_number() over ()) as phone
    from (select *, row_number() over () as place from bots) b,
      generate_series(1, case when b.place = 1 then ${customersOfOne}::int else ${customersOfEach}::int end)`
  await connection`insert into customers (tenant_id, id, name, phone) select tenant_id, customer_id, 'Ada', phone from given`
  await connection`insert into customer_identities (tenant_id, bot_id, kind, value, customer_id)
    select tenant_id, bot_id, 'phone', phone, customer_id from given`
  await connection`insert into conversations (tenant_id, id, bot_id, customer_id)
    select tenant_id, uuidv7(), bot_id, customer_id from given`
  await connection`set session_replication_role = origin`
  await connection`vacuum (analyze)`
}, 120_000)
afterAll(async () => {
  connection.release()
  await admin.close()
  await created.drop()
})

/** 25 customers of the bot that has many, and 25 of others. */
async function writers(): Promise<readonly { tenant_id: string; bot_id: string; phone: string }[]> {
  return await connection`
    (select tenant_id, bot_id, phone from given where bot_id = (select bot_id from given group by 1 order by count(*) desc limit 1)
      order by random() limit 25)
    union all
    (select tenant_id, bot_id, phone from given where random() < 0.01 order by random() limit 25)`
}

function messageOf({ tenant_id, bot_id, phone }: Awaited<ReturnType<typeof writers>>[number]): InboundMessage {
  return {
    ...{ tenantId: tenant_id, botId: bot_id, providerMessageId: `wamid.${crypto.randomUUID()}`, at: new Date() },
    sender: { identities: [{ kind: 'phone', value: phone }], name: 'Ada' },
    content: { type: 'text', text: 'hello' },
  }
}

async function answer(explaining: Pick<Database, 'transaction' | 'read'>): Promise<void> {
  const log = makeTestLog()
  const bus = makeMemoryBus()
  const sealer = makeSealer(encryptionKey)
  // Only these two are used here.
  const database = explaining as Database
  const found = await writers()
  for (const { bot_id } of [found[0], found[30]].flatMap(one => one ?? []))
    await database.transaction({ role: 'worker' }, tx => findBotWithSecrets(tx, sealer, bot_id))
  await receiveMessages(database, uuids, found.map(messageOf), sealer)
  const runner = makeTurnRunner({
    ...{ database, bus, log, actions, clock: systemClock, ids: uuids, metrics: makeMetrics() },
    feed: makeFeed({ bus, gate: makeMemoryGate(systemClock), log }),
  })
  while ((await runner.runBatch()) > 0);
  runner.close()
}

for (const cacheMode of cacheModes)
  test(`a message is answered by reading what belongs to it (${cacheMode})`, async () => {
    const { reads, ...database } = makeExplainingDatabase(connection, cacheMode)
    const before = await count()
    await answer(database)
    expect((await count()) - before).toBe(50)
    expect(new Set(reads.map(read => read.statement)).size).toBeGreaterThan(8)
    expect(reads.filter(read => isLarge(read) && read.index === null && read.node !== 'Bitmap Heap Scan')).toEqual([])
    expect(reads.filter(read => read.removed > removedMax)).toEqual([])
  }, 60_000)

const largeTables = ['bots', 'flows', 'flow_versions', 'customers', 'customer_identities', 'conversations', 'tenants']

function isLarge({ table }: Read): boolean {
  return largeTables.includes(table)
}

async function count(): Promise<number> {
  const [row] = await connection`select count(*)::int as n from messages where direction = 'outbound'`
  return row.n
}
