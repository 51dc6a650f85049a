import { expect, test } from 'bun:test'
import { makeBoundedCache } from './bounded-cache.ts'

test('a cache keeps what was used last, for a while', () => {
  let now = 0
  const cache = makeBoundedCache(2, 100, () => now)
  cache.set('a', 1)
  cache.set('b', 2)
  cache.get('a')
  cache.set('c', 3)
  expect([cache.get<number>('a'), cache.get<number>('b'), cache.get<number>('c')]).toEqual([1, undefined, 3])
  now = 99
  cache.set('a', 4)
  now = 100
  expect([cache.get<number>('a'), cache.get<number>('c')]).toEqual([4, undefined])
  cache.del('a')
  expect(cache.get('a')).toBeUndefined()
  cache.set('d', 5)
  cache.flushAll()
  expect(cache.get('d')).toBeUndefined()
})
