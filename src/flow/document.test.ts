import { describe, expect, test } from 'bun:test'
import * as v from 'valibot'
import { orderFlow } from './conversation.fixture.ts'
import { flowDocumentSchema } from './document.ts'
import { parseDurationMs } from './duration.ts'
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

describe('a wait', () => {
  const isWait = (more: object) => isFlow(withStep({ type: 'wait', next: 'end', ...more }))

  test('is for a minute to thirty days, or until a time', () => {
    for (const time of [{ for: '1m' }, { for: '60s' }, { for: '30d' }, { until: '00:00' }, { until: '23:59' }])
      expect(isWait(time)).toBe(true)
    for (const time of [{ for: '59s' }, { for: '31d' }, { until: '24:00' }, { until: '9:00' }, { until: 'noon' }])
      expect(isWait(time)).toBe(false)
    expect(isWait({ until: '{{now}}', on_message: 'a' })).toBe(true)
    expect(isWait({ until: 'at {{now}}' })).toBe(false)
  })

  test('has one of both', () => {
    expect(isWait({})).toBe(false)
    expect(isWait({ for: '1h', until: '09:00' })).toBe(false)
  })
})

describe('a decision', () => {
  test('has a condition, or one to twenty cases', () => {
    const one = { condition: 'true', next: 'end' }
    const decide = (more: object) => isFlow(withStep({ type: 'decision', ...more }))
    expect(decide({ condition: 'true', true: 'end', false: 'end' })).toBe(true)
    expect(decide({ cases: [one], else: 'end' })).toBe(true)
    expect(decide({ cases: Array(20).fill(one), else: 'end' })).toBe(true)
    expect(decide({ cases: Array(21).fill(one), else: 'end' })).toBe(false)
    expect(decide({ cases: [], else: 'end' })).toBe(false)
    expect(decide({ cases: [one] })).toBe(false)
    expect(decide({ cases: [one], else: 'end', condition: 'true', true: 'end', false: 'end' })).toBe(false)
  })

  test('is told what is wrong in the form that is meant', () => {
    const paths = (step: unknown) =>
      v.safeParse(flowDocumentSchema, withStep(step)).issues?.map(issue => v.getDotPath(issue))
    expect(paths({ type: 'decision', cases: [{ condition: '', next: 'end' }], else: 'end' })).toEqual([
      'steps.a.cases.0.condition',
    ])
    expect(paths({ type: 'decision', condition: 'true', true: 'end' })).toEqual(['steps.a.false'])
  })
})

describe('a step that sends', () => {
  const template = { type: 'template', name: 'reminder', language: 'es', parameters: ['{{customer.name}}'] }

  test('may have a template, and nothing else, in place of its content', () => {
    const content = { type: 'text', text: 'a' }
    const isStep = (more: object) => isFlow(withStep({ content, next: 'end', ...more }))
    expect(isStep({ type: 'message', template })).toBe(true)
    expect(isStep({ type: 'question', template, variable: 'x' })).toBe(true)
    expect(isStep({ type: 'message', template: content })).toBe(false)
  })
})

describe('a trigger', () => {
  const isTrigger = (trigger: unknown) => isFlow({ ...withStep({ type: 'end' }), triggers: [trigger] })

  test.each([
    { keywords: ['hola'], match: 'starts', hours: 'open' },
    { buttons: ['pay', 'order_*'] },
    { ads: true, hours: 'closed' },
    { ads: ['123'] },
    { fallback: true, hours: 'closed' },
  ])('may be %j', trigger => {
    expect(isTrigger(trigger)).toBe(true)
  })

  test.each([
    { keywords: ['hola'], match: 'ends' },
    { keywords: ['…'] },
    { buttons: [] },
    { ads: false },
    { ads: ['1'], match: 'exact' },
    { fallback: true, hours: 'sometimes' },
    { hours: 'open' },
    {},
    null,
  ])('is not %j', trigger => {
    expect(isTrigger(trigger)).toBe(false)
  })

  test('is told what is wrong in the form that is meant', () => {
    const document = { ...withStep({ type: 'end' }), triggers: [{ buttons: ['a'], hours: 'shut' }] }
    const [issue] = v.safeParse(flowDocumentSchema, document).issues ?? []
    expect(issue && v.getDotPath(issue)).toBe('triggers.0.hours')
  })
})

describe('what a question asks for', () => {
  const asks = (answer: unknown) =>
    isFlow(withStep({ type: 'question', content: { type: 'text', text: 'a' }, variable: 'x', answer, next: 'end' }))

  test.each([
    { type: 'money', currency: 'EUR', min: 0, max: 100_000 },
    { type: 'date', min: 'today', max: '2026-12-31', order: 'mdy' },
    { type: 'time' },
    { type: 'datetime', min: 'now', max: '2026-12-25T17:00:00+01:00' },
    { type: 'location' },
    { type: 'image' },
    { type: 'document' },
  ])('may be %j', answer => {
    expect(asks(answer)).toBe(true)
  })

  test.each([
    { type: 'money' },
    { type: 'money', currency: 'XXQ' },
    { type: 'money', currency: 'EUR', min: 0.5 },
    { type: 'date', min: 'tomorrow' },
    { type: 'date', max: '2026-02-30' },
    { type: 'date', order: 'ymd' },
    { type: 'datetime', min: '2026-12-25' },
    { type: 'datetime', max: '2026-12-25T17:00:00' },
    { type: 'video' },
  ])('is not %j', answer => {
    expect(asks(answer)).toBe(false)
  })
})

describe('a handoff', () => {
  test('may say what comes after it, each with its time', () => {
    const isHandoff = (more: object) => isFlow(withStep({ type: 'handoff', ...more }))
    const timeout = { after: '10m', next: 'end' }
    expect(isHandoff({ next: 'end', timeout, agent_timeout: timeout })).toBe(true)
    expect(isHandoff({ timeout: { after: '10m' } })).toBe(false)
    expect(isHandoff({ agent_timeout: { after: 'soon', next: 'end' } })).toBe(false)
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
