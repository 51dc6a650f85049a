import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test'
import type { SQL } from 'bun'
import { until } from '../../test/support/installation.ts'
import { createTestDatabase } from '../../test/support/postgres.ts'
import { seedShop } from '../../test/support/seed.ts'
import { uuids } from '../lib/ids.ts'
import { makeMetrics } from '../lib/metrics.ts'
import { connect, type Database, openDatabase, type Transaction } from '../stores/postgres/database.ts'
import { changeOutbox, type OutboxKey } from './outbox.ts'
import { receiveStatuses } from './receive-statuses.ts'
import { findExpiredSends, recordSends, type SendRecord } from './record-sends.ts'

let created: Awaited<ReturnType<typeof createTestDatabase>>
let database: Database
let admin: SQL
let key: OutboxKey
let botId: string

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

/** A message whose send nobody heard the end of, and which has waited for a status long enough. */
beforeEach(async () => {
  const shop = await seedShop(admin, { number: uuids.next() })
  botId = shop.botId
  key = { tenant_id: shop.tenantId, conversation_id: uuids.next(), id: uuids.next() }
  await admin`insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status)
    values (${key.tenant_id}, ${key.conversation_id}, ${key.id}, ${shop.botId}, 'outbound', '{}', 'unknown')`
  await admin`insert into outbox (tenant_id, conversation_id, id, bot_id, state)
    values (${key.tenant_id}, ${key.conversation_id}, ${key.id}, ${shop.botId}, 'unknown')`
})

const worker = { role: 'worker' } as const
const neverConfirmed = { code: 'never_confirmed', message: 'Nothing was heard.' }
const refused = { code: '131000', message: 'Meta could not take the message.' }

function record(changes: Partial<SendRecord>): SendRecord {
  return {
    ...key,
    status: 'unknown',
    error: null,
    providerMessageId: null,
    unreferencedAt: null,
    partId: null,
    row: null,
    ...changes,
  }
}

/** The send was refused after all, and is to be tried again. */
function refusal(): SendRecord {
  return record({ status: 'queued', error: refused, row: { ...key, state: 'queued', waitMs: 0, attempts: 1 } })
}

async function isAnyoneWaiting(): Promise<boolean> {
  const waiting = await admin`select pid from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`
  return waiting.length > 0
}

async function message() {
  const [row] = await admin`select status, error from messages where id = ${key.id}`
  return row
}

test('a refusal that comes late is tried again, as long as the message waits for its status', async () => {
  await database.transaction(worker, tx => recordSends(tx, [refusal()]))
  expect(await message()).toEqual({ status: 'queued', error: refused })
  expect([...(await admin`select state from outbox where id = ${key.id}`)]).toEqual([{ state: 'queued' }])
})

test('a message that was given up stays unknown when its refusal comes: nothing would send it again', async () => {
  await database.transaction(worker, tx => recordSends(tx, [record({ error: neverConfirmed })]))
  await database.transaction(worker, tx => recordSends(tx, [refusal()]))
  expect(await message()).toEqual({ status: 'unknown', error: neverConfirmed })
})

/** Another send of it begins. */
async function sendAgain(tx: Transaction): Promise<void> {
  await changeOutbox(tx, [{ ...key, state: 'sending', waitMs: 15_000, attempts: 0 }])
}

test('what a send came to is written twice, since nobody knew of the first time: the send that has begun since goes on', async () => {
  const first = record({ ...refusal(), row: { ...key, state: 'queued', waitMs: 0, attempts: 1, ofSend: 0 } })
  await database.transaction(worker, tx => recordSends(tx, [first]))
  await database.transaction(worker, sendAgain)
  await database.transaction(worker, tx => recordSends(tx, [first]))
  expect([...(await admin`select state, attempts, sends from outbox where id = ${key.id}`)]).toEqual([
    { state: 'sending', attempts: 0, sends: 1 },
  ])
})

test('the same where that send begins at the very moment', async () => {
  const late = record({ ...refusal(), row: { ...key, state: 'queued', waitMs: 0, attempts: 1, ofSend: 0 } })
  const { writing } = await database.transaction(worker, async tx => {
    await sendAgain(tx)
    const writing = database.transaction(worker, other => recordSends(other, [late]))
    await until(isAnyoneWaiting)
    return { writing }
  })
  await writing
  expect([...(await admin`select state, sends from outbox where id = ${key.id}`)]).toEqual([
    { state: 'sending', sends: 1 },
  ])
})

test('the same where it is given up at that very moment', async () => {
  const recorded = await database.transaction(worker, async tx => {
    expect((await findExpiredSends(tx, 100)).map(send => send.id)).toContain(key.id)
    await recordSends(tx, [record({ error: neverConfirmed })])
    const late = database.transaction(worker, other => recordSends(other, [refusal()]))
    await until(isAnyoneWaiting)
    return { late }
  })
  await recorded.late
  expect(await message()).toEqual({ status: 'unknown', error: neverConfirmed })
})

test('an acceptance that comes late counts, whether the message was given up or not', async () => {
  await database.transaction(worker, tx => recordSends(tx, [record({ error: neverConfirmed })]))
  const accepted = record({ status: 'sent', providerMessageId: 'wamid.late' })
  await database.transaction(worker, tx => recordSends(tx, [accepted]))
  expect(await message()).toEqual({ status: 'sent', error: null })
})

/** A status that names the message by the provider's id alone. */
function delivered(providerMessageId: string) {
  const of = { tenantId: key.tenant_id, botId, providerMessageId }
  return receiveStatuses(database, [{ ...of, status: 'delivered', error: null, at: new Date(), reference: null }])
}

test('a status that comes while the answer to its send is being written is not lost, without our reference either', async () => {
  const sent = record({ status: 'sent', providerMessageId: 'AC1', unreferencedAt: botId })
  const received = await database.transaction(worker, async tx => {
    await recordSends(tx, [sent])
    const late = delivered('AC1')
    await Promise.race([late, Bun.sleep(100)])
    return { late }
  })
  await received.late
  expect(await message()).toEqual({ status: 'delivered', error: null })
})

test('nor one that is being written while the answer comes', async () => {
  const sent = record({ status: 'sent', providerMessageId: 'AC2', unreferencedAt: botId })
  const release = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  const slow: Database = {
    ...database,
    transaction: (scope, work) =>
      database.transaction(scope, async tx => {
        const result = await work(tx)
        held.resolve()
        await release.promise
        return result
      }),
  }
  const of = { tenantId: key.tenant_id, botId, providerMessageId: 'AC2' }
  const status = { ...of, status: 'delivered', error: null, at: new Date(), reference: null } as const
  const writing = receiveStatuses(slow, [status])
  await held.promise
  const recording = database.transaction(worker, tx => recordSends(tx, [sent]))
  await Promise.race([recording, Bun.sleep(100)])
  release.resolve()
  await Promise.all([writing, recording])
  expect(await message()).toEqual({ status: 'delivered', error: null })
})
