import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Comparison, compareReplay } from '../../src/flow/compare-replay.ts'
import { replayHistory } from '../../src/flow/replay-against.ts'
import { turnsOf } from '../../src/flow/replay-history.ts'
import type { RecordedHistory } from './history.ts'
import { storedOf, worldOf } from './play-history.ts'

// What would have become of recorded conversations in other flows.

function read(name: string): RecordedHistory {
  // Written by record.ts.
  return JSON.parse(readFileSync(join(import.meta.dirname, `histories/${name}.json`), 'utf8')) as RecordedHistory
}

type Steps = Record<string, Record<string, unknown>>
type Document = { readonly steps: Steps }

/** How a history goes where the steps of its flows are changed. */
function against(name: string, changeSteps: (steps: Steps) => void, kept = (_messageId: string) => true): Comparison {
  const history = read(name)
  const flows = structuredClone(history.flows)
  for (const { document } of flows) changeSteps((document as Document).steps)
  const world = worldOf(history, flows)
  const { events, sent } = storedOf(history)
  const turns = turnsOf(events)
  const contentOf = (id: string) => (kept(id) ? world.contentOf(id) : undefined)
  return compareReplay(turns, replayHistory(turns, { ...world, contentOf }), id => sent.get(id))
}

const say = (text: string, next = 'end') => ({ type: 'message', content: { type: 'text', text }, next })
const typesOf = ({ first }: Comparison) => [first?.before?.event.type, first?.after?.event.type]

describe('a draft that', () => {
  test('says the same in other words ends the same, and its words are told', () => {
    const comparison = against('order-done', steps => {
      steps.count = { ...steps.count, content: { type: 'text', text: '¿Cuántas unidades?' } }
    })
    expect([comparison.verdict, comparison.first]).toEqual(['same', null])
    expect(comparison.replies).toEqual([
      {
        step: 'count',
        before: { type: 'text', text: '¿Cuántos?' },
        after: { type: 'text', text: '¿Cuántas unidades?' },
      },
      {
        step: 'count',
        before: { type: 'text', text: '¿Cuántos?' },
        after: { type: 'text', text: '¿Cuántas unidades?' },
      },
    ])
  })

  test('decides otherwise is told from that step on, with where it would end', () => {
    const comparison = against('order-refused', steps => {
      steps.is_sure = { ...steps.is_sure, condition: 'quantity < 50' }
    })
    expect(comparison.verdict).toBe('different')
    expect(comparison.first).toMatchObject({
      before: { turn: 4, event: { type: 'decision.made', data: { result: true, next: 'order' } } },
      after: { turn: 4, event: { type: 'decision.made', data: { result: false, next: 'later' } } },
    })
    expect(comparison.ends).toEqual({
      before: {
        ...{ status: 'closed', waits_for: null, ended: 'handoff', step: 'order' },
        actions: [{ handler: 'order.create', ok: false }],
      },
      after: { status: 'closed', waits_for: null, ended: 'end', step: 'later', actions: [] },
    })
  })

  test('takes an answer that was refused goes on with what the customer wrote next', () => {
    const comparison = against('order-retries', steps => {
      steps.count = { ...steps.count, answer: { type: 'text' } }
    })
    expect(typesOf(comparison)).toEqual(['answer.rejected', 'answer.accepted'])
    expect(comparison.first?.after?.event.data).toMatchObject({ variable: 'quantity', value: 'muchas' })
  })

  test('waits longer for an answer takes what was written after the time that there was', () => {
    const comparison = against('order-timeouts', steps => {
      for (const step of Object.values(steps)) if (step.timeout) step.timeout = { after: '3h', next: 'later' }
    })
    expect(typesOf(comparison)).toEqual(['question.asked', 'question.asked'])
    expect(comparison.ends.after).toMatchObject({ waits_for: 'answer', step: 'count' })
  })

  test('waits less lets the time be over before the customer wrote', () => {
    const comparison = against('order-done', steps => {
      steps.pick = { ...steps.pick, timeout: { after: '50s', next: 'later' } }
    })
    expect(comparison.ends.after).toMatchObject({ status: 'closed', ended: 'end', step: 'later', actions: [] })
  })

  test('calls an action that was never called cannot be told from there on', () => {
    const comparison = against('order-done', steps => {
      steps.welcome = { ...steps.welcome, next: 'look' }
      steps.look = { type: 'action', handler: 'catalog.list', variable: 'catalog', next: 'pick' }
    })
    expect([comparison.verdict, comparison.untold]).toEqual([
      'untold',
      'it calls catalog.list more often than it was called then',
    ])
    expect(comparison.first?.after?.event).toMatchObject({
      type: 'action.requested',
      data: { handler: 'catalog.list' },
    })
  })

  test('calls an action at another place gets the answer that there was', () => {
    const comparison = against('order-refused', steps => {
      steps.is_sure = { ...steps.is_sure, true: 'thanks' }
      steps.thanks = say('Un momento', 'order')
    })
    expect(comparison.verdict).toBe('same')
    expect(typesOf(comparison)).toEqual(['decision.made', 'decision.made'])
    expect(comparison.ends.after.actions).toEqual([{ handler: 'order.create', ok: false }])
  })

  test('is no draft of what people did: they take over and give back as they did', () => {
    const comparison = against('person-in-between', steps => {
      steps.bye = say('Adiós')
    })
    expect([comparison.verdict, comparison.first]).toEqual(['same', null])
    expect(comparison.replies.map(({ step }) => step)).toEqual(['bye'])
  })
})

test('a conversation whose messages are kept no more cannot be told', () => {
  const comparison = against(
    'order-done',
    () => undefined,
    id => id !== 'm2',
  )
  expect([comparison.verdict, comparison.untold]).toEqual(['untold', 'what the customer wrote is kept no more'])
})

test('what an action gave is needed only where the draft keeps it', () => {
  const history = read('order-done')
  const { events } = storedOf(history)
  const forgotten = events.map(event =>
    event.type === 'action.completed'
      ? { ...event, data: { ...(event.data as object), variable: null, value: null } }
      : event,
  )
  const played = replayHistory(turnsOf(forgotten), worldOf(history))
  expect(played.untold).toBe('what order.create gave then was not kept in a variable')
  const flows = structuredClone(history.flows)
  for (const { document } of flows) {
    const { steps } = document as Document
    steps.order = { ...steps.order, variable: undefined }
    steps.bye = say('Gracias')
  }
  expect(replayHistory(turnsOf(forgotten), worldOf(history, flows)).untold).toBeNull()
})

test('an answer that came late is awaited as long again, and messages meanwhile wait for it', () => {
  const history = read('order-done')
  const { events } = storedOf(history)
  const asked = events.find(event => event.type === 'action.requested')?.at ?? 0
  const lateMs = 90_000
  const late = events.map(event => (event.at > asked ? { ...event, at: event.at + lateMs } : event))
  const turns = turnsOf(late)
  expect(compareReplay(turns, replayHistory(turns, worldOf(history)), () => undefined).first).toBeNull()
})

test('what a newer program wrote is not compared as if it were not there', () => {
  const history = read('order-done')
  const { events } = storedOf(history)
  const newer = events.map((event, index) => (index === 5 ? { ...event, version: 99 } : event))
  const turns = turnsOf(newer)
  const comparison = compareReplay(turns, replayHistory(turns, worldOf(history)), () => undefined)
  expect([comparison.verdict, comparison.untold]).toEqual(['untold', 'a newer program wrote some of it'])
})
