import { describe, expect, test } from 'bun:test'
import { Conversation, context, flowOf, libraryOf, orderFlow, untilAction } from './conversation.fixture.ts'
import { FLOW_DEPTH_MAX, STEPS_PER_CALL_MAX } from './limits.ts'
import { foldEvents, initialState } from './state.ts'
import { isAwaitingAction, step } from './step.ts'
import { message, question } from './steps.fixture.ts'

describe('a whole conversation', () => {
  test('takes an order from the first "hola" to its number', () => {
    const conversation = new Conversation(orderFlow)
    expect(conversation.say('¡HOLA, buenas!')).toEqual(['Hola Ana', 'Elige'])
    expect(conversation.tap('agua')).toEqual(['¿Cuántos?'])
    expect(conversation.say('3')).toEqual(['¿3 de agua?'])
    expect(conversation.say('sí')).toEqual([])
    expect(conversation.effects.at(-2)).toEqual({
      kind: 'action',
      call_id: expect.any(String),
      handler: 'order.create',
      input: { items: [{ product_id: 'agua', quantity: 3 }] },
    })
    expect(conversation.finish({ ok: true, value: { number: 17 } })).toEqual(['Gracias, pedido 17'])
    expect(conversation.state.run).toBeNull()
    expect(conversation.state.last_run?.variables).toEqual({
      product: 'agua',
      quantity: 3,
      sure: 'yes',
      order: { number: 17 },
    })
  })

  test('makes a list from a variable, with money in its rows', () => {
    const conversation = new Conversation(orderFlow)
    conversation.say('hola')
    const list = conversation.effects.findLast(effect => effect.kind === 'send')?.content
    expect(list).toMatchObject({
      sections: [{ rows: [{ id: 'pizza', title: 'Pizza', description: '12,50 EUR' }, { id: 'agua' }, { id: 'flan' }] }],
    })
  })

  test('is the fold of its events at every moment', () => {
    const conversation = untilAction()
    expect(foldEvents(conversation.events)).toEqual(conversation.state)
    expect(conversation.state.seq).toBe(conversation.events.length)
  })

  test('changes nothing it is given, and gives the same for the same', () => {
    const library = libraryOf(orderFlow)
    const input = {
      kind: 'message',
      message_id: 'm1',
      content: { type: 'text', text: 'hola' },
      flows: [{ flow_id: 'Order', version: 1 }],
    } as const
    const state = Object.freeze({ ...initialState })
    expect(step(library, state, input, context)).toEqual(step(library, state, input, context))
    expect(state).toEqual(initialState)
  })
})

describe('a message', () => {
  test('that no trigger takes is ignored, with the reason', () => {
    const conversation = new Conversation(orderFlow)
    conversation.say('adiós')
    expect(conversation.types).toEqual(['message.received', 'message.ignored'])
    expect(conversation.last('message.ignored')).toEqual({ reason: 'no_trigger' })
  })

  test('to a bot without a flow is ignored, and so is one whose version is gone', () => {
    for (const flows of [[], [{ flow_id: 'Order', version: 2 }]]) {
      const conversation = new Conversation(orderFlow)
      conversation.give({ kind: 'message', message_id: 'm1', content: { type: 'text', text: 'hola' }, flows })
      expect(conversation.last('message.ignored')).toEqual({ reason: 'no_flow' })
    }
  })

  test('after the end starts the flow again with no variables', () => {
    const conversation = untilAction()
    conversation.finish({ ok: true, value: { number: 1 } })
    expect(conversation.say('hola')).toEqual(['Hola Ana', 'Elige'])
    expect(conversation.state.run?.variables).toEqual({})
    expect(conversation.state.last_run).toBeNull()
  })

  test('while an action works is only received', () => {
    const conversation = untilAction()
    expect(isAwaitingAction(conversation.state)).toBe(true)
    expect(conversation.say('hola?')).toEqual([])
    expect(conversation.types.at(-1)).toBe('message.received')
    expect(isAwaitingAction(conversation.state)).toBe(true)
  })
})

describe('a decision', () => {
  test('goes the way of its condition', () => {
    const conversation = untilAction()
    expect(conversation.last('decision.made')).toEqual({ step: 'is_sure', result: true, next: 'order' })
    const other = new Conversation(orderFlow)
    other.say('hola')
    other.tap('pizza')
    other.say('1')
    expect(other.tap('no')).toEqual(['Hasta luego'])
  })

  test('that gives no truth fails the flow, and a person is asked for', () => {
    const conversation = new Conversation(
      flowOf({ check: { type: 'decision', condition: 'customer.name', true: 'end', false: 'end' } }),
    )
    conversation.say('hola')
    expect(conversation.last('flow.failed')).toMatchObject({ step: 'check', field: 'condition' })
    expect(conversation.last('handed_off')).toMatchObject({ by: 'failure' })
    expect(conversation.state).toMatchObject({ status: 'waiting', run: null })
  })
})

