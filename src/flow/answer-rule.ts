import * as v from 'valibot'
import * as limits from './limits.ts'

const safeInteger = v.optional(v.pipe(v.number(), v.safeInteger()))
const textLength = v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(limits.TEXT_LENGTH_MAX)))

const ISO_DATE = /^\d{4}-\d{2}-\d{2}$/

function isDay(text: string): boolean {
  const at = ISO_DATE.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text)
}

const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/

/** Milliseconds since 1970 of an RFC 3339 text; null for any other. */
export function parseMomentMs(text: string): number | null {
  const at = RFC_3339.test(text) && isDay(text.slice(0, 10)) ? Date.parse(text) : Number.NaN
  return Number.isNaN(at) ? null : at
}

const day = v.optional(
  v.pipe(
    v.string(),
    v.check(text => text === 'today' || isDay(text), 'Must be "today" or a date like 2026-12-25'),
  ),
)
const moment = v.optional(
  v.pipe(
    v.string(),
    v.check(text => text === 'now' || parseMomentMs(text) !== null, 'Must be "now" or like 2026-12-25T17:00:00Z'),
  ),
)
const order = v.optional(v.picklist(['dmy', 'mdy']))

const currencies: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'))

/** What a question may ask for. */
export const answerSchema = v.variant('type', [
  v.strictObject({ type: v.literal('text'), min: textLength, max: textLength }),
  v.strictObject({ type: v.literal('number'), min: v.optional(v.number()), max: v.optional(v.number()) }),
  v.strictObject({ type: v.literal('integer'), min: safeInteger, max: safeInteger }),
  v.strictObject({
    type: v.literal('money'),
    currency: v.pipe(
      v.string(),
      v.check(code => currencies.has(code), 'Must be a currency of ISO 4217, like EUR'),
    ),
    min: safeInteger,
    max: safeInteger,
  }),
  v.strictObject({ type: v.literal('date'), min: day, max: day, order }),
  v.strictObject({ type: v.literal('time') }),
  v.strictObject({ type: v.literal('datetime'), min: moment, max: moment, order }),
  v.strictObject({ type: v.literal('email') }),
  v.strictObject({
    type: v.literal('phone'),
    country_code: v.optional(
      v.pipe(v.string(), v.regex(/^[1-9]\d{0,2}$/, 'Must be a country code like 34, of one to three digits')),
    ),
  }),
  v.strictObject({ type: v.literal('choice') }),
  v.strictObject({ type: v.literal('location') }),
  v.strictObject({ type: v.literal('address'), min: textLength, max: textLength }),
  v.strictObject({ type: v.literal('image') }),
  v.strictObject({ type: v.literal('document') }),
])

/**
 * What a question takes for an answer. Bounds are inclusive: of a text, and of an address that is written, its length, of money its minor units, of a date
 * "today" or ISO 8601, of a date and time "now" or RFC 3339. `order` says how 1/2 is read; a day before its month unless
 * told.
 */
export type AnswerRule = v.InferOutput<typeof answerSchema>
