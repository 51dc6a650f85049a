import { afterEach, beforeEach, expect, test } from 'bun:test'
import { type ConversationState, initialState } from '../../src/flow/state.ts'
import { foldStored } from '../../src/flow/upcast.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { unfoldedMax, withStates } from '../../src/messaging/conversation-states.ts'
import { countRunningByVersion } from '../../src/messaging/flow-versions.ts'
import { findConversation, listConversations } from '../../src/messaging/list-conversations.ts'
import { readHistory } from '../../src/messaging/replay.ts'
import { makeMemorySnapshots } from '../../src/stores/memory/state-snapshots.ts'
import type { Transaction } from '../../src/stores/postgres/database.ts'
import type { StateSnapshots } from '../../src/stores/state-snapshots.ts'
import { explainList } from '../support/explain.ts'
import { type Shop, seedShop } from '../support/seed.ts'
import { drain, openTestTurns, type TestTurns } from '../support/turns.ts'

// A long state is not written with every turn: it is found in the snapshots, which may be lost at any moment.

let turns: TestTurns
let shop: Shop

beforeEach(async () => {
  turns = await openTestTurns()
  shop = await seedShop(turns.admin, { number: '100000000000010', flow: talkative })
})
afterEach(() => turns.close())

const chapters = ['one', 'two', 'three', 'four', 'five']
const ask = (variable: string, next: string) => ({
  ...{ type: 'question', content: { type: 'text', text: 'And then?' } },
  ...{ variable, answer: { type: 'text' }, next },
})

/** Keeps a long story, then goes on asking. */
const talkative = {
  name: 'Story',
  start: 'one',
  triggers: [{ fallback: true }],
  steps: {
    ...Object.fromEntries(chapters.map((name, index) => [name, ask(name, chapters[index + 1] ?? 'more')])),
    more: ask('more', 'more'),
  },
}
const phone = '+34600000001'
const say = (text: string) => turns.say(shop, phone, { type: 'text', text })

function inTenant<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
  return turns.database.transaction({ role: 'app', tenantId: shop.tenantId }, work)
}

const historyOf = (id: string) => turns.database.transaction({ role: 'worker' }, tx => readHistory(tx, id))

/** A conversation with a story of 20,000 characters. */
async function tellStory(snapshots: StateSnapshots): Promise<string> {
  const runner = turns.runner({ snapshots })
  await say('hi')
  await drain(runner)
  let id = ''
  for (const _ of chapters) {
    id = await say('abcd '.repeat(800).trim())
    await drain(runner)
  }
  return id
}

async function rowOf(id: string) {
  const [row] = await turns.admin`select seq::int, unfolded, state from conversations where id = ${id}`
  return row
}

const lost: StateSnapshots = { getMany: async keys => keys.map(() => undefined), putMany() {}, async close() {} }

test('of a long conversation few turns write the state, and everybody still sees it as it is', async () => {
  const snapshots = makeMemorySnapshots(systemClock)
  const id = await tellStory(snapshots)
  const runner = turns.runner({ snapshots })
  const behind: number[] = []
  for (let index = 1; index <= 40; index++) {
    await say(`answer ${index}`)
    await drain(runner)
    const row = await rowOf(id)
    behind.push(row.unfolded)
    const expected = { flow_id: shop.flowId, flow_version: 1, current_step: 'more' }
    const page = { status: null, botId: null, customerId: null, sellerId: null, search: null, after: null, limit: 20 }
    const [one, list, history, running] = await Promise.all([
      inTenant(tx => findConversation(tx, shop.tenantId, id)),
      inTenant(tx => listConversations(tx, { tenantId: shop.tenantId, ...page })),
      historyOf(id),
      inTenant(tx => countRunningByVersion(tx, shop.tenantId, shop.flowId)),
    ])
    for (const shown of [one, list[0]?.conversation]) {
      expect(shown).toMatchObject(expected)
      expect(shown?.variables.more).toBe(`answer ${index}`)
      expect(String(shown?.variables.five).length).toBe(3_999)
    }
    expect(history?.stored).toEqual(history?.folded)
    expect(history?.stored.seq).toBe(row.seq)
    expect(running).toEqual([{ version: 1, conversations: 1 }])
  }
  expect(Math.max(...behind)).toBeLessThan(unfoldedMax)
  const written = behind.filter(count => count === 0).length
  expect(written).toBeGreaterThan(2)
  expect(written).toBeLessThan(10)
})

test('all snapshots lost, and old ones back: the conversation goes on where it was', async () => {
  const snapshots = makeMemorySnapshots(systemClock)
  const id = await tellStory(snapshots)
  await say('one')
  await drain(turns.runner({ snapshots }))
  expect((await rowOf(id)).unfolded).toBeGreaterThan(0)
  // Another process that knows nothing, and then the first one again, whose copy is older than the conversation.
  for (const [index, using] of [lost, snapshots, lost, snapshots].entries()) {
    await say(`again ${index}`)
    await drain(turns.runner({ snapshots: using }))
    const history = await historyOf(id)
    expect(history?.stored).toEqual(history?.folded)
    expect(history?.folded.run?.variables.more).toBe(`again ${index}`)
  }
  const events =
    await turns.admin`select seq::int, type from conversation_events where conversation_id = ${id} order by seq`
  expect(events.map((event: { seq: number }) => event.seq)).toEqual(
    events.map((_: unknown, index: number) => index + 1),
  )
  expect(events.filter((event: { type: string }) => event.type === 'flow.started')).toHaveLength(1)
})

test('where nothing is kept, the state of a conversation of 10,000 events is folded from the last few', async () => {
  const id = await tellStory(lost)
  const { seq } = await rowOf(id)
  const told = (await historyOf(id))?.folded
  // As if it had gone on for days: the last state written was that of 40 events ago.
  await turns.admin`insert into conversation_events (tenant_id, conversation_id, seq, type, data, at)
    select ${shop.tenantId}, ${id}, ${seq} + i, 'answer.accepted',
      jsonb_build_object('step', 'more', 'variable', 'more', 'value', 'answer ' || i), now()
    from generate_series(1, 10000) i`
  const written = JSON.stringify({ ...told, seq: seq + 9_960 })
  await turns.admin`update conversations set seq = seq + 10000, unfolded = 40, state = ${written}::text::jsonb
    where id = ${id}`
  await turns.admin`vacuum analyze conversation_events`
  const state: ConversationState | null = null
  const behind = [{ tenant_id: shop.tenantId, id, seq: seq + 10_000, unfolded: 40, state }]
  const [found] = await turns.database.transaction({ role: 'worker' }, tx => withStates(tx, lost, behind))
  expect(found?.state).toMatchObject({ seq: seq + 10_000, run: { variables: { more: 'answer 10000' } } })
  const stored =
    await turns.admin`select type, version, data from conversation_events where conversation_id = ${id} order by seq`
  expect(foldStored(stored)).toEqual(found?.state ?? initialState)
  const connection = await turns.admin.reserve()
  const explained = await explainList(connection, null, 'force_generic_plan', async tx => {
    await withStates(tx, lost, behind)
  })
  connection.release()
  // 10,000 events are some 150 pages.
  expect(explained.buffers).toBeLessThan(30)
  expect(explained.scans.filter(scan => scan.startsWith('Seq Scan'))).toEqual([])
})
