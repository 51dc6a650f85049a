import { type CelFunction, celFunction, number, optional, text } from './cel-function.ts'
import { currentManner } from './evaluation.ts'
import { numberFormat } from './formats.ts'
import { currencyDigits, formatMoney } from './money.ts'

/** What expressions may do with money and numbers, besides what CEL brings. */
export const moneyFunctions: readonly CelFunction[] = [
  celFunction({
    name: 'money',
    about: 'An amount in minor units (cents) as text, in the business’s currency and language or in others.',
    parameters: [number('minor'), optional(text('currency')), optional(text('language'))],
    returns: 'string',
    examples: ['money(1250)', 'money(1250, "USD")', 'money(123450, "USD", "en")', 'money(1250, "JPY")'],
    compute: (minor, currency, language) => {
      const { language: own } = currentManner()
      return formatMoney(minor, currencyOr('money', currency), language ?? own)
    },
  }),
  celFunction({
    name: 'minor',
    about: 'An amount in whole units (12.5 euros) as the minor units that `money` and orders take.',
    parameters: [number('amount'), optional(text('currency'))],
    returns: 'int',
    examples: ['minor(12.5)', 'minor(1250, "JPY")', 'money(minor(0.1 + 0.2))'],
    compute: (amount, currency) => toMinor(amount, currencyDigits(currencyOr('minor', currency))),
  }),
  celFunction({
    name: 'round',
    about: 'The nearest whole number.',
    parameters: [number('number')],
    returns: 'int',
    examples: ['round(2.5)', 'round(1250 * 0.9)'],
    compute: given => (typeof given === 'bigint' ? given : toInt('round', Math.round(given))),
  }),
  celFunction({
    name: 'formatNumber',
    about: 'A number as people write it, in the business’s language or another one.',
    parameters: [number('number'), optional(text('language'))],
    returns: 'string',
    examples: ['formatNumber(1234567.5)', 'formatNumber(1234567.5, "en")'],
    compute: (given, language) => numberFormat(language ?? currentManner().language).format(given),
  }),
]

function currencyOr(name: string, currency: string | undefined): string {
  const known = currency ?? currentManner().currency
  if (known === null) throw new Error(`${name}() needs a currency, as in ${name}(1250, "EUR"): the business has none`)
  return known
}

/** By way of its decimal text, so that 1.005 is a cent more than 1. */
function toMinor(amount: number | bigint, digits: number): bigint {
  const shifted = Number(`${amount}e${digits}`)
  return toInt('minor', Math.round(Number.isNaN(shifted) ? Number(amount) * 10 ** digits : shifted))
}

function toInt(name: string, given: number): bigint {
  if (Number.isSafeInteger(given)) return BigInt(given)
  throw new Error(`${name}() takes numbers of at most 15 digits`)
}
