import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { isBoundedJson, isJsonObject, type Json, jsonLength } from './json.ts'
import { JSON_DEPTH_MAX } from './limits.ts'

function nested(depth: number): Json {
  return depth === 0 ? 1 : [nested(depth - 1)]
}

describe('jsonLength', () => {
  test('is about the length of the JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), value => {
        const json = value as Json
        const texts = JSON.stringify(json).replace(/\\u....|\\./g, 'x').length
        expect(jsonLength(json, 1e9)).toBeGreaterThanOrEqual(texts / 4)
      }),
    )
  })

  test('is infinite beyond the bound or the depth, without a full walk', () => {
    expect(jsonLength(['x'.repeat(100)], 50)).toBe(Number.POSITIVE_INFINITY)
    expect(jsonLength(nested(JSON_DEPTH_MAX), 1e9)).toBeFinite()
    expect(jsonLength(nested(JSON_DEPTH_MAX + 1), 1e9)).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('isBoundedJson', () => {
  test('is true of JSON within the bound, and of nothing else', () => {
    expect(isBoundedJson({ a: [1, null, 'x', true] }, 100)).toBe(true)
    for (const value of [
      undefined,
      Number.NaN,
      () => 1,
      1n,
      Symbol('x'),
      { a: undefined },
      nested(JSON_DEPTH_MAX + 1),
    ]) {
      expect(isBoundedJson(value, 1_000)).toBe(false)
    }
    expect(isBoundedJson(['x'.repeat(100)], 50)).toBe(false)
    expect(isBoundedJson(JSON.parse('{"a": {"__proto__": 1}}'), 100)).toBe(false)
  })

  test('knows an object from a list and null', () => {
    expect([{}, [], null, undefined, 'x'].map(isJsonObject)).toEqual([true, false, false, false, false])
  })
})
