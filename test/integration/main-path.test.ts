import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHmac } from 'node:crypto'
import { foldEvents } from '../../src/flow/state.ts'
import { stateOf, unfoldedEvents } from '../../src/messaging/conversation-states.ts'
import { type Installation, startInstallation, until } from '../support/installation.ts'
import { echoFlow } from '../support/seed.ts'

let shop: Installation

beforeAll(async () => {
  shop = await startInstallation()
})
afterAll(() => shop.stop())

async function count(table: string, where = 'true'): Promise<number> {
  const [row] = await shop.admin.unsafe(`select count(*) as n from ${table} where ${where}`)
  return Number(row.n)
}

/** A webhook of our own making, signed with the bot's secret. */
function webhook(values: readonly (readonly object[])[], secret = shop.shop.number.app_secret) {
  const entry = values.map((changes, index) => ({
    id: String(index),
    changes: changes.map(value => ({
      field: 'messages',
      value: { metadata: { phone_number_id: '100000000000010' }, ...value },
    })),
  }))
  const body = JSON.stringify({ object: 'whatsapp_business_account', entry })
  return { body, signature: `sha256=${createHmac('sha256', secret).update(body).digest('hex')}` }
}

async function post(
  body: string | Uint8Array<ArrayBuffer>,
  signature: string,
  url = shop.webhookUrl,
): Promise<Response> {
  return await fetch(url, { method: 'POST', body, headers: { 'x-hub-signature-256': signature } })
}

function textOf(id: string, from: string, text: string) {
  return { id, from, timestamp: String(Math.floor(Date.now() / 1000)), type: 'text', text: { body: text } }
}

test('from "hola" to an order: the conversation that the shop exists for', async () => {
  const customer = '34600000001'
  await shop.say(customer, { type: 'text', text: 'hola', profile_name: 'Ana' })
  const [welcome, menu] = await shop.replies(customer, 2)
  expect(welcome?.content.text).toBe('¡Hola, Ana! Esto es Café Aurora ☕')
  expect(menu?.content.type).toBe('list')
  await shop.say(customer, { type: 'choice', of: 'list', id: shop.shop.productIds[0], title: 'Café con leche' })
  await shop.replies(customer, 3)
  await shop.say(customer, 'muchos')
  expect((await shop.replies(customer, 4))[3]?.content.text).toBe('Escribe un número del 1 al 20, por favor.')
  await shop.say(customer, '3')
  expect((await shop.replies(customer, 5))[4]?.content).toMatchObject({ type: 'buttons' })
  await shop.say(customer, { type: 'choice', id: 'yes', title: 'Sí, confirmar' })
  const thanks = (await shop.replies(customer, 6))[5]
  expect(thanks?.content.text).toBe(
    '¡Gracias! Tu pedido n.º 1 está en marcha: 7,50 EUR. Te avisamos cuando esté listo.',
  )
  const orders =
    await shop.admin`select o.number, o.total_minor, i.quantity, i.name from orders o join order_items i on i.order_id = o.id`
  expect(orders[0]).toMatchObject({ number: '1', total_minor: '750', quantity: 3, name: 'Café con leche' })
  const [product] = await shop.admin`select stock from products where id = ${shop.shop.productIds[0] ?? ''}`
  expect(product.stock).toBe(997)
  await shop.settled()
  // The emulator tells of each message that it was delivered, with the reference that the send gave it.
  await until(async () => {
    const statuses = await shop.admin`select distinct status from messages where direction = 'outbound'`
    return statuses.length === 1 && statuses[0].status === 'delivered'
  })
})

test('50 copies of one signed webhook in parallel: one message, one turn, one reply', async () => {
  const customer = '34600000002'
  const { body, signature } = webhook([[{ messages: [textOf('wamid.copies', customer, 'hola')] }]])
  const before = await count('messages', "direction = 'inbound'")
  const answers = await Promise.all(Array.from({ length: 50 }, () => post(body, signature)))
  expect(answers.map(answer => answer.status)).toEqual(Array(50).fill(200))
  expect(await count('messages', "direction = 'inbound'")).toBe(before + 1)
  expect((await shop.replies(customer, 2)).length).toBe(2)
  await shop.settled()
  await post(body, signature)
  await Bun.sleep(200)
  expect((await shop.replies(customer, 2)).length).toBe(2)
  const [events] = await shop.admin`select count(*) filter (where e.type = 'message.received') as received,
      count(*) filter (where e.type = 'flow.started') as started
    from conversation_events e join conversations c on c.id = e.conversation_id
    join customers k on k.id = c.customer_id where k.phone = ${`+${customer}`}`
  expect(events).toEqual({ received: '1', started: '1' })
})

