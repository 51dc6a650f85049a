import { describe, expect, test } from 'bun:test'
import { briefly, findingsIn, message, question } from './checking.fixture.ts'
import { flowOf } from './conversation.fixture.ts'

describe('a loop', () => {
  const again = (next: string, stop: string) => ({
    type: 'decision',
    condition: 'error == null',
    true: next,
    false: stop,
  })

  test('without a question is refused, and shown', () => {
    const [finding] = findingsIn(flowOf({ a: message('a', 'b'), b: again('c', 'end'), c: message('c', 'a') }))
    expect(finding).toMatchObject({ severity: 'error', path: 'steps.a.next', step: 'a', field: 'next' })
    expect(finding?.message).toContain('a → b → c → a')
  })

  test('through an action or a called flow is refused too', () => {
    const act = { type: 'action', handler: 'anything', next: 'end', error: 'act' }
    expect(briefly({ act })).toEqual(['error steps.act.error endless_loop'])
    expect(briefly({ call: { type: 'flow', flow: 'Other', next: 'call' } })).toEqual([
      'error steps.call.next endless_loop',
    ])
  })

  test('with a question in it is fine, and one beside it is still found', () => {
    expect(briefly({ ask: question('x', 'say'), say: message('{{x}}', 'ask') })).toEqual([])
    expect(briefly({ ask: question('x', 'say'), say: message('s', 'on'), on: again('ask', 'say') })).toEqual([
      'error steps.say.next endless_loop',
    ])
  })

  test('with a wait in it is refused where the wait may be over at once', () => {
    const pause = (until: object) => ({ pause: { type: 'wait', ...until, next: 'say' }, say: message('!', 'pause') })
    expect(briefly(pause({ until: '{{now}}' }))).toContain('error steps.pause.next endless_loop')
    for (const until of [{ for: '1h' }, { until: '09:00' }])
      expect(briefly(pause(until))).not.toContain('error steps.pause.next endless_loop')
  })

  test('that a silent customer goes round for ever gives a warning', () => {
    const asked = question('x', 'end', { timeout: { after: '1h', next: 'remind' } })
    expect(briefly({ ask: asked, remind: message('?', 'ask') })).toContainEqual(
      'warning steps.ask.timeout.next timeout_loop',
    )
  })

  test('that only waits, or only asks for a person, goes on by itself', () => {
    const wait = { type: 'wait', for: '1d', next: 'say', on_message: 'say' }
    const content = { type: 'template', name: 'news', language: 'en', parameters: [] }
    expect(briefly({ say: { type: 'message', content, next: 'wait' }, wait })).toEqual([
      'warning steps.say.next timeout_loop',
    ])
    const person = { type: 'handoff', timeout: { after: '1h', next: 'person' } }
    expect(briefly({ person })).toEqual(['warning steps.person.timeout.next timeout_loop'])
  })

  test('of two hundred steps is found whole, and so are loops that share steps', () => {
    const chain = Object.fromEntries(
      Array.from({ length: 200 }, (_, n) => [`s${n}`, message('x', n < 199 ? `s${n + 1}` : 's0')]),
    )
    expect(briefly(chain)).toEqual(['error steps.s0.next endless_loop'])
    const eight = { a: again('b', 'c'), b: message('x', 'a'), c: message('x', 'd'), d: message('x', 'a') }
    expect(briefly(eight)).toEqual(['error steps.a.true endless_loop', 'error steps.c.next endless_loop'])
  })
})