describe('a called flow', () => {
  const outer = flowOf({ call: { type: 'flow', flow: 'Inner', next: 'done' }, done: message('Edad {{age}}') }, 'Outer')
  const inner = flowOf({ ask: question('age', 'end', { answer: { type: 'integer' } }) }, 'Inner')

  test('shares its variables and comes back', () => {
    const conversation = new Conversation(outer, inner)
    expect(conversation.say('hola')).toEqual(['age?'])
    expect(conversation.state.run?.frames.map(frame => frame.name)).toEqual(['Outer', 'Inner'])
    expect(conversation.say('30')).toEqual(['Edad 30'])
    expect(conversation.types.slice(-3)).toEqual(['flow.returned', 'replied', 'flow.ended'])
  })

  test('that is not published fails the flow', () => {
    const conversation = new Conversation(outer)
    conversation.say('hola')
    expect(conversation.last('flow.failed')).toMatchObject({ step: 'call', field: 'flow' })
  })

  test('may be called a bounded number of times within itself', () => {
    const recursive = flowOf({ call: { type: 'flow', flow: 'Self', next: 'end' } }, 'Self')
    const conversation = new Conversation(recursive)
    conversation.say('hola')
    expect(conversation.types.filter(type => type === 'flow.called')).toHaveLength(FLOW_DEPTH_MAX - 1)
    expect(conversation.last('flow.failed').message).toContain('deep')
    expect(conversation.types.filter(type => type === 'flow.ended')).toHaveLength(1)
  })

  test('that hands over ends the whole run', () => {
    const conversation = new Conversation(outer, flowOf({ agent: { type: 'handoff', note: 'help' } }, 'Inner'))
    conversation.say('hola')
    expect(conversation.state).toMatchObject({ status: 'waiting', run: null })
    expect(conversation.types.filter(type => type === 'flow.ended')).toHaveLength(1)
  })
})

describe('a flow that no checker saw', () => {
  test('stops when it goes round without waiting', () => {
    const conversation = new Conversation(flowOf({ a: message('a', 'b'), b: message('b', 'a') }))
    expect(conversation.say('hola')).toHaveLength(STEPS_PER_CALL_MAX)
    expect(conversation.last('flow.failed').message).toContain('without waiting')
  })

  test('fails at a step that is not there, an unset variable and an expression that does not parse', () => {
    for (const [first, field] of [
      [message('a', 'nowhere'), null],
      [message('{{nothing}}'), 'content.text'],
      [message('{{1 +}}'), 'content.text'],
    ] as const) {
      const conversation = new Conversation(flowOf({ a: first }))
      conversation.say('hola')
      expect(conversation.last('flow.failed').field).toBe(field)
      expect(conversation.last('handed_off').note).toContain('The flow "Test" stopped')
    }
  })

  test('fails at a content that cannot be sent once it is rendered', () => {
    const conversation = new Conversation(flowOf({ a: message('{{customer.email}}') }))
    conversation.say('hola')
    expect(conversation.last('flow.failed')).toMatchObject({ step: 'a', field: 'content.text' })
  })
})

describe('closing', () => {
  test('ends the run, and nothing moves the conversation afterwards', () => {
    const conversation = new Conversation(orderFlow)
    conversation.say('hola')
    const { token } = conversation
    conversation.give({ kind: 'close', reason: 'silence' })
    expect(conversation.types.slice(-2)).toEqual(['flow.ended', 'closed'])
    expect(conversation.effects.at(-1)).toEqual({ kind: 'timer_clear' })
    expect(conversation.state).toMatchObject({ status: 'closed', run: null })
    for (const input of [
      { kind: 'timer', token },
      { kind: 'close', reason: 'again' },
      { kind: 'handoff', note: '' },
      { kind: 'resume' },
    ] as const) {
      expect(conversation.give(input).events).toEqual([])
    }
    expect(conversation.say('hola')).toEqual([])
  })

  test('without a run only closes', () => {
    const conversation = new Conversation(orderFlow)
    conversation.give({ kind: 'close', reason: 'done' })
    expect(conversation.types).toEqual(['closed'])
  })
})

describe('a number below what the bot offered', () => {
  const offer = {
    type: 'message',
    content: {
      type: 'buttons',
      text: 'What now?',
      buttons: [
        { id: 'o', title: 'Order' },
        { id: 'h', title: 'Help me' },
      ],
    },
    next: 'end',
  }
  const menu = { ...flowOf({ hello: offer }), triggers: [{ keywords: ['hola'] }] }
  const help = { ...flowOf({ hello: message('You chose {{message.text}}') }), triggers: [{ keywords: ['help me'] }] }

  test('is what was tapped, until another conversation with the bot begins', () => {
    const conversation = new Conversation(menu)
    expect(conversation.say('2')).toEqual([])
    expect(conversation.say('hola')).toEqual(['What now?'])
    expect(conversation.state.menu?.map(choice => choice.title)).toEqual(['Order', 'Help me'])
    const later = new Conversation(help)
    later.state = conversation.state
    expect(later.say('2')).toEqual(['You chose Help me'])
    expect(later.state.menu).toBeUndefined()
    expect(later.say('2')).toEqual([])
  })

  test('that names none of it is what it is', () => {
    const conversation = new Conversation(help)
    conversation.state = { ...initialState, menu: [{ id: 'x', title: 'help me' }] }
    expect(conversation.say('2')).toEqual([])
    expect(conversation.say('1')).toEqual(['You chose help me'])
  })
})
