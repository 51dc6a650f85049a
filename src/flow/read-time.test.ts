import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { readTime } from './read-time.ts'

const read = (text: string) => {
  const reading = readTime(text)
  return 'problem' in reading ? reading.problem : reading.value
}

describe('a time of the day', () => {
  test.each([
    ['17:00', '17:00'],
    ['17.30', '17:30'],
    ['5:30', '05:30'],
    ['17h', '17:00'],
    ['17 hs', '17:00'],
    ['17 horas', '17:00'],
    ['17h30', '17:30'],
    ['17 h 30 min', '17:30'],
    ['17:30h', '17:30'],
    ['17:00:00', '17:00'],
    ['5pm', '17:00'],
    ['5 PM', '17:00'],
    ['5:30 p. m.', '17:30'],
    ['5:30 p.m.', '17:30'],
    ['12am', '00:00'],
    ['12:15 pm', '12:15'],
    ['17:00 pm', '17:00'],
    ['a las 17:00', '17:00'],
    ['a la 1 pm', '13:00'],
    ['às 17h', '17:00'],
    ['at 5pm', '17:00'],
    ['5 de la tarde', '17:00'],
    ['8:30 de la mañana', '08:30'],
    ['10 de la noche', '22:00'],
    ['22:00 de la noche', '22:00'],
    ['3 de la madrugada', '03:00'],
    ['7 da noite', '19:00'],
    ['9 da manhã', '09:00'],
    ['5 in the afternoon', '17:00'],
    ['a las 17', '17:00'],
    ['at 17', '17:00'],
    ['às 23', '23:00'],
    ['5 pm por favor', '17:00'],
    ['00:00', '00:00'],
    ['23:59', '23:59'],
  ])('%j is %s', (text, time) => {
    expect(read(text)).toBe(time)
  })

  test.each([
    '',
    '17',
    'a las 5',
    'a las 12',
    'a las 24',
    'at 5',
    'mañana a las 5',
    '24:00',
    '17:60',
    '17:5',
    '17:00:30',
    '13am',
    '0pm',
    '25h',
    '12 de la mañana',
    '12 de la noche',
    '3 de la noche',
    '9 de la tarde',
    'mediodía',
    '5:30 x',
    `17:00${' '.repeat(200)}x`,
  ])('%j is none', text => {
    expect(read(text)).toBe('not_a_time')
  })

  test('that the bot wrote is read back as it was', () => {
    const locale = fc.constantFrom('es', 'en', 'pt', 'es-MX', 'en-US', 'pt-BR', 'es-CO')
    fc.assert(
      fc.property(locale, fc.integer({ min: 0, max: 1_439 }), (language, minutes) => {
        const format = new Intl.DateTimeFormat(language, { timeStyle: 'short', timeZone: 'UTC' })
        expect(read(format.format(minutes * 60_000))).toBe(new Date(minutes * 60_000).toISOString().slice(11, 16))
      }),
      { numRuns: 500 },
    )
  })

  test('is read from any text without failing', () => {
    fc.assert(fc.property(fc.string(), text => void read(text)))
  })
})
