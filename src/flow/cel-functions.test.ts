import { describe, expect, test } from 'bun:test'
import { usageOf } from './cel-function.ts'
import { functionGroups } from './cel-functions.ts'
import { checkExpression, ExpressionError, parseExpression } from './expression.ts'
import { costOf, evaluate, names, scopeWith } from './expressions.fixture.ts'

const functions = Object.values(functionGroups).flat()
const problemOf = (source: string) => {
  const checked = checkExpression(source)
  return 'problem' in checked ? checked.problem : null
}

describe('a function', () => {
  test.each(functions.flatMap(({ examples }) => examples))('has examples that hold: %s', example => {
    expect(problemOf(example)).toBeNull()
    expect(() => evaluate(example)).not.toThrow()
  })

  test('gives what it says it gives', () => {
    for (const { examples, returns } of functions) {
      for (const example of examples.filter(one => /^\w+\([^()]*\)$/.test(one))) {
        const checked = checkExpression(example)
        if ('type' in checked && returns !== 'dyn') expect([example, checked.type]).toEqual([example, returns])
      }
    }
  })

  test('is a method of its first argument too', () => {
    expect(evaluate('[1, 2].sum()')).toBe(3)
    expect(evaluate('cart.sumOf("quantity")')).toBe(3)
    expect(evaluate('"ana".capitalize()')).toBe('Ana')
    expect(evaluate('now.addDays(1).isoDate()')).toBe('2026-11-26')
    expect(evaluate('1250.money("USD", "en")')).toBe('USD 12.50')
    expect(problemOf('cart.first().name')).toBeNull()
    expect(problemOf('"a".sum()')).not.toBeNull()
  })

  test('has a name of its own, and is written with its arguments', () => {
    expect(new Set(functions.map(({ name }) => name)).size).toBe(functions.length)
    const used = functions.map(usageOf)
    expect(used).toContain('money(minor, currency?, language?)')
    expect(used).toContain('sumOf(list, field)')
  })
})

describe('the check before publishing', () => {
  test.each([
    ['sum("a")', "sum(list) can't take (text); it takes list: a list of numbers"],
    ['sum(["a"])', "sum(list) can't take (list<text>); it takes list: a list of numbers"],
    ['sum(customer.tags)', "sum(list) can't take (list<text>); it takes list: a list of numbers"],
    ['upper(1)', "upper(text) can't take (whole number); it takes text: a text"],
    ['upper()', "upper(text) can't take (); it takes text: a text"],
    ['(1.5).upper()', "upper(text) can't take (number); it takes text: a text"],
    [
      'truncate("a", "b")',
      "truncate(text, length) can't take (text, text); it takes text: a text; length: a whole number",
    ],
    ['weekday(true)', "can't take (true or false)"],
    ['formatDate(now, now)', "can't take (time, time)"],
    ['uper("a")', 'there is no function uper(); did you mean "upper"?'],
    ['"a".lowerAscI()', 'there is no function lowerAscI(); did you mean "lowerAscii"?'],
    ['abracadabra(1)', 'there is no function abracadabra()'],
    ['"a".startsWith(1)', "found no matching overload for 'string.startsWith(int)'"],
    ['customer.nmae', 'No such key: nmae; did you mean "name"?'],
  ])('refuses %s', (source, problem) => {
    expect(problemOf(source)).toContain(problem)
  })

  test.each([
    ['money(total)', 'string'],
    ['sum(lines.map(line, line.total))', 'dyn'],
    ['sum(lines) > 10', 'bool'],
    ['daysBetween(now, delivery) < 3', 'bool'],
    ['addDays(now, 1) > now', 'bool'],
    ['customer.tags.exists(tag, tag == "vip")', 'bool'],
    ['business.open && window.minutes_left > 30', 'bool'],
    ['message.choice_id == "buy"', 'bool'],
    ['message.referral != null && message.referral.source_id == "1"', 'bool'],
    ['orElse(business.currency, "EUR")', 'dyn'],
  ])('knows the type of %s: %s', (source, type) => {
    expect(checkExpression(source)).toEqual({ type })
  })
})

