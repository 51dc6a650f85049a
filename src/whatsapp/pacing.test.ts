import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { admit, Pace, type Rate } from './pacing.ts'

const pair: Rate = { burst: 45, intervalMs: 6_000 }
const second: Rate = { burst: 80, intervalMs: 12.5 }

test('a burst goes at once, and the next message after one interval', () => {
  const pace = new Pace()
  for (let i = 0; i < 45; i++) expect(admit(pace, [{ key: 'a', rate: pair }], 1_000)).toBe(0)
  expect(admit(pace, [{ key: 'a', rate: pair }], 1_000)).toBe(6_000)
  expect(admit(pace, [{ key: 'a', rate: pair }], 7_000)).toBe(0)
})

test('a message that one limit holds back counts against no other limit', () => {
  const pace = new Pace()
  const one: Rate = { burst: 1, intervalMs: 1_000 }
  expect(admit(pace, [{ key: 'slow', rate: one }], 0)).toBe(0)
  for (let i = 0; i < 100; i++)
    admit(
      pace,
      [
        { key: 'slow', rate: one },
        { key: 'number', rate: second },
      ],
      0,
    )
  for (let i = 0; i < 80; i++) expect(admit(pace, [{ key: 'number', rate: second }], 0)).toBe(0)
})

test('messages that have to wait come back one slot after the other, not all together', () => {
  const pace = new Pace()
  const limits = [{ key: 'tenant', rate: { burst: 1, intervalMs: 1_000 } }]
  expect([0, 1, 2, 3].map(() => admit(pace, limits, 0))).toEqual([0, 1_000, 2_000, 3_000])
  expect(admit(pace, limits, 1_000)).toBe(0)
})

test('what somebody waits for comes back before a backlog that nobody does', () => {
  const pace = new Pace()
  const limits = [{ key: 'tenant', rate: { burst: 1, intervalMs: 1_000 } }]
  expect([0, 1, 2].map(() => admit(pace, limits, 0, 1))).toEqual([0, 1_000, 2_000])
  expect(admit(pace, limits, 0, 0)).toBe(1_000)
  expect(admit(pace, limits, 0, 1)).toBe(3_000)
})

test('in any window no more is admitted than the burst and what the interval gives', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10 }),
      fc.integer({ min: 1, max: 500 }),
      fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 200 }),
      (burst, intervalMs, gaps) => {
        const pace = new Pace()
        const admitted: number[] = []
        let now = 1_000_000
        for (const gap of gaps) {
          now += gap
          if (admit(pace, [{ key: 'k', rate: { burst, intervalMs } }], now) === 0) admitted.push(now)
        }
        admitted.forEach((start, from) => {
          admitted.slice(from).forEach((end, index) => {
            expect(index + 1).toBeLessThanOrEqual(burst + (end - start) / intervalMs)
          })
        })
      },
    ),
    { numRuns: 50 },
  )
})
