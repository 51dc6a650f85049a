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

describe('what was stored before there were waits, handoffs that stay and consent', () => {
  const frame = { flow_id: 'Order', name: 'Order', version: 1, return_step: null }

  test('goes on as it would have: a question that waits, an agent who has the conversation', () => {
    const library = libraryOf(orderFlow)
    const waiting = {
      kind: 'answer',
      step: 'count',
      token: 'q7',
      attempt: 1,
      choices: [],
      timeout_ms: 1_800_000,
    } as const
    const run = { frames: [frame], variables: { product: 'agua' }, step: 'count', waiting }
    const stored: ConversationState = { status: 'agent', seq: 9, run, last_run: null }
    const resumed = step(library, stored, { kind: 'resume' }, context)
    expect(resumed.effects).toMatchObject([{ kind: 'send' }, { kind: 'timer', after_ms: 1_800_000 }])
    const timer = step(library, { ...stored, status: 'bot' }, { kind: 'timer', token: 'q7' }, context)
    expect(timer.events.map(event => event.type)).toEqual(['answer.timed_out', 'replied', 'flow.ended'])
  })

  test('takes what is new: an agent who is awaited, and who answers', () => {
    const business = { ...context.business, handoff: { waiting_timeout_ms: null, agent_timeout_ms: 60_000 } }
    const stored: ConversationState = { status: 'agent', seq: 9, run: null, last_run: null }
    const message: Input = { kind: 'message', message_id: 'm', content: { type: 'text', text: 'hola' }, flows: [] }
    const awaited = step(libraryOf(), stored, message, { ...context, business })
    expect(awaited.effects).toEqual([{ kind: 'timer', token: 'h10', after_ms: 60_000 }])
    const answered = applyEvent(awaited.state, {
      type: 'agent.replied',
      data: { message_id: 'm2', agent_id: null, source: 'phone' },
    })
    expect(answered).toEqual({ ...stored, seq: 12 })
  })
})
