import { afterEach, beforeEach, expect, test } from 'bun:test'
import type { SQL } from 'bun'
import { createOrder } from '../../src/commerce/create-order.ts'
import { deleteCustomer } from '../../src/commerce/customers.ts'
import { uuids } from '../../src/lib/ids.ts'
import { makeMetrics } from '../../src/lib/metrics.ts'
import { claimConversation, claimConversations, newBotCursor } from '../../src/messaging/claim-conversations.ts'
import { readMail } from '../../src/messaging/read-mail.ts'
import { type InboundMessage, receiveMessages } from '../../src/messaging/receive-messages.ts'
import type { Identity } from '../../src/messaging/resolve-customers.ts'
import { connect, type Database, openDatabase } from '../../src/stores/postgres/database.ts'
import { heldBeforeCommit } from '../support/faults.ts'
import { until } from '../support/installation.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { type Shop, sealer, seedShop } from '../support/seed.ts'

// Two transactions at the same moment, one of which takes a customer away. The first is held just before it commits,
// the second runs until it ends or waits for the first.

const phone: Identity = { kind: 'phone', value: '+34600000001' }
const bsuid: Identity = { kind: 'bsuid', value: 'ES.1' }

let created: Awaited<ReturnType<typeof createTestDatabase>>
let database: Database
let admin: SQL
let shop: Shop

beforeEach(async () => {
  created = await createTestDatabase()
  database = openDatabase(created.connection, makeMetrics())
  admin = connect(created.connection, 2)
  shop = await seedShop(admin, { number: '100000000000010' })
})
afterEach(async () => {
  await database.close()
  await admin.close()
  await created.drop()
})

function message(...identities: readonly Identity[]): InboundMessage {
  const { tenantId, botId } = shop
  const content = { type: 'text', text: 'hola' } as const
  const sender = { identities, name: null }
  return { tenantId, botId, providerMessageId: `wamid.${uuids.next()}`, sender, content, at: new Date() }
}

/** A customer who wrote once, long ago: the conversation is over. Returns the customer's id. */
async function addCustomer(identity: Identity): Promise<string> {
  await receiveMessages(database, uuids, [message(identity)], sealer)
  await admin`delete from inbox`
  await admin`update conversations set status = 'closed'`
  const [row] = await admin`select customer_id from customer_identities where value = ${identity.value}`
  return row.customer_id
}

/** Runs `first` up to its commit, then `second` until it ends or waits for a lock, then lets both end. */
async function race<A, B>(
  first: (held: Database) => Promise<A>,
  second: (database: Database) => Promise<B>,
): Promise<[A, B, number]> {
  const { held, isDone, release } = heldBeforeCommit(database)
  const one = first(held)
  await Promise.race([isDone, one])
  let [isOver, transactions] = [false, 0]
  const counted: Database = {
    ...database,
    transaction(scope, work) {
      transactions++
      return database.transaction(scope, work)
    },
  }
  const two = second(counted).finally(() => {
    isOver = true
  })
  two.catch(() => undefined)
  await until(async () => isOver || (await isAnyoneWaiting()))
  release()
  return [await one, await two, transactions]
}

async function isAnyoneWaiting(): Promise<boolean> {
  const rows = await admin`select pid from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`
  return rows.length > 0
}

/** The customers of all mail that a turn can take, a line a row. */
async function customersOfMail(): Promise<string[]> {
  const mail = await database.transaction({ role: 'worker' }, async tx => {
    const claimed = await claimConversations(tx, newBotCursor(), 50)
    const rows = await readMail(tx, claimed, { waiting: new Set() })
    return claimed.flatMap(({ id, customer_id }) => (rows.get(id) ?? []).map(() => customer_id))
  })
  const [inbox] = await admin`select count(*)::int as n from inbox`
  expect(mail.length).toBe(inbox.n)
  return mail
}

test('a conversation opened while its customer is merged goes to the customer who stays, and its mail has a turn', async () => {
  const [older] = [await addCustomer(phone), await addCustomer(bsuid)]
  await race(
    held => receiveMessages(held, uuids, [message(bsuid)], sealer),
    other => receiveMessages(other, uuids, [message(phone, bsuid)], sealer),
  )
  expect([...(await admin`select id from customers`)]).toEqual([{ id: older }])
  expect(await customersOfMail()).toEqual([older, older])
})

test('a message that finds its customer just as they are merged goes to the customer who stays', async () => {
  const [older] = [await addCustomer(phone), await addCustomer(bsuid)]
  await race(
    held => receiveMessages(held, uuids, [message(phone, bsuid)], sealer),
    other => receiveMessages(other, uuids, [message(bsuid)], sealer),
  )
  expect(await customersOfMail()).toEqual([older, older])
})

