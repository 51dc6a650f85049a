import { describe, expect, test } from 'bun:test'
import { Conversation, flowOf, orderFlow } from './conversation.fixture.ts'
import type { JsonObject } from './json.ts'
import { message, question } from './steps.fixture.ts'

const MINUTE_MS = 60_000
const handoff = (more: JsonObject) => ({ type: 'handoff', note: 'help {{customer.name}}', ...more })
const branches = { back: message('Back'), late: message('Nobody'), silent: message('Sorry') }

/** A conversation at a handoff step with these fields. */
function handedOver(more: JsonObject): Conversation {
  const targets = Object.values(more).flatMap(value => (typeof value === 'string' ? [value] : []))
  const reached = Object.entries(branches).filter(([id]) => targets.includes(id) || JSON.stringify(more).includes(id))
  const conversation = new Conversation(flowOf({ agent: handoff(more), ...Object.fromEntries(reached) }))
  conversation.say('hola')
  return conversation
}

describe('a handoff step that says what comes after', () => {
  test('keeps its run, and goes on when the agent gives the conversation back', () => {
    const conversation = handedOver({ next: 'back' })
    expect(conversation.last('handed_off')).toEqual({ by: 'flow', note: 'help Ana', step: 'agent' })
    expect(conversation.state).toMatchObject({
      status: 'waiting',
      run: { waiting: { kind: 'handoff', step: 'agent' } },
    })
    conversation.give({ kind: 'handoff', note: '', agent_id: 'u1' })
    expect(conversation.state).toMatchObject({ status: 'agent', run: { waiting: { kind: 'handoff' } } })
    expect(conversation.resume()).toEqual(['Back'])
    expect(conversation.types.slice(-3)).toEqual(['resumed', 'replied', 'flow.ended'])
  })

  test('without a step for that ends its run then, once', () => {
    const conversation = handedOver({ timeout: { after: '5m', next: 'late' } })
    expect(conversation.resume()).toEqual([])
    expect(conversation.last('flow.ended')).toEqual({ reason: 'handoff' })
    expect(conversation.state).toMatchObject({ status: 'bot', run: null })
  })

  test('goes to its branch when nobody took it in time', () => {
    const conversation = handedOver({ timeout: { after: '5m', next: 'late' } })
    expect(conversation.effects.at(-1)).toMatchObject({ kind: 'timer', after_ms: 5 * MINUTE_MS })
    expect(conversation.timeOut()).toEqual(['Nobody'])
    expect(conversation.last('handoff.timed_out')).toEqual({ reason: 'nobody_took', step: 'agent' })
    expect(conversation.last('resumed')).toEqual({ by: null, step: 'late' })
    expect(conversation.state.status).toBe('bot')
  })

  test('has no such time any more once somebody took it', () => {
    const conversation = handedOver({ timeout: { after: '5m', next: 'late' } })
    const { token } = conversation
    conversation.give({ kind: 'handoff', note: '', agent_id: 'u1' })
    expect(conversation.effects.at(-1)).toEqual({ kind: 'timer_clear' })
    expect(conversation.give({ kind: 'timer', token }).events).toEqual([])
  })

  test('goes to its branch when the agent does not answer a message in time', () => {
    const conversation = handedOver({ agent_timeout: { after: '10m', next: 'silent' } })
    conversation.give({ kind: 'handoff', note: '', agent_id: 'u1' })
    expect(conversation.say('¿hola?')).toEqual([])
    expect(conversation.last('agent.awaited')).toMatchObject({ timeout_ms: 10 * MINUTE_MS })
    const { token } = conversation
    conversation.say('¿hay alguien?')
    expect(conversation.token).toBe(token)
    expect(conversation.timeOut()).toEqual(['Sorry'])
    expect(conversation.last('handoff.timed_out')).toEqual({ reason: 'agent_silent', step: 'agent' })
  })

  test('has its agent wait for nothing once they answered', () => {
    const conversation = handedOver({ agent_timeout: { after: '10m', next: 'silent' } })
    conversation.give({ kind: 'handoff', note: '', agent_id: 'u1' })
    conversation.say('¿hola?')
    conversation.agentWrites()
    expect(conversation.effects.at(-1)).toEqual({ kind: 'timer_clear' })
    conversation.say('¿y?')
    expect(conversation.effects.at(-1)).toMatchObject({ kind: 'timer' })
  })
})