test('one flipped byte of the body, or none of the signature: 401, and nothing is stored', async () => {
  const { body, signature } = webhook([[{ messages: [textOf('wamid.flipped', '34600000003', 'hola')] }]])
  const before = await count('messages')
  const bytes = new TextEncoder().encode(body)
  for (const at of [0, Math.floor(bytes.length / 2), bytes.length - 1]) {
    const flipped = Uint8Array.from(bytes)
    flipped[at] = (flipped[at] ?? 0) ^ 1
    expect((await post(flipped, signature)).status).toBe(401)
  }
  const unsigned = await fetch(shop.webhookUrl, { method: 'POST', body })
  expect(unsigned.status).toBe(401)
  expect(unsigned.headers.get('content-type')).toBe('application/problem+json')
  expect(await unsigned.json()).toMatchObject({ type: '/problems/wrong_signature', status: 401 })
  expect((await post(body, webhook([[{}]], 'another secret').signature)).status).toBe(401)
  expect(await count('messages')).toBe(before)
  expect(await count('customers', "phone = '+34600000003'")).toBe(0)
})

test('a batch of 2 entries × 2 changes × 3 messages and 2 statuses gives 12 messages and 8 statuses, in order', async () => {
  const customer = '34600000004'
  const ids = Array.from({ length: 12 }, (_, index) => `wamid.batch.${String(index).padStart(2, '0')}`)
  const change = (index: number) => ({
    messages: ids.slice(index * 3, index * 3 + 3).map(id => textOf(id, customer, id)),
    statuses: ['sent', 'delivered'].map(status => ({
      id: `wamid.status.${index}`,
      status,
      timestamp: String(Math.floor(Date.now() / 1000)),
      recipient_id: customer,
    })),
  })
  const { body, signature } = webhook([
    [change(0), change(1)],
    [change(2), change(3)],
  ])
  expect((await post(body, signature)).status).toBe(200)
  const stored = await shop.admin`select provider_message_id from messages
    where provider_message_id like 'wamid.batch.%' order by id`
  expect(stored.map((row: { provider_message_id: string }) => row.provider_message_id)).toEqual(ids)
  expect(await count('message_statuses', "provider_message_id like 'wamid.status.%'")).toBe(8)
  await shop.settled()
  const received = await shop.admin`select m.provider_message_id from conversation_events e
    join messages m on m.conversation_id = e.conversation_id and m.id = (e.data ->> 'message_id')::uuid
    where e.type = 'message.received' and m.provider_message_id like 'wamid.batch.%' order by e.seq`
  expect(received.map((row: { provider_message_id: string }) => row.provider_message_id)).toEqual(ids)
})

test('only a business-scoped user id: a customer without a phone, and the reply goes to "recipient"', async () => {
  await shop.say('34600000005', {
    type: 'text',
    text: 'hola',
    bsuid: 'ES.99887766',
    hide_phone: true,
    profile_name: 'Eva',
  })
  const [first] = await shop.replies('34600000005', 2)
  expect(first?.content.text).toContain('Eva')
  const [customer] = await shop.admin`select k.phone, i.kind, i.value from customers k
    join customer_identities i on i.customer_id = k.id where k.name = 'Eva'`
  expect(customer).toEqual({ phone: null, kind: 'bsuid', value: 'ES.99887766' })
  const sends = (await shop.sends()).filter(send => send.body.recipient !== undefined)
  expect(sends.length).toBeGreaterThan(0)
  for (const send of sends) {
    expect(send.body.recipient).toBe('ES.99887766')
    expect(send.body).not.toHaveProperty('to')
  }
})

test('two customers who turn out to be one are merged, and their later messages go to one conversation', async () => {
  const [phone, bsuid] = ['34600000006', 'ES.60606']
  const timestamp = String(Math.floor(Date.now() / 1000))
  const say = async (id: string, who: object) => {
    const { body, signature } = webhook([
      [{ messages: [{ id, timestamp, type: 'text', text: { body: 'hola' }, ...who }] }],
    ])
    expect((await post(body, signature)).status).toBe(200)
    await shop.settled()
  }
  await say('wamid.m1', { from: phone })
  await say('wamid.m2', { from_user_id: bsuid })
  const before = await count('customers')
  await say('wamid.m3', { from: phone, from_user_id: bsuid })
  expect(await count('customers')).toBe(before - 1)
  const identities =
    await shop.admin`select distinct customer_id from customer_identities where value in (${`+${phone}`}, ${bsuid})`
  expect(identities.length).toBe(1)
  const open =
    await shop.admin`select id from conversations where customer_id = ${identities[0].customer_id} and status <> 'closed'`
  expect(open.length).toBe(1)
  expect(await count('conversations', `customer_id = '${identities[0].customer_id}'`)).toBe(2)
})

