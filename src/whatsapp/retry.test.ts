import { expect, test } from 'bun:test'
import { retryDelayMs } from './retry.ts'

test('waits double from one second, and stop growing at five minutes', () => {
  const delays = Array.from({ length: 12 }, (_, index) => retryDelayMs('soon', index + 1, 0.5))
  expect(delays.slice(0, 4)).toEqual([1_000, 2_000, 4_000, 8_000])
  expect(delays.at(-1)).toBe(300_000)
})

test('the rate to one customer waits 4ⁿ seconds, as Meta asks', () => {
  expect([1, 2, 3].map(attempt => retryDelayMs('pair', attempt, 0.5))).toEqual([1_000, 4_000, 16_000])
})

test('the jitter is a quarter either way', () => {
  expect(retryDelayMs('later', 1, 0)).toBe(22_500)
  expect(retryDelayMs('later', 1, 1)).toBe(37_500)
})
