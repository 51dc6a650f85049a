import { describe, expect, test } from 'bun:test'
import * as v from 'valibot'
import { orderFlow } from './conversation.fixture.ts'
import { flowDocumentSchema, parseDurationMs } from './document.ts'
import { STEPS_MAX, TEMPLATE_LENGTH_MAX, TEMPLATES_MAX } from './limits.ts'

const isFlow = (document: unknown) => v.is(flowDocumentSchema, document)
const withStep = (step: unknown) => ({ name: 'x', start: 'a', steps: { a: step } })
const withContent = (content: unknown) => withStep({ type: 'message', content, next: 'end' })

describe('parseDurationMs', () => {
  test.each([
    ['10s', 10_000],
    ['30m', 1_800_000],
    ['2h', 7_200_000],
    ['3d', 259_200_000],
    ['30d', 2_592_000_000],
    ['31d', null],
    ['0s', null],
    ['10', null],
    ['1.5h', null],
    ['10 s', null],
    ['-1s', null],
    ['99999999s', null],
    ['', null],
  ])('%j is %p ms', (text, durationMs) => {
    expect(parseDurationMs(text)).toBe(durationMs)
  })
})

describe('a flow document', () => {
  test('has its defaults filled in', () => {
    const parsed = v.parse(flowDocumentSchema, withStep({ type: 'handoff' }))
    expect(parsed).toEqual({ name: 'x', start: 'a', triggers: [], steps: { a: { type: 'handoff', note: '' } } })
  })

  test('may be written out and read again', () => {
    expect(v.parse(flowDocumentSchema, JSON.parse(JSON.stringify(orderFlow)))).toMatchObject({ name: 'Order' })
  })

  test('has no key that is unknown, at any depth', () => {
    const flow = withContent({ type: 'text', text: 'a' })
    expect(isFlow(flow)).toBe(true)
    expect(isFlow({ ...flow, more: 1 })).toBe(false)
    expect(isFlow(withContent({ type: 'text', text: 'a', more: 1 }))).toBe(false)
    expect(isFlow({ ...flow, triggers: [{ fallback: true, keywords: ['a'] }] })).toBe(false)
  })

  test('has a bounded number of steps', () => {
    const steps = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`s${n}`, { type: 'end' }]))
    expect(isFlow({ name: 'x', start: 's0', steps: steps(STEPS_MAX) })).toBe(true)
    expect(isFlow({ name: 'x', start: 's0', steps: steps(STEPS_MAX + 1) })).toBe(false)
    expect(isFlow({ name: 'x', start: 's0', steps: {} })).toBe(false)
  })

  test('has a bounded number of {{…}}', () => {
    const notes = (count: number) => {
      const step = { type: 'handoff', note: '{{a}}'.repeat(100) }
      return {
        name: 'x',
        start: 's0',
        steps: Object.fromEntries(Array.from({ length: count }, (_, n) => [`s${n}`, step])),
      }
    }
    expect(isFlow(notes(TEMPLATES_MAX / 100))).toBe(true)
    expect(isFlow(notes(TEMPLATES_MAX / 100 + 1))).toBe(false)
  })

  test('has variables that expressions can read', () => {
    const ask = (variable: string) =>
      isFlow(withStep({ type: 'question', content: { type: 'text', text: 'a' }, variable, next: 'end' }))
    for (const name of ['x', 'order_2']) expect(ask(name)).toBe(true)
    for (const name of ['customer', 'now', 'in', 'size ', 'Order', '2x', '', '__proto__', 'true'])
      expect(ask(name)).toBe(false)
  })
})

describe('a content in a flow', () => {
  test('with {{…}} may be longer than the limit, within one of its own', () => {
    const buttons = (title: string) => withContent({ type: 'buttons', text: 'a', buttons: [{ id: 'b', title }] })
    expect(isFlow(buttons('x'.repeat(21)))).toBe(false)
    expect(isFlow(buttons('{{customer.variables.a_long_name}}'))).toBe(true)
    expect(isFlow(buttons(`{{${'x'.repeat(TEMPLATE_LENGTH_MAX)}}}`))).toBe(false)
  })

  test('may have its lists computed by one whole {{…}}, and by nothing else', () => {
    const list = (sections: unknown) => withContent({ type: 'list', text: 'a', button: 'b', sections })
    expect(isFlow(list('{{sections}}'))).toBe(true)
    expect(isFlow(list([{ rows: '{{rows.map(r, {"id": r, "title": r})}}' }]))).toBe(true)
    expect(isFlow(list('sections'))).toBe(false)
    expect(isFlow(list('x {{sections}}'))).toBe(false)
    expect(isFlow(list('{{a}}{{b}}'))).toBe(false)
  })

  test('has no two equal ids, those with {{…}} left aside', () => {
    const two = (first: string, second: string) =>
      withContent({
        type: 'buttons',
        text: 'a',
        buttons: [
          { id: first, title: 'A' },
          { id: second, title: 'B' },
        ],
      })
    expect(isFlow(two('a', 'b'))).toBe(true)
    expect(isFlow(two('a', 'a'))).toBe(false)
    expect(isFlow(two('{{x}}', '{{x}}'))).toBe(true)
  })
})

describe('the input of an action', () => {
  const act = (input: unknown) => isFlow(withStep({ type: 'action', handler: 'x', input, next: 'end' }))

  test('is a JSON object of bounded size and depth', () => {
    expect(act({ a: [1, { b: null }] })).toBe(true)
    expect(act([])).toBe(false)
    expect(act({ a: 'x'.repeat(17_000) })).toBe(false)
    let deep: unknown = 1
    for (let n = 0; n < 50; n++) deep = { deep }
    expect(act(deep)).toBe(false)
    expect(act({ a: Number.NaN })).toBe(false)
  })

  test('has no key that could reach a prototype', () => {
    expect(act(JSON.parse('{"__proto__": {"x": 1}}'))).toBe(false)
    expect(act({ a: { constructor: 1 } })).toBe(false)
  })
})
