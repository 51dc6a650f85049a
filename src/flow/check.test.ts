import { describe, expect, test } from 'bun:test'
import { checkFlow } from './check.ts'
import { briefly, findingsIn, message, question, text } from './checking.fixture.ts'
import { flowOf, handlers, orderFlow } from './conversation.fixture.ts'
import { FINDINGS_MAX } from './limits.ts'

describe('the example in the documentation', () => {
  const example = {
    name: 'Order',
    start: 'hello',
    triggers: [{ keywords: ['hola', 'menu'] }, { fallback: true }],
    steps: {
      hello: { type: 'message', content: text('Hola {{customer.name}}'), next: 'ask' },
      ask: {
        type: 'question',
        content: text('¿Cuántos?'),
        variable: 'quantity',
        answer: { type: 'integer', min: 1, max: 99 },
        retry: { text: 'Un número del 1 al 99', limit: 3, next: 'agent' },
        timeout: { after: '30m', next: 'bye' },
        next: 'big',
      },
      big: { type: 'decision', condition: 'quantity > 10', true: 'agent', false: 'order' },
      order: {
        type: 'action',
        handler: 'order.create',
        input: { items: '{{cart}}' },
        variable: 'order',
        next: 'bye',
        error: 'agent',
      },
      agent: { type: 'handoff', note: 'large order' },
      bye: { type: 'message', content: text('Gracias, pedido {{order.number}}'), next: 'end' },
    },
  }

  test('lacks only its cart, which an inherited variable supplies', () => {
    const errors = findingsIn(example).filter(finding => finding.severity === 'error')
    expect(errors).toEqual([
      {
        severity: 'error',
        path: 'steps.order.input.items',
        step: 'order',
        field: 'input.items',
        code: 'undefined_variable',
        message: 'Step "order", field "input.items": no step sets the variable "cart"',
      },
    ])
    expect(checkFlow(example, { handlers, inheritedVariables: new Set(['cart']) }).ok).toBe(true)
  })

  test('warns that the order has no number when the question timed out', () => {
    expect(findingsIn(example)).toContainEqual(
      expect.objectContaining({ severity: 'warning', path: 'steps.bye.content.text', code: 'unset_variable' }),
    )
  })
})

describe('a sound flow', () => {
  test('passes without a word, and comes back in its schema’s shape', () => {
    const result = checkFlow(orderFlow, { handlers })
    expect(result).toMatchObject({ ok: true, warnings: [], document: { name: 'Order', start: 'welcome' } })
  })
})

describe('what may be meant so', () => {
  test('gives warnings: no trigger, no timeout', () => {
    const document = {
      ...flowOf({ ask: { type: 'question', content: text('?'), variable: 'x', next: 'end' } }),
      triggers: [],
    }
    const result = checkFlow(document, { handlers })
    expect(result.ok).toBe(true)
    expect(findingsIn(document).map(finding => finding.code)).toEqual(['no_trigger', 'no_timeout'])
  })

  test('but not an answer that nobody can give', () => {
    expect(briefly({ ask: question('x', 'end', { answer: { type: 'integer', min: 5, max: 1 } }) })).toEqual([
      'error steps.ask.answer impossible_answer',
    ])
  })
})

describe('many findings', () => {
  test('are cut off, errors first', () => {
    const ask = { type: 'question', content: text('?'), variable: 'x' }
    const steps = Object.fromEntries(
      Array.from({ length: 150 }, (_, n) => [`s${n}`, { ...ask, next: n < 100 ? `s${n + 1}` : `t${n}` }]),
    )
    const findings = findingsIn(flowOf(steps))
    expect(findings).toHaveLength(FINDINGS_MAX)
    const severities = findings.map(finding => finding.severity)
    expect(severities).toEqual([...Array(99).fill('error'), 'warning'])
  })

  test('name the step and the field in the sentence', () => {
    const [finding] = findingsIn(flowOf({ say: message('{{x}}') }))
    expect(finding).toMatchObject({ step: 'say', field: 'content.text', path: 'steps.say.content.text' })
    expect(finding?.message).toStartWith('Step "say", field "content.text": ')
  })
})
