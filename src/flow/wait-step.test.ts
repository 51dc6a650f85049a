import { describe, expect, test } from 'bun:test'
import { Conversation, context, flowOf } from './conversation.fixture.ts'
import type { JsonObject } from './json.ts'
import { message, question } from './steps.fixture.ts'

const HOUR_MS = 3_600_000
const wait = (more: JsonObject, next = 'later') => ({ type: 'wait', ...more, next })
const later = message('{{now}}')

/** A conversation at the first step of a flow that waits. */
function waiting(more: JsonObject, others: JsonObject = {}): Conversation {
  const conversation = new Conversation(flowOf({ pause: wait(more), later, ...others }))
  conversation.say('hola')
  return conversation
}

describe('a wait', () => {
  test('for a time sets its timer, and goes on when it is over', () => {
    const conversation = waiting({ for: '2h' })
    expect(conversation.last('wait.started')).toMatchObject({ step: 'pause', until: context.now + 2 * HOUR_MS })
    expect(conversation.effects).toEqual([{ kind: 'timer', token: conversation.token, after_ms: 2 * HOUR_MS }])
    expect(conversation.timeOut()).toEqual(['2026-01-02T05:04:05.000Z'])
    expect(conversation.types.slice(-3)).toEqual(['wait.ended', 'replied', 'flow.ended'])
    expect(conversation.effects.filter(effect => effect.kind === 'timer_clear')).toEqual([])
  })

  test('until a time of the day is until it is that late where the business is', () => {
    const conversation = new Conversation(flowOf({ pause: wait({ until: '09:30' }), later }))
    conversation.business = { time_zone: 'America/Mexico_City' }
    conversation.say('hola')
    // 03:04 UTC is 21:04 of the day before in Mexico, six hours behind.
    expect(conversation.last('wait.started').until).toBe(Date.UTC(2026, 0, 2, 15, 30))
    expect(conversation.timeOut()).toEqual(['2026-01-02T15:30:00.000Z'])
  })

  test.each([
    ['{{now + duration("90m")}}', context.now + 90 * 60_000],
    ['{{"2026-01-02T09:00:00+01:00"}}', Date.UTC(2026, 0, 2, 8)],
  ])('until a moment that is computed, %s', (until, ms) => {
    expect(waiting({ until }).last('wait.started').until).toBe(ms)
  })

  test('until a moment that has passed goes on at once, without a timer', () => {
    const conversation = waiting({ until: '{{now - duration("1s")}}' })
    expect(conversation.last('wait.ended')).toEqual({ step: 'pause', reason: 'past' })
    expect(conversation.types).not.toContain('wait.started')
    expect(conversation.effects.map(effect => effect.kind)).toEqual(['send'])
    expect(conversation.state.run).toBeNull()
  })

  test.each([
    ['{{now + duration("721h")}}', '30 days'],
    ['{{"tomorrow"}}', 'no moment'],
    ['{{3}}', 'no moment'],
    ['{{"2026-02-30T09:00:00Z"}}', 'no moment'],
  ])('until what is no moment within 30 days, %s, fails the flow', (until, reason) => {
    const conversation = waiting({ until })
    expect(conversation.last('flow.failed')).toMatchObject({ step: 'pause', field: 'until' })
    expect(conversation.last('flow.failed').message).toContain(reason)
    expect(conversation.state.status).toBe('waiting')
  })

  test('takes no timer but its own', () => {
    const conversation = waiting({ for: '1h' })
    expect(conversation.give({ kind: 'timer', token: 'w0' }).events).toEqual([])
    expect(conversation.state.run?.waiting?.kind).toBe('wait')
  })
})

describe('a message while a flow waits', () => {
  test('goes to the branch for messages, which can read it', () => {
    const conversation = waiting({ for: '1d', on_message: 'heard' }, { heard: message('You: {{message.text}}') })
    expect(conversation.say('¿ya?')).toEqual(['You: ¿ya?'])
    expect(conversation.last('wait.ended')).toEqual({ step: 'pause', reason: 'message' })
    expect(conversation.effects.at(-1)).toEqual({ kind: 'timer_clear' })
  })

  test('starts the flow that is meant where there is no branch, and the run that waited ends', () => {
    const conversation = new Conversation({
      ...flowOf({ pause: wait({ for: '1d' }), later }),
      triggers: [{ keywords: ['hola'] }],
    })
    conversation.say('hola')
    conversation.say('hola otra vez')
    expect(conversation.last('flow.ended')).toEqual({ reason: 'replaced' })
    expect(conversation.last('flow.started').trigger).toBe('hola')
    expect(conversation.state.run?.waiting?.kind).toBe('wait')
    expect(conversation.effects.filter(effect => effect.kind === 'timer')).toHaveLength(2)
  })

  test('that only a fallback would take, or nothing, is ignored, and the flow waits on', () => {
    for (const triggers of [[{ keywords: ['hola'] }], [{ keywords: ['hola'] }, { fallback: true }]]) {
      const conversation = new Conversation({ ...flowOf({ pause: wait({ for: '1d' }), later }), triggers })
      conversation.say('hola')
      const { token } = conversation
      expect(conversation.say('muchas gracias')).toEqual([])
      expect(conversation.last('message.ignored')).toEqual({ reason: 'waiting' })
      expect(conversation.token).toBe(token)
      expect(conversation.timeOut()).toHaveLength(1)
    }
  })

  test('that is a word is heeded', () => {
    const conversation = waiting({ for: '1d' })
    expect(conversation.say('cancelar')).toHaveLength(1)
    expect(conversation.last('flow.ended')).toEqual({ reason: 'cancelled' })
  })

  test('may be the number of what was offered before', () => {
    const offer = { type: 'buttons', text: 'Pay?', buttons: [{ id: 'pay', title: 'Pay now' }] }
    const conversation = new Conversation(
      flowOf({
        offer: { type: 'message', content: offer, next: 'pause' },
        pause: wait({ for: '1d', on_message: 'heard' }),
        later,
        heard: message('{{message.choice_id}}'),
      }),
    )
    conversation.say('hola')
    expect(conversation.say('1')).toEqual(['pay'])
  })
})

describe('an agent who takes over from a flow that waits', () => {
  test('and gives it back leaves it to wait for what is left', () => {
    const conversation = waiting({ for: '2h' })
    const { token } = conversation
    conversation.give({ kind: 'handoff', note: '' })
    expect(conversation.effects.at(-1)).toEqual({ kind: 'timer_clear' })
    conversation.passMs(HOUR_MS)
    expect(conversation.resume()).toEqual([])
    expect(conversation.effects.at(-1)).toEqual({ kind: 'timer', token, after_ms: HOUR_MS })
    expect(conversation.timeOut()).toHaveLength(1)
  })

  test('for longer than it waits leaves it to go on at once', () => {
    const conversation = waiting({ for: '2h' })
    conversation.give({ kind: 'handoff', note: '' })
    conversation.passMs(3 * HOUR_MS)
    expect(conversation.resume()).toEqual(['2026-01-02T06:04:05.000Z'])
  })
})

test('a wait in a called flow comes back to its caller', () => {
  const inner = flowOf({ pause: wait({ for: '1h' }, 'end') }, 'Inner')
  const conversation = new Conversation(
    flowOf({ call: { type: 'flow', flow: 'Inner', next: 'ask' }, ask: question('age') }),
    inner,
  )
  conversation.say('hola')
  expect(conversation.timeOut()).toEqual(['age?'])
})
