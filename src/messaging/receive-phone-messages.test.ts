import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import type { SQL } from 'bun'
import { createTestDatabase } from '../../test/support/postgres.ts'
import { type Shop, sealer, seedShop } from '../../test/support/seed.ts'
import type { InboundContent } from '../flow/content.ts'
import { uuids } from '../lib/ids.ts'
import { makeMetrics } from '../lib/metrics.ts'
import { connect, type Database, openDatabase } from '../stores/postgres/database.ts'
import type { PhoneMessage } from './phone-message.ts'
import { receiveMessages } from './receive-messages.ts'
import { receivePhoneMessages } from './receive-phone-messages.ts'
import { receiveStatuses } from './receive-statuses.ts'
import { recordSends, type SendRecord } from './record-sends.ts'
import { releaseEchoes } from './release-echoes.ts'
import type { Identity } from './resolve-customers.ts'

// What a provider tells of as written on the phone, beside what is being sent at that moment, which some tell of too.

let database: Database
let admin: SQL
let shop: Shop
let drop: () => Promise<void>

beforeEach(async () => {
  const created = await createTestDatabase()
  drop = created.drop
  database = openDatabase(created.connection, makeMetrics())
  admin = connect(created.connection, 2)
  shop = await seedShop(admin, { number: '1' })
})
afterEach(async () => {
  await Promise.all([admin.close(), database.close()])
  await drop()
})

const phone: Identity = { kind: 'phone', value: '+34600000001' }
const lid: Identity = { kind: 'lid', value: '200000000000001' }
const text = (words: string): InboundContent => ({ type: 'text', text: words })

function echo(providerMessageId: string, more: Partial<PhoneMessage> = {}): PhoneMessage {
  const { tenantId, botId } = shop
  return {
    ...{ tenantId, botId, providerMessageId, to: [phone], content: text('I will look into it'), at: new Date() },
    ...{ mayBeOurs: true, ...more },
  }
}
const receive = async (...messages: readonly PhoneMessage[]) =>
  (await receivePhoneMessages(database, uuids, messages, sealer)).receipts
const release = () => releaseEchoes(database, uuids, 100, sealer)

/** A customer who has written, and whose turn is over. */
async function addCustomer(...identities: readonly Identity[]): Promise<string> {
  const { tenantId, botId } = shop
  const message = { tenantId, botId, providerMessageId: uuids.next(), at: new Date(), content: text('hola') }
  const { stored } = await receiveMessages(
    database,
    uuids,
    [{ ...message, sender: { identities, name: null } }],
    sealer,
  )
  await admin`delete from inbox`
  return stored[0]?.conversationId ?? ''
}

type Row = { readonly tenant_id: string; readonly conversation_id: string; readonly id: string }

/** A message of ours that is being sent. */
async function startSend(conversationId: string, content: object = text('ours')): Promise<Row> {
  const { tenantId, botId } = shop
  const id = uuids.next()
  await admin.begin(async tx => {
    await tx`insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status)
      values (${tenantId}, ${conversationId}, ${id}, ${botId}, 'outbound', ${content}, 'queued')`
    await tx`insert into outbox (tenant_id, conversation_id, id, bot_id, state, due_at)
      values (${tenantId}, ${conversationId}, ${id}, ${botId}, 'sending', now() + interval '1 minute')`
  })
  return { tenant_id: tenantId, conversation_id: conversationId, id }
}

function record(row: Row, changes: Partial<SendRecord>): Promise<unknown> {
  const nothing = { error: null, providerMessageId: null, unreferencedAt: shop.botId, partId: null, row: null }
  return database.transaction({ role: 'worker' }, tx =>
    recordSends(tx, [{ ...row, status: 'sent', ...nothing, ...changes }]),
  )
}
const answer = (row: Row, providerMessageId: string) => record(row, { providerMessageId })
/** No answer came. */
const lose = (row: Row) =>
  record(row, {
    ...{ status: 'unknown', error: { code: 'timeout', message: 'x' } },
    row: { ...row, state: 'unknown', waitMs: 60_000, attempts: 0 },
  })

async function written() {
  return [
    ...(await admin`select content->>'text' as text, status, source, provider_message_id as id from messages m
      where direction = 'outbound' order by m.id`),
  ]
}
const mail = async () => [...(await admin`select kind, body from inbox order by id`)]
const fromPhone = { source: 'phone', status: 'sent' }

