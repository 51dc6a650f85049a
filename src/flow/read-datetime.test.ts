import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { readDateTime } from './read-datetime.ts'
import { localParts, zonedToUtcMs } from './time-zone.ts'

type Rule = Parameters<typeof readDateTime>[1]

const now = Date.UTC(2026, 10, 25, 12)
const readAt = (nowMs: number, text: string, rule: Rule = {}, zone = 'Europe/Madrid') => {
  const reading = readDateTime(text, rule, zone, nowMs)
  return 'problem' in reading ? reading.problem : reading.value
}
const read = (text: string, rule: Rule = {}) => readAt(now, text, rule)

describe('a date and time', () => {
  test.each([
    ['25/12 17:00', '2026-12-25T16:00:00.000Z'],
    ['25/12, 17:00', '2026-12-25T16:00:00.000Z'],
    ['25/12/2026 5 pm', '2026-12-25T16:00:00.000Z'],
    ['25 de diciembre 17h', '2026-12-25T16:00:00.000Z'],
    ['el viernes 25 de diciembre a las 17:30', '2026-12-25T16:30:00.000Z'],
    ['Dec 25, 2026 5:30 p.m.', '2026-12-25T16:30:00.000Z'],
    ['25 de dezembro às 17h30', '2026-12-25T16:30:00.000Z'],
    ['17h 25/12', '2026-12-25T16:00:00.000Z'],
    ['5 de la tarde del 25/12', '2026-12-25T16:00:00.000Z'],
    ['mañana 17h', '2026-11-26T16:00:00.000Z'],
    ['5pm mañana', '2026-11-26T16:00:00.000Z'],
    ['mañana a las 9 de la mañana', '2026-11-26T08:00:00.000Z'],
    ['2026-12-25 17:00', '2026-12-25T16:00:00.000Z'],
    ['2026-12-25T17:00', '2026-12-25T16:00:00.000Z'],
    ['2026-12-25T17:00:00Z', '2026-12-25T17:00:00.000Z'],
    ['2026-12-25T17:00:00-05:00', '2026-12-25T22:00:00.000Z'],
    ['1/7/2027 17:00', '2027-07-01T15:00:00.000Z'],
    ['25/12 a las 17', '2026-12-25T16:00:00.000Z'],
    ['25 de diciembre a las 17', '2026-12-25T16:00:00.000Z'],
    ['tomorrow at 17', '2026-11-26T16:00:00.000Z'],
    ['hoje às 18', '2026-11-25T17:00:00.000Z'],
    ['el viernes a las 17:00', '2026-11-27T16:00:00.000Z'],
    ['para el viernes a las 17, por favor', '2026-11-27T16:00:00.000Z'],
    ['friday 5pm', '2026-11-27T16:00:00.000Z'],
    ['5 de la tarde del viernes', '2026-11-27T16:00:00.000Z'],
    ['25.12 17.30', '2026-12-25T16:30:00.000Z'],
  ])('%j is %s', (text, moment) => {
    expect(read(text)).toBe(moment)
  })

  test.each([
    '',
    '25/12',
    '17:00',
    '25/12 17',
    '25 de diciembre 17',
    'mañana a las 5',
    'el viernes a las 5',
    'viernes 17',
    'por la mañana a las 17',
    '31/4 17:00',
    '25/12 25:00',
    '5.10 6.10',
    '2026-02-30T17:00:00Z',
    '25/12 17:00 o 18:00',
    `25/12 17:00${' '.repeat(200)}x`,
  ])('%j is none', text => {
    expect(read(text)).toBe('not_a_moment')
  })

  test('that the clocks skip is none, and of two it is the first', () => {
    expect(read('28/3/2027 02:30')).toBe('not_a_moment')
    expect(read('28/3/2027 03:00')).toBe('2027-03-28T01:00:00.000Z')
    expect(read('31/10/2027 02:30')).toBe('2027-10-31T00:30:00.000Z')
  })

  test('is within its bounds, which are inclusive', () => {
    expect(read('hoy 12:59', { min: 'now' })).toBe('too_early')
    expect(read('hoy 13:00', { min: 'now', max: 'now' })).toBe('2026-11-25T12:00:00.000Z')
    expect(read('hoy 13:01', { max: 'now' })).toBe('too_late')
    const rule = { min: '2026-12-25T17:00:00+01:00', max: '2026-12-25T18:00:00Z' }
    expect([read('25/12 16:59', rule), read('25/12 17:00', rule), read('25/12 19:01', rule)]).toEqual([
      'too_early',
      '2026-12-25T16:00:00.000Z',
      'too_late',
    ])
  })

  test('is read back from any moment, in any zone, summer or winter', () => {
    const zone = fc.constantFrom('Europe/Madrid', 'America/New_York', 'America/Santiago', 'Australia/Lord_Howe', 'UTC')
    const minutes = fc.integer({ min: Date.UTC(2000) / 60_000, max: Date.UTC(2090) / 60_000 })
    fc.assert(
      fc.property(zone, minutes, (name, minute) => {
        const local = localParts(name, minute * 60_000)
        const written = `${local.day}/${local.month}/${local.year} ${local.hour}h${String(local.minute).padStart(2, '0')}`
        expect(readAt(now, written, {}, name)).toBe(new Date(zonedToUtcMs(name, local) ?? 0).toISOString())
      }),
      { numRuns: 500 },
    )
  })
})
