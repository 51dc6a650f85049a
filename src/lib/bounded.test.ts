import { expect, test } from 'bun:test'
import { makeBounded } from './bounded.ts'
import { AppError } from './errors.ts'

/** Work that ends when it is told to. */
function held() {
  const { promise, resolve } = Promise.withResolvers<string>()
  return { promise, end: resolve }
}

test('so many run at once, so many wait in order, and the next is refused at once', async () => {
  const run = makeBounded({ atOnceMax: 2, waitingMax: 2 })
  const begun: number[] = []
  const works = [held(), held(), held(), held()]
  const results = works.map((work, index) =>
    run(() => {
      begun.push(index)
      return work.promise
    }),
  )
  const refused = await run(async () => 'never').catch((error: unknown) => error)
  expect(refused instanceof AppError && refused.code).toBe('overloaded')
  expect(begun).toEqual([0, 1])
  works[1]?.end('second')
  expect(await results[1]).toBe('second')
  works[0]?.end('first')
  expect(await results[0]).toBe('first')
  works[2]?.end('third')
  works[3]?.end('fourth')
  expect(await Promise.all(results)).toEqual(['first', 'second', 'third', 'fourth'])
  expect(begun).toEqual([0, 1, 2, 3])
  expect(await run(async () => 'again')).toBe('again')
})

test('work that fails gives its place back', async () => {
  const run = makeBounded({ atOnceMax: 1, waitingMax: 0 })
  for (let tries = 0; tries < 3; tries++)
    expect(await run(() => Promise.reject(new Error('no'))).catch((error: unknown) => String(error))).toBe('Error: no')
  expect(await run(async () => 'yes')).toBe('yes')
})
