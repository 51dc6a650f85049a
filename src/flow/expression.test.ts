import { describe, expect, test } from 'bun:test'
import { context } from './conversation.fixture.ts'
import {
  checkExpression,
  ExpressionError,
  parseExpression,
  RESERVED_NAMES,
  ROOT_FIELDS,
  ROOT_NAMES,
} from './expression.ts'
import { evaluate, scopeWith } from './expressions.fixture.ts'
import { scopeOf } from './scope.ts'
import { initialState } from './state.ts'

describe('an expression', () => {
  test.each([
    ['1 + 2', 3],
    ['price * 1.5', 15],
    ['price / 4', 2],
    ['price > 5 && price < 20', true],
    ['0.5 + 1', 1.5],
    ['"a" + string(price)', 'a10'],
    ['size(items)', 3],
    ['items.map(i, i * 2)', [2, 4, 6]],
    ['items.filter(i, i > 1)', [2, 3]],
    ['items.exists(i, i == 2)', true],
    ['items.map(i, string(i)).join(", ")', '1, 2, 3'],
    ['price > 5 ? "big" : "small"', 'big'],
    ['has(shop.name)', true],
    ['has(shop.city)', false],
    ['"b" in ["a", "b"]', true],
    ['{"id": price}', { id: 10 }],
    ['money(price, "EUR")', '0,10 EUR'],
    ['money(price, "USD", "en")', 'USD 0.10'],
    ['timestamp("2026-01-02T03:04:05Z") + duration("1h")', '2026-01-02T04:04:05.000Z'],
    ['nothing == null', true],
  ])('%s', (source, value) => {
    const variables = { price: 10, items: [1, 2, 3], shop: { name: 'Ana' }, nothing: null }
    expect(evaluate(source, variables)).toEqual(value)
  })

  test('names what it reads, and not a macro’s own variable', () => {
    const { names } = parseExpression('items.map(i, i + price).size() > customer.variables.limit', 'f')
    expect([...names].sort()).toEqual(['customer', 'items', 'price'])
    expect(parseExpression('x.map(x, x)', 'f').names).toEqual(['x'])
    expect(parseExpression('cel.bind(a, b, a + c)', 'f').names.toSorted()).toEqual(['b', 'c'])
  })

  test('fails by name for a variable that has no value', () => {
    const expression = parseExpression('order.number', 'content.text')
    const failure = () => expression.evaluate(scopeWith({}))
    expect(failure).toThrow(ExpressionError)
    expect(failure).toThrow('"order" has no value yet')
  })

  test('throws nothing but ExpressionError', () => {
    for (const source of [
      '1 / 0',
      '[1][5]',
      'x.y.z',
      'x + 1',
      'int("a")',
      'money(1, "?")',
      'duration("?")',
      '9223372036854775807 + 1',
    ]) {
      expect(() => parseExpression(source, 'f').evaluate(scopeWith({ x: 'text' }))).toThrow(ExpressionError)
    }
  })

  test('reads the variables it is given and nothing of the program', () => {
    for (const source of ['constructor', 'globalThis', 'process.env', 'toString', '__proto__']) {
      expect(() => parseExpression(source, 'f').evaluate(scopeWith({}))).toThrow(ExpressionError)
    }
    for (const source of ['x.constructor', 'x.__proto__', 'x["constructor"]', 'l.length', 's.constructor']) {
      expect(() => parseExpression(source, 'f').evaluate(scopeWith({ x: {}, l: [1], s: 'a' }))).toThrow(ExpressionError)
    }
  })

  test('that does not parse says so in a line, and fails when evaluated', () => {
    const broken = parseExpression('1 +', 'f')
    expect(broken.problem).toBe('Unexpected token: EOF')
    expect(() => broken.evaluate(scopeWith({}))).toThrow(ExpressionError)
    expect(parseExpression('x'.repeat(2_001), 'f').problem).toContain('longer than')
    expect(parseExpression(`${'('.repeat(200)}1${')'.repeat(200)}`, 'f').problem).not.toBeNull()
  })

  test('has durations of a short literal only, since reading a long one takes CEL for ever', () => {
    expect(parseExpression('duration(message.text)', 'f').problem).toContain('duration()')
    expect(parseExpression(`now + duration("${'1'.repeat(65)}")`, 'f').problem).toContain('duration()')
    expect(parseExpression('now + duration("36h")', 'f').problem).toBeNull()
  })

  test('has no regular expressions, and joins with a short literal only', () => {
    expect(parseExpression('"a".matches("(a+)+$")', 'f').problem).toContain('matches()')
    expect(parseExpression('[1].map(x, "a".matches("a"))', 'f').problem).toContain('matches()')
    expect(parseExpression('["a"].join(x)', 'f').problem).toContain('join()')
    expect(parseExpression(`["a"].join("${'x'.repeat(65)}")`, 'f').problem).toContain('join()')
  })
})

describe('checkExpression', () => {
  test('gives the type, and knows the fields of the roots', () => {
    expect(checkExpression('1 + 1')).toEqual({ type: 'int' })
    expect(checkExpression('x')).toEqual({ type: 'dyn' })
    expect(checkExpression('x > 1')).toEqual({ type: 'bool' })
    expect(checkExpression('customer.nmae')).toEqual({ problem: 'No such key: nmae; did you mean "name"?' })
    expect(checkExpression('customer.variables.anything')).toEqual({ type: 'dyn' })
  })

  test('knows every root, whose names no variable may have', () => {
    for (const root of ['customer', 'conversation', 'message', 'now', 'error', 'window', 'business']) {
      expect(ROOT_NAMES.has(root) && RESERVED_NAMES.has(root)).toBe(true)
    }
    expect(checkExpression('window.open')).toEqual({ type: 'bool' })
    expect(checkExpression('window.minutes')).toEqual({ problem: 'No such key: minutes' })
    expect(checkExpression('business.opne')).toEqual({ problem: 'No such key: opne; did you mean "open"?' })
    expect(checkExpression('customer.tags.size() > 0')).toEqual({ type: 'bool' })
    expect(checkExpression('message.choice_id')).toEqual({ type: 'string' })
  })

  test('knows of each root just the fields that it has when it runs', () => {
    const scope = scopeOf(() => initialState, { type: 'text', text: 'hola' }, context)
    for (const [root, fields] of Object.entries(ROOT_FIELDS)) {
      expect([root, Object.keys(Object(scope.lookup(root))).sort()]).toEqual([root, Object.keys(fields).sort()])
    }
  })
})
