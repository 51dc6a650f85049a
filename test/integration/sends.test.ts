import { afterEach, expect, test } from 'bun:test'
import { makeSealer } from '../../src/lib/crypto.ts'
import { updateBot } from '../../src/messaging/bots.ts'
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.ts'
import { type Installation, registerNumber, startInstallation, until } from '../support/installation.ts'
import { echoFlow, encryptionKey } from '../support/seed.ts'

let shop: Installation

afterEach(() => shop.stop())

const impatient = { SEND_TIMEOUT_SECONDS: '1', SEND_SETTLE_SECONDS: '2' }

type Outbound = { readonly status: string; readonly error: { readonly code: string; readonly message: string } | null }

async function outbound(): Promise<Outbound[]> {
  return [...(await shop.admin`select status, error from messages where direction = 'outbound' order by id`)]
}

async function allDelivered(count: number): Promise<void> {
  await until(async () => {
    const messages = await outbound()
    return messages.length === count && messages.every(message => message.status === 'delivered')
  })
}

/** Watches the first outbound message until `until` says that it is over: each state that was seen, once, in order. */
async function watch(isOver: (message: Outbound) => boolean): Promise<string[]> {
  const seen: string[] = []
  await until(async () => {
    const [message] = await outbound()
    if (message === undefined) return false
    const state = message.error === null ? message.status : `${message.status} ${message.error.code}`
    if (seen.at(-1) !== state) seen.push(state)
    return isOver(message)
  }, 30_000)
  return seen
}

test('429, then 500, then no answer at all: every state in between is visible, and the reply arrives once', async () => {
  shop = await startInstallation({ flow: echoFlow, environment: impatient })
  // Webhooks come late, the statuses too: so the send is unknown for a while.
  await shop.setFaults([{ kind: '429', code: 130429 }, { kind: '500' }, { kind: 'hang' }, { kind: 'delay', ms: 1_500 }])
  const watched = watch(message => message.status === 'delivered')
  await shop.say('34600000001', 'hello')
  // Whether the moments before the first try, and between two statuses, are seen, is chance.
  const seen = (await watched).filter(state => state !== 'queued' && state !== 'sent')
  expect(seen).toEqual(['queued 130429', 'queued 131000', 'unknown timeout', 'delivered'])
  await shop.setFaults([])
  await shop.say('34600000001', 'again')
  const replies = await shop.replies('34600000001', 2)
  expect(replies.map(reply => reply.content.text)).toEqual(['You said: hello', 'You said: again'])
}, 40_000)

test('a send of which nothing is ever heard stays unknown, says so, and what waited behind it goes on', async () => {
  shop = await startInstallation({ flow: echoFlow, environment: impatient })
  await shop.setFaults([{ kind: 'hang_lost' }])
  await shop.say('34600000001', 'first')
  await shop.say('34600000001', 'second')
  const replies = await shop.replies('34600000001', 1)
  expect(replies.map(reply => reply.content.text)).toEqual(['You said: second'])
  await until(async () => (await outbound())[1]?.status === 'delivered')
  const [first] = await shop.admin`select status, error, tenant_id, conversation_id, id, bot_id from messages
    where direction = 'outbound' order by id`
  expect(first).toMatchObject({ status: 'unknown', error: { code: 'never_confirmed' } })
  // However late it comes, a status settles it.
  const status = {
    ...{ id: 'wamid.late', status: 'delivered', timestamp: String(Math.floor(Date.now() / 1_000)) },
    ...{ recipient_id: '34600000001', biz_opaque_callback_data: `${first.conversation_id}/${first.id}` },
  }
  const value = { metadata: { phone_number_id: '100000000000010' }, statuses: [status] }
  const body = { object: 'whatsapp_business_account', entry: [{ id: '1', changes: [{ field: 'messages', value }] }] }
  await shop.webhook(body)
  expect((await outbound())[0]).toEqual({ status: 'delivered', error: null })
  expect((await shop.replies('34600000001', 1)).length).toBe(1)
}, 40_000)

