import { describe, expect, test } from 'bun:test'
import { Conversation, context, flowOf } from './conversation.fixture.ts'
import type { JsonObject } from './json.ts'
import { message, question, text } from './steps.fixture.ts'

const template = { type: 'template', name: 'reminder', language: 'es', parameters: ['{{customer.name}}'] }
const wait = { type: 'wait', for: '2d', next: 'after' }
const HOUR_MS = 3_600_000

/** A conversation with a window of a day, in which a step comes two days later. */
function twoDaysLater(step: JsonObject): Conversation {
  const conversation = new Conversation(flowOf({ wait, after: step, thanks: message('Thanks {{x}}') }))
  conversation.context = { ...context, window_expires_at: context.now + 24 * HOUR_MS }
  conversation.say('hola')
  conversation.timeOut()
  return conversation
}

const sent = (conversation: Conversation) =>
  conversation.effects.flatMap(effect => (effect.kind === 'send' ? [effect.content] : []))

describe('a template in place of a content', () => {
  const filled = { ...template, parameters: ['Ana'] }

  test('is sent where the window is closed', () => {
    expect(sent(twoDaysLater({ ...message('Still there?'), template }))).toEqual([filled] as never)
    expect(sent(twoDaysLater(question('x', 'thanks', { template })))).toEqual([filled] as never)
  })

  test('is not sent where it is open, or where there is none', () => {
    for (const window_expires_at of [context.now + 1, null]) {
      const conversation = new Conversation(flowOf({ say: { ...message('Hi'), template } }))
      conversation.context = { ...context, window_expires_at }
      expect(conversation.say('hola')).toEqual(['Hi'])
    }
  })

  test('stands for a question, of which the choices count still', () => {
    const buttons = [{ id: 'yes', title: 'Sí' }]
    const content = { type: 'buttons', text: 'Sure?', buttons }
    const conversation = twoDaysLater({ type: 'question', content, template, variable: 'x', next: 'thanks' })
    expect(conversation.last('question.asked').choices).toEqual(buttons)
    expect(conversation.say('si')).toEqual(['Thanks yes'])
  })

  test('is asked again with where an agent gives back too late', () => {
    const conversation = new Conversation(flowOf({ ask: question('x', 'end', { template }) }))
    conversation.context = { ...context, window_expires_at: context.now + HOUR_MS }
    conversation.say('hola')
    conversation.give({ kind: 'handoff', note: '' })
    conversation.passMs(2 * HOUR_MS)
    conversation.resume()
    expect(sent(conversation)).toEqual([text('x?'), filled] as never)
  })

  test('that cannot be filled in fails the flow, and says so of itself', () => {
    const broken = { ...template, parameters: ['{{customer.email}}'] }
    const conversation = twoDaysLater({ ...message('Hi'), template: broken })
    expect(conversation.last('flow.failed')).toMatchObject({ step: 'after', field: 'template.parameters.0' })
  })
})

describe('a decision with cases', () => {
  const decision = {
    type: 'decision',
    cases: [
      { condition: 'x > 10', next: 'many' },
      { condition: 'x > 5', next: 'some' },
    ],
    else: 'few',
  }
  const flow = flowOf({
    ask: question('x', 'check', { answer: { type: 'integer' } }),
    check: decision,
    ...{ many: message('many'), some: message('some'), few: message('few') },
  })

  test.each([
    ['20', 'many', { result: true, case: 0 }],
    ['7', 'some', { result: true, case: 1 }],
    ['1', 'few', { result: false }],
  ])('goes the way of the first that is true, of %s to %s', (words, next, data) => {
    const conversation = new Conversation(flow)
    conversation.say('hola')
    expect(conversation.say(words)).toEqual([next])
    expect(conversation.last('decision.made')).toEqual({ step: 'check', next, ...data })
  })

  test('says which case gives no truth', () => {
    const cases = [
      { condition: 'false', next: 'end' },
      { condition: 'customer.name', next: 'end' },
    ]
    const conversation = new Conversation(flowOf({ check: { type: 'decision', cases, else: 'end' } }))
    conversation.say('hola')
    expect(conversation.last('flow.failed')).toMatchObject({ step: 'check', field: 'cases.1.condition' })
  })
})
