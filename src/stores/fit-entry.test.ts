import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { fitEntry } from './fit-entry.ts'
import type { LogEntry } from './log-store.ts'

const entryOf = (data: LogEntry['data']): LogEntry => ({
  ...{ id: 'a', tenant_id: null, created_at: new Date(0), log_type: 'info', bot_id: null, conversation_id: null },
  ...{ key: '', value: null, bucket: null, data },
})
const fitted = (data: LogEntry['data']) => fitEntry(entryOf(data)).data

test('what every store can hold stays as it is', () => {
  const data = { text: 'Sí 🍕', n: -1.5e300, list: [1, { a: null }, 'b'], deep: { a: { b: { c: true } } }, '': 0 }
  expect(fitted(data)).toEqual(data)
})

test('what one of them cannot hold is replaced', () => {
  expect(
    fitted({
      ...{ nul: 'a\0b', half: 'a\ud800', 'a.b': 1, $set: 1, 'c\0': 1, big: 10n ** 30n, at: new Date(5) },
      ...{
        none: undefined,
        call: () => 1,
        nan: Number.NaN,
        infinite: -Infinity,
        nested: [[1, [2]]],
        list: [undefined],
      },
    }),
  ).toEqual({
    ...{ nul: 'a\ufffdb', half: 'a\ufffd', a_b: 1, _set: 1, c_: 1, big: `1${'0'.repeat(30)}` },
    at: '1970-01-01T00:00:00.005Z',
    ...{ nan: null, infinite: null, nested: [{ 0: 1, 1: [2] }], list: [null] },
  })
  expect(Object.is(fitted({ zero: -0 }).zero, 0)).toBe(true)
  expect(Object.keys(fitted(JSON.parse('{"__proto__": 1}')))).toEqual(['__proto__'])
})

test('what is too long, too deep or too much is cut', () => {
  const deep: Record<string, unknown> = {}
  deep.deep = deep
  const many = Array.from({ length: 500 }, () => 'y'.repeat(1_000))
  const data = fitted({ long: 'x'.repeat(5_000), deep, many, more: 1 })
  expect(String(data.long).length).toBe(4_000)
  expect(Object.keys(data)).toEqual(['long', 'deep', 'many'])
  expect(JSON.stringify(data).length).toBeLessThan(20_000)
  expect(data.deep).toEqual({ deep: { deep: { deep: { deep: { deep: '…' } } } } })
  expect(fitEntry({ ...entryOf({}), id: 'x'.repeat(500), key: 'a\0'.repeat(300) })).toMatchObject({
    ...{ id: 'x'.repeat(200), key: 'a\ufffd'.repeat(100) },
  })
})

test('a value that is no number, or a bucket that is none, is left out', () => {
  const figures = (value: number, bucket: number) => {
    const { value: v, bucket: b } = fitEntry({ ...entryOf({}), value, bucket })
    return [v, b]
  }
  expect(figures(1.5, 63)).toEqual([1.5, 63])
  expect(figures(Number.NaN, 64)).toEqual([null, null])
  expect(figures(Infinity, -1)).toEqual([null, null])
  expect(figures(0, 1.5)).toEqual([0, null])
})

test('whatever it is, it is fitted, and fitting it again changes nothing', () => {
  const anything = fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true, withSparseArray: true })
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'binary' }), anything), data => {
      const once = fitted(data)
      expect(fitted(once)).toEqual(once)
      expect(JSON.parse(JSON.stringify(once))).toEqual(once)
    }),
    { numRuns: 200 },
  )
})
