import { describe, expect, test } from 'bun:test'
import { Conversation, flowOf, orderFlow, untilAction } from './conversation.fixture.ts'
import type { JsonObject } from './json.ts'
import { message, question } from './steps.fixture.ts'

const triggered = (name: string, ...triggers: readonly JsonObject[]): JsonObject & { readonly name: string } => ({
  ...flowOf({ say: message(`I am ${name}`) }),
  name,
  triggers,
})

/** A conversation with a bot of several flows, the first of which is the main one. */
function withFlows(...documents: readonly [ReturnType<typeof triggered>, ...ReturnType<typeof triggered>[]]) {
  const conversation = new Conversation(...documents)
  conversation.flows = documents.map(({ name }) => ({ flow_id: name, version: 1 }))
  return conversation
}

describe('a bot of several flows', () => {
  test('starts the first of which a trigger is specific, and only then one that takes anything', () => {
    const conversation = withFlows(
      triggered('Main', { fallback: true }),
      triggered('Orders', { keywords: ['pedido'] }),
      triggered('Other', { keywords: ['pedido', 'otro'] }),
    )
    expect(conversation.say('mi pedido')).toEqual(['I am Orders'])
    expect(conversation.last('flow.started')).toMatchObject({ flow_id: 'Orders', trigger: 'pedido' })
    expect(conversation.say('otro')).toEqual(['I am Other'])
    expect(conversation.say('nada')).toEqual(['I am Main'])
    expect(conversation.last('flow.started').trigger).toBe('fallback')
  })

  test('goes on without the one whose version is gone', () => {
    const conversation = withFlows(triggered('Main', { fallback: true }), triggered('Orders', { keywords: ['pedido'] }))
    conversation.flows = [{ flow_id: 'Orders', version: 9 }, ...conversation.flows.slice(0, 1)]
    expect(conversation.say('mi pedido')).toEqual(['I am Main'])
  })

  test('knows a button and an advertisement', () => {
    const conversation = withFlows(triggered('Main', { buttons: ['pay_*'] }), triggered('Ads', { ads: true }))
    expect(conversation.tap('pay_7')).toEqual(['I am Main'])
    expect(conversation.last('flow.started').trigger).toBe('button:pay_7')
    const referral = { source_type: 'ad', source_id: '12' } as const
    expect(conversation.say({ type: 'text', text: 'Hi', referral })).toEqual(['I am Ads'])
    expect(conversation.last('flow.started').trigger).toBe('ad:12')
  })

  test('is another one while the business is closed', () => {
    const conversation = withFlows(
      triggered('Open', { fallback: true, hours: 'open' }),
      triggered('Closed', { fallback: true, hours: 'closed' }),
    )
    const day = [['09:00', '18:00']] as const
    const hours = { mon: day, tue: day, wed: day, thu: day, fri: day, sat: [], sun: [] }
    conversation.business = { hours, time_zone: 'Europe/Madrid' }
    // 04:04 in Madrid, of a Friday.
    expect(conversation.say('hola')).toEqual(['I am Closed'])
    conversation.passMs(5 * 3_600_000)
    expect(conversation.say('hola')).toEqual(['I am Open'])
  })
})

describe('the word for the menu', () => {
  test('ends what runs and starts the main flow, whatever its triggers', () => {
    const conversation = withFlows(triggered('Main', { keywords: ['hola'] }), {
      ...triggered('Orders', { keywords: ['pedido'] }),
      ...flowOf({ ask: question('size') }, 'Orders'),
    })
    conversation.say('pedido')
    expect(conversation.say('¡Menú!')).toEqual(['I am Main'])
    expect(conversation.types.slice(-4)).toEqual(['flow.ended', 'flow.started', 'replied', 'flow.ended'])
    expect(conversation.events.at(-4)?.data).toEqual({ reason: 'menu' })
    expect(conversation.last('flow.started').trigger).toBe('menu')
  })

  test('is none where a trigger takes it, or where there is no main flow', () => {
    const conversation = withFlows(
      triggered('Main', { fallback: true }),
      triggered('Food', { keywords: ['menú'], match: 'exact' }),
    )
    expect(conversation.say('menu')).toEqual(['I am Food'])
    conversation.flows = []
    expect(conversation.say('menu')).toEqual([])
    expect(conversation.last('message.ignored')).toEqual({ reason: 'no_flow' })
  })

  test('goes before a flow that takes anything, but is only a part of a longer message', () => {
    const conversation = withFlows(triggered('Main', { keywords: ['hola'] }), triggered('Any', { fallback: true }))
    expect(conversation.say('menu')).toEqual(['I am Main'])
    expect(conversation.say('el menu del día')).toEqual(['I am Any'])
  })
})

