import { describe, expect, test } from 'bun:test'
import { afterClose, type Closed, type Failures, noFailures } from './close-policy.ts'

const paired: Omit<Closed, 'code'> = { isPaired: true, openMs: 5_000 }

/** What follows closes of these codes, one after the other. */
function follow(codes: readonly number[], closed: Omit<Closed, 'code'> = paired) {
  let failures: Failures = noFailures
  return codes.map(code => {
    const next = afterClose({ ...closed, code }, failures, 0.5)
    if (next.kind === 'reconnect') failures = next.failures
    return next
  })
}

const delays = (codes: readonly number[], closed = paired) =>
  follow(codes, closed).map(next => (next.kind === 'reconnect' ? next.delayMs : next.standstill.state))

describe('after a close', () => {
  test('a restart that WhatsApp asks for is made at once', () => {
    expect(delays([515])).toEqual([0])
    expect(delays(Array(20).fill(515))).toEqual(Array(20).fill(0))
  })

  test('restarts that never come to an open connection slow down', () => {
    expect(delays([515, 515, 515, 515, 515], { isPaired: true, openMs: 0 })).toEqual([0, 0, 0, 8_000, 16_000])
  })

  test('a connection that was lost is made again, later each time, after a minute at most', () => {
    for (const code of [408, 428, 503])
      expect(delays(Array(8).fill(code))).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
  })

  test('one that stayed open for a minute begins from the start', () => {
    const before: Failures = { count: 6, ofSession: 2 }
    expect(afterClose({ code: 428, isPaired: true, openMs: 60_000 }, before, 0.5)).toMatchObject({ delayMs: 1_000 })
  })

  test('sessions that were closed together do not come back together', () => {
    const [first, last] = [0, 1].map(random => afterClose({ ...paired, code: 428 }, noFailures, random))
    expect([first, last]).toMatchObject([{ delayMs: 750 }, { delayMs: 1_250 }])
  })

  test('codes that nobody scanned are not shown for ever', () => {
    const [next] = follow([408], { isPaired: false, openMs: 0 })
    expect(next).toMatchObject({ kind: 'stop', forgets: false, standstill: { state: 'refused' } })
  })

  test('a broken session, and what is not known, is tried three times in a row', () => {
    for (const code of [500, 999]) expect(delays([code, code, code])).toEqual([1_000, 2_000, 'refused'])
    expect(delays([500, 428, 500, 428, 500])).toEqual([1_000, 2_000, 4_000, 8_000, 'refused'])
  })

  test('a device that was removed forgets its keys', () => {
    expect(follow([401])[0]).toMatchObject({ kind: 'stop', forgets: true, standstill: { state: 'logged_out' } })
  })

  test('what a person must put right is not tried again, keeps its keys, and is said', () => {
    const reasons = [400, 402, 403, 405, 406, 411, 440].map(code => {
      const [next] = follow([code])
      expect(next).toMatchObject({ kind: 'stop', forgets: false, standstill: { state: 'refused' } })
      return next?.kind === 'stop' ? next.standstill.reason : ''
    })
    expect(new Set(reasons).size).toBe(7)
    for (const reason of reasons) expect(reason).toMatch(/^[A-Z].*\.$/)
  })
})
