import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { toCel, toJson, toText } from './cel-values.ts'
import type { Json } from './json.ts'

describe('toCel and back', () => {
  test('gives the same JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), value => {
        const json = JSON.parse(JSON.stringify(value)) as Json
        expect(toJson(toCel(json))).toEqual(json)
      }),
    )
  })

  test('makes whole numbers ints, and copies only what holds one', () => {
    expect(toCel({ a: [1, 1.5], b: 'x' })).toEqual({ a: [1n, 1.5], b: 'x' })
    const plain = { a: ['x', { b: true }], c: null }
    expect(toCel(plain)).toBe(plain)
  })
})

describe('toJson', () => {
  test('refuses what JSON cannot hold exactly', () => {
    for (const value of [
      2n ** 53n,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      undefined,
      () => 1,
      new Uint8Array(1),
      new Map(),
    ]) {
      expect(() => toJson(value)).toThrow()
    }
    expect(toJson(2n ** 53n - 1n)).toBe(Number.MAX_SAFE_INTEGER)
  })
})

describe('toText', () => {
  test('writes every value as a customer would read it', () => {
    expect(toText(null)).toBe('')
    expect(toText(5n)).toBe('5')
    expect(toText(2n ** 60n)).toBe('1152921504606846976')
    expect(toText(0.1)).toBe('0.1')
    expect(toText(true)).toBe('true')
    expect(toText([1n, 'a'])).toBe('[1,"a"]')
    expect(toText(new Date(0))).toBe('1970-01-01T00:00:00.000Z')
  })
})