test('a connection that breaks after the message was taken does not repeat it', async () => {
  shop = await startInstallation({ flow: echoFlow, environment: impatient })
  await shop.setFaults([{ kind: 'reset', accepted: true }, { kind: 'malformed' }])
  await shop.say('34600000001', 'reset')
  await shop.say('34600000002', 'malformed')
  await allDelivered(2)
  expect((await shop.replies('34600000001', 1)).length).toBe(1)
  expect((await shop.replies('34600000002', 1)).length).toBe(1)
}, 40_000)

test('how a send ended is written when the database is back, however long it was away', async () => {
  let way: DatabaseProxy | undefined
  shop = await startInstallation({
    flow: echoFlow,
    environment: impatient,
    reach: async connection => {
      way = await startDatabaseProxy(connection)
      return way.connection
    },
  })
  await shop.setFaults([
    { kind: 'slow', ms: 700 },
    { kind: 'drop_statuses', count: 100 },
  ])
  await shop.say('34600000001', 'hello')
  await until(async () => (await shop.admin`select state from outbox`)[0]?.state === 'sending')
  await way?.cut()
  // Longer than the send may take, and the margin after which it is taken for dead.
  await Bun.sleep(8_000)
  await way?.mend()
  await until(async () => (await shop.admin`select from outbox`).length === 0)
  const [message] =
    await shop.admin`select status, error, provider_message_id from messages where direction = 'outbound'`
  const [request] = await shop.sends()
  expect(message).toEqual({ status: 'sent', error: null, provider_message_id: request?.message_id })
}, 40_000)

test('a refused account stops the bot with its reason, holds what waits, and sends it once the settings are right', async () => {
  shop = await startInstallation({ flow: echoFlow, environment: impatient })
  const right = shop.shop
  await registerNumber(
    shop.emulator.url,
    { ...right, number: { ...right.number, access_token: 'rotated' } },
    shop.webhookUrl,
  )
  await shop.say('34600000001', 'hello')
  await watch(message => message.error?.code === '190')
  await until(async () => (await shop.admin`select status from bots`)[0].status === 'error')
  const [bot] = await shop.admin`select status_reason from bots`
  expect(bot.status_reason).toStartWith('Meta refuses the access token')
  await shop.say('34600000002', 'held')
  await Bun.sleep(300)
  expect((await outbound()).map(message => message.status)).toEqual(['queued', 'queued'])
  await registerNumber(shop.emulator.url, right, shop.webhookUrl)
  await allDelivered(2)
}, 40_000)

test('a refusal of the token before the last does not stop a bot that was given a new one', async () => {
  shop = await startInstallation({ flow: echoFlow, environment: impatient })
  const { tenantId, botId, number } = shop.shop
  const repaired = { ...shop.shop, number: { ...number, access_token: 'rotated' } }
  await registerNumber(shop.emulator.url, repaired, shop.webhookUrl)
  // A person puts the new token in; before that is committed, a send goes out with the old one, and is refused.
  await shop.app.database.transaction({ role: 'app', tenantId }, async tx => {
    const changes = { config: { access_token: 'rotated' } }
    expect(await updateBot(tx, makeSealer(encryptionKey), tenantId, botId, changes)).toMatchObject({ kind: 'written' })
    await shop.say('34600000001', 'hello')
    await until(async () => {
      const waiting = await shop.admin`select pid from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`
      return waiting.length > 0
    })
  })
  await allDelivered(1)
  expect([...(await shop.admin`select status, status_reason from bots`)]).toEqual([
    { status: 'connected', status_reason: null },
  ])
}, 40_000)

