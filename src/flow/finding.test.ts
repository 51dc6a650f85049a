import { describe, expect, test } from 'bun:test'
import { errorAt, mostImportant, suggestion, warningAt } from './finding.ts'
import { FINDINGS_MAX } from './limits.ts'

describe('a finding', () => {
  test('names its place in the document, in the step and in a sentence', () => {
    expect(errorAt({ step: 'ask', field: 'retry.next' }, 'missing_step', 'there is none')).toEqual({
      severity: 'error',
      path: 'steps.ask.retry.next',
      step: 'ask',
      field: 'retry.next',
      code: 'missing_step',
      message: 'Step "ask", field "retry.next": there is none',
    })
    expect(errorAt({ step: 'ask', field: null }, 'invalid', 'no')).toMatchObject({
      path: 'steps.ask',
      message: 'Step "ask": no',
    })
    expect(warningAt({ step: null, field: 'triggers' }, 'no_trigger', 'none')).toMatchObject({
      severity: 'warning',
      path: 'triggers',
      message: 'Field "triggers": none',
    })
    expect(errorAt({ step: null, field: null }, 'invalid', 'must be an object')).toMatchObject({
      path: '',
      message: 'Must be an object',
    })
  })

  test('that is an error comes before the warnings, and all within a bound', () => {
    const warning = warningAt({ step: 'a', field: null }, 'no_timeout', 'w')
    const error = errorAt({ step: 'b', field: null }, 'invalid', 'e')
    expect(mostImportant([warning, error])).toEqual([error, warning])
    const many = mostImportant([...Array(FINDINGS_MAX).fill(warning), error])
    expect(many).toHaveLength(FINDINGS_MAX)
    expect(many[0]).toEqual(error)
  })
})

describe('a suggestion', () => {
  const known = ['agent', 'ask', 'confirm_order', 'end']

  test.each([
    ['agnet', 'agent'],
    ['aks', 'ask'],
    ['agents', 'agent'],
    ['confirm-order', 'confirm_order'],
    ['konfirmorder', 'confirm_order'],
    ['edn', 'end'],
  ])('for %s is %s', (name, nearest) => {
    expect(suggestion(name, known)).toBe(`; did you mean "${nearest}"?`)
  })

  test('is not made where nothing comes near', () => {
    for (const name of ['zzz', 'order', '', 'x']) expect(suggestion(name, known)).toBe('')
    expect(suggestion('anything', [])).toBe('')
  })
})
