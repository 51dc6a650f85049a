import { describe, expect, test } from 'bun:test'
import { context } from './conversation.fixture.ts'
import { parseExpression } from './expression.ts'
import type { Json } from './json.ts'
import { scopeOf } from './scope.ts'
import { type ConversationState, initialState } from './state.ts'

const stateWith = (variables: Readonly<Record<string, Json>>): ConversationState => ({
  ...initialState,
  run: { frames: [], variables, step: null, waiting: null },
})

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

  test('follows the state while the call goes on', () => {
    let state = stateWith({ quantity: 1 })
    const following = scopeOf(() => state, null, context)
    expect(following.lookup('quantity')).toBe(1n)
    state = stateWith({ quantity: 2, error: { code: 'x', message: 'y' } })
    expect(following.lookup('quantity')).toBe(2n)
    expect(following.lookup('error')).toEqual({ code: 'x', message: 'y' })
  })
})
