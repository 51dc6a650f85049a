import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SQL } from 'bun'
import { heldBeforeCommit } from '../../../test/support/faults.ts'
import { makeTestLog } from '../../../test/support/log.ts'
import { createTestDatabase } from '../../../test/support/postgres.ts'
import { echoFlow, type Shop, sealer, seedShop } from '../../../test/support/seed.ts'
import { uuids } from '../../lib/ids.ts'
import { makeMetrics } from '../../lib/metrics.ts'
import { makeFiles } from '../../stores/files.ts'
import { nothingShared } from '../../stores/key-eraser.ts'
import { connect, type Database, openDatabase, type Transaction } from '../../stores/postgres/database.ts'
import { inTenant } from '../../stores/postgres/in-tenant.ts'
import { makePostgresLogStore } from '../../stores/postgres/log-store.ts'
import { optIn, optOut } from '../consent.ts'
import { receiveMessages } from '../receive-messages.ts'
import type { Identity } from '../resolve-customers.ts'
import { type Erased, erasePerson } from './erase-person.ts'
import { type FinishOptions, finishErasure, settleMs } from './finish-erasures.ts'

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let database: Database
let shop: Shop
let nowMs = Date.now()
let options: FinishOptions
const dir = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
const clock = { now: () => nowMs }

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 2)
  database = openDatabase(created.connection, makeMetrics())
  shop = await seedShop(admin, { flow: echoFlow, number: '100000000000001' })
  const logs = makePostgresLogStore({ database, clock, keptDays: 30 })
  options = {
    ...{ database, files: makeFiles(dir), logs, keys: nothingShared, sealer, clock, log: makeTestLog() },
    openAnswer: () => '',
  }
})
afterAll(async () => {
  await database.close()
  await admin.close()
  await created.drop()
  rmSync(dir, { recursive: true, force: true })
})

let people = 0
function somebody(): Identity {
  people += 1
  return { kind: 'phone', value: `+5730012300${String(people).padStart(2, '0')}` }
}

async function write(...identities: Identity[]): Promise<{ customerId: string; conversationId: string }> {
  const { tenantId, botId } = shop
  const message = { tenantId, botId, providerMessageId: crypto.randomUUID(), at: new Date(nowMs) }
  const content = { type: 'text', text: 'hola' } as const
  const { stored } = await receiveMessages(
    database,
    uuids,
    [{ ...message, sender: { identities, name: 'Ana' }, content }],
    sealer,
  )
  const conversationId = stored[0]?.conversationId ?? ''
  const [row] = await admin`select customer_id from conversations where id = ${conversationId}`
  return { customerId: row.customer_id, conversationId }
}

const inShop = <T>(work: (tx: Transaction) => Promise<T>) => inTenant(database, shop.tenantId, work)

async function erase(customerId: string, on: Database = database): Promise<Erased> {
  const caller = { kind: 'user' as const, id: uuids.next() }
  const asked = { tenantId: shop.tenantId, customerId, caller, reason: null, at: new Date(nowMs) }
  return await inTenant(on, shop.tenantId, tx => erasePerson(tx, uuids, sealer, asked), 'privacy')
}

const said = (customerId: string) => ({
  ...{ tenantId: shop.tenantId, customerId, note: 'x', at: new Date(nowMs) },
  caller: { kind: 'user' as const, id: uuids.next() },
})

async function isOptedOut(customerId: string): Promise<boolean> {
  const [row] = await admin`select opted_out_at from customers where id = ${customerId}`
  return row.opted_out_at !== null
}

test('who did not opt out is somebody new like any other when they write again', async () => {
  const phone = somebody()
  const { customerId } = await write(phone)
  expect((await erase(customerId)).kind).toBe('erased')
  const again = await write(phone)
  expect(again.customerId).not.toBe(customerId)
  expect(await isOptedOut(again.customerId)).toBe(false)
})

