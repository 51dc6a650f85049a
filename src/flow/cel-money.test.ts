import { describe, expect, test } from 'bun:test'
import { evaluate } from './expressions.fixture.ts'

describe('money', () => {
  test.each([
    ['money(1250)', '12,50 EUR'],
    ['money(1250, "USD")', '12,50 USD'],
    ['money(1250, "JPY", "en")', 'JPY 1,250'],
    ['money(99.6)', '1,00 EUR'],
    ['minor(12.5)', 1_250],
    ['minor(1.005)', 101],
    ['minor(12, "JPY")', 12],
    ['minor(1.2345, "KWD")', 1_235],
    ['minor(-0.5)', -50],
    ['minor(0.0000001)', 0],
    ['money(minor(0.1 + 0.2))', '0,30 EUR'],
    ['round(2.5)', 3],
    ['round(-2.4)', -2],
    ['round(7)', 7],
    ['round(1250 * 0.9) / 5', 225],
    ['formatNumber(1234567.25)', '1.234.567,25'],
    ['formatNumber(0.5, "en")', '0.5'],
  ])('%s is %p', (source, value) => {
    expect(evaluate(source)).toEqual(value)
  })

  test('needs a currency where the business has none', () => {
    const business = { language: 'es', currency: null, time_zone: 'UTC' }
    expect(() => evaluate('money(1)', { business })).toThrow('money() needs a currency, as in money(1250, "EUR")')
    expect(evaluate('money(1, "EUR")', { business })).toBe('0,01 EUR')
  })

  test('is written in the business’s language', () => {
    const business = { language: 'en', currency: 'USD', time_zone: 'UTC' }
    expect(evaluate('money(123450)', { business })).toBe('USD 1,234.50')
    expect(evaluate('formatNumber(1.5)', { business })).toBe('1.5')
  })

  test.each([
    ['money(1, "EURO")', '"EURO" is no currency like EUR'],
    ['money(1, "")', 'is no currency'],
    ['money(1, "EUR", "x!")', 'this is no language like es or en-US'],
    ['money(1, "EUR", "")', 'this is no language'],
    ['formatNumber(1, "es-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")', 'this is no language'],
    ['round(1e300)', 'round() takes numbers of at most 15 digits'],
    ['round(0.0 / 0.0)', 'round() takes numbers'],
    ['minor(1e20)', 'minor() takes numbers'],
  ])('%s fails: %s', (source, message) => {
    expect(() => evaluate(source)).toThrow(message)
  })
})
