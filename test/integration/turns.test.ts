import { afterEach, describe, expect, test } from 'bun:test'
import { type Installation, startInstallation, until } from '../support/installation.ts'
import { seedShop } from '../support/seed.ts'

let shop: Installation

afterEach(() => shop.stop())

const askOnce = {
  name: 'Ask',
  start: 'ask',
  triggers: [{ fallback: true }],
  steps: {
    ask: {
      type: 'question',
      content: { type: 'text', text: 'How many?' },
      variable: 'quantity',
      answer: { type: 'integer' },
      timeout: { after: '1s', next: 'late' },
      next: 'thanks',
    },
    thanks: { type: 'message', content: { type: 'text', text: 'Thanks for {{quantity}}' }, next: 'end' },
    late: { type: 'message', content: { type: 'text', text: 'Never mind' }, next: 'end' },
  },
}

const patient = {
  ...askOnce,
  steps: { ...askOnce.steps, ask: { ...askOnce.steps.ask, timeout: { after: '1h', next: 'late' } } },
}

async function texts(customer: string, count: number): Promise<unknown[]> {
  return (await shop.replies(customer, count)).map(reply => reply.content.text)
}

async function conversation() {
  const [row] =
    await shop.admin`select id, tenant_id, bot_id, status, state from conversations order by id desc limit 1`
  return row
}

/** What the API posts for an agent. */
async function post(kind: string, body: object): Promise<void> {
  const { tenant_id, id } = await conversation()
  await shop.admin`insert into inbox (tenant_id, conversation_id, id, kind, body)
    values (${tenant_id}, ${id}, uuidv7(), ${kind}, ${JSON.stringify(body)}::text::jsonb)`
}

test('an answer that never comes is noticed: the branch for it runs, once', async () => {
  shop = await startInstallation({ flow: askOnce })
  await shop.say('34600000001', 'hi')
  expect(await texts('34600000001', 2)).toEqual(['How many?', 'Never mind'])
  await Bun.sleep(1_500)
  expect(await texts('34600000001', 2)).toEqual(['How many?', 'Never mind'])
})

test('an answer in time leaves no timer behind', async () => {
  shop = await startInstallation({ flow: askOnce })
  await shop.say('34600000001', 'hi')
  await shop.replies('34600000001', 1)
  await shop.say('34600000001', '3')
  expect(await texts('34600000001', 2)).toEqual(['How many?', 'Thanks for 3'])
  const [timers] = await shop.admin`select count(*)::int as n from timers`
  expect(timers.n).toBe(0)
})

describe('a person in between', () => {
  test('takes over: the bot is silent; gives back: the question is asked again', async () => {
    shop = await startInstallation({ flow: patient })
    await shop.say('34600000001', 'hi')
    await shop.replies('34600000001', 1)
    await post('handoff', { note: 'mine', agent_id: '01900000-0000-7000-8000-000000000001' })
    await until(async () => (await conversation()).status === 'agent')
    await shop.say('34600000001', '5')
    await Bun.sleep(200)
    expect((await shop.replies('34600000001', 1)).length).toBe(1)
    await post('resume', {})
    expect(await texts('34600000001', 2)).toEqual(['How many?', 'How many?'])
    await shop.say('34600000001', '6')
    expect((await texts('34600000001', 3))[2]).toBe('Thanks for 6')
  })

  test('closes: the next message opens a new conversation, and mail that was under way goes there', async () => {
    shop = await startInstallation({ flow: patient })
    await shop.say('34600000001', 'hi')
    await shop.replies('34600000001', 1)
    const before = await conversation()
    // The message comes while the mail to close waits: both are in the same turn.
    await shop.admin.begin(async tx => {
      await tx`select from conversations where id = ${before.id} for update`
      await tx`insert into inbox (tenant_id, conversation_id, id, kind, body)
        values (${before.tenant_id}, ${before.id}, uuidv7(), 'close', '{"reason":"done"}')`
      await shop.say('34600000001', 'hello again')
    })
    expect(await texts('34600000001', 2)).toEqual(['How many?', 'How many?'])
    const rows = await shop.admin`select id, status from conversations order by id`
    expect(rows.map((row: { status: string }) => row.status)).toEqual(['closed', 'bot'])
    const [moved] = await shop.admin`select conversation_id from messages where content ->> 'text' = 'hello again'`
    expect(moved.conversation_id).not.toBe(before.id)
  })
})

test('a conversation in which nobody wrote for 24 hours closes by itself, and one that somebody writes in does not', async () => {
  shop = await startInstallation({ flow: patient })
  await shop.say('34600000001', 'hi')
  await shop.settled()
  const { id } = await conversation()
  await post('close', { reason: 'silence' })
  await Bun.sleep(300)
  expect((await conversation()).status).toBe('bot')
  await shop.admin`update conversations set last_message_at = now() - interval '25 hours' where id = ${id}`
  await post('close', { reason: 'silence' })
  await until(async () => (await conversation()).status === 'closed')
})

