import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import type { Hours } from './business.ts'
import { isOpenAt, nextOpening, nextTimeOfDay, type OpeningHours } from './hours.ts'
import { localParts } from './time-zone.ts'

const closed: Hours = { mon: [], tue: [], wed: [], thu: [], fri: [], sat: [], sun: [] }
const weekdays = [
  ['09:00', '14:00'],
  ['16:00', '20:30'],
] as const

/** Open Monday to Friday with a break, Saturday until past midnight; in Madrid. */
const shop: OpeningHours = {
  time_zone: 'Europe/Madrid',
  hours: {
    ...closed,
    mon: weekdays,
    tue: weekdays,
    wed: weekdays,
    thu: weekdays,
    fri: weekdays,
    sat: [['20:00', '24:00']],
    sun: [['00:00', '02:00']],
  },
  holidays: [
    { date: '2026-12-25', name: 'Navidad' },
    { date: '2026-12-24', hours: [['09:00', '12:00']] },
  ],
}
const at = (text: string) => Date.parse(text)
const open = (text: string, business = shop) => isOpenAt(business, at(text))
const next = (text: string, business = shop) => {
  const ms = nextOpening(business, at(text))
  return ms === null ? null : new Date(ms).toISOString()
}

describe('a business', () => {
  test('is open from the minute it opens until the minute it closes, in its own zone', () => {
    // Tuesday the 1st of December 2026; Madrid is an hour ahead of UTC.
    expect(open('2026-12-01T07:59:59Z')).toBe(false)
    expect(open('2026-12-01T08:00:00Z')).toBe(true)
    expect(open('2026-12-01T12:59:59Z')).toBe(true)
    expect(open('2026-12-01T13:00:00Z')).toBe(false)
    expect(open('2026-12-01T15:00:00Z')).toBe(true)
    expect(open('2026-07-01T07:00:00Z')).toBe(true)
    expect(open('2026-07-01T06:59:00Z')).toBe(false)
  })

  test('is open past midnight where that is written as two spans', () => {
    expect(open('2026-12-05T22:59:59Z')).toBe(true)
    expect(open('2026-12-05T23:00:00Z')).toBe(true)
    expect(open('2026-12-06T01:00:00Z')).toBe(false)
  })

  test('keeps other hours on holidays, or none', () => {
    expect(open('2026-12-24T10:59:00Z')).toBe(true)
    expect(open('2026-12-24T11:00:00Z')).toBe(false)
    expect(open('2026-12-25T10:00:00Z')).toBe(false)
    expect(open('2026-12-28T10:00:00Z')).toBe(true)
  })

  test('that has told no hours is always open, but for its holidays', () => {
    const always = { ...shop, hours: null }
    expect(open('2026-12-06T03:00:00Z', always)).toBe(true)
    expect(open('2026-12-25T10:00:00Z', always)).toBe(false)
  })
})

