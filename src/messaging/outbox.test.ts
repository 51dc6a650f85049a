import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test'
import type { SQL } from 'bun'
import { until } from '../../test/support/installation.ts'
import { createTestDatabase } from '../../test/support/postgres.ts'
import { seedShop } from '../../test/support/seed.ts'
import { uuids } from '../lib/ids.ts'
import { makeMetrics } from '../lib/metrics.ts'
import { connect, type Database, openDatabase } from '../stores/postgres/database.ts'
import { changeOutbox, claimDueMessages, endOutbox, type OutboxKey, putOffMessages } from './outbox.ts'

let created: Awaited<ReturnType<typeof createTestDatabase>>
let database: Database
let admin: SQL
let keys: Omit<OutboxKey, 'id'> & { bot_id: string }

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

beforeEach(async () => {
  const shop = await seedShop(admin, { number: uuids.next() })
  keys = { tenant_id: shop.tenantId, conversation_id: uuids.next(), bot_id: shop.botId }
  await admin`delete from outbox`
})

const worker = { role: 'worker' } as const

/** A message of the conversation (or of another one) that is being sent, or waits. */
async function add(state: 'sending' | 'queued', conversationId = keys.conversation_id): Promise<OutboxKey> {
  const key = { tenant_id: keys.tenant_id, conversation_id: conversationId, id: uuids.next() }
  await admin`insert into outbox (tenant_id, conversation_id, id, bot_id, state, due_at)
    values (${key.tenant_id}, ${key.conversation_id}, ${key.id}, ${keys.bot_id}, ${state},
      now() + case when ${state} = 'sending' then interval '15 seconds' else interval '0' end)`
  return key
}

/** What a sender does with what is due: puts off what waits behind another. Returns whether it put all of it off. */
async function lookAtDue(): Promise<boolean> {
  return await database.transaction(worker, async tx => {
    const { waiting } = await claimDueMessages(tx, 100)
    expect(waiting.length).toBe(1)
    return await putOffMessages(
      tx,
      waiting.map(row => ({ ...row, waitMs: 0 })),
    )
  })
}

async function isDue({ id }: OutboxKey): Promise<boolean> {
  const [row] = await admin`select due_at <= now() as is_due from outbox where id = ${id}`
  return row.is_due
}

async function addCustomer(): Promise<string> {
  const id = uuids.next()
  await admin`insert into customers (tenant_id, id) values (${keys.tenant_id}, ${id})`
  return id
}

async function isAnyoneWaiting(): Promise<boolean> {
  const rows = await admin`select pid from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`
  return rows.length > 0
}

test('what waits behind a message is put off until that has ended, and is due then', async () => {
  const [head, next] = [await add('sending'), await add('queued')]
  expect(await lookAtDue()).toBe(true)
  expect(await isDue(next)).toBe(false)
  expect(await database.transaction(worker, tx => endOutbox(tx, [head]))).toBe(true)
  expect(await isDue(next)).toBe(true)
})

test('a message that comes while the one before it ends is not put off: nobody would make it due again', async () => {
  const head = await add('sending')
  const next = await database.transaction(worker, async tx => {
    await endOutbox(tx, [head])
    const added = await add('queued')
    expect(await lookAtDue()).toBe(false)
    return added
  })
  expect(await isDue(next)).toBe(true)
})

test('a message that comes, and is put off, while the end of the one before it waits for a lock, is due then', async () => {
  const [other, head] = [await add('sending', uuids.next()), await add('sending')]
  const { next, ending } = await database.transaction(worker, async tx => {
    // Whoever has the first row holds up the end of both.
    await changeOutbox(tx, [{ ...other, state: 'sending', waitMs: 15_000, attempts: 0 }])
    const ending = database.transaction(worker, late => endOutbox(late, [other, head]))
    await until(isAnyoneWaiting)
    const next = await add('queued')
    expect(await lookAtDue()).toBe(true)
    return { next, ending }
  })
  expect(await ending).toBe(true)
  expect(await isDue(next)).toBe(true)
})

test('messages go out in the order in which they were queued, whatever the clocks that made their ids', async () => {
  const of = { tenant_id: keys.tenant_id, conversation_id: keys.conversation_id }
  const [sooner, later] = [uuids.next(), uuids.next()]
  // The first to be queued has an id from a clock that goes ahead.
  for (const id of [later, sooner])
    await admin`insert into outbox (tenant_id, conversation_id, id, bot_id)
      values (${of.tenant_id}, ${of.conversation_id}, ${id}, ${keys.bot_id})`
  await admin`insert into conversations (tenant_id, id, bot_id, customer_id)
    values (${of.tenant_id}, ${of.conversation_id}, ${keys.bot_id}, ${await addCustomer()})`
  await admin`insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status)
    values (${of.tenant_id}, ${of.conversation_id}, ${later}, ${keys.bot_id}, 'outbound', '{}', 'queued')`
  const claim = () => database.transaction(worker, tx => claimDueMessages(tx, 100))
  const { heads, waiting } = await claim()
  expect(heads.map(head => head.id)).toEqual([later])
  expect(waiting.map(row => [row.id, row.headId])).toEqual([[sooner, later]])
})
