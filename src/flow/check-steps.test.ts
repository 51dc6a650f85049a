import { describe, expect, test } from 'bun:test'
import * as v from 'valibot'
import { briefly, findingsIn, message, question } from './checking.fixture.ts'
import { flowOf } from './conversation.fixture.ts'
import type { JsonObject } from './json.ts'

describe('an expression', () => {
  test.each([
    ['{{1 +}}', 'Unexpected token'],
    ['{{customer.nmae}}', 'No such key: nmae'],
    ['{{conversation.customer}}', 'No such key'],
    ['{{nothing(1)}}', 'nothing'],
    ['{{"a".matches("b")}}', 'matches() is not available'],
    ['{{1 + "a"}}', 'no such overload'],
    ['{{customer.name', 'has no }} that closes it'],
    ['{{}}', 'Unexpected token'],
  ])('that is wrong is refused: %s', (words, problem) => {
    const [finding] = findingsIn(flowOf({ say: message(words) }))
    expect(finding).toMatchObject({ severity: 'error', code: 'bad_expression', path: 'steps.say.content.text' })
    expect(finding?.message).toContain(problem)
  })

  test('that is a condition must be true or false', () => {
    const decide = (condition: string) =>
      briefly({ decide: { type: 'decision', condition, true: 'end', false: 'end' } })
    expect(decide('1 + 1')).toEqual(['error steps.decide.condition not_a_condition'])
    expect(decide('customer.id')).toEqual(['error steps.decide.condition not_a_condition'])
    expect(decide('customer.variables.vip')).toEqual([])
    expect(decide('size(message.text) > 3 && now > timestamp("2026-01-01T00:00:00Z")')).toEqual([])
  })
})

describe('a content', () => {
  const send = (content: JsonObject) => briefly({ say: { type: 'message', content, next: 'end' } })
  const rows = (count: number) => Array.from({ length: count }, (_, n) => ({ id: `r${n}`, title: `Row ${n}` }))
  const buttons = (count: number) => Array.from({ length: count }, (_, n) => ({ id: `b${n}`, title: `B ${n}` }))

  test('beyond what providers take is refused', () => {
    expect(send({ type: 'buttons', text: 'x', buttons: buttons(4) })).toEqual([
      'error steps.say.content.buttons invalid',
    ])
    expect(send({ type: 'list', text: 'x', button: 'b', sections: [{ rows: rows(11) }] })).toEqual([
      'error steps.say.content.sections.0.rows invalid',
      'error steps.say.content.sections invalid',
    ])
    expect(send({ type: 'image' })).toEqual(['error steps.say.content invalid'])
    expect(send({ type: 'audio', url: 'https://x.test/a', caption: 'c' })).toEqual(['error steps.say.content invalid'])
  })

  test('at its limits passes, and computed parts are left to run time', () => {
    expect(send({ type: 'buttons', text: 'x', buttons: buttons(3) })).toEqual([])
    expect(send({ type: 'list', text: 'x', button: 'b', sections: [{ rows: rows(10) }] })).toEqual([])
    expect(send({ type: 'list', text: 'x', button: 'b', sections: '{{customer.variables.sections}}' })).toEqual([])
    expect(send({ type: 'buttons', text: '{{message.text}}', buttons: buttons(1) })).toEqual([])
  })
})

describe('an action', () => {
  const act = (handler: string, input: JsonObject) => briefly({ act: { type: 'action', handler, input, next: 'end' } })

  test('needs a handler that exists', () => {
    const findings = findingsIn(flowOf({ act: { type: 'action', handler: 'order.craete', next: 'end' } }))
    expect(findings).toMatchObject([{ severity: 'error', path: 'steps.act.handler', code: 'unknown_handler' }])
    expect(findings[0]?.message).toEndWith('did you mean "order.create"?')
  })

  test('has the constants of its input held against the handler’s schema', () => {
    expect(act('order.create', {})).toEqual(['error steps.act.input.items bad_input'])
    expect(act('order.create', { items: [{ product_id: 'p', quantity: 0 }] })).toEqual([
      'error steps.act.input.items.0.quantity bad_input',
    ])
    expect(act('http.request', { method: 'GOT', url: 'https://x.test' })).toEqual([
      'error steps.act.input.method bad_input',
    ])
    expect(act('http.request', { method: 'GET', url: 'https://x.test', urll: 1 })).toEqual([
      'error steps.act.input.urll bad_input',
    ])
  })

  test('has what it computes left to run time, and the constants beside it checked', () => {
    const name = '{{customer.name}}'
    expect(act('order.create', { items: '{{customer.variables.cart}}' })).toEqual([])
    expect(act('order.create', { items: [{ product_id: name, quantity: name }] })).toEqual([])
    expect(act('order.create', { items: [{ product_id: name, quantity: '3' }] })).toEqual([
      'error steps.act.input.items.0.quantity bad_input',
    ])
    expect(act('anything', { whatever: [1, null] })).toEqual([])
  })

  test('is judged fairly where computed parts stand in a union', () => {
    const shape = v.variant('kind', [v.strictObject({ kind: v.literal('a'), n: v.number() })])
    const options = { handlers: new Map([['pick', v.strictObject({ of: shape })]]) }
    const input = { of: { kind: '{{message.text}}', n: 1 } }
    expect(briefly({ act: { type: 'action', handler: 'pick', input, next: 'end' } }, options)).toEqual([])
  })
})

describe('a wait without a branch for messages', () => {
  const wait = (more: JsonObject) =>
    briefly({ pause: { type: 'wait', next: 'end', ...more }, heard: { type: 'end' } }).filter(
      finding => !finding.includes('unreachable'),
    )

  test('is warned of where it may be longer than an hour', () => {
    expect(wait({ for: '1h' })).toEqual([])
    for (const more of [{ for: '61m' }, { until: '09:00' }, { until: '{{addHours(now, 2)}}' }]) {
      expect(wait(more)).toEqual(['warning steps.pause.on_message silent_wait'])
      expect(wait({ ...more, on_message: 'heard' })).toEqual([])
    }
  })
})

describe('a called flow', () => {
  const steps = { call: { type: 'flow', flow: 'Menú', next: 'end' } }

  test('must be published where that is known', () => {
    expect(briefly(steps)).toEqual([])
    expect(briefly(steps, { flows: new Set(['Menú']) })).toEqual([])
    expect(briefly(steps, { flows: new Set(['Menu']) })).toEqual(['error steps.call.flow unknown_flow'])
  })

  test('may be the flow itself, which publishing makes known', () => {
    const itself = { ask: question('x', 'call'), call: { type: 'flow', flow: 'Test', next: 'end' } }
    expect(briefly(itself, { flows: new Set() })).toEqual([])
  })
})
