import { expect, test } from 'bun:test'
import { makeIds, timeOf } from './ids.ts'

test('an id that is made later sorts after, also where the clock is set back, and stands still for long', () => {
  let now = Date.UTC(2026, 0, 1)
  const ids = makeIds({ now: () => now })
  const made = [ids.next()]
  now -= 3_600_000
  for (let index = 0; index < 10_000; index++) made.push(ids.next())
  now += 7_200_000
  made.push(ids.next())
  expect(made).toEqual([...new Set(made)].sort())
  expect(made.map(timeOf).at(-1)).toEqual(new Date(now))
})