describe('a person who has as long as the business says', () => {
  const handoffs = { waiting_timeout_ms: 5 * MINUTE_MS, agent_timeout_ms: 10 * MINUTE_MS }

  function atQuestion(): Conversation {
    const conversation = new Conversation(orderFlow)
    conversation.business = { handoff: handoffs }
    conversation.say('hola')
    return conversation
  }

  test('and does not take what a flow handed over leaves it to the bot, which has nothing to go on with', () => {
    const conversation = new Conversation(flowOf({ agent: { type: 'handoff' } }))
    conversation.business = { handoff: handoffs }
    conversation.say('hola')
    expect(conversation.last('handed_off')).toMatchObject({ by: 'flow', timeout_ms: 5 * MINUTE_MS })
    expect(conversation.timeOut()).toEqual([])
    expect(conversation.state).toMatchObject({ status: 'bot', run: null })
    expect(conversation.types.filter(type => type === 'flow.ended')).toHaveLength(1)
  })

  test('and does not come when the customer asks for one: the bot asks its question again', () => {
    const conversation = atQuestion()
    conversation.say('asesor')
    expect(conversation.state.status).toBe('waiting')
    expect(conversation.timeOut()).toEqual(['Elige'])
    expect(conversation.last('handoff.timed_out')).toEqual({ reason: 'nobody_took', step: null })
  })

  test('and is silent loses it to others, who have their time to take it', () => {
    const conversation = atQuestion()
    conversation.give({ kind: 'handoff', note: '', agent_id: 'u1' })
    conversation.say('¿hola?')
    expect(conversation.timeOut()).toEqual([])
    expect(conversation.last('handed_off')).toMatchObject({ by: 'timeout', timeout_ms: 5 * MINUTE_MS })
    expect(conversation.state.status).toBe('waiting')
    expect(conversation.timeOut()).toEqual(['Elige'])
    expect(conversation.state.status).toBe('bot')
  })

  test('and hands it to another agent leaves the customer waiting no longer than before', () => {
    const conversation = atQuestion()
    conversation.give({ kind: 'handoff', note: '', agent_id: 'u1' })
    conversation.say('¿hola?')
    const { token } = conversation
    conversation.give({ kind: 'handoff', note: '', agent_id: 'u2' })
    expect(conversation.token).toBe(token)
  })

  test('has a time of the step where it says one', () => {
    const conversation = handedOver({ timeout: { after: '1h', next: 'late' } })
    const other = new Conversation(flowOf({ agent: handoff({ next: 'back' }), back: branches.back }))
    other.business = { handoff: handoffs }
    other.say('hola')
    expect(conversation.last('handed_off').timeout_ms).toBe(60 * MINUTE_MS)
    expect(other.last('handed_off').timeout_ms).toBe(5 * MINUTE_MS)
    expect(other.timeOut()).toEqual(['Back'])
  })
})

describe('a message that a person writes', () => {
  test('takes over what waits for a person, and what the bot has where that is wanted', () => {
    const waiting = handedOver({ next: 'back' })
    waiting.agentWrites({ takes_over: false })
    expect(waiting.types.slice(-2)).toEqual(['handed_off', 'agent.replied'])
    const conversation = new Conversation(orderFlow)
    conversation.say('hola')
    conversation.agentWrites({ source: 'phone', agent_id: null })
    expect(conversation.last('handed_off')).toEqual({ by: 'agent', note: '' })
    expect(conversation.last('agent.replied')).toMatchObject({ agent_id: null, source: 'phone' })
    expect(conversation.state.status).toBe('agent')
    expect(conversation.say('pizza')).toEqual([])
  })

  test('is else only recorded, and the bot goes on', () => {
    const conversation = new Conversation(orderFlow)
    conversation.say('hola')
    conversation.agentWrites({ takes_over: false })
    expect(conversation.last('agent.replied')).toMatchObject({ agent_id: 'u1', source: 'api' })
    expect(conversation.state.status).toBe('bot')
    expect(conversation.say('pizza')).toEqual(['¿Cuántos?'])
  })

  test('changes nothing of a conversation that is closed', () => {
    const conversation = new Conversation(orderFlow)
    conversation.give({ kind: 'close', reason: 'done' })
    conversation.agentWrites()
    expect(conversation.types).toEqual(['closed', 'agent.replied'])
    expect(conversation.state.status).toBe('closed')
  })
})

describe('giving back at a step', () => {
  test('goes on there instead of where the run stood', () => {
    const conversation = new Conversation(orderFlow)
    conversation.say('hola')
    conversation.give({ kind: 'handoff', note: '', agent_id: 'u1' })
    expect(conversation.resume('count')).toEqual(['¿Cuántos?'])
    expect(conversation.last('resumed')).toEqual({ by: 'u1', step: 'count' })
  })

  test('revives the run that has ended, with what it knew', () => {
    const flow = flowOf({
      ask: question('size', 'agent'),
      agent: { type: 'handoff' },
      done: message('{{size}}, as you like', 'end'),
    })
    const conversation = new Conversation(flow)
    conversation.say('hola')
    conversation.say('big')
    expect(conversation.state.run).toBeNull()
    expect(conversation.resume('done')).toEqual(['big, as you like'])
    expect(conversation.types.slice(-4)).toEqual(['resumed', 'flow.revived', 'replied', 'flow.ended'])
  })

  test('that is not there is giving back', () => {
    const conversation = new Conversation(orderFlow)
    conversation.say('hola')
    conversation.give({ kind: 'handoff', note: '' })
    expect(conversation.resume('nowhere')).toEqual(['Elige'])
    expect(conversation.last('resumed')).toEqual({ by: 'u1' })
  })

  test('lets a result that comes later be nothing', () => {
    const act = { type: 'action', handler: 'anything', next: 'end' }
    const conversation = new Conversation(flowOf({ act, ask: question('x') }))
    conversation.say('hola')
    const { call_id } = conversation.last('action.requested')
    conversation.give({ kind: 'handoff', note: '' })
    expect(conversation.resume('ask')).toEqual(['x?'])
    expect(conversation.give({ kind: 'action_result', call_id, result: { ok: true, value: 1 } }).events).toEqual([])
  })
})

describe('asking for a person without one', () => {
  test('waits for whoever takes it, and changes nothing where somebody has it', () => {
    const conversation = new Conversation(flowOf({ ask: question('x', 'end') }))
    conversation.say('hola')
    conversation.give({ kind: 'handoff', note: 'an invoice' })
    expect(conversation.last('handed_off')).toEqual({ by: 'flow', note: 'an invoice' })
    expect(conversation.state).toMatchObject({ status: 'waiting', run: { waiting: { kind: 'answer' } } })
    conversation.give({ kind: 'handoff', note: '', agent_id: 'u1' })
    const { events } = conversation.give({ kind: 'handoff', note: 'again' })
    expect(events).toEqual([])
    expect(conversation.state.status).toBe('agent')
  })
})
