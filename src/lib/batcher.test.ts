import { expect, test } from 'bun:test'
import { makeBatcher } from './batcher.ts'
import { AppError } from './errors.ts'

test('items added while a batch is under way go together in the next one, in order', async () => {
  const batches: number[][] = []
  const batcher = makeBatcher<number, number>({
    batchMax: 10,
    queueMax: 100,
    async work(items) {
      batches.push([...items])
      await Bun.sleep(1)
      return items.map(item => item * 2)
    },
  })
  const first = batcher.add(0)
  await Bun.sleep(0)
  const others = [1, 2, 3, 4].map(item => batcher.add(item))
  expect(await Promise.all([first, ...others])).toEqual([0, 2, 4, 6, 8])
  expect(batches).toEqual([[0], [1, 2, 3, 4]])
})

test('a batch never exceeds its size', async () => {
  const sizes: number[] = []
  const batcher = makeBatcher<number, number>({
    batchMax: 3,
    queueMax: 100,
    async work(items) {
      sizes.push(items.length)
      return items
    },
  })
  await Promise.all([1, 2, 3, 4, 5, 6, 7].map(item => batcher.add(item)))
  expect(sizes).toEqual([3, 3, 1])
})

test('a full queue refuses with "overloaded" and takes nothing', async () => {
  const done: number[] = []
  const batcher = makeBatcher<number, number>({
    batchMax: 1,
    queueMax: 2,
    async work(items) {
      done.push(...items)
      return items
    },
  })
  const taken = [batcher.add(1), batcher.add(2)]
  const refused = await batcher.add(3).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(AppError)
  expect(refused).toMatchObject({ code: 'overloaded' })
  await Promise.all(taken)
  expect(done).toEqual([1, 2])
})

test('one bad item fails alone', async () => {
  const batcher = makeBatcher<number, number>({
    batchMax: 10,
    queueMax: 10,
    async work(items) {
      if (items.includes(2)) throw new Error('two is bad')
      return items
    },
  })
  const ended = await Promise.allSettled([1, 2, 3].map(item => batcher.add(item)))
  expect(ended.map(result => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
})

test('while the database is away a batch fails as a whole, without a try for each item', async () => {
  let tries = 0
  const batcher = makeBatcher<number, number>({
    batchMax: 10,
    queueMax: 10,
    async work() {
      tries++
      throw new AppError('database_unavailable', 'away')
    },
  })
  const ended = await Promise.allSettled([1, 2, 3].map(item => batcher.add(item)))
  expect(ended.every(result => result.status === 'rejected')).toBe(true)
  expect(tries).toBe(1)
})

test('drain waits for everything that was added', async () => {
  let done = 0
  const batcher = makeBatcher<number, number>({
    batchMax: 2,
    queueMax: 10,
    async work(items) {
      await Bun.sleep(2)
      done += items.length
      return items
    },
  })
  for (const item of [1, 2, 3, 4, 5]) void batcher.add(item)
  await batcher.drain()
  expect(done).toBe(5)
})
