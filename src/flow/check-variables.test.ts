import { describe, expect, test } from 'bun:test'
import { briefly, findingsIn, message, question } from './checking.fixture.ts'
import { flowOf } from './conversation.fixture.ts'

describe('a variable', () => {
  test('that no step sets is refused, and a similar name offered', () => {
    const findings = findingsIn(flowOf({ ask: question('quantity', 'say'), say: message('{{quantty}}') }))
    expect(findings).toHaveLength(1)
    expect(findings[0]?.message).toEndWith('no step sets the variable "quantty"; did you mean "quantity"?')
  })

  test('that is only set later is refused', () => {
    const [finding] = findingsIn(flowOf({ say: message('{{x}}', 'ask'), ask: question('x', 'end') }))
    expect(finding).toMatchObject({ code: 'undefined_variable', path: 'steps.say.content.text' })
    expect(finding?.message).toEndWith('"x" is set on no way here')
  })

  test('that a question sets is not set where it timed out, was given up, or asks', () => {
    const lost = { retry: { text: '{{x}}?', next: 'b' }, timeout: { after: '1h', next: 'a' } }
    expect(briefly({ ask: question('x', 'end', lost), a: message('{{x}}'), b: message('{{x}}') })).toEqual([
      'error steps.ask.retry.text undefined_variable',
      'error steps.a.content.text undefined_variable',
      'error steps.b.content.text undefined_variable',
    ])
  })

  test('that an action sets is not set at its error step', () => {
    const action = { type: 'action', handler: 'anything', variable: 'x', next: 'good', error: 'bad' }
    expect(briefly({ act: action, good: message('{{x}}'), bad: message('{{x}} {{error.code}}') })).toEqual([
      'error steps.bad.content.text undefined_variable',
    ])
  })

  test('that is set on one way and not on the other gives a warning', () => {
    const steps = {
      choose: { type: 'decision', condition: 'message.text == "a"', true: 'ask', false: 'say' },
      ask: question('x', 'say'),
      say: message('{{x}}'),
    }
    expect(briefly(steps)).toEqual(['warning steps.say.content.text unset_variable'])
  })

  test('that is set round a loop is set on some way only', () => {
    const steps = {
      say: message('hi', 'maybe'),
      maybe: { type: 'decision', condition: 'message.text == "a"', true: 'show', false: 'ask' },
      show: message('{{x}}'),
      ask: question('x', 'say'),
    }
    expect(briefly(steps)).toEqual(['warning steps.show.content.text unset_variable'])
  })

  test('that a called flow may set is a warning after the call, not before it', () => {
    const call = { type: 'flow', flow: 'Other', next: 'after' }
    expect(briefly({ before: message('{{y}}', 'call'), call, after: message('{{x}}') })).toEqual([
      'error steps.before.content.text undefined_variable',
      'warning steps.after.content.text unset_variable',
    ])
  })

  test('that a called flow may set on one way only is a warning, whichever way is looked at first', () => {
    const call = { type: 'flow', flow: 'Other', next: 'say' }
    for (const [yes, no] of [
      ['say', 'call'],
      ['call', 'say'],
    ]) {
      const choose = { type: 'decision', condition: 'error == null', true: yes ?? '', false: no ?? '' }
      expect(briefly({ choose, call, say: message('{{x}}') })).toEqual([
        'warning steps.say.content.text unset_variable',
      ])
    }
  })

  test('of a macro, and the roots, are always there', () => {
    const words = '{{customer.name}} {{[1, 2].map(n, n + 1)}} {{cel.bind(a, 1, a + 1)}} {{now}} {{error == null}}'
    expect(briefly({ say: message(words) })).toEqual([])
  })

  test('is looked for in every field that holds expressions', () => {
    const steps = {
      say: {
        type: 'message',
        content: { type: 'list', text: 'x', button: '{{a}}', sections: [{ rows: '{{b}}' }] },
        next: 'act',
      },
      act: { type: 'action', handler: 'anything', input: { deep: [{ er: '{{c}}' }] }, next: 'decide' },
      decide: { type: 'decision', condition: 'd', true: 'end', false: 'agent' },
      agent: { type: 'handoff', note: '{{e}}' },
    }
    const places = ['say.content.button', 'say.content.sections.0.rows', 'act.input.deep.0.er', 'decide.condition']
    expect(briefly(steps)).toEqual([...places, 'agent.note'].map(place => `error steps.${place} undefined_variable`))
  })
})