test('after the 24-hour window nothing but a template is tried, and the reason is there before the provider is asked', async () => {
  shop = await startInstallation({ flow: echoFlow, environment: impatient })
  await shop.say('34600000001', 'hello')
  await shop.settled()
  await shop.admin`update conversations set window_expires_at = now() - interval '1 second'`
  const [conversation] = await shop.admin`select tenant_id, id, bot_id from conversations`
  const asked = (await shop.sends()).length
  await shop.admin`insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status)
    values (${conversation.tenant_id}, ${conversation.id}, uuidv7(), ${conversation.bot_id}, 'outbound', '{"type":"text","text":"late"}', 'queued')`
  await shop.admin`insert into outbox (tenant_id, conversation_id, id, bot_id)
    select tenant_id, conversation_id, id, bot_id from messages where status = 'queued'`
  await shop.settled()
  expect((await outbound()).at(-1)).toMatchObject({ status: 'failed', error: { code: 'window_closed' } })
  expect((await shop.sends()).length).toBe(asked)
}, 40_000)

test('a bot with more to send than its provider answers has its messages looked at one after the other, and all go', async () => {
  shop = await startInstallation({ flow: echoFlow, environment: impatient })
  const { tenantId, botId } = shop.shop
  await shop.setFaults([{ kind: 'hang_lost', count: 40 }])
  await shop.admin.begin(async tx => {
    await tx`create temp table given on commit drop as
      select gen_random_uuid() as customer, gen_random_uuid() as conversation, uuidv7() as message, n
      from generate_series(1, 300) as n`
    await tx`insert into customers (tenant_id, id) select ${tenantId}, customer from given`
    await tx`insert into customer_identities (tenant_id, bot_id, kind, value, customer_id)
      select ${tenantId}, ${botId}, 'phone', '+34600' || to_char(n, 'FM000000'), customer from given`
    await tx`insert into conversations (tenant_id, id, bot_id, customer_id, window_expires_at)
      select ${tenantId}, conversation, ${botId}, customer, now() + interval '1 hour' from given`
    await tx`insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status)
      select ${tenantId}, conversation, message, ${botId}, 'outbound', '{"type":"text","text":"hi"}', 'queued' from given`
    await tx`insert into outbox (tenant_id, conversation_id, id, bot_id)
      select ${tenantId}, conversation, message, ${botId} from given`
  })
  await until(async () => {
    const [row] = await shop.admin`select count(distinct due_at)::int as n from outbox
      where state = 'queued' and due_at > now()`
    return row.n > 100
  })
  await until(async () => (await shop.sends()).length === 300)
  const conversations = new Set((await shop.sends()).map(send => send.body.biz_opaque_callback_data))
  expect(conversations.size).toBe(300)
}, 40_000)

test('messages of one conversation leave in order, whatever happens to the first', async () => {
  const steps = Object.fromEntries(
    [0, 1, 2, 3, 4].map(index => [
      `s${index}`,
      {
        type: 'message',
        content: { type: 'text', text: `part ${index}` },
        next: index === 4 ? 'end' : `s${index + 1}`,
      },
    ]),
  )
  shop = await startInstallation({
    flow: { name: 'Parts', start: 's0', triggers: [{ fallback: true }], steps },
    environment: impatient,
  })
  await shop.setFaults([{ kind: '500' }, { kind: 'slow', ms: 200, count: 2 }])
  await shop.say('34600000001', 'go')
  const replies = await shop.replies('34600000001', 5)
  expect(replies.map(reply => reply.content.text)).toEqual([0, 1, 2, 3, 4].map(index => `part ${index}`))
}, 40_000)

test("a tenant's messages a minute are held to its limit, and another tenant does not wait for it", async () => {
  shop = await startInstallation({ flow: echoFlow, environment: { ...impatient, RATE_LIMIT_MESSAGES_PER_MINUTE: '5' } })
  for (let index = 0; index < 8; index++) await shop.say(`3460000020${index}`, 'hello')
  await until(async () => (await outbound()).filter(message => message.status === 'delivered').length === 5)
  await Bun.sleep(500)
  expect((await outbound()).filter(message => message.status === 'queued').length).toBe(3)
}, 40_000)