test('who opted out is opted out again by whatever they were known by, once', async () => {
  const [phone, bsuid] = [somebody(), { kind: 'bsuid', value: `CO.${people}` } as const]
  const { customerId } = await write(phone, bsuid)
  await inShop(tx => optOut(tx, uuids, said(customerId)))
  await erase(customerId)
  const again = await write(bsuid)
  expect(await isOptedOut(again.customerId)).toBe(true)
  // In again, they stay so, although it turns out that the phone is theirs too.
  await inShop(tx => optIn(tx, uuids, said(again.customerId)))
  expect((await write(bsuid, phone)).customerId).toBe(again.customerId)
  expect(await isOptedOut(again.customerId)).toBe(false)
})

test('a hash is of no use in another tenant, and is not kept with what it is of', async () => {
  const phone = somebody()
  const { customerId } = await write(phone)
  await inShop(tx => optOut(tx, uuids, said(customerId)))
  await erase(customerId)
  const elsewhere = await seedShop(admin, { flow: echoFlow, number: '100000000000002' })
  const { stored } = await receiveMessages(
    database,
    uuids,
    [
      {
        ...{ tenantId: elsewhere.tenantId, botId: elsewhere.botId, providerMessageId: 'w', at: new Date() },
        sender: { identities: [phone], name: null },
        content: { type: 'text', text: 'hola' },
      },
    ],
    sealer,
  )
  const [row] = await admin`select k.opted_out_at from conversations c
    join customers k on k.tenant_id = c.tenant_id and k.id = c.customer_id
    where c.id = ${stored[0]?.conversationId}`
  expect(row.opted_out_at).toBeNull()
  const rows = await admin`select s::text || k::text as text from suppressions s
    join suppression_keys k on k.tenant_id = s.tenant_id`
  expect(rows.length).toBe(1)
  expect(rows[0].text).not.toContain(phone.value.slice(1))
})

test('an upload that was sent to nobody else goes too; one that others or a flow have stays', async () => {
  const [ana, bea] = [await write(somebody()), await write(somebody())]
  const { tenantId, botId } = shop
  const [own, shared, inFlow] = [uuids.next(), uuids.next(), uuids.next()]
  for (const id of [own, shared, inFlow])
    await admin`insert into media
        (tenant_id, id, origin, kind, declared_type, mime_type, state, bytes, sha256)
      values (${tenantId}, ${id}, 'upload', 'document', 'application/pdf', 'application/pdf', 'stored', 1, 'x')`
  const send = (conversationId: string, id: string) =>
    admin`insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status)
      values (${tenantId}, ${conversationId}, ${uuids.next()}, ${botId}, 'outbound',
        ${{ type: 'document', media_id: id }}, 'sent')`
  for (const id of [own, shared, inFlow]) await send(ana.conversationId, id)
  await send(bea.conversationId, shared)
  await admin`insert into flows (tenant_id, id, name, document) values (${tenantId}, ${uuids.next()}, 'F',
    ${{ steps: { a: { content: { type: 'document', media_id: inFlow } } } }})`
  await erase(ana.customerId)
  const left = await admin`select id from media where tenant_id = ${tenantId} order by id`
  expect(left.map((row: { id: string }) => row.id)).toEqual([shared, inFlow].sort())
})

test('orders of all who were erased are of one customer, who stays nobody', async () => {
  const [ana, bea] = [await write(somebody()), await write(somebody())]
  for (const { customerId, conversationId } of [ana, bea])
    await admin`insert into orders (tenant_id, id, number, customer_id, conversation_id, total_minor, currency, notes)
      select ${shop.tenantId}, ${uuids.next()}, coalesce(max(number), 0) + 1, ${customerId}, ${conversationId}, 100, 'EUR', 'n'
      from orders`
  await Promise.all([erase(ana.customerId), erase(bea.customerId)])
  const orders = await admin`select distinct o.customer_id, k.name, k.is_erased, o.notes, o.conversation_id
    from orders o join customers k on k.tenant_id = o.tenant_id and k.id = o.customer_id`
  expect([...orders]).toMatchObject([{ name: 'erased', is_erased: true, notes: null, conversation_id: null }])
  expect(await erase(orders[0].customer_id)).toEqual({ kind: 'nobody' })
})

