import { describe, expect, test } from 'bun:test'
import { formatMoney } from './money.ts'

describe('formatMoney', () => {
  test('writes minor units with the digits of the currency', () => {
    expect(formatMoney(1250, 'EUR')).toBe('12,50 EUR')
    expect(formatMoney(1250n, 'EUR')).toBe('12,50 EUR')
    expect(formatMoney(1250, 'JPY', 'en')).toBe('JPY 1,250')
    expect(formatMoney(1250, 'KWD', 'en')).toBe('KWD 1.250')
    expect(formatMoney(-5, 'EUR', 'en')).toBe('-EUR 0.05')
    expect(formatMoney(0, 'EUR')).toBe('0,00 EUR')
  })

  test('rounds what is no whole minor unit', () => {
    expect(formatMoney(99.6, 'EUR')).toBe('1,00 EUR')
  })

  test('refuses what is no currency or locale', () => {
    expect(() => formatMoney(1, 'euro')).toThrow(RangeError)
    expect(() => formatMoney(1, 'EUR', '?')).toThrow(RangeError)
  })

  test('stays right with more currencies than it keeps', () => {
    for (let n = 0; n < 100; n++) {
      const currency = `X${String.fromCharCode(65 + (n % 26))}${String.fromCharCode(65 + Math.floor(n / 26))}`
      expect(formatMoney(100, currency, 'en')).toBe(`${currency} 1.00`)
    }
  })
})