describe('the next opening', () => {
  test('is the first moment at which a closed business opens', () => {
    expect(next('2026-12-01T05:00:00Z')).toBe('2026-12-01T08:00:00.000Z')
    expect(next('2026-12-01T13:30:00Z')).toBe('2026-12-01T15:00:00.000Z')
    expect(next('2026-12-01T21:00:00Z')).toBe('2026-12-02T08:00:00.000Z')
  })

  test('is after the coming closing where it is open, and never where one day goes on in the next', () => {
    expect(next('2026-12-01T09:00:00Z')).toBe('2026-12-01T15:00:00.000Z')
    expect(next('2026-12-05T22:00:00Z')).toBe('2026-12-07T08:00:00.000Z')
  })

  test('passes over holidays', () => {
    expect(next('2026-12-24T12:00:00Z')).toBe('2026-12-26T19:00:00.000Z')
  })

  test('is not there where it is always open, or never', () => {
    expect(next('2026-06-01T00:00:00Z', { ...shop, hours: null })).toBeNull()
    expect(next('2026-06-01T00:00:00Z', { ...shop, hours: closed })).toBeNull()
    const onceFarAway = { ...shop, hours: closed, holidays: [{ date: '2026-12-25', hours: weekdays }] }
    expect(next('2026-06-01T00:00:00Z', onceFarAway)).toBeNull()
    expect(next('2026-12-01T00:00:00Z', onceFarAway)).toBe('2026-12-25T08:00:00.000Z')
  })

  test('is moved on by clocks that skip it, and is not there where they skip all of it', () => {
    const nightly = { ...shop, holidays: [], hours: { ...closed, sun: [['02:15', '04:00']] as const } }
    expect(next('2026-03-28T12:00:00Z', nightly)).toBe('2026-03-29T01:00:00.000Z')
    const skipped = { ...shop, holidays: [], hours: { ...closed, sun: [['02:15', '02:45']] as const } }
    expect(next('2026-03-28T12:00:00Z', skipped)).toBe('2026-04-05T00:15:00.000Z')
  })

  const spans = fc
    .uniqueArray(fc.integer({ min: 0, max: 48 }), { minLength: 2, maxLength: 6 })
    .map(halves =>
      halves.toSorted((a, b) => a - b).map(half => `${String(half >> 1).padStart(2, '0')}:${half % 2 ? '30' : '00'}`),
    )
    .map(times =>
      times.flatMap((from, index) =>
        index % 2 === 0 && times[index + 1] ? [[from, times[index + 1] ?? ''] as const] : [],
      ),
    )

  test('begins an opening, and nothing opens before it', () => {
    const zone = fc.constantFrom('Europe/Madrid', 'America/Santiago', 'Australia/Lord_Howe', 'America/Bogota')
    const business = fc.record({
      time_zone: zone,
      hours: fc.record({
        mon: spans,
        tue: spans,
        wed: fc.constant([]),
        thu: spans,
        fri: spans,
        sat: spans,
        sun: spans,
      }),
      holidays: fc.constant([]),
    })
    const hour = fc.integer({ min: Date.UTC(2026, 0) / 3_600_000, max: Date.UTC(2027, 0) / 3_600_000 })
    fc.assert(
      fc.property(business, hour, (one, hours) => {
        const from = hours * 3_600_000
        const found = nextOpening(one, from)
        if (found === null) throw new Error('a business with hours opens')
        expect(isOpenAt(one, found)).toBe(true)
        expect(isOpenAt(one, found - 1)).toBe(false)
        let changes = 0
        for (let ms = from; ms < found; ms += 15 * 60_000) {
          if (isOpenAt(one, ms + 15 * 60_000) && !isOpenAt(one, ms) && ms + 15 * 60_000 < found) changes++
        }
        expect(changes).toBe(0)
      }),
      { numRuns: 50 },
    )
  })
})

describe('the next time it is that o’clock', () => {
  const nextAt = (zone: string, time: string, now: string) => new Date(nextTimeOfDay(zone, time, at(now))).toISOString()

  test('is today or tomorrow, and later than now', () => {
    expect(nextAt('Europe/Madrid', '17:00', '2026-12-01T15:59:59Z')).toBe('2026-12-01T16:00:00.000Z')
    expect(nextAt('Europe/Madrid', '17:00', '2026-12-01T16:00:00Z')).toBe('2026-12-02T16:00:00.000Z')
    expect(nextAt('America/Bogota', '00:00', '2026-12-31T23:00:00Z')).toBe('2027-01-01T05:00:00.000Z')
  })

  test('is the first moment after a gap, and only once where the clocks show it twice', () => {
    expect(nextAt('Europe/Madrid', '02:30', '2026-03-29T00:00:00Z')).toBe('2026-03-29T01:00:00.000Z')
    expect(nextAt('Europe/Madrid', '02:30', '2026-10-25T00:00:00Z')).toBe('2026-10-25T00:30:00.000Z')
    expect(nextAt('Europe/Madrid', '02:30', '2026-10-25T00:30:00Z')).toBe('2026-10-26T01:30:00.000Z')
  })

  test('is within a day and what the clocks change', () => {
    const zone = fc.constantFrom('Europe/Madrid', 'America/Santiago', 'Australia/Lord_Howe', 'Asia/Kathmandu')
    fc.assert(
      fc.property(zone, fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 4e12 }), (name, hour, now) => {
        const found = nextTimeOfDay(name, `${String(hour).padStart(2, '0')}:30`, now)
        expect(found).toBeGreaterThan(now)
        expect(found - now).toBeLessThanOrEqual(26 * 3_600_000)
        const { hour: shown, minute } = localParts(name, found)
        expect(shown === hour ? minute : (shown - hour + 24) % 24).toBe(shown === hour ? 30 : 1)
      }),
      { numRuns: 500 },
    )
  })
})
