import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { evaluate } from './expressions.fixture.ts'

describe('dates and times', () => {
  test.each([
    ['formatDate(now)', '25 de noviembre de 2026'],
    ['formatDate("2026-12-25")', '25 de diciembre de 2026'],
    ['formatDate("2026-12-25T23:30:00Z", "en")', 'December 26, 2026'],
    ['formatTime(now)', '17:15'],
    ['formatTime(now, "en")', '5:15 PM'],
    ['formatDateTime(now, "en")', 'November 25, 2026 at 5:15 PM'],
    ['weekday(now)', 'miércoles'],
    ['weekday("2026-12-25", "pt")', 'sexta-feira'],
    ['isoDate(now)', '2026-11-25'],
    ['isoDate("2026-12-31T23:30:00Z")', '2027-01-01'],
    ['date("2026-12-25")', '2026-12-24T23:00:00.000Z'],
    ['date("2026-12-25", "17:00")', '2026-12-25T16:00:00.000Z'],
    ['date(now, "9h30")', '2026-11-25T08:30:00.000Z'],
    ['date("2026-12-25", "5:30 P. M.")', '2026-12-25T16:30:00.000Z'],
    ['date("2026-12-25T10:00:00+02:00")', '2026-12-25T08:00:00.000Z'],
    ['addMinutes(now, 45)', '2026-11-25T17:00:30.000Z'],
    ['addMinutes(now, -15)', '2026-11-25T16:00:30.000Z'],
    ['addHours("2026-03-29T00:30:00Z", 1)', '2026-03-29T01:30:00.000Z'],
    ['addDays(now, 1)', '2026-11-26T16:15:30.000Z'],
    ['addDays(now, -30)', '2026-10-26T16:15:30.000Z'],
    ['formatTime(addDays("2026-10-24T15:00:00Z", 1))', '17:00'],
    ['daysBetween(now, "2026-12-25")', 30],
    ['daysBetween("2026-12-25", now)', -30],
    ['daysBetween("2026-03-28", "2026-03-30")', 2],
    ['date("2026-12-25") > now', true],
    ['isoDate(now) == "2026-11-25"', true],
  ])('%s is %p', (source, value) => {
    expect(evaluate(source)).toEqual(value)
  })

  test('are those of the business', () => {
    const business = { time_zone: 'America/Bogota', language: 'pt', currency: null }
    expect(evaluate('formatTime(now)', { business })).toBe('11:15')
    expect(evaluate('weekday(now)', { business })).toBe('quarta-feira')
    expect(evaluate('date("2026-12-25")', { business })).toBe('2026-12-25T05:00:00.000Z')
  })

  test('are in UTC and Spanish where nothing is known of the business', () => {
    for (const business of [null, {}, { time_zone: 3 }, 'x']) {
      expect(evaluate('formatDateTime(now)', { business })).toBe('25 de noviembre de 2026 a las 16:15')
    }
  })

  test('a time that the clocks skip is the first moment after the gap', () => {
    expect(evaluate('date("2026-03-29", "02:30")')).toBe('2026-03-29T01:00:00.000Z')
    expect(evaluate('addDays(date("2026-03-28", "02:30"), 1)')).toBe('2026-03-29T01:00:00.000Z')
  })

  test('days there and back are the same moment, but where the clocks change', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1_000, max: 1_000 }), days => {
        expect(evaluate('addDays(addDays(now, n), -n)', { n: days })).toBe('2026-11-25T16:15:30.000Z')
        expect(evaluate('daysBetween(now, addDays(now, n))', { n: days })).toBe(days)
        expect(evaluate('formatTime(addDays(now, n))', { n: days })).toBe('17:15')
      }),
    )
  })

  test.each([
    ['formatDate("25/12")', 'formatDate() takes a time, or a text like 2026-12-25'],
    ['formatDate("2026-02-30")', 'formatDate() takes a time'],
    ['date("2026-12-25", "5")', 'date() takes a time of the day like 17:00, and not "5"'],
    ['addDays(now, 3650000)', "addDays() can't go beyond the years 1 and 9999"],
    ['addDays(now, 9007199254740991)', "addDays() can't go beyond the years 1 and 9999"],
    ['addMinutes(now, 9007199254740991)', "addMinutes() can't go beyond"],
    ['addHours(now, -9007199254740991)', "addHours() can't go beyond"],
    ['weekday(now, "?")', 'this is no language like es or en-US'],
  ])('%s fails: %s', (source, message) => {
    expect(() => evaluate(source)).toThrow(message)
  })
})
