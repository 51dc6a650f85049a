import { spend } from './evaluation.ts'
import { FORMAT_COST, FORMATS_MAX, LANGUAGE_LENGTH_MAX, NAME_LENGTH_MAX } from './limits.ts'
import { shorten } from './words.ts'

const dateFormats = new Map<string, Intl.DateTimeFormat>()
const numberFormats = new Map<string, Intl.NumberFormat>()
const collators = new Map<string, Intl.Collator>()

type DateStyle = Pick<Intl.DateTimeFormatOptions, 'dateStyle' | 'timeStyle' | 'weekday'>

/** A formatter of dates in a language and zone. Throws an Error in plain words for what is no language. */
export function dateFormat(locale: string, timeZone: string, style: DateStyle): Intl.DateTimeFormat {
  const key = `${locale} ${timeZone} ${style.dateStyle} ${style.timeStyle} ${style.weekday}`
  return kept(dateFormats, key, locale, () => new Intl.DateTimeFormat(locale, { timeZone, ...style }))
}

/** A formatter of plain numbers in a language. Throws like `dateFormat`. */
export function numberFormat(locale: string): Intl.NumberFormat {
  return kept(numberFormats, locale, locale, () => new Intl.NumberFormat(locale, { maximumFractionDigits: 10 }))
}

/** A formatter of money that names its currency by its code. Throws for what is no currency, and like `dateFormat`. */
export function moneyFormat(currency: string, locale: string): Intl.NumberFormat {
  if (!/^[A-Za-z]{3}$/.test(currency))
    throw new RangeError(`"${shorten(currency, NAME_LENGTH_MAX)}" is no currency like EUR`)
  const options = { style: 'currency', currency, currencyDisplay: 'code' } as const
  return kept(numberFormats, `${currency} ${locale}`, locale, () => new Intl.NumberFormat(locale, options))
}

/** What puts texts in the order of a language. Throws like `dateFormat`. */
export function collator(locale: string): Intl.Collator {
  return kept(collators, locale, locale, () => new Intl.Collator(locale, { numeric: true }))
}

/** Making a formatter takes as long as using it a hundred times, so it is paid for. */
function kept<T>(known: Map<string, T>, key: string, locale: string, make: () => T): T {
  const found = known.get(key)
  if (found !== undefined) return found
  spend(FORMAT_COST)
  if (locale.length > LANGUAGE_LENGTH_MAX) throw new RangeError(NO_LANGUAGE)
  const made = orSay(make)
  if (known.size >= FORMATS_MAX) known.clear()
  known.set(key, made)
  return made
}

const NO_LANGUAGE = 'this is no language like es or en-US'

function orSay<T>(make: () => T): T {
  try {
    return make()
  } catch {
    throw new RangeError(NO_LANGUAGE)
  }
}