test('the state of every conversation is the fold of its events', async () => {
  await shop.settled()
  const conversations = await shop.admin.unsafe(
    `select id, state, ${unfoldedEvents('c')} as unfolded_events from conversations c`,
  )
  expect(conversations.length).toBeGreaterThan(4)
  for (const { id, ...stored } of conversations) {
    const events =
      await shop.admin`select type, data from conversation_events where conversation_id = ${id} order by seq`
    expect(foldEvents(events)).toEqual(stateOf(stored))
  }
})

describe('bad input is refused with its problem, and stores nothing', () => {
  const cases: [string, () => Promise<Response>, number, string][] = [
    ['a body that is not JSON', () => signedPost('not json'), 400, 'not_json'],
    ['bytes that are no text', () => signedPost(Uint8Array.of(0xff, 0xfe, 0x00)), 400, 'not_json'],
    ['a body that is too large', () => signedPost(`"${'x'.repeat(3 * 1024 * 1024)}"`), 413, 'too_large'],
    ['an unknown bot', () => signedPost('{}', '/webhooks/meta/01900000-0000-7000-8000-000000000000'), 404, 'not_found'],
    ['an address that is no bot at all', () => signedPost('{}', '/webhooks/meta/me'), 404, 'not_found'],
    ['a bot of another provider', () => signedPost('{}', `/webhooks/twilio/${shop.shop.botId}`), 404, 'not_found'],
    ['a provider that nobody knows', () => signedPost('{}', `/webhooks/icq/${shop.shop.botId}`), 404, 'not_found'],
    ['another method', () => fetch(shop.webhookUrl, { method: 'PUT', body: '{}' }), 405, 'method_not_allowed'],
  ]

  async function signedPost(body: string | Uint8Array<ArrayBuffer>, path?: string): Promise<Response> {
    const signature = createHmac('sha256', shop.shop.number.app_secret).update(body).digest('hex')
    const url = path === undefined ? shop.webhookUrl : `${shop.app.urls.adapter}${path}`
    return await post(body, `sha256=${signature}`, url)
  }

  for (const [name, ask, status, code] of cases)
    test(name, async () => {
      const before = await count('messages')
      const response = await ask()
      expect(response.status).toBe(status)
      expect(response.headers.get('content-type')).toBe('application/problem+json')
      expect(await response.json()).toMatchObject({ type: `/problems/${code}`, status })
      expect(await count('messages')).toBe(before)
    })

  test('a signed body that holds nothing we know is taken, and stores nothing', async () => {
    const before = await count('messages')
    expect((await signedPost('{"object":"page"}')).status).toBe(200)
    expect(await count('messages')).toBe(before)
  })

  test("the handshake with a token that is not the bot's", async () => {
    const url = `${shop.webhookUrl}?hub.mode=subscribe&hub.challenge=1&hub.verify_token=guess`
    expect((await fetch(url)).status).toBe(403)
  })
})

test('texts that PostgreSQL cannot hold are stored all the same', async () => {
  const customer = '34600000007'
  const nasty = 'nul \u0000, half a pair \ud83d, and {{customer.name}} {"a": "\\"}'
  const { body, signature } = webhook([[{ messages: [textOf('wamid.nasty', customer, nasty)] }]])
  expect((await post(body, signature)).status).toBe(200)
  const [stored] = await shop.admin`select content from messages where provider_message_id = 'wamid.nasty'`
  expect(stored.content.text).toBe('nul \ufffd, half a pair \ufffd, and {{customer.name}} {"a": "\\"}')
})

test('two messages of a new customer 5 ms apart: one conversation, both answered, in order', async () => {
  const echo = await startInstallation({ flow: echoFlow })
  try {
    for (let round = 0; round < 10; round++) {
      const customer = `3461000000${round}`
      const first = echo.say(customer, `first ${round}`)
      await Bun.sleep(5)
      await Promise.all([first, echo.say(customer, `second ${round}`)])
      const replies = await echo.replies(customer, 2)
      expect(replies.map(reply => reply.content.text)).toEqual([
        `You said: first ${round}`,
        `You said: second ${round}`,
      ])
    }
    const conversations =
      await echo.admin`select count(*) as n, count(distinct customer_id) as customers from conversations`
    expect(conversations[0]).toEqual({ n: '10', customers: '10' })
  } finally {
    await echo.stop()
  }
})
