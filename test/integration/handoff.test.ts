import { afterAll, beforeAll, expect, test } from 'bun:test'
import { addApiKey, addToken, jwtSecret } from '../support/callers.ts'
import { type Installation, startInstallation, until } from '../support/installation.ts'

// A conversation goes from the bot to a person and back, over the API and the customer's phone.

const flow = {
  name: 'Shop',
  start: 'size',
  triggers: [{ keywords: ['hola'] }],
  steps: {
    size: {
      ...{ type: 'question', content: { type: 'text', text: 'Which size?' }, variable: 'size' },
      ...{ answer: { type: 'integer', min: 1, max: 9 }, retry: { text: 'From 1 to 9', limit: 1, next: 'person' } },
      next: 'colour',
    },
    colour: { type: 'question', content: { type: 'text', text: 'Which colour?' }, variable: 'colour', next: 'done' },
    done: { type: 'message', content: { type: 'text', text: 'One in {{colour}}.' }, next: 'end' },
    person: { type: 'handoff', note: 'does not say a size', next: 'done' },
  },
}

let shop: Installation
let customers = 34_600_300_000

beforeAll(async () => {
  shop = await startInstallation({
    flow,
    environment: { JWT_SECRET: jwtSecret, RATE_LIMIT_API_PER_MINUTE: '1000000' },
  })
})
afterAll(() => shop.stop())

/** A conversation that has just begun, and a person at the API. */
async function open() {
  const phone = String(customers++)
  const token = await addToken(shop.app.database, shop.shop.tenantId, 'agent')
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
  await shop.say(phone, 'hola')
  await shop.replies(phone, 1)
  const [row] = await shop.admin`select c.id from conversations c join customers k on k.id = c.customer_id
    where k.phone = ${`+${phone}`}`
  const path = `${shop.app.urls.gateway}/api/conversations/${row.id}`
  const post = async (command: string, body: object = {}) => {
    const response = await fetch(`${path}/${command}`, { method: 'POST', headers, body: JSON.stringify(body) })
    return { status: response.status, body: await response.json() }
  }
  const read = async () => await (await fetch(path, { headers })).json()
  return {
    ...{ phone, post, read, id: row.id },
    events: async () => (await (await fetch(`${path}/events?limit=100`, { headers })).json()).data,
    texts: async (count: number) => (await shop.replies(phone, count)).map(reply => reply.content.text),
    status: (status: string) => until(async () => (await read()).status === status),
  }
}

test('who writes with take_over has the conversation; the bot is silent until it is given back, at a chosen step', async () => {
  const talk = await open()
  const content = { type: 'text', text: 'I am Ana, let me see' }
  expect((await talk.post('messages', { content, take_over: true })).status).toBe(202)
  await talk.status('agent')
  await shop.say(talk.phone, '7')
  await shop.settled()
  expect(await talk.texts(2)).toEqual(['Which size?', 'I am Ana, let me see'])
  expect((await talk.post('resume', { step: 'colours' })).status).toBe(422)
  expect((await talk.post('resume', { step: 'colour' })).status).toBe(202)
  expect((await talk.texts(3)).at(-1)).toBe('Which colour?')
  await shop.say(talk.phone, 'blue')
  expect((await talk.texts(4)).at(-1)).toBe('One in blue.')
  const replied = (await talk.events()).filter((event: { type: string }) => event.type === 'agent.replied')
  expect(replied).toMatchObject([{ data: { source: 'api' } }])
})

test('a conversation that waits is had by whoever answers first, and says since when it waits', async () => {
  const talk = await open()
  for (const words of ['big', 'huge']) await shop.say(talk.phone, words)
  await talk.status('waiting')
  expect(Date.parse((await talk.read()).waiting_since)).toBeGreaterThan(Date.now() - 60_000)
  expect((await talk.post('messages', { content: { type: 'text', text: 'Tell me' } })).status).toBe(202)
  await talk.status('agent')
  expect((await talk.read()).waiting_since).toBeNull()
})

test('a program may write in between, and the bot goes on as it was', async () => {
  const talk = await open()
  const key = await addApiKey(shop.app.database, shop.shop.tenantId, ['conversations:write'])
  const response = await fetch(`${shop.app.urls.gateway}/api/conversations/${talk.id}/messages`, {
    ...{ method: 'POST', headers: { 'content-type': 'application/json', 'x-api-key': key } },
    body: JSON.stringify({ content: { type: 'text', text: 'Your parcel is on its way' } }),
  })
  expect(response.status).toBe(202)
  await shop.say(talk.phone, '4')
  expect(await talk.texts(3)).toEqual(['Which size?', 'Your parcel is on its way', 'Which colour?'])
  expect((await talk.read()).status).toBe('bot')
})