describe('a function that is given the wrong thing when it runs', () => {
  test.each([
    ['upper(customer.email)', 'upper() takes a text as "text", and not null'],
    ['upper(cart)', 'and not a list'],
    ['sum(cart)', 'sum() takes a list of numbers as "list", and not a list with an object'],
    ['sum(dyn("a"))', 'and not a text'],
    ['addDays(now, 1.5)', 'addDays() takes a whole number as "days", and not a number'],
    ['formatDate("nope")', 'formatDate() takes a time, or a text like 2026-12-25 or 2026-12-25T17:00:00Z as "time"'],
    ['formatDate(dyn(true))', 'and not true or false'],
    ['upper(dyn(now))', 'and not a time'],
  ])('says so in plain words: %s', (source, message) => {
    expect(() => evaluate(source)).toThrow(ExpressionError)
    expect(() => evaluate(source)).toThrow(message)
  })

  test('whatever that is, throws nothing but ExpressionError', () => {
    const values = [
      'null',
      'true',
      '1',
      '1.5',
      '-1',
      '9223372036854775807',
      '"a"',
      '""',
      '"2026-12-25"',
      'now',
      '[]',
      '["a"]',
      '[[1]]',
      '{}',
      'b"x"',
      'type(1)',
      'duration("1h")',
    ]
    for (const { name, parameters } of functions) {
      for (const value of values) {
        const source = `${name}(${parameters.map(() => `dyn(${value})`).join(', ')})`
        try {
          parseExpression(source, 'f').evaluate(scopeWith(names))
        } catch (error) {
          expect(error).toBeInstanceOf(ExpressionError)
        }
      }
    }
  })
})

describe('a function pays for what it does', () => {
  const many = Array.from({ length: 1_000 }, (_, n) => ({
    name: `thing ${(n * 7) % 1_000}`,
    n: (n * 7) % 1_000,
    deep: [n, [n]],
  }))
  const large = { many, numbers: many.map(({ n }) => n), text: 'ñ, '.repeat(20_000) }
  const small = { many: many.slice(0, 1), numbers: [1], text: 'ñ, ' }

  test.each([
    ['size(reverse(many)) > 0', 1_000],
    ['size(slice(many, 0, 1)) > 0', 1_000],
    ['sumOf(many, "n")', 1_000],
    ['sum(numbers)', 1_000],
    ['min(numbers)', 1_000],
    ['first(numbers)', 1_000],
    ['size(pluck(many, "n")) > 0', 1_000],
    ['size(sortBy(many, "n")) > 0', 10_000],
    ['size(sortBy(many, "name")) > 0', 15_000],
    ['size(unique(many)) > 0', 10_000],
    ['digits(text)', 7_000],
    ['size(replace(text, "ñ", "nn")) > 0', 15_000],
    ['hasWords(text, "x")', 14_000],
    ['size(upper(text)) > 0', 8_000],
  ])('%s costs at least %i units more of much', (source, more) => {
    expect(costOf(source, large) - costOf(source, small)).toBeGreaterThan(more)
  })

  test('and for a formatter that is not at hand', () => {
    const source = 'formatDate(now, "es-PY")'
    const first = costOf(source)
    expect(first - costOf(source)).toBeGreaterThan(300)
  })

  test('and stops when it can’t', () => {
    const text = 'a'.repeat(60_000)
    const long = 'replace(replace(text, "a", "bbbbbbbbbb"), "b", text)'
    expect(() => evaluate(long, { text })).toThrow('too much work')
  })

  test('even of a value that holds itself many times over', () => {
    const inner = (end: string) =>
      Array.from({ length: 12 }).reduce<string>(all => `cel.bind(v, [${Array(20).fill('v').join(', ')}], ${all})`, end)
    for (const { name, parameters } of functions) {
      const call = `${name}(${parameters.map(({ read }) => (read('a') === undefined ? 'v' : 'dyn("a")')).join(', ')})`
      const spoilt = `${name}(${parameters.map(() => 'v').join(', ')})`
      for (const source of [call, spoilt]) {
        expect(() => evaluate(`cel.bind(v, 1, ${inner(source)})`)).toThrow(ExpressionError)
      }
    }
  })
})
