import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { Breakers } from './breaker.ts'

function failedTimes(breakers: Breakers, count: number, now: number): boolean {
  let opened = false
  for (let i = 0; i < count; i++) opened = breakers.failed('bot', now)
  return opened
}

test('five failures in a row open it; one answer in between starts the count anew', () => {
  const breakers = new Breakers()
  expect(failedTimes(breakers, 4, 0)).toBe(false)
  breakers.took('bot')
  expect(failedTimes(breakers, 4, 0)).toBe(false)
  expect(breakers.pass('bot', 0)).toEqual({ kind: 'closed' })
  expect(breakers.failed('bot', 0)).toBe(true)
  expect(breakers.pass('bot', 0)).toEqual({ kind: 'open', untilMs: 5_000 })
  expect(breakers.isOpen('another', 0)).toBe(false)
})

test('after a while one probe goes out, and the others wait for it', () => {
  const breakers = new Breakers()
  failedTimes(breakers, 5, 0)
  expect(breakers.pass('bot', 5_000)).toEqual({ kind: 'probe' })
  breakers.beginProbe('bot')
  expect(breakers.pass('bot', 5_000)).toEqual({ kind: 'open', untilMs: 6_000 })
  breakers.took('bot')
  expect(breakers.pass('bot', 5_001)).toEqual({ kind: 'closed' })
})

test('a probe that fails opens it for twice as long, up to five minutes', () => {
  const breakers = new Breakers()
  failedTimes(breakers, 5, 0)
  let now = 0
  const waits: number[] = []
  for (let i = 0; i < 8; i++) {
    const passage = breakers.pass('bot', now)
    if (passage.kind !== 'open') throw new Error('it is closed')
    waits.push(passage.untilMs - now)
    now = passage.untilMs
    breakers.beginProbe('bot')
    expect(breakers.failed('bot', now)).toBe(true)
  }
  expect(waits).toEqual([5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000])
})

test('a probe that never came to the provider tells nothing of it: another one goes out', () => {
  const breakers = new Breakers()
  failedTimes(breakers, 5, 0)
  breakers.beginProbe('bot')
  breakers.dropProbe('bot')
  expect(breakers.isOpen('bot', 4_999)).toBe(true)
  expect(breakers.pass('bot', 5_000)).toEqual({ kind: 'probe' })
})

test('sends that were under way when it opened do not make it longer', () => {
  const breakers = new Breakers()
  failedTimes(breakers, 45, 0)
  expect(breakers.pass('bot', 0)).toEqual({ kind: 'open', untilMs: 5_000 })
})

test('whatever happens, it lets a send through again in the end', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('failed', 'took', 'probe', 'wait')), steps => {
      const breakers = new Breakers()
      let now = 0
      for (const step of steps) {
        if (step === 'failed') breakers.failed('bot', now)
        else if (step === 'took') breakers.took('bot')
        else if (step === 'probe') breakers.beginProbe('bot')
        else now += 3_000
      }
      breakers.failed('bot', now)
      expect(breakers.pass('bot', now + 300_000).kind).not.toBe('open')
    }),
  )
})
