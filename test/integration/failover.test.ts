import { afterEach, expect, test } from 'bun:test'
import { makeSealer } from '../../src/lib/crypto.ts'
import { uuids } from '../../src/lib/ids.ts'
import { createBot, updateBot } from '../../src/messaging/bots.ts'
import { reachCustomer } from '../../src/messaging/send.ts'
import type { Transaction } from '../../src/stores/postgres/database.ts'
import { type Installation, phoneOf, registerNumber, startInstallation, until } from '../support/installation.ts'
import { encryptionKey } from '../support/seed.ts'

// A bot that names a second one: what happens when the first cannot send.

let shop: Installation
afterEach(() => shop.stop())

const sealer = makeSealer(encryptionKey)
const customer = '34600000001'

const askTwice = {
  name: 'Ask',
  start: 'one',
  triggers: [{ fallback: true }],
  steps: {
    one: {
      type: 'question',
      content: { type: 'text', text: 'First?' },
      variable: 'a',
      answer: { type: 'text' },
      next: 'two',
    },
    two: {
      type: 'question',
      content: { type: 'text', text: 'Second?' },
      variable: 'b',
      answer: { type: 'text' },
      next: 'end_',
    },
    end_: { type: 'message', content: { type: 'text', text: 'You said {{a}} and {{b}}.' }, next: 'end' },
  },
}

function change<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
  return shop.app.database.transaction({ role: 'app', tenantId: shop.shop.tenantId }, work)
}

async function give(changes: Parameters<typeof updateBot>[4]): Promise<void> {
  const written = await change(tx => updateBot(tx, sealer, shop.shop.tenantId, shop.shop.botId, changes))
  if (written.kind !== 'written') throw new Error(`the bot was not changed: ${written.kind}`)
}

/** A second number of the same shop, which stands in for the first. Customers have written to it before. */
async function startWithTwo(environment: Readonly<Record<string, string>> = {}) {
  shop = await startInstallation({ flow: askTwice, environment })
  const { tenantId, number } = shop.shop
  const config = { ...number, phone_number_id: '200000000000020' }
  const made = await change(tx =>
    createBot(tx, uuids, sealer, tenantId, { name: 'Second', provider: 'meta', config, flow_id: null }),
  )
  if (made.kind !== 'written') throw new Error('the second bot was refused')
  const botId = made.bot.id
  const second = { ...shop.shop, botId, number: config }
  await registerNumber(shop.emulator.url, second, `${shop.app.urls.adapter}/webhooks/meta/${botId}`)
  await until(
    async () => (await shop.admin`select 1 from bots where id = ${botId} and status = 'connected'`).length === 1,
  )
  await give({ fallback_bot_id: botId })
  return { botId, ...phoneOf(shop.emulator.url, second) }
}

const statusOf = async () => (await shop.admin`select status from bots where id = ${shop.shop.botId}`)[0].status

async function conversations(): Promise<unknown[]> {
  return await shop.admin`select bot_id, via_bot_id from conversations order by id`
}

test('a bot whose account is refused is stood in for, and what is written to the second one goes on there', async () => {
  const second = await startWithTwo()
  await second.say(customer, 'I know this number too')
  await shop.say(customer, 'hello')
  expect((await shop.replies(customer, 1)).map(one => one.content.text)).toEqual(['First?'])
  await give({ config: { access_token: 'revoked' } })
  await until(async () => (await statusOf()) === 'error')
  await shop.say(customer, 'blue')
  expect((await second.replies(customer, 1)).map(one => one.content.text)).toEqual(['Second?'])
  expect(await conversations()).toContainEqual({ bot_id: shop.shop.botId, via_bot_id: second.botId })
  await second.say(customer, 'green')
  expect((await second.replies(customer, 2)).map(one => one.content.text)).toEqual([
    'Second?',
    'You said blue and green.',
  ])
  await until(async () => {
    const rows = await shop.admin`select status from messages where bot_id = ${second.botId} and direction = 'outbound'`
    return rows.length === 2 && rows.every((row: { status: string }) => row.status === 'delivered')
  })
}, 60_000)

test('once the first bot can again, and the customer writes to it, it answers itself', async () => {
  const second = await startWithTwo()
  await second.say(customer, 'I know this number too')
  await give({ config: { access_token: 'revoked' } })
  await until(async () => (await statusOf()) === 'error')
  await shop.say(customer, 'hello')
  expect((await second.replies(customer, 1)).map(one => one.content.text)).toEqual(['First?'])
  await give({ config: { access_token: shop.shop.number.access_token } })
  await until(async () => (await statusOf()) === 'connected')
  await second.say(customer, 'still here')
  expect((await second.replies(customer, 2)).at(-1)?.content.text).toBe('Second?')
  await shop.say(customer, 'back')
  expect((await shop.replies(customer, 1)).map(one => one.content.text)).toEqual(['You said still here and back.'])
  expect(await conversations()).toContainEqual({ bot_id: shop.shop.botId, via_bot_id: null })
}, 60_000)

test('while its provider takes nothing, what a bot has to send goes by the second one after some tries', async () => {
  const second = await startWithTwo()
  const customers = [1, 2, 3, 4, 5, 6].map(index => `3460000001${index}`)
  for (const one of customers) await second.say(one, 'I know this number too')
  await shop.setFaults([{ kind: '500', count: 1_000, number: shop.shop.number.phone_number_id }])
  for (const one of customers) await shop.say(one, 'hello')
  for (const one of customers)
    expect((await second.replies(one, 1)).map(reply => reply.content.text)).toEqual(['First?'])
  const refused = (await shop.sends()).filter(one => one.status === 500)
  expect(refused.length).toBeLessThanOrEqual(customers.length)
  const metrics = await (await fetch(`${shop.app.urls.adapter}/metrics`)).text()
  expect(metrics).toContain('whatsapp_circuits_opened_total{provider="meta"} 1')
  // The customers are the first bot's still: nothing was lost, and nobody was asked twice.
  expect(await shop.admin`select count(*)::int as count from messages where direction = 'outbound'`).toEqual([
    { count: customers.length },
  ])
}, 60_000)

test('the second one is not used where it may not write to the customer', async () => {
  const second = await startWithTwo()
  await give({ config: { access_token: 'revoked' } })
  await until(async () => (await statusOf()) === 'error')
  // This customer has never written to the second number: its 24-hour window is closed.
  await shop.say(customer, 'hello')
  await until(async () => (await shop.admin`select 1 from messages where direction = 'outbound'`).length === 1)
  await until(
    async () => (await shop.admin`select 1 from outbox where due_at > now() + interval '10 seconds'`).length === 1,
  )
  expect(await second.sends()).toEqual([])
  const identity = { kind: 'phone', value: `+${customer}` } as const
  const { tenantId, botId } = shop.shop
  const { conversationId } = await change(tx => reachCustomer(tx, uuids, { tenantId, botId, identity }, sealer))
  expect(await shop.admin`select via_bot_id from conversations where id = ${conversationId}`).toEqual([
    { via_bot_id: null },
  ])
}, 60_000)
