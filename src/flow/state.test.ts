import { describe, expect, test } from 'bun:test'
import { context, libraryOf, orderFlow } from './conversation.fixture.ts'
import type { ConversationEvent } from './events.ts'
import recorded from './recorded-order.fixture.json' with { type: 'json' }
import { applyEvent, type ConversationState, foldEvents, initialState } from './state.ts'
import { type FlowVersion, type Input, step } from './step.ts'

// A history that the engine wrote once: answers refused and accepted, an agent, a failed action, a timeout,
// a closing. It is never recorded anew to make a test pass: histories like it are stored for good.
const turns = recorded.turns as unknown as readonly {
  readonly input: Exclude<Input, { kind: 'message' }> | OldMessage
  readonly events: readonly ConversationEvent[]
  readonly effects: readonly unknown[]
}[]
/** How a message was given to the engine then: with one flow. */
type OldMessage = Omit<Extract<Input, { kind: 'message' }>, 'flows'> & { readonly flow: FlowVersion | null }

function inputOf(given: (typeof turns)[number]['input']): Input {
  if (given.kind !== 'message') return given
  const { flow, ...rest } = given
  return { ...rest, flows: flow === null ? [] : [flow] }
}

const history = turns.flatMap(turn => turn.events)

describe('a recorded history', () => {
  test('folds to the state it had', () => {
    expect(foldEvents(history)).toEqual(recorded.state as ConversationState)
  })

  test('comes about again from the same inputs, effects and all', () => {
    const library = libraryOf(orderFlow)
    let state = initialState
    for (const turn of turns) {
      const result = step(library, state, inputOf(turn.input), context)
      expect(result.events).toEqual(turn.events)
      expect(result.effects).toEqual(turn.effects as typeof result.effects)
      state = result.state
    }
  })

  test('holds most kinds of events, so that it is worth keeping', () => {
    expect(new Set(history.map(event => event.type)).size).toBeGreaterThanOrEqual(15)
  })

  test('folds from any moment on as it does from the start', () => {
    for (let at = 0; at <= history.length; at++) {
      const before = foldEvents(history.slice(0, at))
      expect(history.slice(at).reduce(applyEvent, before)).toEqual(foldEvents(history))
    }
  })
})

describe('an event', () => {
  test('of a type from a later version is counted and otherwise passed over', () => {
    const unknown = { type: 'moon.landed', data: { step: 'x' } } as unknown as ConversationEvent
    for (const state of [initialState, foldEvents(history.slice(0, 5))]) {
      expect(applyEvent(state, unknown)).toEqual({ ...state, seq: state.seq + 1 })
    }
  })

  test('that a question timed out ends its waiting at once', () => {
    const asked = history.slice(
      0,
      history.findLastIndex(event => event.type === 'answer.timed_out'),
    )
    const state = foldEvents(asked)
    expect(state.run?.waiting?.kind).toBe('answer')
    const timedOut = applyEvent(state, { type: 'answer.timed_out', data: { step: state.run?.step ?? '' } })
    expect(timedOut.run?.waiting).toBeNull()
  })

  test('changes nothing of the state before it', () => {
    let state = initialState
    for (const event of history) {
      const before = structuredClone(state)
      const after = applyEvent(state, event)
      expect(state).toEqual(before)
      state = after
    }
  })
})
