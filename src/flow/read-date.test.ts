import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { readDate } from './read-date.ts'
import { addCalendarDays, dateText, localParts } from './time-zone.ts'

type Rule = Parameters<typeof readDate>[1]

// A Wednesday.
const now = Date.UTC(2026, 10, 25, 12)
const readAt = (nowMs: number, text: string, rule: Rule = {}, zone = 'Europe/Madrid') => {
  const reading = readDate(text, rule, zone, nowMs)
  return 'problem' in reading ? reading.problem : reading.value
}
const read = (text: string, rule: Rule = {}) => readAt(now, text, rule)

describe('a date', () => {
  test.each([
    ['25/12', '2026-12-25'],
    ['25/12/2026', '2026-12-25'],
    ['25-12-26', '2026-12-25'],
    ['25.12.2026', '2026-12-25'],
    ['25 / 12', '2026-12-25'],
    ['25/12.', '2026-12-25'],
    ['2026-12-25', '2026-12-25'],
    ['2026/1/5', '2026-01-05'],
    ['5/1', '2027-01-05'],
    ['25/11', '2026-11-25'],
    ['24/11', '2027-11-24'],
    ['24/11/2026', '2026-11-24'],
    ['25 de diciembre', '2026-12-25'],
    ['el 25 de Diciembre de 2026', '2026-12-25'],
    ['1º de mayo', '2027-05-01'],
    ['primero de mayo', '2027-05-01'],
    ['25 dic', '2026-12-25'],
    ['25-dic-2026', '2026-12-25'],
    ['3 set 2027', '2027-09-03'],
    ['25 december', '2026-12-25'],
    ['December 25th, 2026', '2026-12-25'],
    ['the 25th of December', '2026-12-25'],
    ['Dec 25 26', '2026-12-25'],
    ['25 de dezembro', '2026-12-25'],
    ['1 de março de 2027', '2027-03-01'],
    ['viernes 25/12', '2026-12-25'],
    ['viernes, 25 de diciembre de 2026', '2026-12-25'],
    ['Fri, Dec 25', '2026-12-25'],
    ['sexta-feira, 25 de dezembro', '2026-12-25'],
    ['hoy', '2026-11-25'],
    ['¡Mañana!', '2026-11-26'],
    ['Mañana', '2026-11-26'],
    ['pasado mañana', '2026-11-27'],
    ['today', '2026-11-25'],
    ['tomorrow', '2026-11-26'],
    ['hoje', '2026-11-25'],
    ['amanhã', '2026-11-26'],
    ['depois de amanhã', '2026-11-27'],
    ['para hoy', '2026-11-25'],
    ['Hoy, por favor', '2026-11-25'],
    ['para mañana por favor', '2026-11-26'],
    ['for tomorrow, please', '2026-11-26'],
    ['pra amanhã', '2026-11-26'],
    ['para pasado mañana', '2026-11-27'],
    ['for the day after tomorrow', '2026-11-27'],
    ['por favor, para el 25/12', '2026-12-25'],
    ['no dia 25/12', '2026-12-25'],
    ['on the 25th of December', '2026-12-25'],
    ['el viernes', '2026-11-27'],
    ['viernes', '2026-11-27'],
    ['para este viernes', '2026-11-27'],
    ['on Friday', '2026-11-27'],
    ['sexta', '2026-11-27'],
    ['sexta feira', '2026-11-27'],
    ['el martes', '2026-12-01'],
    ['thursday', '2026-11-26'],
    ['el martes, gracias', '2026-12-01'],
    ['29/2', '2028-02-29'],
    ['3/5/85', '1985-05-03'],
    ['3/5/46', '2046-05-03'],
    ['3/5/47', '1947-05-03'],
  ])('%j is %s', (text, date) => {
    expect(read(text)).toBe(date)
  })

  test.each([
    '',
    '25',
    '12/25',
    '31/4',
    '29/2/2027',
    '0/5',
    '5/0',
    '25/12/126',
    '25/12-2026',
    '25/12/1026',
    '25 diciembre 2026 1',
    'diciembre',
    'jueves 25/12',
    'mar',
    'la mañana',
    'por la mañana',
    'para la mañana',
    'de manhã',
    'viernes o sábado',
    'miércoles',
    'on Wednesday',
    'por favor',
    'la semana que viene',
    '25 de brumario',
    `25/12${' '.repeat(200)}x`,
  ])('%j is none', text => {
    expect(read(text)).toBe('not_a_date')
  })

  test('has its day before its month, unless the question says otherwise', () => {
    expect(read('1/2')).toBe('2027-02-01')
    expect(read('1/2', { order: 'mdy' })).toBe('2027-01-02')
    expect(read('12/25', { order: 'mdy' })).toBe('2026-12-25')
    expect(read('25/12', { order: 'mdy' })).toBe('not_a_date')
    expect(read('2026-02-01', { order: 'mdy' })).toBe('2026-02-01')
  })

  test('is within its bounds, which are inclusive', () => {
    expect(read('24/11/2026', { min: 'today' })).toBe('too_early')
    expect(read('25/11/2026', { min: 'today', max: 'today' })).toBe('2026-11-25')
    expect(read('tomorrow', { max: 'today' })).toBe('too_late')
    const rule = { min: '2026-12-01', max: '2026-12-31' }
    expect([read('30/11', rule), read('1/12', rule), read('31/12', rule), read('1/1', rule)]).toEqual([
      'too_early',
      '2026-12-01',
      '2026-12-31',
      'too_late',
    ])
  })

  test('counts from today in the zone of the business', () => {
    const lateEvening = Date.UTC(2026, 11, 31, 23, 30)
    expect(readAt(lateEvening, 'hoy')).toBe('2027-01-01')
    expect(readAt(lateEvening, 'hoy', {}, 'America/Bogota')).toBe('2026-12-31')
    expect(readAt(lateEvening, '31/12')).toBe('2027-12-31')
    expect(readAt(lateEvening, '31/12', {}, 'America/Bogota')).toBe('2026-12-31')
  })

  const moment = fc.integer({ min: Date.UTC(2000), max: Date.UTC(2090) })
  const language = fc.constantFrom('es', 'en', 'pt')

  test('that the bot wrote is read back as it was, with its year and without', () => {
    const style = fc.constantFrom('long' as const, 'full' as const)
    fc.assert(
      fc.property(moment, fc.integer({ min: 0, max: 300 }), language, style, (from, ahead, locale, dateStyle) => {
        const day = addCalendarDays(localParts('UTC', from), ahead)
        const written = new Intl.DateTimeFormat(locale, { dateStyle, timeZone: 'UTC' }).format(
          Date.parse(dateText(day)),
        )
        expect(readAt(from, written, {}, 'UTC')).toBe(dateText(day))
        expect(readAt(from, `${day.day}/${day.month}`, {}, 'UTC')).toBe(dateText(day))
      }),
      { numRuns: 500 },
    )
  })

  test('is a day of the calendar, whatever is written', () => {
    fc.assert(
      fc.property(moment, fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 14 }), (from, day, month) => {
        const found = readAt(from, `${day}.${month}`, { min: 'today' }, 'UTC')
        expect(found).not.toBe('too_early')
        if (found !== 'not_a_date') expect(new Date(`${found}T00:00:00Z`).toISOString()).toStartWith(String(found))
      }),
    )
  })

  test('is read from any text without failing', () => {
    fc.assert(fc.property(fc.string(), text => void read(text)))
  })
})
