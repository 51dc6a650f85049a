import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { type ConversationState, initialState } from '../flow/state.ts'
import { unfoldedAfter, unfoldedMax } from './conversation-states.ts'

const run = {
  frames: [{ flow_id: 'f', name: 'F', version: 1, return_step: null }],
  variables: {},
  step: 'ask',
  waiting: null,
}
const stateAt = (seq: number, more: Partial<ConversationState> = {}): ConversationState => ({
  ...{ ...initialState, seq, run },
  ...more,
})
test('a short state is written with every turn that has as many events', () => {
  expect(unfoldedAfter({ state: stateAt(10), unfolded: 0 }, stateAt(13), 300)).toBe(0)
})

test('a long state waits for as many events as it has thousands of characters, or 100', () => {
  const unfolded = (before: number, length: number) =>
    unfoldedAfter({ state: stateAt(500), unfolded: before }, stateAt(504), length)
  expect(unfolded(0, 16_000)).toBe(4)
  expect(unfolded(11, 16_000)).toBe(15)
  expect(unfolded(12, 16_000)).toBe(0)
  expect(unfolded(95, 200_000)).toBe(99)
  expect(unfolded(96, 200_000)).toBe(0)
})

test('which flows a conversation is in, and whose turn it is, is always written', () => {
  const before = { state: stateAt(10), unfolded: 0 }
  const long = 50_000
  expect(unfoldedAfter(before, stateAt(11), long)).toBe(1)
  const called = { ...run, frames: [...run.frames, { flow_id: 'g', name: 'G', version: 2, return_step: 'ask' }] }
  expect(unfoldedAfter(before, stateAt(11, { run: called }), long)).toBe(0)
  expect(unfoldedAfter(before, stateAt(11, { run: null, last_run: run }), long)).toBe(0)
  expect(unfoldedAfter(before, stateAt(11, { status: 'agent' }), long)).toBe(0)
})

test('however long the turns and the states, a stored state is never behind by more than the bound', () => {
  const turns = fc.array(fc.tuple(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 2, max: 300_000 })))
  fc.assert(
    fc.property(turns, given => {
      let [state, unfolded] = [stateAt(0), 0]
      for (const [events, length] of given) {
        const after = stateAt(state.seq + events)
        const next = unfoldedAfter({ state, unfolded }, after, length)
        expect(next === 0 || next === unfolded + events).toBe(true)
        expect(next).toBeLessThan(unfoldedMax)
        ;[state, unfolded] = [after, next]
      }
    }),
  )
})
