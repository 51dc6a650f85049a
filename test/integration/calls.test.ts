import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test'
import type { SQL } from 'bun'
import { actions } from '../../src/commerce/actions/actions.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { makeGuardedFetch } from '../../src/lib/guarded-fetch.ts'
import { uuids } from '../../src/lib/ids.ts'
import { makeMetrics } from '../../src/lib/metrics.ts'
import { receiveMessages } from '../../src/messaging/receive-messages.ts'
import { startWebhookLoop } from '../../src/orchestrator/deliver-webhooks.ts'
import { startOrchestrator } from '../../src/orchestrator/orchestrator.ts'
import { startCallLoop } from '../../src/orchestrator/perform-calls.ts'
import { makeFeed } from '../../src/stores/feed.ts'
import { makeMemoryBus } from '../../src/stores/memory/bus.ts'
import { makeMemoryGate } from '../../src/stores/memory/request-gate.ts'
import { connect, type Database, openDatabase } from '../../src/stores/postgres/database.ts'
import { until } from '../support/installation.ts'
import { makeTestLog } from '../support/log.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { type Shop, sealer, seedShop } from '../support/seed.ts'

// A conversation asks outside and goes on with the answer; each part of the way is a loop that can be stopped alone.

const say = (text: string) => ({ type: 'text', text })
let created: Awaited<ReturnType<typeof createTestDatabase>>
let database: Database
let admin: SQL
let server: ReturnType<typeof Bun.serve>
let answer: () => Response | Promise<Response>
let asked: string[] = []
let running: { stop(): Promise<void> }[] = []
let shop: Shop
let numbers = 100000000000100

