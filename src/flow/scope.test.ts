import { describe, expect, test } from 'bun:test'
import type { InboundContent } from './content.ts'
import { context } from './conversation.fixture.ts'
import { parseExpression } from './expression.ts'
import type { Json } from './json.ts'
import { type Context, scopeOf } from './scope.ts'
import { type ConversationState, initialState } from './state.ts'

const stateWith = (variables: Readonly<Record<string, Json>>): ConversationState => ({
  ...initialState,
  run: { frames: [], variables, step: null, waiting: null },
})

const evaluated = (given: Context, source: string) =>
  parseExpression(source, 'f').evaluate(scopeOf(() => initialState, null, given))

describe('a scope', () => {
  const scope = scopeOf(() => stateWith({ quantity: 3 }), { type: 'choice', id: 'a', title: 'Pizza' }, context)

  test('gives the variables as CEL values, and the roots', () => {
    const read = (source: string) => parseExpression(source, 'f').evaluate(scope)
    expect(read('quantity + 1')).toBe(4n)
    expect(read('customer.name + " " + customer.phone')).toBe('Ana +34600111222')
    expect(read('customer.variables.products[0].price_minor')).toBe(1250n)
    expect(read('message.type + " " + message.text')).toBe('choice Pizza')
    expect(read('now == timestamp("2026-01-02T03:04:05Z")')).toBe(true)
    expect(read('conversation.bot_id')).toBe(context.conversation.bot_id)
    expect(read('error == null')).toBe(true)
  })

  test('gives nothing that was not put there', () => {
    for (const name of ['nothing', 'constructor', 'toString', '__proto__', 'hasOwnProperty']) {
      expect(scope.lookup(name)).toBeUndefined()
    }
    expect(scopeOf(() => initialState, null, context).lookup('quantity')).toBeUndefined()
  })

  test('has an empty message where none came', () => {
    expect(scopeOf(() => initialState, null, context).lookup('message')).toEqual({
      ...{ type: '', text: '', choice_id: '' },
      referral: null,
    })
  })

  test('knows what was tapped, and the advertisement that led to the message', () => {
    const referral = { source_type: 'ad', source_id: '12', headline: 'Pizza' } as const
    const read = (content: InboundContent, source: string) =>
      parseExpression(source, 'f').evaluate(scopeOf(() => initialState, content, context))
    expect(read({ type: 'choice', id: 'a', title: 'Pizza' }, 'message.choice_id')).toBe('a')
    const text: InboundContent = { type: 'text', text: 'Hi', referral }
    expect(read(text, 'message.referral.headline + message.referral.body + message.choice_id')).toBe('Pizza')
    expect(read({ type: 'text', text: 'Hi' }, 'message.referral == null')).toBe(true)
  })

  test('knows the window of the customer', () => {
    const read = (window_expires_at: number | null, source: string) =>
      evaluated({ ...context, window_expires_at }, source)
    expect(read(context.now + 90_000, 'window.open && window.minutes_left == 1')).toBe(true)
    expect(read(context.now, '!window.open && window.minutes_left == 0')).toBe(true)
    expect(read(null, 'window.open && window.minutes_left == 1440')).toBe(true)
  })

  test('knows the business, and whether it is open', () => {
    const day = [['09:00', '18:00']] as const
    const hours = { mon: day, tue: day, wed: day, thu: day, fri: day, sat: [], sun: [] }
    const business = { ...context.business, name: 'Sol', hours, currency: 'EUR' }
    // A Friday, four minutes past three.
    const closed = evaluated(
      { ...context, business },
      'business.name + " " + business.currency + " " + string(business.open)',
    )
    expect(closed).toBe('Sol EUR false')
    expect(evaluated({ ...context, business, now: Date.UTC(2026, 0, 2, 9) }, 'business.open')).toBe(true)
    expect(evaluated({ ...context, business }, 'business.language + business.time_zone')).toBe('esUTC')
  })

  test('knows the tags of the customer', () => {
    const customer = { ...context.customer, tags: ['vip'] }
    expect(evaluated({ ...context, customer }, '"vip" in customer.tags')).toBe(true)
  })

  test('follows the state while the call goes on', () => {
    let state = stateWith({ quantity: 1 })
    const following = scopeOf(() => state, null, context)
    expect(following.lookup('quantity')).toBe(1n)
    state = stateWith({ quantity: 2, error: { code: 'x', message: 'y' } })
    expect(following.lookup('quantity')).toBe(2n)
    expect(following.lookup('error')).toEqual({ code: 'x', message: 'y' })
  })
})
