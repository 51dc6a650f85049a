import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test'
import type { SQL } from 'bun'
import { actions } from '../../src/commerce/actions/actions.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { makeSealer } from '../../src/lib/crypto.ts'
import { makeGuardedFetch } from '../../src/lib/guarded-fetch.ts'
import { uuids } from '../../src/lib/ids.ts'
import { makeMetrics } from '../../src/lib/metrics.ts'
import { receiveMessages } from '../../src/messaging/receive-messages.ts'
import { startOrchestrator } from '../../src/orchestrator/orchestrator.ts'
import { startCallLoop } from '../../src/orchestrator/perform-calls.ts'
import { makeTurnRunner, type TurnRunner } from '../../src/orchestrator/run-turns.ts'
import { makeFeed } from '../../src/stores/feed.ts'
import { makeMemoryBus } from '../../src/stores/memory/bus.ts'
import { makeMemoryGate } from '../../src/stores/memory/request-gate.ts'
import { connect, type Database, openDatabase } from '../../src/stores/postgres/database.ts'
import { until } from '../support/installation.ts'
import { makeTestLog } from '../support/log.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { encryptionKey, type Shop, seedShop } from '../support/seed.ts'

// What comes to a conversation while its flow waits for an answer from outside.

type Identity = { readonly kind: 'phone' | 'lid'; readonly value: string }

const phone: Identity = { kind: 'phone', value: '+573001234567' }
const lid: Identity = { kind: 'lid', value: '99887766' }
const say = (text: string, next = 'end') => ({ type: 'message', content: { type: 'text', text }, next })
let created: Awaited<ReturnType<typeof createTestDatabase>>
let database: Database
let admin: SQL
let server: ReturnType<typeof Bun.serve>
let answer: () => Response | Promise<Response>
let asked: string[] = []
let running: { stop(): Promise<void> }[] = []
let runner: TurnRunner
let shop: Shop
let numbers = 100000000000700

beforeAll(async () => {
  created = await createTestDatabase()
  database = openDatabase(created.connection, makeMetrics())
  admin = connect(created.connection, 2)
  server = Bun.serve({
    ...{ port: 0, hostname: '127.0.0.1' },
    async fetch(request) {
      asked.push(new URL(request.url).pathname)
      return await answer()
    },
  })
})
afterAll(async () => {
  await server.stop(true)
  await database.close()
  await admin.close()
  await created.drop()
})
beforeEach(async () => {
  asked = []
  answer = () => Response.json({ ok: 1 })
  shop = await seedShop(admin, { flow: twoCalls(), number: String(numbers++) })
  runner = makeTurnRunner({ ...parts(), actions })
})
afterEach(async () => {
  await Promise.all(running.map(one => one.stop()))
  running = []
  runner.close()
  await admin`delete from inbox`
})

const http = (path: string, next: string) => ({
  ...{ type: 'action', handler: 'http.request', variable: 'answer', error: 'sorry', next },
  input: { method: 'POST', url: `http://127.0.0.1:${server.port}/${path}`, body: {} },
})

function twoCalls(): unknown {
  return {
    ...{ name: 'Quote', start: 'one', triggers: [{ fallback: true }] },
    steps: {
      one: http('one', 'still'),
      still: say('Still looking', 'two'),
      two: http('two', 'done'),
      done: say('It is done'),
      sorry: say('Sorry'),
      // Where an agent lets it go on: an action that writes, so that its turn goes alone.
      tag: { type: 'action', handler: 'tag.add', input: { tag: 'back' }, next: 'done', error: 'sorry' },
    },
  }
}

const bus = makeMemoryBus()
const parts = () => ({
  ...{ database, bus, clock: systemClock, ids: uuids, log: makeTestLog(), metrics: makeMetrics(), isAlone: false },
  feed: makeFeed({ bus, gate: makeMemoryGate(systemClock), log: makeTestLog() }),
  ...{ sealer: makeSealer(encryptionKey), fetch: makeGuardedFetch({ allowsPrivate: true }), keptDays: 30 },
})

function startLoops(): void {
  running.push(startOrchestrator({ ...parts(), actions }), startCallLoop(parts()))
}

async function write(text: string, identities: readonly Identity[] = [phone]): Promise<void> {
  await receiveMessages(
    database,
    uuids,
    [
      {
        ...{ tenantId: shop.tenantId, botId: shop.botId, providerMessageId: crypto.randomUUID(), at: new Date() },
        sender: { identities, name: 'Ana' },
        content: { type: 'text', text },
      },
    ],
    makeSealer(encryptionKey),
  )
  bus.publish('inbox')
}

async function post(conversationId: string, kind: string, body: object): Promise<void> {
  await admin`insert into inbox (tenant_id, conversation_id, id, kind, body)
    values (${shop.tenantId}, ${conversationId}, ${uuids.next()}, ${kind}, ${JSON.stringify(body)}::text::jsonb)`
}

/** Gives a conversation what its flow waits for. */
async function endCall(conversationId: string): Promise<void> {
  const [call] = await admin`delete from calls where conversation_id = ${conversationId} returning call_id`
  await post(conversationId, 'result', {
    call_id: call.call_id,
    result: { ok: true, value: { status: 200, body: {} } },
  })
}