beforeAll(async () => {
  created = await createTestDatabase()
  database = openDatabase(created.connection, makeMetrics())
  admin = connect(created.connection, 2)
  server = Bun.serve({
    ...{ port: 0, hostname: '127.0.0.1' },
    async fetch(request) {
      asked.push(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`)
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
  answer = () => Response.json({ quote: { total: 1250 } })
  shop = await seedShop(admin, { flow: quoteFlow(), number: String(numbers++) })
})
afterEach(async () => {
  await Promise.all(running.map(one => one.stop()))
  running = []
  await admin`delete from webhooks`
})

/** `emits`: whether it tells of the answer, which is an action that writes. */
function quoteFlow({ emits = true } = {}): unknown {
  const url = `http://127.0.0.1:${server.port}/quotes`
  return {
    ...{ name: 'Quote', start: 'ask', triggers: [{ fallback: true }] },
    steps: {
      ask: {
        ...{ type: 'action', handler: 'http.request', variable: 'answer', error: 'sorry' },
        next: emits ? 'tell' : 'done',
        input: { method: 'POST', url, body: { said: '{{message.text}}' }, pick: { total: 'quote.total' } },
      },
      ...(emits && {
        tell: {
          type: 'action',
          handler: 'webhook.emit',
          input: { event: 'quoted', data: { total: '{{answer.body.total}}' } },
          next: 'done',
        },
      }),
      done: { type: 'message', content: say('It is {{answer.body.total}}'), next: 'end' },
      sorry: { type: 'message', content: say('Sorry: {{error.code}}'), next: 'end' },
    },
  }
}

const bus = makeMemoryBus()
const parts = () => ({
  ...{ database, bus, clock: systemClock, ids: uuids, log: makeTestLog(), metrics: makeMetrics(), isAlone: false },
  feed: makeFeed({ bus, gate: makeMemoryGate(systemClock), log: makeTestLog() }),
  ...{ sealer, fetch: makeGuardedFetch({ allowsPrivate: true }), keptDays: 30 },
})

function keep<T extends { stop(): Promise<void> }>(one: T): T {
  running.push(one)
  return one
}
const startTurns = () => keep(startOrchestrator({ ...parts(), actions }))
const startCalls = () => keep(startCallLoop(parts()))

async function write(text: string): Promise<void> {
  await receiveMessages(
    database,
    uuids,
    [
      {
        ...{ tenantId: shop.tenantId, botId: shop.botId, providerMessageId: crypto.randomUUID(), at: new Date() },
        sender: { identities: [{ kind: 'phone', value: '+573001234567' }], name: 'Ana' },
        content: { type: 'text', text },
      },
    ],
    sealer,
  )
  bus.publish('inbox')
}

async function replies(): Promise<string[]> {
  const rows = await admin`select content ->> 'text' as text from messages
    where tenant_id = ${shop.tenantId} and direction = 'outbound' order by id`
  return rows.map((row: { text: string }) => row.text)
}

async function waitFor(...texts: string[]): Promise<void> {
  await until(async () => (await replies()).length >= texts.length)
  expect(await replies()).toEqual(texts)
}

test('a flow asks outside, goes on with the answer, and tells of it', async () => {
  await admin`insert into webhooks (tenant_id, id, url, events, key_id, sealed)
    values (${shop.tenantId}, ${uuids.next()}, 'http://127.0.0.1:9', '{*}', '', '')`
  startTurns()
  startCalls()
  await write('twelve')
  await waitFor('It is 1250')
  expect(asked).toEqual(['POST /quotes {"said":"twelve"}'])
  const [delivery] = await admin`select event, payload from webhook_deliveries where tenant_id = ${shop.tenantId}`
  expect([delivery.event, JSON.parse(delivery.payload).data]).toEqual(['quoted', { total: 1250 }])
  const [left] = await admin`select (select count(*) from calls)::int + (select count(*) from inbox)::int as n`
  expect(left.n).toBe(0)
})

test('a flow goes on at its error where the other side refuses', async () => {
  answer = () => new Response('no', { status: 422 })
  startTurns()
  startCalls()
  await write('twelve')
  await waitFor('Sorry: http_422')
})

test('whichever part stands still, and whoever starts it again, the conversation goes on from there', async () => {
  const turns = startTurns()
  await write('twelve')
  await until(async () => (await admin`select 1 from calls where tenant_id = ${shop.tenantId}`).length === 1)
  await turns.stop()
  expect(asked).toEqual([])
  const calls = startCalls()
  await until(async () => (await admin`select 1 from inbox where kind = 'result'`).length === 1)
  await calls.stop()
  expect(await replies()).toEqual([])
  startTurns()
  await waitFor('It is 1250')
  expect(asked.length).toBe(1)
})

for (const emits of [false, true])
  test(`what the customer writes while the flow waits is kept, and taken up after the answer${emits ? ', where what follows goes alone too' : ''}`, async () => {
    shop = await seedShop(admin, { flow: quoteFlow({ emits }), number: String(numbers++) })
    let release = () => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    let times = 0
    answer = () =>
      times++ === 0 ? held.then(() => Response.json({ quote: { total: 1 } })) : Response.json({ quote: { total: 2 } })
    startTurns()
    startCalls()
    await write('first')
    await until(async () => asked.length === 1)
    await write('second')
    await Bun.sleep(200)
    expect(await replies()).toEqual([])
    release()
    await waitFor('It is 1', 'It is 2')
    expect(asked).toEqual(['POST /quotes {"said":"first"}', 'POST /quotes {"said":"second"}'])
  })

test('a webhook is told by the loop that runs beside the turns', async () => {
  const path = '/hook'
  const id = uuids.next()
  const sealed = Buffer.from(sealer.seal('whsec_AAAA', `webhook ${id}`))
  await admin`insert into webhooks (tenant_id, id, url, events, key_id, sealed)
    values (${shop.tenantId}, ${id}, ${`http://127.0.0.1:${server.port}${path}`}, '{quoted}', '', ${sealed})`
  startTurns()
  startCalls()
  keep(startWebhookLoop(parts()))
  await write('twelve')
  await until(async () => asked.some(one => one.startsWith('POST /hook')))
  expect(asked.find(one => one.startsWith('POST /hook'))).toContain('"data":{"total":1250}')
})
