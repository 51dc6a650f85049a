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

describe('a dead end', () => {
  const ask = (next: string, retry = next) =>
    question('x', next, { retry: { next: retry }, timeout: { after: '1h', next } })

  test('is a question from which no way leads to an end or to a person', () => {
    const steps = { start: question('y', 'a'), a: ask('b'), b: ask('c'), c: message('{{x}}', 'a') }
    expect(briefly(steps, { hasWindow: false }).filter(finding => finding.startsWith('error'))).toEqual([
      'error steps.a dead_end',
      'error steps.b dead_end',
    ])
  })

  test('is none where one way out is enough: an end, a person, or being misunderstood too often', () => {
    for (const way of [{ next: 'end' }, { next: 'person' }, { retry: {} }])
      expect(
        briefly({ a: { ...ask('b'), ...way }, b: ask('a'), person: { type: 'handoff' } }).filter(finding =>
          finding.endsWith('dead_end'),
        ),
      ).toEqual([])
  })
})
