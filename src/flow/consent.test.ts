import { describe, expect, test } from 'bun:test'
import { Conversation, flowOf, orderFlow, untilAction } from './conversation.fixture.ts'
import { message } from './steps.fixture.ts'

const kinds = (conversation: Conversation) => conversation.effects.map(effect => effect.kind)

describe('who asks to be left alone', () => {
  test('ends the run, leaves evidence, and is told so once', () => {
    const conversation = new Conversation(orderFlow)
    conversation.business = { texts: { stopped: 'Bye.' } }
    conversation.say('hola')
    const before = conversation.effects.length
    expect(conversation.say('¡Baja!')).toEqual(['Bye.'])
    expect(conversation.types.slice(-4)).toEqual(['message.received', 'flow.ended', 'opted_out', 'notice.sent'])
    expect(conversation.last('flow.ended')).toEqual({ reason: 'opted_out' })
    const { message_id } = conversation.last('message.received')
    expect(conversation.last('opted_out')).toEqual({ message_id, word: 'baja' })
    expect(conversation.effects.slice(before)).toEqual([
      { kind: 'consent', opted: 'out', word: 'baja', message_id },
      { kind: 'send', content: { type: 'text', text: 'Bye.' }, step: null, consent: true },
      { kind: 'timer_clear' },
    ])
  })

  test.each(['STOP', 'BAJA', 'ALTO', 'PARAR', 'SAIR'])('does so by %s in every language', word => {
    for (const language of ['es', 'en', 'pt'] as const) {
      const conversation = new Conversation(orderFlow)
      conversation.business = { language, words: { stop: ['nunca más'] } }
      conversation.say(word)
      expect(conversation.types).toContain('opted_out')
    }
  })

  test('is heard whoever has the conversation', () => {
    const conversation = new Conversation(orderFlow)
    conversation.say('hola')
    conversation.give({ kind: 'handoff', note: '', agent_id: 'u1' })
    expect(conversation.say('stop')).toHaveLength(1)
    expect(conversation.state).toMatchObject({ status: 'agent', run: null })
    const closed = new Conversation(orderFlow)
    closed.give({ kind: 'close', reason: 'done' })
    expect(closed.say('stop')).toEqual([])
  })

  test('is heard while an action works, of which the result then leads to nothing', () => {
    const conversation = untilAction()
    const { call_id } = conversation.last('action.requested')
    conversation.say('stop')
    const { events } = conversation.give({ kind: 'action_result', call_id, result: { ok: true, value: 1 } })
    expect(events).toEqual([])
  })

  test('is who taps such a button of another message, not of one that the bot offers now', () => {
    const buttons = [{ id: 'bye', title: 'Salir' }]
    const menu = flowOf({ say: { type: 'message', content: { type: 'buttons', text: 'Hi', buttons }, next: 'end' } })
    const conversation = new Conversation(menu)
    conversation.say('hola')
    conversation.say({ type: 'choice', id: 'bye', title: 'Salir' })
    expect(conversation.types).not.toContain('opted_out')
    conversation.say({ type: 'choice', id: 'promotion_stop', title: 'Salir' })
    expect(conversation.types).toContain('opted_out')
  })
})

describe('a choice of the question that reads as a wish to be left alone', () => {
  const buttons = ['Alto', 'Medio', 'Bajo'].map(title => ({ id: title.toLowerCase(), title }))
  const asking = flowOf({
    ask: {
      type: 'question',
      content: { type: 'buttons', text: 'Which heel?', buttons },
      variable: 'heel',
      next: 'say',
    },
    say: message('It is {{heel}}'),
  })

  test.each(['Alto', 'ALTO!', 'alto', '1'])('is chosen where it is written: %s', words => {
    const conversation = new Conversation(asking)
    conversation.say('hola')
    expect(conversation.say(words)).toEqual(['It is alto'])
    expect(conversation.types).not.toContain('opted_out')
  })

  test('is no choice of another question, and no other word is kept from working', () => {
    for (const words of ['baja', 'Stop', 'sair', 'Stop promotions', 'Detener promociones']) {
      const conversation = new Conversation(asking)
      conversation.say('hola')
      conversation.say(words)
      expect(conversation.types).toContain('opted_out')
    }
    const conversation = new Conversation(asking)
    conversation.say('hola')
    conversation.say('medio')
    conversation.say('alto')
    expect(conversation.types).toContain('opted_out')
  })
})

describe('who is left alone', () => {
  function leftAlone(): Conversation {
    const conversation = new Conversation(flowOf({ say: message('Hi') }))
    conversation.isOptedOut = true
    return conversation
  }

  test('is answered nothing, not even to the same wish again', () => {
    const conversation = leftAlone()
    for (const words of ['hola', 'menu', 'asesor', 'stop']) expect(conversation.say(words)).toEqual([])
    expect(conversation.last('message.ignored')).toEqual({ reason: 'opted_out' })
    expect(conversation.effects).toEqual([])
  })

  test('can come back, with evidence', () => {
    const conversation = leftAlone()
    expect(conversation.say('Alta')).toHaveLength(1)
    const { message_id } = conversation.last('message.received')
    expect(conversation.last('opted_in')).toEqual({ message_id, word: 'alta' })
    expect(conversation.effects).toMatchObject([
      { kind: 'consent', opted: 'in', word: 'alta', message_id },
      { kind: 'send', step: null, consent: true },
    ])
    conversation.isOptedOut = false
    expect(conversation.say('hola')).toEqual(['Hi'])
    expect(conversation.say('alta')).toEqual(['Hi'])
  })

  test('hears no more of a run that goes on when it happens elsewhere', () => {
    const inputs = [
      (conversation: Conversation) => conversation.timeOut(),
      (conversation: Conversation) => conversation.say('pizza'),
      (conversation: Conversation) => conversation.agentWrites({ takes_over: false }),
      (conversation: Conversation) => conversation.give({ kind: 'timer', token: 'q0' }),
    ]
    for (const input of inputs) {
      const conversation = new Conversation(orderFlow)
      conversation.say('hola')
      const sent = kinds(conversation).filter(kind => kind === 'send').length
      conversation.isOptedOut = true
      input(conversation)
      expect(conversation.last('flow.ended')).toEqual({ reason: 'opted_out' })
      expect(kinds(conversation).filter(kind => kind === 'send')).toHaveLength(sent)
    }
  })

  test('has the timer of such a run taken away by a timer that comes too late', () => {
    const conversation = new Conversation(orderFlow)
    conversation.say('hola')
    conversation.isOptedOut = true
    expect(conversation.give({ kind: 'timer', token: 'q0' }).effects).toEqual([{ kind: 'timer_clear' }])
  })

  test('has what an action did recorded, and no more', () => {
    const conversation = untilAction()
    conversation.isOptedOut = true
    expect(conversation.finish({ ok: true, value: { number: 9 } })).toEqual([])
    expect(conversation.types.slice(-2)).toEqual(['action.completed', 'flow.ended'])
    expect(conversation.state.last_run?.variables.order).toEqual({ number: 9 })
  })

  test('is not written to by a run that an agent would revive', () => {
    const conversation = new Conversation(orderFlow)
    conversation.say('hola')
    conversation.give({ kind: 'handoff', note: '' })
    conversation.isOptedOut = true
    expect(conversation.resume('count')).toEqual([])
    expect(conversation.state).toMatchObject({ status: 'bot', run: null })
  })
})
