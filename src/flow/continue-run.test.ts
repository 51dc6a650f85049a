import { describe, expect, test } from 'bun:test'
import { Conversation, flowOf, orderFlow, untilAction } from './conversation.fixture.ts'
import { message, question } from './steps.fixture.ts'

const action = (next: string, more = {}) => ({ type: 'action', handler: 'anything', next, ...more })

describe('a question', () => {
  test('asks again with the retry text, then hands over beyond the limit', () => {
    const conversation = new Conversation(orderFlow)
    conversation.say('hola')
    conversation.tap('pizza')
    expect(conversation.say('muchos')).toEqual(['Un número del 1 al 99'])
    expect(conversation.say('100')).toEqual(['Un número del 1 al 99'])
    expect(conversation.last('answer.rejected')).toEqual({ step: 'count', attempt: 2, reason: 'too_large' })
    expect(conversation.say('0')).toEqual([])
    expect(conversation.state.status).toBe('waiting')
    expect(conversation.last('flow.ended')).toEqual({ reason: 'handoff' })
  })

  test('goes to retry.next beyond the limit', () => {
    const asked = question('age', 'end', { answer: { type: 'integer' }, retry: { limit: 0, next: 'sorry' } })
    const conversation = new Conversation(flowOf({ age: asked, sorry: message('Perdona') }))
    conversation.say('hola')
    expect(conversation.say('no')).toEqual(['Perdona'])
  })

  test('without a retry text asks the same again, and a choice is asked again below the retry text', () => {
    const plain = new Conversation(flowOf({ age: question('age', 'end', { answer: { type: 'integer' } }) }))
    plain.say('hola')
    expect(plain.say('no')).toEqual(['age?'])
    const content = { type: 'buttons', text: 'Which?', buttons: [{ id: 'a', title: 'A' }] }
    const choice = new Conversation(
      flowOf({ pick: { type: 'question', content, variable: 'x', retry: { text: 'Tap one' }, next: 'end' } }),
    )
    choice.say('hola')
    expect(choice.say('no')).toEqual(['Tap one', 'Which?'])
    expect(choice.types.slice(-3)).toEqual(['answer.rejected', 'replied', 'question.repeated'])
  })

  test('starts its timer, and the answer clears it', () => {
    const asked = question('age', 'end', { timeout: { after: '10s', next: 'end' } })
    const conversation = new Conversation(flowOf({ age: asked }))
    conversation.say('hola')
    expect(conversation.effects.at(-1)).toEqual({ kind: 'timer', token: conversation.token, after_ms: 10_000 })
    conversation.say('7')
    expect(conversation.effects.at(-1)).toEqual({ kind: 'timer_clear' })
  })

  test('goes on to timeout.next when its time is over, but not for an old token', () => {
    const conversation = new Conversation(orderFlow)
    conversation.say('hola')
    const old = conversation.token
    conversation.tap('pizza')
    expect(conversation.give({ kind: 'timer', token: old }).events).toEqual([])
    expect(conversation.timeOut()).toEqual(['Hasta luego'])
    expect(conversation.types.slice(-3)).toEqual(['answer.timed_out', 'replied', 'flow.ended'])
  })

  test('gets a new timer with each retry', () => {
    const conversation = new Conversation(orderFlow)
    conversation.say('hola')
    const first = conversation.token
    conversation.say('nada de eso')
    expect(conversation.token).not.toBe(first)
    expect(conversation.effects.at(-1)).toMatchObject({ kind: 'timer', token: conversation.token })
  })

  test('takes a number for a choice of the list it sent', () => {
    const conversation = new Conversation(orderFlow)
    conversation.say('hola')
    conversation.say('2')
    expect(conversation.last('answer.accepted')).toEqual({ step: 'pick', variable: 'product', value: 'agua' })
  })
})

