import { describe, expect, test } from 'bun:test'
import { Conversation, flowOf, orderFlow } from '../flow/conversation.fixture.ts'
import { EVENT_VERSIONS } from '../flow/events.ts'
import { message, question } from '../flow/steps.fixture.ts'
import type { EventRow } from '../messaging/analytics/read-events.ts'
import { entriesOfConversions, entriesOfEvents, storyOf } from './entries-of-events.ts'

const conversation_id = '00000000-0000-7000-8000-0000000000c1'
const owner = { tenant_id: '00000000-0000-7000-8000-0000000000a1', bot_id: '00000000-0000-7000-8000-0000000000b1' }
const at = new Date(Date.UTC(2026, 2, 27, 9, 50))

/** What a conversation has been through, as it is read. */
function rowsOf({ events }: Conversation): EventRow[] {
  return events.map(({ type, data }, index) => ({
    ...{ ...owner, tx: 1, conversation_id, seq: index + 1, type, version: EVENT_VERSIONS[type], at },
    // As it is stored.
    data: JSON.parse(JSON.stringify(data)),
  }))
}

function ordered(): Conversation {
  const conversation = new Conversation(orderFlow)
  conversation.say('hola')
  conversation.tap('pizza')
  conversation.say('3')
  conversation.tap('yes')
  conversation.finish({ ok: true, value: { id: 'o1', number: 17, total_minor: 3_750, currency: 'EUR' } })
  return conversation
}

describe('events', () => {
  test('become entries with the flow they happened in; that a customer wrote is told by the message', () => {
    const conversation = new Conversation(flowOf({ ask: question('name', 'thanks'), thanks: message('Thanks') }))
    conversation.say('hola')
    conversation.say('Ana')
    const { entries } = entriesOfEvents(rowsOf(conversation), new Map())
    expect(entries.map(entry => [entry.id, entry.log_type, entry.key, entry.data])).toEqual([
      [`${conversation_id}:2`, 'flow.started', 'Test', { flow_id: 'Test', version: 1, trigger: 'fallback' }],
      [`${conversation_id}:3`, 'question.asked', 'Test ask', { flow_id: 'Test', version: 1, step: 'ask' }],
      [`${conversation_id}:5`, 'answer.accepted', 'Test ask', { flow_id: 'Test', version: 1, step: 'ask' }],
      [`${conversation_id}:6`, 'replied', 'Test thanks', { flow_id: 'Test', version: 1, step: 'thanks' }],
      [`${conversation_id}:7`, 'flow.ended', 'end Test thanks', { flow_id: 'Test', version: 1, reason: 'end' }],
    ])
    expect(entries.every(entry => entry.created_at === at && entry.bot_id === owner.bot_id)).toBe(true)
  })

  test('give the same entries in one piece or in two, where what was before is known', () => {
    const rows = rowsOf(ordered())
    const whole = entriesOfEvents(rows, new Map())
    for (const cut of rows.keys()) {
      const story = new Map([[conversation_id, storyOf(rows.slice(0, cut))]])
      const first = entriesOfEvents(rows.slice(0, cut), new Map())
      const rest = entriesOfEvents(rows.slice(cut), story)
      expect([...first.entries, ...rest.entries]).toEqual([...whole.entries])
      expect([...first.conversions, ...rest.conversions]).toEqual([...whole.conversions])
    }
  })

  test('of which this program knows nothing are counted, and say nothing', () => {
    const row: EventRow = {
      ...{ ...owner, tx: 1, conversation_id, seq: 1, type: 'flow.paused', version: 1, at },
      data: { secret: 'x' },
    }
    expect(entriesOfEvents([row], new Map()).entries).toMatchObject([{ log_type: 'flow.paused', key: '', data: {} }])
  })

  test('say nothing that a customer or an agent wrote', () => {
    const marked = 'xSECRETx'
    const conversation = new Conversation(orderFlow)
    conversation.say('hola')
    conversation.tap('pizza')
    conversation.say(marked)
    conversation.say('3')
    conversation.tap('yes')
    conversation.finish({ ok: false, code: 'out_of_stock', message: marked, data: { marked } })
    conversation.give({ kind: 'handoff', note: marked, agent_id: marked })
    conversation.give({ kind: 'resume', agent_id: marked })
    conversation.give({ kind: 'close', reason: marked })
    const rows = rowsOf(conversation)
    expect(JSON.stringify(rows)).toContain(marked)
    const { entries } = entriesOfEvents(rows, new Map())
    expect(entries.map(entry => entry.log_type)).toContain('closed')
    expect(JSON.stringify(entries)).not.toContain(marked)
  })

  test('tell why a conversation was closed where nobody wrote the reason', () => {
    const conversation = new Conversation(orderFlow)
    conversation.give({ kind: 'close', reason: 'silence' })
    expect(entriesOfEvents(rowsOf(conversation), new Map()).entries.at(-1)?.data).toEqual({ reason: 'silence' })
  })
})

describe('a conversion', () => {
  const first = (seq: number) => ({
    ...{ tenant_id: owner.tenant_id, conversation_id, seq, order_id: 'o1', total_minor: 3_750, currency: 'EUR' },
  })

  test('is an order that an action made, in the flow that it was made in', () => {
    const rows = rowsOf(ordered())
    const { conversions } = entriesOfEvents(rows, new Map())
    const completed = rows.find(row => row.type === 'action.completed')
    expect(conversions.map(one => [one.kind, one.row.seq])).toEqual([['order', completed?.seq ?? 0]])
    const [entry] = entriesOfConversions(conversions, [first(completed?.seq ?? 0)])
    expect(entry).toMatchObject({ id: `${conversation_id}:conversion`, log_type: 'conversion', key: 'Order' })
    expect(entry?.data).toEqual({
      ...{ kind: 'order', step: 'order', flow_id: 'Order' },
      ...{ order_id: 'o1', total_minor: 3_750, currency: 'EUR' },
    })
  })

  test('is none where no order came of the action', () => {
    const conversation = new Conversation(orderFlow)
    conversation.say('hola')
    conversation.tap('pizza')
    conversation.say('3')
    conversation.tap('yes')
    conversation.finish({ ok: false, code: 'out_of_stock', message: '' })
    expect(entriesOfEvents(rowsOf(conversation), new Map()).conversions).toEqual([])
  })

  test('is a goal too; of an order that came later nothing is said', () => {
    const conversation = new Conversation({ ...flowOf({ thanks: message('Thanks') }), goals: ['thanks'] })
    conversation.say('hola')
    const { conversions } = entriesOfEvents(rowsOf(conversation), new Map())
    expect(entriesOfConversions(conversions, [first(3)])).toMatchObject([
      { key: 'Test', data: { kind: 'goal', step: 'thanks', flow_id: 'Test' } },
    ])
    expect(entriesOfConversions(conversions, [first(3)])[0]?.data).not.toHaveProperty('order_id')
  })

  test('is told only of the first of a conversation', () => {
    const { conversions } = entriesOfEvents(rowsOf(ordered()), new Map())
    expect(entriesOfConversions(conversions, [])).toEqual([])
  })
})
