import { moneyFormat } from './formats.ts'

/** The locale money is written in when nobody names one: "1234,50 EUR". */
export const MONEY_LOCALE_DEFAULT = 'es'

/**
 * An amount in minor units as text, with the digits its ISO 4217 currency has: `money(1250, "EUR")` is "12,50 EUR",
 * `money(1250, "JPY", "en")` is "JPY 1,250". Throws RangeError for a currency or locale that does not exist.
 */
export function formatMoney(minor: bigint | number, currency: string, locale = MONEY_LOCALE_DEFAULT): string {
  const format = moneyFormat(currency, locale)
  return format.format(Math.round(Number(minor)) / 10 ** digitsOf(format)).replaceAll('\u00a0', ' ')
}

/** How many digits of an amount in that currency stand behind the comma: 2 of EUR, 0 of JPY, 3 of KWD. */
export function currencyDigits(currency: string): number {
  return digitsOf(moneyFormat(currency, MONEY_LOCALE_DEFAULT))
}

const digits = new WeakMap<Intl.NumberFormat, number>()

// Asking a formatter for its options costs as much as several amounts.
function digitsOf(format: Intl.NumberFormat): number {
  const known = digits.get(format) ?? format.resolvedOptions().maximumFractionDigits ?? 2
  digits.set(format, known)
  return known
}
