import { expect, test } from 'bun:test'
import type { ConversationEvent } from '../../flow/events.ts'
import { applyEvent, type ConversationState, initialState } from '../../flow/state.ts'
import { keyOfEvent, keyOfMessage, quarterOf, responseBucketOf } from './entry-dimensions.ts'

const outer = '00000000-0000-7000-8000-00000000000a'
const inner = '00000000-0000-7000-8000-00000000000b'

/** The key of each event, as one comes after the other. */
function keysOf(events: readonly ConversationEvent[], state: ConversationState = initialState): string[] {
  const [event, ...rest] = events
  return event === undefined ? [] : [keyOfEvent(event, state), ...keysOf(rest, applyEvent(state, event))]
}

const started: ConversationEvent = {
  type: 'flow.started',
  data: { flow_id: outer, name: 'Outer', version: 1, trigger: 'hola' },
}
const called: ConversationEvent = {
  type: 'flow.called',
  data: { flow_id: inner, name: 'Inner', version: 1, step: 'call' },
}
const asked = (step: string): ConversationEvent => ({ type: 'question.asked', data: { step, token: 'q1' } })
const ended = (reason: 'end' | 'closed' | 'handoff'): ConversationEvent => ({ type: 'flow.ended', data: { reason } })
const handedOff = (by: 'flow' | 'customer'): ConversationEvent => ({ type: 'handed_off', data: { by, note: '' } })

test('an event of a step has its flow and step; a run that ends, the reason and where it stood', () => {
  const rejected: ConversationEvent = {
    type: 'answer.rejected',
    data: { step: 'ask', attempt: 1, reason: 'not_a_number' },
  }
  expect(keysOf([started, asked('ask'), rejected, ended('closed')])).toEqual([
    outer,
    `${outer} ask`,
    `${outer} ask`,
    `closed ${outer} ask`,
  ])
})

test('what happens in a flow that was called is of that one; a run that ends in it ends in both', () => {
  const back: ConversationEvent = { type: 'flow.returned', data: { flow_id: inner, step: 'call' } }
  expect(keysOf([started, called, asked('in'), ended('closed')])).toEqual([
    outer,
    `${outer} call ${inner}`,
    `${inner} in`,
    `closed ${outer} call ${inner} in`,
  ])
  expect(keysOf([started, called, back, asked('ask'), ended('end')]).slice(2)).toEqual([
    inner,
    `${outer} ask`,
    `end ${outer} ask`,
  ])
})

test('a flow that asks for a person is known by the run that it ended, and a customer by the run there is', () => {
  expect(keysOf([started, asked('ask'), ended('handoff'), handedOff('flow')]).at(-1)).toBe(`flow ${outer}`)
  expect(keysOf([started, called, asked('in'), handedOff('customer')]).at(-1)).toBe(`customer ${inner}`)
  expect(keysOf([started, asked('ask'), ended('end'), handedOff('customer')]).at(-1)).toBe('customer')
})

test('a handoff step that the run stays at is named, and so is why a wait ended', () => {
  const stays: ConversationEvent = { type: 'handed_off', data: { by: 'flow', note: '', step: 'person' } }
  const past: ConversationEvent = { type: 'wait.ended', data: { step: 'pause', reason: 'past' } }
  expect(keysOf([started, past, stays]).slice(1)).toEqual([`past ${outer} pause`, `flow ${outer} person`])
})

test('events of no flow have no key, but for the reason why a message was ignored', () => {
  const ignored: ConversationEvent = { type: 'message.ignored', data: { reason: 'no_trigger' } }
  const resumed: ConversationEvent = { type: 'resumed', data: { by: null, step: 'ask' } }
  expect(keysOf([ignored, { type: 'closed', data: { reason: 'silence' } }, resumed])).toEqual(['no_trigger', '', ''])
})

test('messages are told apart by provider, and those that failed by the code too', () => {
  expect(keyOfMessage('meta')).toBe('meta')
  expect(keyOfMessage('meta', '131047')).toBe('meta 131047')
})

test('a bound belongs to the bucket below it, and the last bucket has none', () => {
  expect([0, 100, 100.5, 250, 300_000, 300_001, 1e12].map(responseBucketOf)).toEqual([0, 0, 1, 1, 9, 10, 10])
})

test('the quarter of an hour', () => {
  const minutes = ['00:00', '14:59', '15:00', '30:00', '45:00', '59:59']
  expect(minutes.map(time => quarterOf(new Date(`2026-01-01T10:${time}Z`)))).toEqual([0, 0, 1, 2, 3, 3])
})