test('what a person closes is closed, even if the reason they give is the silence', async () => {
  shop = await startInstallation({ flow: patient })
  await shop.say('34600000001', 'hi')
  await shop.settled()
  await post('close', { reason: 'silence', agent_id: '01900000-0000-7000-8000-000000000001' })
  await until(async () => (await conversation()).status === 'closed')
})

test('mail that cannot be played is given up after five tries with its reason, and the conversation goes on', async () => {
  shop = await startInstallation({ flow: patient })
  await shop.say('34600000001', 'hi')
  await shop.replies('34600000001', 1)
  await post('timer', { token: 7 })
  await shop.say('34600000001', '4')
  expect((await texts('34600000001', 2))[1]).toBe('Thanks for 4')
  await until(async () => (await shop.admin`select failed_reason from inbox`)[0]?.failed_reason !== null)
  const rows = await shop.admin`select kind, attempts, failed_reason from inbox`
  expect(rows.length).toBe(1)
  expect(rows[0]).toMatchObject({ kind: 'timer', attempts: 5 })
})

test('no flow, or none that was published: the message is kept, and its event says why nothing came', async () => {
  shop = await startInstallation({ flow: patient })
  await shop.admin`update flows set published_version = null`
  await shop.say('34600000001', 'hi')
  await shop.settled()
  const events = await shop.admin`select type, data from conversation_events order by seq`
  expect(events.map((event: { type: string }) => event.type)).toEqual(['message.received', 'message.ignored'])
  expect(events[1].data).toEqual({ reason: 'no_flow' })
})

test('a running conversation finishes on the version of its flow that it began with', async () => {
  shop = await startInstallation({ flow: patient })
  await shop.say('34600000001', 'hi')
  await shop.replies('34600000001', 1)
  const other = {
    ...patient,
    steps: { ...patient.steps, thanks: { ...patient.steps.thanks, content: { type: 'text', text: 'New thanks' } } },
  }
  await shop.admin`insert into flow_versions (tenant_id, flow_id, version, document)
    select tenant_id, id, 2, ${JSON.stringify(other)}::text::jsonb from flows`
  await shop.admin`update flows set published_version = 2`
  await shop.say('34600000001', '1')
  await shop.replies('34600000001', 2)
  await shop.say('34600000001', 'hi')
  await shop.replies('34600000001', 3)
  await shop.say('34600000001', '1')
  expect(await texts('34600000001', 4)).toEqual(['How many?', 'Thanks for 1', 'How many?', 'New thanks'])
})

test("one tenant's flood does not hold up another tenant's customer", async () => {
  shop = await startInstallation({ flow: patient })
  const other = await seedShop(shop.admin, { number: '200', flow: patient })
  // 3,000 customers of the first tenant wrote while nothing ran; then one of the other.
  const ids = Array.from({ length: 3_000 }, (_, index) => index)
  await shop.admin.begin(async tx => {
    await tx`lock table inbox in exclusive mode`
    await tx`insert into customers (tenant_id, id) select ${shop.shop.tenantId}, uuidv7() from unnest(${`{${ids}}`}::int[])`
    await tx`insert into conversations (tenant_id, id, bot_id, customer_id)
      select tenant_id, uuidv7(), ${shop.shop.botId}, id from customers where tenant_id = ${shop.shop.tenantId}`
    await tx`insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status)
      select tenant_id, id, uuidv7(), bot_id, 'inbound', '{"type":"text","text":"hi"}', 'received' from conversations`
    await tx`insert into inbox (tenant_id, conversation_id, id, kind, body, bot_id)
      select tenant_id, conversation_id, id, 'message', '{}', bot_id from messages`
    const [customer, talk, message] = [crypto.randomUUID(), crypto.randomUUID(), Bun.randomUUIDv7()]
    await tx`insert into customers (tenant_id, id) values (${other.tenantId}, ${customer})`
    await tx`insert into conversations (tenant_id, id, bot_id, customer_id) values (${other.tenantId}, ${talk}, ${other.botId}, ${customer})`
    await tx`insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status)
      values (${other.tenantId}, ${talk}, ${message}, ${other.botId}, 'inbound', '{"type":"text","text":"hi"}', 'received')`
    await tx`insert into inbox (tenant_id, conversation_id, id, kind, body, bot_id)
      values (${other.tenantId}, ${talk}, ${message}, 'message', '{}', ${other.botId})`
  })
  await until(
    async () => (await shop.admin`select count(*)::int as n from inbox where tenant_id = ${other.tenantId}`)[0].n === 0,
  )
  const [left] = await shop.admin`select count(*)::int as n from inbox where tenant_id = ${shop.shop.tenantId}`
  expect(left.n).toBeGreaterThan(1_500)
})
