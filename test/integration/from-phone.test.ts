import { afterAll, beforeAll, expect, test } from 'bun:test'
import { type Installation, startInstallation, until } from '../support/installation.ts'
import { emulatedSides, type Line, publicUrl } from '../support/lines.ts'

// Evolution tells of what is written on the phone as `messages.upsert`; some versions tell of what was sent through it in
// the same way. The whole program, with sends whose answers come late, or never.

let shop: Installation
let customers = 34_600_200_000

const flow = {
  name: 'Slow',
  start: 'reply',
  triggers: [{ fallback: true }],
  steps: { reply: { type: 'message', content: { type: 'text', text: 'You said: {{message.text}}' }, next: 'end' } },
}

beforeAll(async () => {
  shop = await startInstallation({
    flow,
    environment: { PUBLIC_URL: publicUrl, ALLOW_PRIVATE_URLS: 'true', SEND_TIMEOUT_SECONDS: '2' },
  })
})
afterAll(() => shop.stop())

async function open(): Promise<Line> {
  const side = emulatedSides.find(one => one.provider === 'evolution')
  if (side === undefined) throw new Error('there is no Evolution here')
  return await side.open(shop, String(customers++))
}

type Row = {
  readonly text: string
  readonly source: string | null
  readonly status: string
  readonly id: string | null
}

const outbound = async ({ botId }: Line): Promise<Row[]> => [
  ...(await shop.admin`select content->>'text' as text, source, status, provider_message_id as id from messages m
    where bot_id = ${botId} and direction = 'outbound' order by m.id`),
]
const statusOf = async ({ botId }: Line) =>
  (await shop.admin`select status from conversations where bot_id = ${botId}`)[0]?.status
const heldOf = async ({ botId }: Line) => (await shop.admin`select from held_echoes where bot_id = ${botId}`).length

/** The emulator's number of a line. */
async function numberOf({ botId }: Line): Promise<string> {
  const [bot] = await shop.admin`select config->>'instance' as instance from bots where id = ${botId}`
  return String(bot.instance).replace('shop-', '')
}

/** Tells of a message that the account has sent, as `messages.upsert` does. */
async function tell(line: Line, id: string, text: string): Promise<void> {
  const number = await numberOf(line)
  const key = { remoteJid: `${line.customer}@s.whatsapp.net`, fromMe: true, id }
  const data = { key, pushName: 'Shop', message: { conversation: text }, messageTimestamp: 1_790_812_601 }
  const body = { event: 'messages.upsert', instance: `shop-${number}`, data, sender: `${number}@s.whatsapp.net` }
  const response = await fetch(`${shop.emulator.url}/emulator/numbers/${number}/webhooks`, {
    ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
    body: JSON.stringify({ body: JSON.stringify(body) }),
  })
  expect(await response.json()).toEqual({ delivered: 1 })
}

/** What lies on the customer's phone, though nobody was told of it. */
const lastSent = async (line: Line, count: number) => (await line.shown(count)).at(-1)?.id ?? ''

test('an echo that comes before the answer to its send is nobody’s message, and the bot goes on', async () => {
  const line = await open()
  await line.addFaults([{ kind: 'slow', ms: 1_200 }])
  await line.say('hello')
  const id = await lastSent(line, 1)
  await tell(line, id, 'You said: hello')
  expect(await heldOf(line)).toBe(1)
  await until(async () => (await heldOf(line)) === 0)
  expect((await outbound(line)).map(({ text, source, id }) => [text, source, id])).toEqual([
    ['You said: hello', null, id],
  ])
  await tell(line, id, 'You said: hello')
  await line.say('again')
  await line.shown(2)
  expect([await statusOf(line), (await outbound(line)).length]).toEqual(['bot', 2])
})

test('what a person writes on the phone while the bot answers is theirs once the answer is there', async () => {
  const line = await open()
  await line.addFaults([{ kind: 'slow', ms: 1_200 }])
  await line.say('hello')
  await lastSent(line, 1)
  const id = await line.writeFromPhone('I will look into it')
  expect([await heldOf(line), await statusOf(line)]).toEqual([1, 'bot'])
  await until(async () => (await statusOf(line)) === 'agent')
  expect((await outbound(line)).map(({ text, source }) => [text, source])).toEqual([
    ['You said: hello', null],
    ['I will look into it', 'phone'],
  ])
  expect((await outbound(line)).at(-1)?.id).toBe(id)
})

test('the echo of a send whose answer never comes settles it', async () => {
  const line = await open()
  await line.addFaults([{ kind: 'hang' }])
  await line.say('hello')
  const id = await lastSent(line, 1)
  await until(async () => (await outbound(line))[0]?.status === 'unknown')
  await tell(line, id, 'You said: hello')
  await until(async () => (await outbound(line))[0]?.id === id)
  expect(await outbound(line)).toMatchObject([{ text: 'You said: hello', source: null, id }])
  expect(await statusOf(line)).toBe('bot')
})
