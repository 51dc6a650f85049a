import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import {
  addCalendarDays,
  calendarDaysBetween,
  dateText,
  isRealDay,
  localHour,
  localParts,
  momentAt,
  timeText,
  zonedToUtcMs,
} from './time-zone.ts'

const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())
const wall = (text: string) => {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0] = text.split(/\D/).map(Number)
  return { year, month, day, hour, minute }
}
const shown = (zone: string, ms: number) => {
  const parts = localParts(zone, ms)
  return `${dateText(parts)} ${timeText(parts)}`
}

// Clocks that go forward at night, at midnight, by half an hour, never, and once by a whole day.
const zones = [
  'Europe/Madrid',
  'America/New_York',
  'America/Santiago',
  'America/Asuncion',
  'Africa/Cairo',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'America/Bogota',
  'Pacific/Apia',
  'America/St_Johns',
  'UTC',
]
const zone = fc.constantFrom(...zones)
const moment = fc.integer({ min: Date.UTC(1971), max: Date.UTC(2100) })

describe('a moment on the wall', () => {
  test.each([
    ['Europe/Madrid', '2026-07-01T12:00:00Z', '2026-07-01 14:00'],
    ['Europe/Madrid', '2026-12-31T23:30:00Z', '2027-01-01 00:30'],
    ['America/Bogota', '2026-01-01T03:00:00Z', '2025-12-31 22:00'],
    ['Asia/Kathmandu', '2026-01-01T00:00:00Z', '2026-01-01 05:45'],
    ['Nowhere/At_All', '2026-01-01T00:00:00Z', '2026-01-01 00:00'],
  ])('of %s at %s is %s', (name, utc, local) => {
    expect(shown(name, Date.parse(utc))).toBe(local)
  })

  test('has its day of the week', () => {
    expect(localParts('Europe/Madrid', Date.parse('2026-12-24T23:30:00Z')).weekday).toBe(5)
    expect(localParts('UTC', Date.parse('2026-12-24T23:30:59Z'))).toMatchObject({ weekday: 4, second: 59 })
  })

  test('is what Intl says it is, whatever is kept at hand', () => {
    const format = (name: string) =>
      new Intl.DateTimeFormat('sv-SE', { timeZone: name, dateStyle: 'short', timeStyle: 'short' })
    const formats = new Map(zones.map(name => [name, format(name)]))
    fc.assert(
      fc.property(zone, moment, (name, ms) => {
        expect(shown(name, ms)).toBe(formats.get(name)?.format(ms) ?? '')
      }),
      { numRuns: 1_000 },
    )
  })

  test('stays right with more zones than are kept', () => {
    const all = Intl.supportedValuesOf('timeZone')
    const at = Date.UTC(2026, 6, 1, 12)
    const first = all.map(name => shown(name, at))
    expect(all.map(name => shown(name, at))).toEqual(first)
    expect(shown('Asia/Tokyo', at)).toBe('2026-07-01 21:00')
  })
})

test('the hour alone is that of the parts, at any moment', () => {
  fc.assert(
    fc.property(zone, moment, (name, ms) => {
      expect(localHour(name, ms)).toBe(localParts(name, ms).hour)
    }),
    { numRuns: 1_000 },
  )
})

