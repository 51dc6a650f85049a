import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { evaluate } from './expressions.fixture.ts'

describe('texts', () => {
  test.each([
    ['upper("mañana")', 'MAÑANA'],
    ['lower("MAÑANA")', 'mañana'],
    ['capitalize("ana lópez")', 'Ana lópez'],
    ['capitalize("¿qué?")', '¿Qué?'],
    ['capitalize("")', ''],
    ['replace("a.b.c", ".", "-")', 'a-b-c'],
    ['replace("a.b", ".", "$&")', 'a$&b'],
    ['replace("abc", "x", "y")', 'abc'],
    ['truncate("abcdef", 4)', 'abc…'],
    ['truncate("abc", 4)', 'abc'],
    ['digits("+34 600-111")', '34600111'],
    ['digits("")', ''],
    ['padLeft(7, 3, "0")', '007'],
    ['padLeft("abc", 2)', 'abc'],
    ['padLeft("a", 3)', '  a'],
    ['padLeft("a", 3, "")', 'a'],
    ['plain("¡Sí, por FAVOR!")', 'si por favor'],
    ['hasWords("Una pizza SIN gluten", "sin gluten")', true],
    ['hasWords("singular", "sin")', false],
    ['hasWords("hola", "¡!")', false],
    ['orElse(customer.email, "no")', 'no'],
    ['orElse("", "no")', 'no'],
    ['orElse(0, 1)', 0],
    ['orElse(customer.name, 1)', 'Ana'],
    ['" a ".trim()', 'a'],
    ['"a,b".split(",")', ['a', 'b']],
  ])('%s is %j', (source, value) => {
    expect(evaluate(source)).toEqual(value)
  })

  test.each([
    ['replace("a", "", "b")', 'replace() needs something to look for'],
    ['truncate("a", 0)', 'truncate() needs a length of at least 1'],
    ['padLeft("a", 5000)', 'padLeft() makes at most 4096 characters'],
  ])('%s fails: %s', (source, message) => {
    expect(() => evaluate(source)).toThrow(message)
  })

  test('have each part replaced, as literals', () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ minLength: 1, maxLength: 2 }), fc.string(), (text, from, to) => {
        expect(evaluate('replace(text, a, b)', { text, a: from, b: to })).toBe(text.split(from).join(to))
      }),
    )
  })
})
