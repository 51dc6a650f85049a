import { describe, expect, test } from 'bun:test'
import { checkFlow } from './check.ts'
import { briefly, findingsIn, message, question } from './checking.fixture.ts'
import { flowOf } from './conversation.fixture.ts'

const wait = (length: string, next: string) => ({ type: 'wait', for: length, next })
const late = (steps: Parameters<typeof briefly>[0]) =>
  briefly(steps).filter(finding => finding.includes('late_content'))

describe('free text that may go out when only templates may', () => {
  test('is found after waits that are together a day', () => {
    const steps = { a: wait('12h', 'b'), b: message('x', 'c'), c: wait('12h', 'd'), d: message('y') }
    expect(late(steps)).toEqual(['error steps.d.content late_content'])
    expect(late({ a: wait('23h', 'b'), b: message('x') })).toEqual([])
  })

  test('is found after a question that nobody answers for a day, and not where it was answered', () => {
    const ask = question('x', 'thanks', { timeout: { after: '1d', next: 'gone' } })
    expect(late({ ask, thanks: message('{{x}}'), gone: message('?') })).toEqual([
      'error steps.gone.content late_content',
    ])
  })

  test('is found on the longest of several ways, and round a loop', () => {
    const choose = { type: 'decision', condition: 'error == null', true: 'say', false: 'wait' }
    expect(late({ choose, wait: wait('2d', 'say'), say: message('x') })).toEqual([
      'error steps.say.content late_content',
    ])
    const remind = question('x', 'end', { timeout: { after: '1h', next: 'remind' } })
    expect(late({ remind })).toEqual(['error steps.remind.content late_content'])
  })

  test('may be at any time of the day after a wait until one', () => {
    for (const until of ['09:00', '{{now}}'])
      expect(late({ a: { type: 'wait', until, next: 'b' }, b: message('x') })).toEqual([
        'error steps.b.content late_content',
      ])
  })

  test('is fine with a template beside it, or where it is one', () => {
    const template = { type: 'template', name: 'reminder', language: 'es', parameters: ['{{customer.id}}'] }
    expect(late({ a: wait('2d', 'b'), b: { ...message('x'), template } })).toEqual([])
    expect(late({ a: wait('2d', 'b'), b: { type: 'message', content: template, next: 'end' } })).toEqual([])
  })

  test('begins anew when the customer writes', () => {
    const steps = {
      a: { ...wait('3d', 'b'), on_message: 'hello' },
      b: { type: 'end' },
      hello: message('x'),
    }
    expect(late(steps)).toEqual([])
  })

  test('counts how long nobody took the conversation, and how long an agent was silent', () => {
    const person = { type: 'handoff', timeout: { after: '1d', next: 'a' }, agent_timeout: { after: '2h', next: 'b' } }
    expect(late({ person, a: message('x'), b: message('y') })).toEqual(['error steps.a.content late_content'])
  })

  test('is only a warning where no bot has a window', () => {
    const document = flowOf({ a: wait('2d', 'b'), b: message('x') })
    const result = checkFlow(document, { handlers: new Map(), hasWindow: false })
    expect(result).toMatchObject({ ok: true, warnings: [{ code: 'silent_wait' }, { code: 'late_content' }] })
    expect(findingsIn(document)[0]?.message).toContain('give the step a "template"')
  })
})
