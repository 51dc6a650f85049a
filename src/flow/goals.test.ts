import { expect, test } from 'bun:test'
import { findingsIn } from './checking.fixture.ts'
import { Conversation, flowOf } from './conversation.fixture.ts'
import type { JsonObject } from './json.ts'
import { GOALS_MAX } from './limits.ts'
import { message, question } from './steps.fixture.ts'

const steps = { ask: question('name', 'thanks'), thanks: message('Thanks', 'person'), person: { type: 'handoff' } }

/** The conversation in a flow with these goals, told by its events and the steps of its goals. */
function told(goals: readonly string[], given: JsonObject = flowOf(steps)): readonly string[] {
  const conversation = new Conversation({ ...given, goals })
  conversation.say('hola')
  conversation.say('Ana')
  return conversation.events.map(({ type, data }) => (type === 'goal.reached' ? `goal ${data.step}` : type))
}

test('a run that comes to a goal says so before what the step does, whatever type the step is of', () => {
  const all = told(['thanks', 'person'])
  expect(all.slice(all.indexOf('answer.accepted'))).toEqual([
    'answer.accepted',
    'goal thanks',
    'replied',
    'goal person',
    'flow.ended',
    'handed_off',
  ])
  expect(told([]).filter(type => type.startsWith('goal'))).toEqual([])
})

test('a question that is asked again is come to once; a step that a run comes to twice is reached twice', () => {
  const conversation = new Conversation({
    ...flowOf({ ask: question('n', 'ask', { answer: { type: 'integer' }, timeout: { after: '1h', next: 'end' } }) }),
    goals: ['ask'],
  })
  conversation.say('hola')
  conversation.say('what?')
  conversation.give({ kind: 'handoff', note: '', agent_id: 'u1' })
  conversation.resume()
  const reached = () => conversation.types.filter(type => type === 'goal.reached').length
  expect(reached()).toBe(1)
  conversation.say('7')
  expect(reached()).toBe(2)
})

test('a goal is one of the flow that it is written in: one that is called has its own', () => {
  const inner = { ...flowOf({ one: message('One') }, 'Inner'), goals: ['one'] }
  const outer = { ...flowOf({ one: { type: 'flow', flow: 'Inner', next: 'end' } }), goals: [] }
  const conversation = new Conversation(outer, inner)
  conversation.say('hola')
  expect(conversation.last('goal.reached')).toEqual({ step: 'one', flow_id: 'Inner' })
})

test('a run that stops at a goal stands at it', () => {
  const conversation = new Conversation({ ...flowOf(steps), goals: ['person'] })
  conversation.say('hola')
  conversation.say('Ana')
  expect(conversation.state.last_run?.step).toBe('person')
})

test('a goal that is no step is refused, and the nearest id offered; so is the built-in end, and more than there may be', () => {
  const finding = (goals: readonly string[]) =>
    findingsIn({ ...flowOf(steps), goals }).filter(({ severity }) => severity === 'error')
  expect(finding(['thanks', 'person'])).toEqual([])
  expect(finding(['thnks'])).toMatchObject([
    { path: 'goals', code: 'missing_step', message: 'Field "goals": there is no step "thnks"; did you mean "thanks"?' },
  ])
  expect(finding(['end'])).toMatchObject([{ message: expect.stringContaining('give the flow a step of the type end') }])
  expect(finding(Array.from({ length: GOALS_MAX + 1 }, () => 'thanks'))).toMatchObject([{ code: 'invalid' }])
})