test('a message from the phone is stored once, as one that went out, and its writer has the conversation', async () => {
  const conversationId = await addCustomer(phone)
  await admin`update conversations set last_message_at = now() - interval '1 hour'`
  const receipts = await Promise.all(Array.from({ length: 20 }, () => receive(echo('P1'))))
  expect(receipts.flat().filter(receipt => receipt === 'stored')).toHaveLength(1)
  expect(await written()).toEqual([{ ...fromPhone, text: 'I will look into it', id: 'P1' }])
  const [message] = await admin`select id, conversation_id, direction from messages where source = 'phone'`
  expect(message).toMatchObject({ conversation_id: conversationId, direction: 'outbound' })
  expect(await mail()).toEqual([
    { kind: 'agent_message', body: { message_id: message.id, agent_id: null, source: 'phone', takes_over: true } },
  ])
  const [conversation] = await admin`select last_message_at > now() - interval '1 minute' as is_active,
    window_expires_at from conversations`
  // Nobody but the customer opens the window.
  expect(conversation).toEqual({ is_active: true, window_expires_at: null })
})

test('whoever the business writes to first has a conversation, which the bot does not begin', async () => {
  expect(await receive(echo('P1', { to: [phone, lid] }))).toEqual(['stored'])
  const identities = await admin`select kind, value from customer_identities order by kind`
  expect([...identities]).toEqual([lid, phone])
  expect((await mail()).length).toBe(1)
})

test('a reaction from the phone is shown, and takes nothing over', async () => {
  await addCustomer(phone)
  const content: InboundContent = { type: 'reaction', message_id: 'wamid.1', emoji: '👍' }
  expect(await receive(echo('P1', { content }))).toEqual(['stored'])
  expect(await mail()).toEqual([])
})

test('statuses of it climb, also those that came before it', async () => {
  await addCustomer(phone)
  const { tenantId, botId } = shop
  const status = (name: 'delivered' | 'read', id: string) => ({
    ...{ tenantId, botId, providerMessageId: id, status: name, error: null, at: new Date(), reference: null },
  })
  await receiveStatuses(database, [status('delivered', 'P1')])
  const { stored } = await receivePhoneMessages(database, uuids, [echo('P1'), echo('P2')], sealer)
  expect(stored.map(one => one.status)).toEqual(['delivered', 'sent'])
  const { changes } = await receiveStatuses(database, [status('read', 'P1'), status('delivered', 'P2')])
  expect(changes.map(change => change.status)).toEqual(['read', 'delivered'])
  expect((await written()).map(one => one.status)).toEqual(['read', 'delivered'])
})

describe('an echo of what this program sends is nobody’s message', () => {
  test('where the answer to the send was there before it', async () => {
    const send = await startSend(await addCustomer(phone))
    await answer(send, 'OURS')
    expect(await receive(echo('OURS'))).toEqual(['duplicate'])
    expect(await written()).toEqual([{ source: null, status: 'sent', text: 'ours', id: 'OURS' }])
    expect(await mail()).toEqual([])
  })

  test('where it comes before the answer', async () => {
    const send = await startSend(await addCustomer(phone))
    expect(await receive(echo('OURS'))).toEqual(['held'])
    expect(await receive(echo('OURS'))).toEqual(['duplicate'])
    // As long as the answer is not there, nothing is decided.
    expect((await release()).count).toBe(0)
    await answer(send, 'OURS')
    expect((await release()).written.stored).toEqual([])
    expect(await receive(echo('OURS'))).toEqual(['duplicate'])
    expect(await written()).toEqual([{ source: null, status: 'sent', text: 'ours', id: 'OURS' }])
    expect([await mail(), (await admin`select from held_echoes`).length]).toEqual([[], 0])
  })

  test('at whatever moment both come', async () => {
    const conversationId = await addCustomer(phone)
    for (let round = 0; round < 40; round++) {
      const send = await startSend(conversationId)
      const id = `OURS${round}`
      await Promise.all([
        Bun.sleep(Math.random() * 2).then(() => answer(send, id)),
        Bun.sleep(Math.random() * 2).then(() => receive(echo(id))),
        Bun.sleep(Math.random() * 3).then(release),
      ])
      await release()
    }
    expect((await written()).filter(one => one.source === 'phone')).toEqual([])
    expect(await mail()).toEqual([])
  })

  test('where it is a part of a longer one, or a try that was repeated', async () => {
    const send = await startSend(await addCustomer(phone))
    const row = { ...send, state: 'queued' as const, waitMs: 0, attempts: 0, partsSent: 1 }
    await record(send, { status: 'queued', partId: 'PART', row })
    expect(await receive(echo('PART'))).toEqual(['duplicate'])
    await answer(send, 'LAST')
    expect(await receive(echo('LAST'))).toEqual(['duplicate'])
  })
})

