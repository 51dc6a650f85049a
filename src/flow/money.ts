import { FORMATS_MAX } from './limits.ts'

/** The locale money is written in when an expression names none: "1234,50 EUR". */
export const MONEY_LOCALE_DEFAULT = 'es'

// Making a formatter costs some 30 µs, using one 1 µs.
const formats = new Map<string, { format: Intl.NumberFormat; digits: number }>()

/**
 * An amount in minor units as text, with the digits its ISO 4217 currency has: `money(1250, "EUR")` is "12,50 EUR",
 * `money(1250, "JPY", "en")` is "JPY 1,250". Throws RangeError for a currency or locale that does not exist.
 */
export function formatMoney(minor: bigint | number, currency: string, locale = MONEY_LOCALE_DEFAULT): string {
  const { format, digits } = formatFor(currency, locale)
  return format.format(Math.round(Number(minor)) / 10 ** digits).replaceAll('\u00a0', ' ')
}

/** How many digits of an amount in that currency stand behind the comma: 2 of EUR, 0 of JPY, 3 of KWD. */
export function currencyDigits(currency: string): number {
  return formatFor(currency, MONEY_LOCALE_DEFAULT).digits
}

function formatFor(currency: string, locale: string) {
  const key = `${currency} ${locale}`
  const known = formats.get(key)
  if (known !== undefined) return known
  const format = new Intl.NumberFormat(locale, { style: 'currency', currency, currencyDisplay: 'code' })
  const made = { format, digits: format.resolvedOptions().maximumFractionDigits ?? 2 }
  if (formats.size >= FORMATS_MAX) formats.clear()
  formats.set(key, made)
  return made
}