test('a customer who writes while they are deleted stays', async () => {
  const id = await addCustomer(phone)
  await admin`delete from conversations`
  const [, deleted] = await race(
    held => receiveMessages(held, uuids, [message(phone)], sealer),
    other => other.transaction({ role: 'app', tenantId: shop.tenantId }, tx => deleteCustomer(tx, shop.tenantId, id)),
  )
  expect(deleted).toBe('has_conversations')
  expect(await customersOfMail()).toEqual([id])
})

test('a customer who writes just after they were deleted is a new one', async () => {
  const id = await addCustomer(phone)
  await admin`delete from conversations`
  const [deleted] = await race(
    held => held.transaction({ role: 'app', tenantId: shop.tenantId }, tx => deleteCustomer(tx, shop.tenantId, id)),
    other => receiveMessages(other, uuids, [message(phone)], sealer),
  )
  expect(deleted).toBe('deleted')
  const [customer] = await admin`select id from customers`
  expect(customer.id).not.toBe(id)
  expect(await customersOfMail()).toEqual([customer.id])
})

test('a turn that makes an order, and a message that merges its customer, do not deadlock: the order moves too', async () => {
  const [older, younger] = [await addCustomer(phone), await addCustomer(bsuid)]
  await receiveMessages(database, uuids, [message(bsuid)], sealer)
  const [conversation] = await admin`select id from conversations where status = 'bot'`
  const key = { tenantId: shop.tenantId, conversationId: conversation.id }
  const gate = Promise.withResolvers<void>()
  const holdsIt = Promise.withResolvers<void>()
  const turn = database.transaction({ role: 'worker' }, async tx => {
    const claimed = await claimConversation(tx, key)
    holdsIt.resolve()
    await gate.promise
    const items = shop.productIds.map(product_id => ({ product_id, quantity: 1 }))
    const customerId = claimed?.customer_id ?? ''
    return await createOrder(tx, uuids, { ...key, customerId, items })
  })
  await holdsIt.promise
  let merges = 0
  const counted: Database = {
    ...database,
    transaction(scope, work) {
      merges++
      return database.transaction(scope, work)
    },
  }
  const merging = receiveMessages(counted, uuids, [message(phone, bsuid)], sealer)
  await until(isAnyoneWaiting)
  gate.resolve()
  expect(await turn).toMatchObject({ kind: 'created', order: { customer_id: younger } })
  await merging
  // One transaction: had it been the victim of a deadlock, there would be a second.
  expect(merges).toBe(1)
  expect([...(await admin`select customer_id from orders`)]).toEqual([{ customer_id: older }])
  expect([...(await admin`select distinct customer_id from conversations`)]).toEqual([{ customer_id: older }])
})

test("mail that cannot be taken, of however many tenants, does not keep a later tenant's mail from its turn", async () => {
  const last = 'ffffffff-ffff-4fff-bfff-ffffffffffff'
  const customer = await addCustomer(phone)
  await receiveMessages(database, uuids, [message(phone)], sealer)
  await admin`insert into tenants (id, name) values (${last}, 'Last')`
  await admin`insert into customers (tenant_id, id) values (${last}, ${customer})`
  await admin`insert into conversations (tenant_id, id, bot_id, customer_id)
    select ${last}, id, bot_id, customer_id from conversations where status = 'bot'`
  await admin`update inbox set tenant_id = ${last}`
  // 200 tenants before it whose mail is for conversations that do not exist.
  await admin`insert into inbox (tenant_id, conversation_id, id, kind, body)
    select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'message', '{}' from generate_series(1, 200)`
  const cursor = newBotCursor()
  const claim = () => database.transaction({ role: 'worker' }, tx => claimConversations(tx, cursor, 50))
  expect((await claim()).map(conversation => conversation.tenant_id)).toEqual([last])
  expect((await claim()).map(conversation => conversation.tenant_id)).toEqual([last])
})

test('who writes to two bots of a shop is one customer, found by the phone', async () => {
  const id = await addCustomer(phone)
  const botId = uuids.next()
  await admin`insert into bots (tenant_id, id, name, provider, config)
    values (${shop.tenantId}, ${botId}, 'Second', 'baileys', '{}')`
  await receiveMessages(
    database,
    uuids,
    [
      { ...message(phone), botId },
      { ...message(bsuid, phone), botId },
    ],
    sealer,
  )
  expect([...(await admin`select id from customers`)]).toEqual([{ id }])
  expect([
    ...(await admin`select kind, customer_id from customer_identities where bot_id = ${botId} order by kind`),
  ]).toEqual([
    { kind: 'bsuid', customer_id: id },
    { kind: 'phone', customer_id: id },
  ])
})
