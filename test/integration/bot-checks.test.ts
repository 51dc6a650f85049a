import { afterEach, expect, test } from 'bun:test'
import { makeSealer } from '../../src/lib/crypto.ts'
import { uuids } from '../../src/lib/ids.ts'
import { connectBot, disconnectBot } from '../../src/messaging/bot-status.ts'
import { createBot, findBot, updateBot } from '../../src/messaging/bots.ts'
import type { Transaction } from '../../src/stores/postgres/database.ts'
import { type Installation, registerNumber, startInstallation, until } from '../support/installation.ts'
import { echoFlow, encryptionKey } from '../support/seed.ts'

// The adapter asks the provider whether bots may send. Nothing here tells it over the bus: what is only told cannot be
// relied on. The hints are tested where they are given.

let shop: Installation
afterEach(() => shop.stop())

const sealer = makeSealer(encryptionKey)

function change<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
  const { tenantId } = shop.shop
  return shop.app.database.transaction({ role: 'app', tenantId }, work)
}

async function bot(id = shop.shop.botId) {
  const found = await change(tx => findBot(tx, shop.shop.tenantId, id))
  return { status: found?.status, reason: found?.status_reason }
}

const give = (config: Readonly<Record<string, string>>) =>
  change(tx => updateBot(tx, sealer, shop.shop.tenantId, shop.shop.botId, { config }))

async function statusesOfReplies(): Promise<string[]> {
  const rows = await shop.admin`select status from messages where direction = 'outbound' order by id`
  return rows.map((row: { status: string }) => row.status)
}

test('a new bot whose token and number are good is connected; a wrong number is named as such', async () => {
  shop = await startInstallation({ flow: echoFlow })
  const { tenantId, number } = shop.shop
  await registerNumber(
    shop.emulator.url,
    { ...shop.shop, number: { ...number, phone_number_id: '2' } },
    shop.webhookUrl,
  )
  const add = (phone_number_id: string) =>
    change(tx => {
      const fields = { name: 'New', provider: 'meta', config: { ...number, phone_number_id }, flow_id: null } as const
      return createBot(tx, uuids, sealer, tenantId, fields)
    })
  const [good, wrong] = [await add('2'), await add('3')]
  if (good.kind !== 'written' || wrong.kind !== 'written') throw new Error('a bot was refused')
  expect([good.bot.status, wrong.bot.status]).toEqual(['connecting', 'connecting'])
  await until(async () => (await bot(good.bot.id)).status === 'connected')
  await until(async () => (await bot(wrong.bot.id)).status === 'error')
  expect((await bot(wrong.bot.id)).reason).toStartWith('The access token reaches no number of this phone_number_id.')
}, 40_000)

test('what a bot with a wrong token has to send is held with the reason, and goes once the token is right', async () => {
  shop = await startInstallation({ flow: echoFlow })
  await give({ access_token: 'wrong' })
  await shop.say('34600000001', 'hello')
  await until(async () => (await bot()).status === 'error')
  expect((await bot()).reason).toStartWith('Meta refuses the access token')
  expect(await statusesOfReplies()).toEqual(['queued'])
  expect(await shop.sends()).toEqual([])
  await give({ access_token: shop.shop.number.access_token })
  expect((await shop.replies('34600000001', 1)).length).toBe(1)
  expect(await bot()).toEqual({ status: 'connected', reason: null })
}, 40_000)

test('a bot that is disconnected takes messages and sends none, until it is connected', async () => {
  shop = await startInstallation({ flow: echoFlow })
  await change(tx => disconnectBot(tx, shop.shop.tenantId, shop.shop.botId))
  await shop.say('34600000001', 'hello')
  await until(async () => (await statusesOfReplies()).length === 1)
  // A verified webhook is a reason to check a bot that cannot send, but not one that is not to.
  await registerNumber(shop.emulator.url, shop.shop, shop.webhookUrl)
  await until(async () => {
    const [row] = await shop.admin`select due_at > now() + interval '10 seconds' as held from outbox`
    return row?.held === true
  })
  expect((await bot()).status).toBe('disconnected')
  expect(await shop.sends()).toEqual([])
  await change(tx => connectBot(tx, shop.shop.tenantId, shop.shop.botId))
  expect((await shop.replies('34600000001', 1)).map(reply => reply.content.text)).toEqual(['You said: hello'])
  expect(await bot()).toEqual({ status: 'connected', reason: null })
}, 40_000)

test('while the provider cannot be asked a bot goes on connecting, says why, and is connected when it can', async () => {
  const closed = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response(null, { status: 503 }) })
  const port = closed.port ?? 0
  shop = await startInstallation({ flow: echoFlow, environment: { META_BASE_URL: `http://127.0.0.1:${port}/v25.0` } })
  await give({ access_token: shop.shop.number.access_token })
  await until(async () => (await bot()).reason !== null)
  expect(await bot()).toEqual({
    status: 'connecting',
    reason: "Meta's answer cannot be read (HTTP 503). It is asked again.",
  })
  await closed.stop(true)
  const way = Bun.serve({
    port,
    hostname: '127.0.0.1',
    fetch: request => fetch(request.url.replace(`127.0.0.1:${port}`, new URL(shop.emulator.url).host), request),
  })
  try {
    await until(async () => (await bot()).status === 'connected')
  } finally {
    await way.stop(true)
  }
}, 40_000)

test('a bot whose secrets cannot be opened says so, and holds up no other', async () => {
  shop = await startInstallation({ flow: echoFlow })
  const broken = await change(tx =>
    createBot(tx, uuids, makeSealer('another-encryption-key-of-32-bytes!!'), shop.shop.tenantId, {
      ...{ name: 'Broken', provider: 'meta', config: { ...shop.shop.number, phone_number_id: '2' }, flow_id: null },
    }),
  )
  if (broken.kind !== 'written') throw new Error('the bot was refused')
  await give({ access_token: shop.shop.number.access_token })
  await until(async () => (await bot()).status === 'connected')
  await until(async () => (await bot(broken.bot.id)).reason !== null)
  expect(await bot(broken.bot.id)).toEqual({
    ...{ status: 'connecting', reason: 'The secrets of the bot cannot be opened: enter them again.' },
  })
}, 40_000)