test('what is written at that very moment is erased with the rest; what is written next makes somebody new', async () => {
  await admin`delete from erasures`
  const phone = somebody()
  const { customerId, conversationId } = await write(phone)
  const { held, isDone, release } = heldBeforeCommit(database)
  const erasing = erase(customerId, held)
  await isDone
  const writing = write(phone)
  await Bun.sleep(50)
  release()
  expect((await erasing).kind).toBe('erased')
  await writing.catch(() => undefined)
  await finishAll()
  const [left] = await admin`select (select count(*) from messages where conversation_id = ${conversationId})
    + (select count(*) from inbox where conversation_id = ${conversationId}) as n`
  expect(Number(left.n)).toBe(0)
  expect((await write(phone)).customerId).not.toBe(customerId)
})

test('asked for by two at once, or again, it is one erasure; of nobody there is none', async () => {
  const { customerId } = await write(somebody())
  const kinds = (await Promise.all([erase(customerId), erase(customerId)])).map(one => one.kind)
  expect(kinds.sort()).toEqual(['erased', 'known'])
  expect((await erase(customerId)).kind).toBe('known')
  expect(await erase(uuids.next())).toEqual({ kind: 'unknown' })
})

async function rowOf(customerId: string) {
  const [row] = await admin`select passes, subject is null as is_forgotten, done_at from erasures
    where customer_id = ${customerId}`
  return row
}

async function finishAll(more: Partial<FinishOptions> = {}): Promise<number> {
  let count = 0
  while (await finishErasure({ ...options, ...more })) count += 1
  return count
}

test('it is gone on with until it is done, whatever is away meanwhile, and finds what comes late', async () => {
  await admin`delete from erasures`
  const { customerId, conversationId } = await write(somebody())
  const { tenantId, botId } = shop
  const [sending, sent] = [uuids.next(), `wamid.${crypto.randomUUID()}`]
  await admin`insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status, provider_message_id)
    values (${tenantId}, ${conversationId}, ${sending}, ${botId}, 'outbound', '{}', 'sent', ${sent})`
  await admin`insert into outbox (tenant_id, conversation_id, id, bot_id, state)
    values (${tenantId}, ${conversationId}, ${sending}, ${botId}, 'sending')`
  await erase(customerId)
  const down = { ...options.logs, removeOf: () => Promise.reject(new Error('the logs cannot be reached')) }
  expect(await finishAll({ logs: down })).toBe(1)
  expect(await rowOf(customerId)).toMatchObject({ passes: 0, is_forgotten: false, done_at: null })
  nowMs += 61_000
  expect(await finishAll()).toBe(1)
  expect(await rowOf(customerId)).toMatchObject({ passes: 1, is_forgotten: false, done_at: null })
  // What was under way: a status of what was sent, the id of a part, an answer from outside.
  await admin`insert into message_statuses (tenant_id, bot_id, provider_message_id, status, provider_at)
    values (${tenantId}, ${botId}, ${sent}, 'read', now())`
  await admin`insert into own_message_ids (tenant_id, bot_id, provider_message_id, message_id)
    values (${tenantId}, ${botId}, 'part', ${sending})`
  await admin`insert into inbox (tenant_id, conversation_id, id, kind, body)
    values (${tenantId}, ${conversationId}, ${uuids.next()}, 'result', '{}')`
  expect(await finishAll()).toBe(0)
  nowMs += settleMs
  expect(await finishAll()).toBe(1)
  expect(await rowOf(customerId)).toMatchObject({ passes: 2, is_forgotten: true, done_at: new Date(nowMs) })
  const [late] = await admin`select (select count(*) from message_statuses where provider_message_id = ${sent})
    + (select count(*) from own_message_ids where message_id = ${sending})
    + (select count(*) from inbox where conversation_id = ${conversationId}) as n`
  expect(Number(late.n)).toBe(0)
  expect(await finishAll()).toBe(0)
})

test('one that a process took and never ended is taken by another, later', async () => {
  await admin`delete from erasures`
  const { customerId } = await write(somebody())
  await erase(customerId)
  // Nothing answers any more: as where the process is gone.
  const gone = finishErasure({ ...options, logs: { ...options.logs, removeOf: () => new Promise(() => undefined) } })
  await Promise.race([gone, Bun.sleep(300)])
  expect(await finishAll()).toBe(0)
  nowMs += 10 * 60_000
  expect(await finishAll()).toBe(1)
  expect((await rowOf(customerId)).passes).toBe(1)
})