/** Runs turns until none is left to run; how many there were. */
async function drain(): Promise<number> {
  for (let turns = 0; turns < 200; turns++) if ((await runner.runBatch()) === 0) return turns
  throw new Error('the turns never end')
}

const inbox = async (): Promise<{ kind: string; held: boolean }[]> => [
  ...(await admin`select kind, held from inbox where tenant_id = ${shop.tenantId} order by id`),
]

async function replies(): Promise<string[]> {
  const rows = await admin`select content ->> 'text' as text from messages
    where tenant_id = ${shop.tenantId} and direction = 'outbound' order by id`
  return rows.map((row: { text: string }) => row.text)
}

async function received(conversationId: string): Promise<string[]> {
  const rows = await admin`select m.content ->> 'text' as text from conversation_events e
    join messages m on m.tenant_id = e.tenant_id and m.id = (e.data ->> 'message_id')::uuid
    where e.conversation_id = ${conversationId} and e.type = 'message.received' order by e.seq`
  return rows.map((row: { text: string }) => row.text)
}

async function theConversation(): Promise<string> {
  const [row] = await admin`select id from conversations where tenant_id = ${shop.tenantId}`
  return row.id
}

test('who asks to be left alone while the flow asks outside is left alone at once, and the answer comes to nothing', async () => {
  const { promise, resolve } = Promise.withResolvers<Response>()
  answer = () => promise
  startLoops()
  await write('hola')
  await until(async () => asked.includes('/one'))
  await write('and one more thing')
  await write('STOP')
  await until(async () => (await replies()).length === 1)
  expect((await replies())[0]).toStartWith('Listo, no te enviaremos más mensajes')
  resolve(Response.json({ ok: 1 }))
  await until(async () => (await admin`select from calls`).length === 0 && (await inbox()).length === 0)
  expect(asked).toEqual(['/one'])
  expect(await replies()).toHaveLength(1)
  const types = await admin`select type from conversation_events where tenant_id = ${shop.tenantId} order by seq`
  const told: string[] = types.map((event: { type: string }) => event.type)
  expect(told.slice(told.indexOf('message.received', 1))).toEqual([
    ...['message.received', 'flow.ended', 'opted_out', 'notice.sent'],
    ...['message.received', 'message.ignored'],
  ])
})

test('a word to stop that came before the answer is heeded before it, though both are read by one turn', async () => {
  await write('hola')
  await drain()
  await write('baja')
  await endCall(await theConversation())
  await drain()
  expect(await replies()).toEqual([expect.stringContaining('no te enviaremos')])
  expect(await inbox()).toEqual([])
})

test('what is behind a full turn of held messages is read, and nothing is read again and again', async () => {
  await write('hola')
  await drain()
  for (let i = 0; i < 55; i++) await write(`m${i}`)
  expect(await drain()).toBeLessThan(5)
  expect((await inbox()).filter(row => row.held)).toHaveLength(55)
  const id = await theConversation()
  await post(id, 'handoff', { note: '', agent_id: uuids.next() })
  await drain()
  const [conversation] = await admin`select status from conversations where id = ${id}`
  expect(conversation.status).toBe('agent')
  expect(await inbox()).toEqual([])
  expect(await received(id)).toEqual(['hola', ...Array.from({ length: 55 }, (_, i) => `m${i}`)])
})

test('held messages are taken up in the order in which they came, before what came with the answer', async () => {
  await write('hola')
  await drain()
  for (let i = 0; i < 55; i++) await write(`m${i}`)
  await drain()
  const id = await theConversation()
  await post(id, 'handoff', { note: '', agent_id: uuids.next() })
  await write('with it')
  await drain()
  expect((await received(id)).slice(-3)).toEqual(['m53', 'm54', 'with it'])
})

test('a take-over and a give-back that wait behind a held message are taken, where what follows goes alone too', async () => {
  await write('hola')
  await drain()
  await write('held')
  await drain()
  const id = await theConversation()
  await post(id, 'handoff', { note: '', agent_id: uuids.next() })
  await post(id, 'resume', { agent_id: uuids.next(), step: 'tag' })
  expect(await drain()).toBeLessThan(10)
  expect(await replies()).toContain('It is done')
  expect(await inbox()).toEqual([])
})

test('what is held is taken after its customer was merged into another', async () => {
  await write('from the phone', [phone])
  await drain()
  await write('from elsewhere', [lid])
  await drain()
  await write('held', [lid])
  await drain()
  const [older, newer] = await admin`select id from conversations where tenant_id = ${shop.tenantId} order by id`
  await write('from both', [phone, lid])
  await drain()
  const [merged] = await admin`select status from conversations where id = ${newer.id}`
  expect(merged.status).toBe('closed')
  expect((await inbox()).map(row => row.held)).toEqual([true, true])
  for (let calls = 0; calls < 4; calls++) {
    await endCall(older.id)
    await drain()
  }
  expect(await received(older.id)).toEqual(['from the phone', 'held', 'from both'])
})
