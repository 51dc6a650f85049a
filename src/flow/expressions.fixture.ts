import { toCel, toJson } from './cel-values.ts'
import { parseExpression, type Scope } from './expression.ts'
import type { Json, JsonObject } from './json.ts'
import { EXPRESSION_COST_MAX } from './limits.ts'

/** A quarter past five in the afternoon in Madrid, on a Wednesday. */
export const now = new Date('2026-11-25T16:15:30Z')

/** The business and the names that the tests' expressions read. */
export const names: JsonObject = {
  business: { name: 'Casa Ana', open: true, language: 'es', currency: 'EUR', time_zone: 'Europe/Madrid' },
  customer: { id: '1', name: 'Ana', phone: null, email: null, variables: {}, tags: ['vip'], opted_out: false },
  cart: [
    { name: 'Pizza', quantity: 2, price_minor: 1250 },
    { name: 'Agua', quantity: 1, price_minor: 150 },
  ],
}

/** A scope of these names, besides `now`. */
export function scopeWith(variables: JsonObject, left = EXPRESSION_COST_MAX): Scope {
  const lookup = (name: string) => {
    if (name === 'now') return now
    return Object.hasOwn(variables, name) ? toCel(variables[name] ?? null) : undefined
  }
  return { lookup, left }
}

/** What an expression gives with the fixture's names and others. */
export function evaluate(source: string, variables: JsonObject = {}): Json {
  return toJson(parseExpression(source, 'field').evaluate(scopeWith({ ...names, ...variables })))
}

/** How many cost units an expression takes. */
export function costOf(source: string, variables: JsonObject = {}): number {
  const scope = scopeWith({ ...names, ...variables })
  parseExpression(source, 'field').evaluate(scope)
  return EXPRESSION_COST_MAX - scope.left
}