describe('what a person writes on the phone while something of ours is being sent', () => {
  test('is held until the answer says that it is another one', async () => {
    const send = await startSend(await addCustomer(phone))
    expect(await receive(echo('PHONE'))).toEqual(['held'])
    expect((await written()).length).toBe(1)
    await answer(send, 'OURS')
    const { written: done } = await release()
    expect(done.stored.map(one => one.message.providerMessageId)).toEqual(['PHONE'])
    expect((await written()).map(one => [one.id, one.source])).toEqual([
      ['OURS', null],
      ['PHONE', 'phone'],
    ])
    expect((await mail()).map(one => one.body.takes_over)).toEqual([true])
    expect(await receive(echo('PHONE'))).toEqual(['duplicate'])
  })

  test('is not held where the send was refused, or is to somebody else', async () => {
    const [ana, luis] = [await addCustomer(phone), await addCustomer({ kind: 'phone', value: '+34600000002' })]
    await startSend(luis)
    const refused = await startSend(ana)
    const row = { ...refused, state: 'queued' as const, waitMs: 0, attempts: 1 }
    await record(refused, { status: 'queued', row })
    expect(await receive(echo('PHONE'))).toEqual(['stored'])
  })

  test('is held where the customer may be the same, though they go by another name', async () => {
    await startSend(await addCustomer(phone))
    // The bot knows no linked identity of whom it is writing to.
    expect(await receive(echo('A', { to: [lid] }))).toEqual(['held'])
    await addCustomer(phone, { kind: 'lid', value: '200000000000009' })
    expect(await receive(echo('B', { to: [lid] }))).toEqual(['stored'])
  })

  test('is not held where the provider tells of nothing else', async () => {
    await startSend(await addCustomer(phone))
    expect(await receive(echo('PHONE', { mayBeOurs: false }))).toEqual(['stored'])
  })
})

describe('beside a send of which no answer came', () => {
  test('the same text is that send, which is settled by it', async () => {
    const send = await startSend(await addCustomer(phone))
    await lose(send)
    expect(await receive(echo('X', { content: text(' ours\n') }))).toEqual(['held'])
    const { settled, written: done } = await release()
    expect([settled.changes.map(change => change.status), done.stored]).toEqual([['sent'], []])
    expect(await written()).toEqual([{ source: null, status: 'sent', text: 'ours', id: 'X' }])
    expect([await mail(), (await admin`select from outbox`).length]).toEqual([[], 0])
  })

  test('also where the send was given up long before', async () => {
    const send = await startSend(await addCustomer(phone))
    await record(send, { status: 'unknown', error: { code: 'never_confirmed', message: 'x' } })
    const receipts = await receive(echo('X', { content: text('ours') }), echo('Y', { content: text('ours') }))
    expect(receipts).toEqual(['held', 'held'])
    await release()
    // There was one send: of two that say the same, the other one is a person's.
    expect((await written()).map(one => [one.id, one.source, one.status])).toEqual([
      ['X', null, 'sent'],
      ['Y', 'phone', 'sent'],
    ])
    expect((await mail()).length).toBe(1)
  })

  test('another text is a person’s', async () => {
    const send = await startSend(await addCustomer(phone))
    await lose(send)
    await receive(echo('X', { content: text('not ours') }))
    await release()
    expect((await written()).map(one => one.source)).toEqual([null, 'phone'])
    expect((await mail()).length).toBe(1)
  })

  test('what cannot be told apart is shown, and takes nothing over', async () => {
    const send = await startSend(await addCustomer(phone), { type: 'image', url: 'https://example.com/a.png' })
    await lose(send)
    await receive(echo('X', { content: { type: 'image', media_id: 'm', mime_type: 'image/png' } }))
    await release()
    expect((await written()).map(one => one.source)).toEqual([null, 'phone'])
    expect(await mail()).toEqual([])
  })
})
