import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { evaluate } from './expressions.fixture.ts'
import type { Json } from './json.ts'

describe('lists', () => {
  test.each([
    ['sum([1, 2, 3])', 6],
    ['sum([1, 2.5])', 3.5],
    ['sum([])', 0],
    ['sumOf(cart, "quantity")', 3],
    ['sum(cart.map(line, line.quantity * line.price_minor))', 2_650],
    ['min([3, 1.5, 2])', 1.5],
    ['max([3, 1.5, 2])', 3],
    ['min([])', null],
    ['first(cart).name', 'Pizza'],
    ['last(cart).name', 'Agua'],
    ['first([])', null],
    ['last([])', null],
    ['slice([1, 2, 3], 1)', [2, 3]],
    ['slice([1, 2, 3], 0, 2)', [1, 2]],
    ['slice([1, 2, 3], -1)', [3]],
    ['slice([1, 2, 3], 5, 9)', []],
    ['reverse([1, 2])', [2, 1]],
    ['unique(["a", "b", "a"])', ['a', 'b']],
    [
      'unique([1, 1.0, "1", null, null, true, [1], [1], {"a": 1, "b": 2}, {"b": 2, "a": 1}])',
      [1, '1', null, true, [1], { a: 1, b: 2 }],
    ],
    ['size(unique([now, now, date("2026-12-25")]))', 2],
    ['pluck(cart, "name")', ['Pizza', 'Agua']],
    ['sortBy(cart, "price_minor").map(line, line.name)', ['Agua', 'Pizza']],
    ['sortBy([{"n": 2}, {"n": 1.5}, {"n": 1}], "n").map(i, i.n)', [1, 1.5, 2]],
    [
      'sortBy([{"t": "ñu"}, {"t": "nube"}, {"t": "oso"}, {"t": "Ñandú"}], "t").map(i, i.t)',
      ['nube', 'Ñandú', 'ñu', 'oso'],
    ],
    ['sortBy([{"t": "talla 10"}, {"t": "talla 9"}], "t").map(i, i.t)', ['talla 9', 'talla 10']],
    ['sortBy([{"t": now}, {"t": date("2020-01-01")}], "t").map(i, isoDate(i.t))', ['2020-01-01', '2026-11-25']],
    ['sortBy([], "x")', []],
    ['cart.map(line, string(line.quantity) + " " + line.name).join("; ")', '2 Pizza; 1 Agua'],
  ])('%s is %j', (source, value) => {
    expect(evaluate(source)).toEqual(value)
  })

  test.each([
    ['sumOf(cart, "total")', 'sumOf() finds no "total" in item 1 of the list, which is an object'],
    ['sumOf(cart, "name")', 'sumOf() takes numbers, and "name" of item 1 of the list is a text'],
    ['pluck([{"a": 1}, 2], "a")', 'pluck() finds no "a" in item 2 of the list, which is a number'],
    ['pluck(cart, "constructor")', 'finds no "constructor"'],
    ['pluck([null], "a")', 'which is null'],
    ['sortBy([{"a": 1}, {"a": "b"}], "a")', 'sortBy() can\'t compare the "a" of all items: a number and a text'],
    ['sortBy([{"a": true}], "a")', 'sortBy() can\'t sort by "a", which is true or false'],
    ['sum([9223372036854775807, 1])', 'the sum is too large'],
  ])('%s fails: %s', (source, message) => {
    expect(() => evaluate(source)).toThrow(message)
  })

  test('are not changed by what is made of them', () => {
    const list = [3, 1, 2].map(n => ({ n }))
    evaluate('reverse(sortBy(items, "n"))', { items: list })
    expect(list.map(({ n }) => n)).toEqual([3, 1, 2])
  })

  const json = fc.letrec<{ value: Json }>(tie => ({
    value: fc.oneof(
      { maxDepth: 2 },
      fc.constantFrom<Json>(null, true, 1, 1.5, 'a', '1', ''),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b'), tie('value'), { maxKeys: 2, noNullPrototype: true }),
    ),
  })).value

  test('have each item once, as many as are different', () => {
    fc.assert(
      fc.property(fc.array(json, { maxLength: 12 }), list => {
        const expected = list.filter((item, index) => list.findIndex(other => Bun.deepEquals(item, other)) === index)
        expect(evaluate('unique(items)', { items: list })).toEqual(expected)
      }),
    )
  })

  test('are in order, and all there', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }))), numbers => {
        const sorted = evaluate('pluck(sortBy(items, "n"), "n")', { items: numbers.map(n => ({ n })) })
        expect(sorted).toEqual(numbers.map(n => (Object.is(n, -0) ? 0 : n)).toSorted((a, b) => a - b))
      }),
    )
  })
})
