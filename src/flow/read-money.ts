import type { Business } from './business.ts'
import { currenciesOf } from './currency-marks.ts'
import { AMOUNT_DIGITS_MAX } from './limits.ts'
import { currencyDigits } from './money.ts'
import { withinBounds } from './read-number.ts'
import { foldAnswer, type Reading } from './reading.ts'

type MoneyRule = { readonly currency: string; readonly min?: number | undefined; readonly max?: number | undefined }

/** What a whole amount has before its digits, its digits with all that stands between them, and what comes after. */
const AMOUNT = /^(\D*?) ?(\d(?:[\d.,'’ ]*\d)?)(?:[.,][-–—]?)? ?(?:(mil|k)(?![\p{L}\d]))? ?(\D*)$/u

/**
 * An amount in the minor units of the rule's currency: "12,50", "12.50 €", "$1,234.50", "EUR 12", "20 mil pesos". Three
 * digits behind a lone point or comma are thousands ("1.500"), as no currency has three decimals; in those few that do
 * (KWD, BHD, TND…), they are what the business's language writes, as it does itself: English "1.500" is one and a half.
 */
export function readMoney(text: string, rule: MoneyRule, language: Business['language']): Reading {
  const [, before = '', number = '', thousands, after = ''] = AMOUNT.exec(foldAnswer(text)) ?? []
  const currencies = [...marksIn(before), ...marksIn(after)].map(currenciesOf)
  if (number === '' || currencies.includes(null)) return { problem: 'not_an_amount' }
  if (currencies.some(meant => meant?.includes(rule.currency) === false)) return { problem: 'wrong_currency' }
  const digits = currencyDigits(rule.currency)
  const minor = thousands === undefined ? parseAmount(number, digits, language) : parseThousands(number, digits)
  return minor === null ? { problem: 'not_an_amount' } : withinBounds(minor, rule)
}

function marksIn(text: string): readonly string[] {
  return text.split(' ').filter(mark => mark !== '')
}

/** "20 mil" and "20k". */
function parseThousands(number: string, digits: number): number | null {
  return /^\d{1,6}$/.test(number) ? Number(number) * 1_000 * 10 ** digits : null
}

function parseAmount(number: string, digits: number, language: Business['language']): number | null {
  const mark = decimalMark(number, digits, language)
  const [whole = '', decimals = '', ...more] = mark === null ? [number] : number.split(mark)
  if (more.length > 0 || !/^\d*$/.test(decimals) || decimals.length > digits) return null
  const units = withoutGrouping(whole)
  if (units === null || units.length + digits > AMOUNT_DIGITS_MAX) return null
  return Number(units + decimals.padEnd(digits, '0'))
}

/** What stands before the decimals: null where there are none. */
function decimalMark(number: string, digits: number, language: Business['language']): string | null {
  const [mark, ...others] = [...new Set(number.match(/[.,]/g))]
  if (mark === undefined) return null
  if (others.length > 0) return number.lastIndexOf('.') > number.lastIndexOf(',') ? '.' : ','
  const parts = number.split(mark)
  if (parts.length > 2) return null
  if (parts[1]?.length !== 3 || /[ '’]/.test(number)) return mark
  const isDecimal = mark === (language === 'en' ? '.' : ',') || !GROUPED.test(number)
  return digits === 3 && isDecimal ? mark : null
}

/** Thousands apart by one mark, or none; India sets apart hundreds of them with commas. */
const GROUPED = /^[1-9]\d{0,2}(?:([.,'’ ])\d{3})(?:\1\d{3})*$|^[1-9]\d?(?:,\d{2})+,\d{3}$/

function withoutGrouping(whole: string): string | null {
  return /^\d+$/.test(whole) || GROUPED.test(whole) ? whole.replace(/\D/g, '') : null
}
