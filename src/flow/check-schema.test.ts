import { describe, expect, test } from 'bun:test'
import { checkFlow } from './check.ts'
import { findingsIn, message, question } from './checking.fixture.ts'
import { flowOf, handlers } from './conversation.fixture.ts'
import type { JsonObject } from './json.ts'

describe('what is no flow document', () => {
  test('is refused whatever it is', () => {
    for (const document of [
      undefined,
      null,
      5,
      'x',
      [],
      {},
      { steps: [] },
      { steps: null },
      JSON.parse('{"__proto__":1}'),
    ]) {
      expect(checkFlow(document, { handlers }).ok).toBe(false)
    }
  })

  test.each([
    [{ a: { type: 'mesage' } }, 'steps.a.type', 'did you mean "message"?'],
    [{ a: { type: 'message', next: 'end' } }, 'steps.a.content', 'is missing'],
    [{ a: { type: 'end', colour: 1 } }, 'steps.a.colour', 'is not a known field'],
    [{ a: message('') }, 'steps.a.content.text', 'must not be empty'],
    [{ a: message('x'.repeat(4_097)) }, 'steps.a.content.text', 'must have at most 4096 characters'],
    [{ a: question('now', 'end') }, 'steps.a.variable', 'already means something'],
    [{ a: question('x', 'end', { timeout: { after: '5x', next: 'end' } }) }, 'steps.a.timeout.after', 'duration'],
    [{ a: question('x', 'end', { answer: { type: 'choice' } }) }, 'steps.a.answer', 'buttons or a list'],
    [{ a: question('x', 'end', { retry: { limit: 99 } }) }, 'steps.a.retry.limit', 'must be at most 20'],
    [{ a: question('x', 'end', { answer: { type: 'text', min: 'a' } }) }, 'steps.a.answer.min', 'must be a number'],
    [{ a: { type: 'action', handler: '!', next: 'end' } }, 'steps.a.handler', 'like order.create'],
    [{ a: { type: 'end' }, 'A b': { type: 'end' } }, 'steps.A b', 'must be the id of a step'],
    [{ end: { type: 'end' } }, 'steps.end', 'built in'],
    [{ constructor: { type: 'end' }, a: { type: 'end' } }, 'steps.constructor', 'not allowed'],
  ])('is refused with the place and a plain sentence: %j', (steps, path, words) => {
    const [finding] = findingsIn(flowOf(steps as JsonObject))
    expect(finding).toMatchObject({ severity: 'error', path, code: 'invalid' })
    expect(finding?.message).toContain(words)
  })

  test('has its triggers named as such', () => {
    const [finding] = findingsIn({ ...flowOf({ a: { type: 'end' } }), triggers: [{ keyword: 'x' }] })
    expect(finding).toMatchObject({ path: 'triggers.0', step: null, field: 'triggers.0' })
  })
})

test('a document of more than 256 KB is one finding, and is not looked into', () => {
  const text = `${'x'.repeat(4_000)}{{1 +}}`
  const steps = (count: number) =>
    Object.fromEntries(
      Array.from({ length: count }, (_, n) => [`s${n}`, message(text, n + 1 < count ? `s${n + 1}` : 'end')]),
    )
  const [finding, ...others] = findingsIn(flowOf(steps(70)))
  expect(others).toEqual([])
  expect(finding).toMatchObject({ severity: 'error', code: 'invalid', path: '', step: null })
  expect(finding?.message).toMatch(/^This flow is \d+ KB of JSON, and at most 256 KB are taken; move some/)
  expect(findingsIn(flowOf(steps(20)))).toHaveLength(20)
})

test('a document that cannot be written as JSON is told what is wrong with it', () => {
  const circular: Record<string, unknown> = { name: 'x' }
  circular.steps = circular
  for (const document of [circular, { name: 1n }, undefined, () => 1]) {
    expect(findingsIn(document).length).toBeGreaterThan(0)
  }
})
