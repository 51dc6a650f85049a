import { describe, expect, test } from 'bun:test'
import { orderFlow, untilAction } from './conversation.fixture.ts'
import type { ConversationEvent } from './events.ts'
import { foldEvents, initialState } from './state.ts'
import { eventShapes, foldStored, type Shapes, type StoredEvent, upcastEvent } from './upcast.ts'

const accepted = (version: number, data: object): StoredEvent => ({ type: 'answer.accepted', version, data })

/**
 * As if the variable of an accepted answer had been called `name` in version 1, and its value been wrapped until version 2
 * (which had `variable`).
 */
const shapes: Shapes = {
  versions: { ...eventShapes.versions, 'answer.accepted': 3 },
  upcasters: {
    'answer.accepted': [
      ({ name, ...rest }) => ({ ...rest, variable: name ?? null }),
      ({ wrapped, ...rest }) => ({ ...rest, value: Array.isArray(wrapped) ? wrapped[0] : null }),
    ],
  },
}

describe('an event of an older version', () => {
  const today = { type: 'answer.accepted', data: { step: 'a', variable: 'size', value: 7 } }

  test('comes through every change of its type since, in order', () => {
    expect(upcastEvent(accepted(1, { step: 'a', name: 'size', wrapped: [7] }), shapes)).toEqual(today as never)
    expect(upcastEvent(accepted(2, { step: 'a', variable: 'size', wrapped: [7] }), shapes)).toEqual(today as never)
    expect(upcastEvent(accepted(3, today.data), shapes)).toEqual(today as never)
  })

  test('folds to the state that the events of today fold to, and only so', () => {
    const events = untilAction().events
    const old = events.map(({ type, data }): StoredEvent => {
      if (type !== 'answer.accepted') return { type, version: 1, data }
      const { variable, value, ...rest } = data
      return accepted(1, { ...rest, name: variable, wrapped: [value] })
    })
    expect(foldStored(old, initialState, shapes)).toEqual(foldEvents(events))
    expect(foldEvents(old as readonly unknown[] as ConversationEvent[])).not.toEqual(foldEvents(events))
    expect(orderFlow.steps.pick.variable in (foldStored(old, initialState, shapes).run?.variables ?? {})).toBe(true)
  })
})

describe('what this program does not know', () => {
  test('is no event: another type, a version that a newer program wrote, none at all', () => {
    expect(upcastEvent({ type: 'moon.rose', version: 1, data: {} })).toBeUndefined()
    expect(upcastEvent({ type: 'toString', version: 1, data: {} })).toBeUndefined()
    expect(upcastEvent({ type: 'closed', version: 99, data: {} })).toBeUndefined()
    expect(upcastEvent({ type: 'closed', version: 0, data: {} })).toBeUndefined()
  })

  test('is counted when folding, and changes nothing else', () => {
    const before = untilAction().state
    for (const unknown of [
      { type: 'moon.rose', version: 1, data: {} },
      { type: 'closed', version: 99, data: { reason: 'x' } },
    ])
      expect(foldStored([unknown], before)).toEqual({ ...before, seq: before.seq + 1 })
  })
})

test('every type that has a second version says how the first is read', () => {
  for (const [type, version] of Object.entries(eventShapes.versions))
    expect([type, 1 + (eventShapes.upcasters[type]?.length ?? 0)]).toEqual([type, version])
})