describe('an action', () => {
  test('that fails goes to its error step, which can say why', () => {
    const conversation = untilAction()
    conversation.finish({ ok: false, code: 'out_of_stock', message: 'no pizza left' })
    expect(conversation.last('handed_off')).toEqual({ by: 'flow', note: 'No order: no pizza left' })
    expect(conversation.state.last_run?.variables.error).toEqual({ code: 'out_of_stock', message: 'no pizza left' })
  })

  test('that fails without an error step fails the flow', () => {
    const conversation = new Conversation(flowOf({ call: action('end') }))
    conversation.say('hola')
    conversation.finish({ ok: false, code: 'timeout', message: 'too slow' })
    expect(conversation.last('flow.failed').message).toContain('too slow')
    expect(conversation.state.status).toBe('waiting')
  })

  test('without a variable does not keep its result', () => {
    const conversation = new Conversation(flowOf({ call: action('ask'), ask: question('x', 'end') }))
    conversation.say('hola')
    expect(conversation.finish({ ok: true, value: { big: 'x'.repeat(1_000) } })).toEqual(['x?'])
    expect(conversation.state.run?.variables).toEqual({})
  })

  test('takes its result once, and none of another call', () => {
    const conversation = untilAction()
    const call_id = conversation.last('action.requested').call_id
    const result = { ok: true, value: { number: 1 } } as const
    expect(conversation.give({ kind: 'action_result', call_id: 'a0', result }).events).toEqual([])
    conversation.give({ kind: 'action_result', call_id, result })
    expect(conversation.give({ kind: 'action_result', call_id, result }).events).toEqual([])
  })

  test('whose result is too large to keep fails the flow', () => {
    const conversation = new Conversation(flowOf({ call: action('end', { variable: 'x' }) }))
    conversation.say('hola')
    conversation.finish({ ok: true, value: 'x'.repeat(70_000) })
    expect(conversation.last('flow.failed')).toMatchObject({ step: 'call', field: 'variable' })
  })

  test('keeps the type of a whole {{…}} in its input', () => {
    const input = { text: 'n={{n}}', n: '{{n}}', next: '{{n + 1}}', list: ['{{[n]}}'] }
    const conversation = new Conversation(
      flowOf({ ask: question('n', 'call', { answer: { type: 'integer' } }), call: action('end', { input }) }),
    )
    conversation.say('hola')
    conversation.say('4')
    expect(conversation.effects.at(-1)).toMatchObject({ input: { text: 'n=4', n: 4, next: 5, list: [[4]] } })
  })
})

describe('a person', () => {
  test('who takes over stops the flow and its timer, and resuming asks the question again', () => {
    const conversation = new Conversation(orderFlow)
    conversation.say('hola')
    conversation.give({ kind: 'handoff', note: 'mine', agent_id: 'u1' })
    expect(conversation.state.status).toBe('agent')
    expect(conversation.effects.at(-1)).toEqual({ kind: 'timer_clear' })
    expect(conversation.say('pizza')).toEqual([])
    const { effects } = conversation.give({ kind: 'resume', agent_id: 'u1' })
    expect(effects.map(effect => effect.kind)).toEqual(['send', 'timer'])
    expect(conversation.say('pizza')).toEqual(['¿Cuántos?'])
  })

  test('does not stop an action: its result is kept, and gone on with when the bot resumes', () => {
    const conversation = untilAction()
    conversation.give({ kind: 'handoff', note: '' })
    expect(conversation.finish({ ok: true, value: { number: 5 } })).toEqual([])
    expect(conversation.state.run?.waiting).toMatchObject({ kind: 'paused', ok: true })
    const { effects } = conversation.give({ kind: 'resume' })
    expect(effects).toMatchObject([{ kind: 'send', content: { text: 'Gracias, pedido 5' } }])
    expect(conversation.state).toMatchObject({ status: 'bot', run: null })
  })

  test('who resumes while the action still works lets it finish', () => {
    const conversation = untilAction()
    conversation.give({ kind: 'handoff', note: '' })
    conversation.give({ kind: 'resume' })
    expect(conversation.finish({ ok: true, value: { number: 6 } })).toEqual(['Gracias, pedido 6'])
  })

  test('is not disturbed by a timer that comes too late', () => {
    const conversation = new Conversation(orderFlow)
    conversation.say('hola')
    conversation.give({ kind: 'handoff', note: '' })
    expect(conversation.give({ kind: 'timer', token: conversation.token }).events).toEqual([])
  })

  test('is not asked for again when the flow fails meanwhile', () => {
    const conversation = untilAction()
    conversation.give({ kind: 'handoff', note: '', agent_id: 'u1' })
    conversation.finish({ ok: true, value: 'x'.repeat(70_000) })
    expect(conversation.types.slice(-2)).toEqual(['flow.failed', 'flow.ended'])
    expect(conversation.state.status).toBe('agent')
  })

  test('has nothing to resume while the bot speaks', () => {
    const conversation = new Conversation(orderFlow)
    conversation.say('hola')
    expect(conversation.give({ kind: 'resume' }).events).toEqual([])
  })
})
