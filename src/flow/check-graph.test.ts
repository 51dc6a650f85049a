import { describe, expect, test } from 'bun:test'
import { briefly, findingsIn, message, question } from './checking.fixture.ts'
import { flowOf } from './conversation.fixture.ts'

describe('a step', () => {
  test('that does not exist is refused wherever it is named, and the nearest id offered', () => {
    const steps = {
      ask: question('x', 'thx', { retry: { next: 'thnks' }, timeout: { after: '1h', next: 'nobody' } }),
      thanks: message('{{x}}', 'edn'),
    }
    const findings = findingsIn({ ...flowOf(steps), start: 'aks' })
    expect(findings.map(finding => finding.path)).toEqual([
      'start',
      'steps.ask.next',
      'steps.ask.retry.next',
      'steps.ask.timeout.next',
      'steps.thanks.next',
    ])
    expect(findings[0]?.message).toBe('Field "start": there is no step "aks"; did you mean "ask"?')
    expect(findings[2]?.message).toEndWith('there is no step "thnks"; did you mean "thanks"?')
    expect(findings[3]?.message).toEndWith('there is no step "nobody"')
    expect(findings[4]?.message).toEndWith('did you mean "end"?')
  })

  test('that nothing leads to is refused, and so is one that only such a step leads to', () => {
    expect(briefly({ a: message('a'), b: message('b', 'c'), c: message('c') })).toEqual([
      'error steps.b unreachable_step',
      'error steps.c unreachable_step',
    ])
  })

  test('is reached through every kind of target', () => {
    const steps = {
      ask: question('x', 'decide', { retry: { next: 'retried' }, timeout: { after: '1h', next: 'late' } }),
      decide: { type: 'decision', condition: "x == 'a'", true: 'call', false: 'act' },
      call: { type: 'flow', flow: 'Other', next: 'end' },
      act: { type: 'action', handler: 'anything', next: 'end', error: 'broken' },
      retried: { type: 'handoff' },
      late: { type: 'end' },
      broken: { type: 'handoff' },
    }
    expect(briefly(steps)).toEqual([])
  })
})

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

  test('that a silent customer goes round for ever gives a warning', () => {
    const asked = question('x', 'end', { timeout: { after: '1h', next: 'remind' } })
    expect(briefly({ ask: asked, remind: message('?', 'ask') })).toEqual([
      'warning steps.ask.timeout.next timeout_loop',
    ])
  })
})
