import * as v from 'valibot'
import { identityKinds, identityLengthMax, phoneShape } from '../commerce/customers.ts'
import type { Json } from '../lib/json.ts'
import { named, writtenAs } from './json-schema.ts'

// The pieces that the bodies and answers of the routes are made of.

/**
 * `min` to `max` characters; where there must be one, not only blanks. A character is a code point, as JSON Schema and
 * PostgreSQL count them.
 */
export function text(max: number, min: 0 | 1 = 1): v.GenericSchema<string> {
  const bounded = v.pipe(
    v.string('Must be a text'),
    v.minLength(min, 'Must not be empty'),
    v.check(given => isWithin(given, max), `Must have at most ${max} characters`),
  )
  const bounds = { type: 'string', maxLength: max }
  if (min === 0) return writtenAs(bounds, bounded)
  const filled = v.pipe(bounded, v.regex(/\S/, 'Must not be empty'))
  return writtenAs({ ...bounds, minLength: min, pattern: '\\S' }, filled)
}

function isWithin(given: string, max: number): boolean {
  return given.length <= max || (given.length <= 2 * max && [...given].length <= max)
}

export function integer(min: number, max: number) {
  const message = `Must be a whole number from ${min} to ${max}`
  return v.pipe(v.number(message), v.integer(message), v.minValue(min, message), v.maxValue(max, message))
}

const uuidPattern = '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'

export const uuid = writtenAs(
  { type: 'string', format: 'uuid', pattern: uuidPattern },
  v.pipe(v.string('Must be an id'), v.regex(new RegExp(uuidPattern), 'Must be an id, in lower case')),
)

/** A time in an answer: RFC 3339, in UTC. */
export const time = v.date()

const timeMessage = 'Must be a time in RFC 3339, like 2026-01-31T12:00:00Z'

/** A time in a query. */
export const timeText = writtenAs(
  { type: 'string', format: 'date-time' },
  v.pipe(
    v.string(),
    v.regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/i, timeMessage),
    v.transform(text => new Date(text)),
    v.check(date => !Number.isNaN(date.getTime()), timeMessage),
  ),
)

/** A whole number from 0 up in a query. */
export const numberText = writtenAs(
  { type: 'integer', minimum: 0, maximum: 999_999_999_999 },
  v.pipe(v.string(), v.regex(/^\d{1,12}$/, 'Must be a whole number'), v.transform(Number)),
)

/** Yes or no in a query. */
export const booleanText = writtenAs(
  { type: 'boolean' },
  v.pipe(
    v.picklist(['true', 'false'], 'Must be true or false'),
    v.transform(text => text === 'true'),
  ),
)

/** What is searched for, in a query. */
export function searchText(description: string) {
  return v.pipe(text(100, 0), v.description(description))
}

/** An amount in minor units: cents of a dollar. */
export const amountMinor = integer(0, 100_000_000_000)

const currencies: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'))

export const currency = writtenAs(
  { type: 'string', enum: [...currencies], description: 'ISO 4217' },
  v.pipe(
    v.string('Must be a currency like USD'),
    v.check(code => currencies.has(code), 'Must be a currency of ISO 4217, like USD'),
  ),
)

export const email = writtenAs(
  { type: 'string', format: 'email', maxLength: 254 },
  v.pipe(
    v.string('Must be an e-mail address'),
    v.trim(),
    v.maxLength(254, 'Must have at most 254 characters'),
    v.rfcEmail('Must be an e-mail address'),
  ),
)

export const phone = writtenAs(
  { type: 'string', pattern: '^\\+[1-9][0-9]{6,14}$', description: 'E.164' },
  v.pipe(v.string('Must be a phone'), v.regex(phoneShape, 'Must be a phone in E.164, like +573001234567')),
)

const otherKinds = identityKinds.filter(kind => kind !== 'phone')
/** What WhatsApp knows a customer by. */
export const identity = v.variant(
  'kind',
  [
    v.strictObject({ kind: v.literal('phone'), value: phone }),
    v.strictObject({ kind: v.picklist(otherKinds), value: text(identityLengthMax) }),
  ],
  `Must be one of ${identityKinds.join(', ')}`,
)

export const webUrl = writtenAs(
  { type: 'string', format: 'uri', maxLength: 2_048 },
  v.pipe(
    v.string('Must be a URL'),
    v.maxLength(2_048, 'Must have at most 2048 characters'),
    v.check(isWebUrl, 'Must be a URL that begins with https:// or http://'),
  ),
)

function isWebUrl(value: string): boolean {
  const parsed = URL.parse(value)
  return parsed !== null && ['http:', 'https:'].includes(parsed.protocol) && parsed.username === ''
}

/** Any JSON in an answer. */
export const json = writtenAs(
  {},
  v.custom<Json>(() => true),
)

/** A JSON object of any keys. */
export const jsonObject = writtenAs(
  { type: 'object', additionalProperties: true },
  v.custom<Readonly<Record<string, Json>>>(isObject, 'Must be an object'),
)

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What an answer has and a body sent back may have too, without effect. */
export function readOnly<const K extends string>(...keys: readonly K[]) {
  const ignored = writtenAs({ readOnly: true, description: 'Ignored' }, v.optional(v.unknown()))
  // Object.fromEntries loses the keys' names; each key given is there.
  return Object.fromEntries(keys.map(key => [key, ignored])) as Record<K, typeof ignored>
}

/** RFC 9457, as every error is answered. */
export const problemSchema = named(
  'Problem',
  v.strictObject({
    type: v.string(),
    title: v.string(),
    status: v.number(),
    detail: v.string(),
    request_id: v.string(),
    errors: v.optional(v.array(v.strictObject({ path: v.string(), message: v.string() }))),
  }),
)