describe('zonedToUtcMs', () => {
  test('turns the parts of any moment back into it, or an hour earlier where the clocks show it twice', () => {
    fc.assert(
      fc.property(zone, moment, (name, ms) => {
        const minute = Math.floor(ms / 60_000) * 60_000
        const found = zonedToUtcMs(name, localParts(name, minute))
        expect(found).not.toBeNull()
        expect(shown(name, found ?? 0)).toBe(shown(name, minute))
        expect(found).toBeLessThanOrEqual(minute)
      }),
      { numRuns: 1_000 },
    )
  })

  test.each([
    ['Europe/Madrid', '2026-03-29 01:59', '2026-03-29T00:59:00.000Z'],
    ['Europe/Madrid', '2026-03-29 02:00', null],
    ['Europe/Madrid', '2026-03-29 02:59', null],
    ['Europe/Madrid', '2026-03-29 03:00', '2026-03-29T01:00:00.000Z'],
    ['Europe/Madrid', '2026-10-25 02:30', '2026-10-25T00:30:00.000Z'],
    ['Europe/Madrid', '2026-10-25 03:00', '2026-10-25T02:00:00.000Z'],
    ['America/New_York', '2026-11-01 01:30', '2026-11-01T05:30:00.000Z'],
    ['Australia/Lord_Howe', '2026-10-04 02:15', null],
    ['Pacific/Apia', '2011-12-30 12:00', null],
    ['UTC', '2026-02-29 12:00', null],
    ['UTC', '2028-02-29 12:00', '2028-02-29T12:00:00.000Z'],
    ['UTC', '2026-13-01 12:00', null],
    ['UTC', '2026-01-01 24:00', null],
    ['UTC', '2026-01-01 12:60', null],
  ])('%s %s is %p', (name, local, utc) => {
    expect(iso(zonedToUtcMs(name, wall(local)))).toBe(utc)
  })
})

describe('momentAt', () => {
  test.each([
    ['Europe/Madrid', '2026-03-29 02:30', '2026-03-29T01:00:00.000Z'],
    ['America/Santiago', '2026-09-06 00:00', '2026-09-06T04:00:00.000Z'],
    ['Australia/Lord_Howe', '2026-10-04 02:15', '2026-10-03T15:30:00.000Z'],
    ['Pacific/Apia', '2011-12-30 12:00', '2011-12-30T10:00:00.000Z'],
    ['Europe/Madrid', '2026-10-25 02:30', '2026-10-25T00:30:00.000Z'],
    ['UTC', '2026-12-31 24:00', '2027-01-01T00:00:00.000Z'],
  ])('%s %s is %s, or the first moment after the gap', (name, local, utc) => {
    expect(iso(momentAt(name, wall(local)))).toBe(utc)
  })

  test('is never later than by the gap, and shows the time or a later one', () => {
    fc.assert(
      fc.property(zone, moment, (name, ms) => {
        const local = localParts('UTC', ms)
        const text = `${dateText(local)} ${timeText(local)}`
        const found = momentAt(name, local)
        expect(shown(name, found) >= text).toBe(true)
        expect(shown(name, found - 60_000) < text || zonedToUtcMs(name, local) === found).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('days', () => {
  const day = fc.integer({ min: Date.UTC(1, 0), max: Date.UTC(3000) }).map(ms => localParts('UTC', ms))

  test('are added and counted, leap years and all', () => {
    expect(dateText(addCalendarDays({ year: 2028, month: 2, day: 28 }, 1))).toBe('2028-02-29')
    expect(dateText(addCalendarDays({ year: 2026, month: 3, day: 1 }, -1))).toBe('2026-02-28')
    expect(calendarDaysBetween({ year: 2026, month: 3, day: 28 }, { year: 2026, month: 3, day: 30 })).toBe(2)
    fc.assert(
      fc.property(day, fc.integer({ min: -100_000, max: 100_000 }), (from, days) => {
        expect(calendarDaysBetween(from, addCalendarDays(from, days))).toBe(days)
      }),
    )
  })

  test('are in the calendar or not', () => {
    expect(isRealDay({ year: 2000, month: 2, day: 29 })).toBe(true)
    expect(isRealDay({ year: 1900, month: 2, day: 29 })).toBe(false)
    expect(isRealDay({ year: 2026, month: 4, day: 31 })).toBe(false)
    expect(isRealDay({ year: 2026, month: 0, day: 1 })).toBe(false)
    expect(isRealDay({ year: 50, month: 1, day: 1 })).toBe(true)
  })

  test('are written with four digits of year', () => {
    expect(dateText({ year: 50, month: 1, day: 2 })).toBe('0050-01-02')
  })
})
