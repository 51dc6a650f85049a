import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { currencyDigits, formatMoney } from './money.ts'
import { readMoney } from './read-money.ts'

type Language = 'es' | 'en' | 'pt'

const read = (text: string, currency: string, language: Language = 'es') => {
  const reading = readMoney(text, { currency }, language)
  return 'problem' in reading ? reading.problem : reading.value
}

describe('an amount of money', () => {
  test.each([
    ['12', 1_200],
    ['12,5', 1_250],
    ['12,50', 1_250],
    ['12.50', 1_250],
    ['0,05', 5],
    ['12,50 €', 1_250],
    ['€12.50', 1_250],
    ['€ 12.50', 1_250],
    ['EUR 12', 1_200],
    ['12eur', 1_200],
    ['12 Euros.', 1_200],
    ['12.-', 1_200],
    ['12,– €', 1_200],
    ['€12 eur', 1_200],
    ['1.500', 150_000],
    ['1,500', 150_000],
    ['20.000', 2_000_000],
    ['1.234,50', 123_450],
    ['1,234.50', 123_450],
    ['1 234,50', 123_450],
    ['1’234.50', 123_450],
    ['1.234.567', 123_456_700],
    ['1.234.567,8', 123_456_780],
    ['1234567.89', 123_456_789],
    ['20 mil', 2_000_000],
    ['20k', 2_000_000],
    ['1,23,456.00', 12_345_600],
  ])('in euros: %j is %p', (text, minor) => {
    expect(read(text, 'EUR')).toBe(minor)
    expect(read(text, 'EUR', 'en')).toBe(minor)
  })

  test.each([
    ['$1,234.50', 'USD', 123_450],
    ['US$ 20', 'USD', 2_000],
    ['20 USD$', 'USD', 2_000],
    ['$20 dólares', 'USD', 2_000],
    ['$ 20.000', 'COP', 2_000_000],
    ['20.000 pesos', 'CLP', 20_000],
    ['$1.500', 'CLP', 1_500],
    ['R$ 12,50', 'BRL', 1_250],
    ['50 reais', 'BRL', 5_000],
    ['S/. 12', 'PEN', 1_200],
    ['Q50', 'GTQ', 5_000],
    ['₡15.000', 'CRC', 1_500_000],
    ['Gs. 12.000', 'PYG', 12_000],
    ['¥1,250', 'JPY', 1_250],
    ['1250 yen', 'JPY', 1_250],
  ])('%j in %s is %p', (text, currency, minor) => {
    expect(read(text, currency)).toBe(minor)
  })

  test.each([
    ['$12', 'EUR'],
    ['12 USD', 'EUR'],
    ['€12', 'USD'],
    ['12 euros', 'USD'],
    ['$12 eur', 'EUR'],
    ['C$ 12', 'USD'],
    ['12 pesos', 'USD'],
    ['฿12', 'EUR'],
  ])('%j is none in %s', (text, currency) => {
    expect(read(text, currency)).toBe('wrong_currency')
  })

  test.each([
    '',
    'gratis',
    '-12',
    '12,5055',
    '1.2345',
    '0.500',
    '1.50.25',
    '1.234,567.8',
    '12,34,56',
    '12 50',
    '12,50,-5',
    '2,5 mil',
    '20 millones',
    'unos 20',
    '20 o 30',
    '1e3',
    '٣',
    '99999999999999',
    `1${' '.repeat(200)}2`,
  ])('%j is no amount', text => {
    expect(read(text, 'EUR')).toBe('not_an_amount')
  })

  test('has as many decimals as its currency', () => {
    expect(read('12,50', 'JPY')).toBe('not_an_amount')
    expect(read('12,505', 'JPY')).toBe(12_505)
    expect(read('12,5', 'KWD')).toBe(12_500)
    expect(read('12,505 KWD', 'KWD')).toBe(12_505)
    expect(read('1.234,505', 'KWD')).toBe(1_234_505)
  })

  test('with three digits that may be decimals is read as the language writes it', () => {
    expect([read('1.500', 'KWD', 'en'), read('1,500', 'KWD', 'en')]).toEqual([1_500, 1_500_000])
    expect([read('1.500', 'KWD', 'es'), read('1,500', 'KWD', 'pt')]).toEqual([1_500_000, 1_500])
    expect([read('0.500', 'KWD', 'es'), read('1234.500', 'KWD', 'es')]).toEqual([500, 1_234_500])
  })

  test('is within its bounds, which are inclusive and in minor units', () => {
    const rule = { currency: 'EUR', min: 500, max: 1_000 }
    const within = (text: string) => readMoney(text, rule, 'es')
    expect(within('4,99')).toEqual({ problem: 'too_small' })
    expect(within('5')).toEqual({ value: 500 })
    expect(within('10')).toEqual({ value: 1_000 })
    expect(within('10,01')).toEqual({ problem: 'too_large' })
  })

  test('that the bot wrote is read back as it was', () => {
    const currencies = ['EUR', 'USD', 'BRL', 'MXN', 'PEN', 'JPY', 'CLP', 'PYG', 'KWD', 'TND', 'INR']
    fc.assert(
      fc.property(
        fc.constantFrom(...currencies),
        fc.constantFrom<Language>('es', 'en', 'pt'),
        fc.oneof(fc.integer({ min: 0, max: 99_999 }), fc.integer({ min: 0, max: 10 ** 12 - 1 })),
        (currency, language, minor) => {
          expect(read(formatMoney(minor, currency, language), currency, language)).toBe(minor)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  test('without a sign is read back too, but for the mark of thousands and decimals', () => {
    fc.assert(
      fc.property(fc.constantFrom('EUR', 'JPY'), fc.integer({ min: 0, max: 10 ** 12 }), (currency, minor) => {
        const digits = currencyDigits(currency)
        const plain = (minor / 10 ** digits).toFixed(digits)
        expect(read(plain, currency)).toBe(minor)
        expect(read(plain.replace('.', ','), currency)).toBe(minor)
      }),
    )
  })
})