describe('the word to cancel', () => {
  test('ends the run and says so', () => {
    const conversation = new Conversation(orderFlow)
    conversation.business = { texts: { cancelled: 'Done.' } }
    conversation.say('hola')
    expect(conversation.say('Cancelar')).toEqual(['Done.'])
    expect(conversation.types.slice(-2)).toEqual(['flow.ended', 'notice.sent'])
    expect(conversation.last('flow.ended')).toEqual({ reason: 'cancelled' })
    expect(conversation.effects.slice(-2)).toEqual([
      { kind: 'send', content: { type: 'text', text: 'Done.' }, step: null },
      { kind: 'timer_clear' },
    ])
  })

  test('is a word like any other where nothing runs', () => {
    const conversation = new Conversation(triggered('Any', { fallback: true }))
    expect(conversation.say('cancelar')).toEqual(['I am Any'])
  })
})

describe('the word for a person', () => {
  test('asks for one, and the run stands still until it is resumed', () => {
    const conversation = new Conversation(orderFlow)
    conversation.say('hola')
    expect(conversation.say('asesor')).toHaveLength(1)
    expect(conversation.types.slice(-2)).toEqual(['notice.sent', 'handed_off'])
    expect(conversation.last('handed_off')).toMatchObject({ by: 'customer' })
    expect(conversation.state).toMatchObject({ status: 'waiting', run: { waiting: { kind: 'answer' } } })
    expect(conversation.say('asesor')).toEqual([])
    expect(conversation.resume()).toEqual(['Elige'])
  })

  test('may be one of the business instead', () => {
    const conversation = new Conversation(orderFlow)
    conversation.business = { words: { agent: ['auxilio'] } }
    conversation.say('asesor')
    expect(conversation.state.status).toBe('bot')
    conversation.say('¡auxilio!')
    expect(conversation.state.status).toBe('waiting')
  })
})

describe('what a question offers', () => {
  const content = {
    type: 'buttons',
    text: 'What now?',
    buttons: [
      { id: 'c', title: 'Cancelar' },
      { id: 's', title: 'Salir' },
    ],
  }
  const asks = () => {
    const conversation = new Conversation(
      flowOf({ ask: { type: 'question', content, variable: 'x', next: 'say' }, say: message('{{x}}') }),
    )
    conversation.say('hola')
    return conversation
  }

  test('is chosen where it is such a word as well', () => {
    expect(asks().tap('c')).toEqual(['c'])
    expect(asks().say('cancelar')).toEqual(['c'])
    expect(asks().say('1')).toEqual(['c'])
  })

  test('is chosen, tapped or written, even where its title asks to be left alone elsewhere', () => {
    expect(asks().say({ type: 'choice', id: 's', title: 'Salir' })).toEqual(['s'])
    expect(asks().say('salir')).toEqual(['s'])
    const conversation = asks()
    conversation.say('parar')
    expect(conversation.types).toContain('opted_out')
  })
})

test('a word while an action works is only received', () => {
  const conversation = untilAction()
  for (const word of ['menu', 'cancelar', 'asesor']) expect(conversation.say(word)).toEqual([])
  expect(conversation.types.slice(-3)).toEqual(Array(3).fill('message.received'))
})

describe('a reaction', () => {
  const thumbsUp = { type: 'reaction', message_id: 'wamid.1', emoji: '👍' } as const

  test('is recorded, and is neither an answer nor the beginning of anything', () => {
    const asking = withFlows(triggered('Main', { fallback: true }))
    expect(asking.say(thumbsUp)).toEqual([])
    expect(asking.types).toEqual(['message.received'])
    const conversation = new Conversation(flowOf({ ask: question('x', 'end') }))
    conversation.say('hola')
    const before = conversation.state
    expect(conversation.say(thumbsUp)).toEqual([])
    expect(conversation.state).toEqual({ ...before, seq: before.seq + 1 })
  })
})
