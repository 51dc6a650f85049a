import * as v from 'valibot'
import { parseDurationMs } from '../flow/duration.ts'
import { clashingWords } from '../flow/languages.ts'
import { TEXT_LENGTH_MAX } from '../flow/limits.ts'
import { foldWords } from '../flow/words.ts'
import type { FieldError } from '../lib/errors.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { json, statement } from '../stores/postgres/statement.ts'
import { retention } from './retention.ts'

// How a business wants to talk: in which language, when it is open, by which words, how long a customer waits for a person.

/** The languages that the program itself speaks to customers. */
export const languages = ['es', 'en', 'pt'] as const
export type Language = (typeof languages)[number]

export const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
const wordKinds = ['menu', 'cancel', 'agent', 'stop', 'start'] as const
const textKinds = ['cancelled', 'agent', 'stopped', 'started'] as const

const spansMax = 6
const holidaysMax = 200
const wordsMax = 30
const wordLengthMax = 100
const handoffMinMs = 60_000
export const reportEmailsMax = 10

const timeOfDay = v.pipe(
  v.string('Must be a time of day like 09:00'),
  v.regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'Must be a time of day like 09:00, at most 24:00'),
)
const span = v.pipe(
  v.strictTuple([timeOfDay, timeOfDay], 'Must be two times of day, as in ["09:00", "14:00"]'),
  v.check(([from, to]) => from < to, 'Must end after it begins; what goes past midnight is written as two'),
)
const spans = v.pipe(
  v.array(span, 'Must be a list of spans of time'),
  v.maxLength(spansMax, `Must have at most ${spansMax} spans`),
  v.check(
    list => list.every(([from], index) => index === 0 || (list[index - 1]?.[1] ?? '') <= from),
    'The spans must follow one another',
  ),
)
const dates = /^\d{4}-\d{2}-\d{2}$/
const date = v.pipe(
  v.string('Must be a date like 2026-12-25'),
  v.check(text => dates.test(text) && isDate(text), 'Must be a date like 2026-12-25'),
)

function isDate(text: string): boolean {
  const parsed = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(parsed.getTime()) && parsed.toISOString().startsWith(text)
}

const holiday = v.strictObject({
  date,
  name: v.optional(v.pipe(v.string(), v.maxLength(100, 'Must have at most 100 characters'))),
  hours: v.optional(spans),
})
const word = v.pipe(
  v.string('Must be a text'),
  v.maxLength(wordLengthMax, `Must have at most ${wordLengthMax} characters`),
  v.check(text => foldWords(text) !== '', 'Must have a letter, a digit or a symbol'),
)
const words = v.pipe(v.array(word), v.maxLength(wordsMax, `Must have at most ${wordsMax} words`))
const text = v.pipe(
  v.string('Must be a text'),
  v.regex(/\S/, 'Must not be empty'),
  v.maxLength(TEXT_LENGTH_MAX, `Must have at most ${TEXT_LENGTH_MAX} characters`),
)
const patience = v.nullable(
  v.pipe(
    v.string('Must be a duration like 30m, or null'),
    v.check(
      given => (parseDurationMs(given) ?? 0) >= handoffMinMs,
      'Must be a duration like 30m or 2h, from 1m to 30d, or null',
    ),
  ),
)
const emailAddress = v.pipe(
  v.string('Must be an e-mail address'),
  v.maxLength(254, 'Must have at most 254 characters'),
  v.rfcEmail('Must be an e-mail address'),
)

const each = <K extends string, T extends v.GenericSchema>(keys: readonly K[], schema: T) =>
  // Object.fromEntries loses the keys' names; each key given is there.
  Object.fromEntries(keys.map(key => [key, v.optional(schema)])) as Record<K, v.OptionalSchema<T, undefined>>

/** The fields of a tenant's settings, each with what it takes. */
export const settingsEntries = {
  language: v.picklist(languages, `Must be one of ${languages.join(', ')}`),
  /** For phones written without one: digits only. */
  country_code: v.nullable(
    v.pipe(v.string(), v.regex(/^[1-9]\d{0,2}$/, 'Must be a country code like 34, of one to three digits')),
  ),
  /** ISO 4217. */
  currency: v.nullable(
    v.pipe(
      v.string(),
      v.check(code => currencies.has(code), 'Must be a currency of ISO 4217, like USD'),
    ),
  ),
  /** By day of the week, in the tenant's time zone; a day that is left out is closed, null is always open. */
  hours: v.nullable(v.strictObject(each(days, spans))),
  /** Days on which `hours` do not hold: closed, or open as their own `hours` say. */
  holidays: v.pipe(
    v.array(holiday),
    v.maxLength(holidaysMax, `Must have at most ${holidaysMax} days`),
    v.check(list => new Set(list.map(one => one.date)).size === list.length, 'A date stands in it twice'),
  ),
  /** Instead of the language's own words for the same. */
  words: v.strictObject(each(wordKinds, words)),
  /** Instead of the language's own sentences. */
  texts: v.strictObject(each(textKinds, text)),
  /** How long a customer waits for a person to take the conversation, and for one who has it to answer. */
  handoff: v.strictObject({ waiting_timeout: v.optional(patience), agent_timeout: v.optional(patience) }),
  /** How long is kept what is over. */
  retention,
  /** Whom the daily and weekly reports are sent to, where the installation sends mail. */
  reports: v.strictObject({
    emails: v.optional(
      v.pipe(
        v.array(emailAddress),
        v.maxLength(reportEmailsMax, `Must have at most ${reportEmailsMax} addresses`),
        v.check(list => new Set(list).size === list.length, 'An address stands in it twice'),
      ),
    ),
  }),
}

/** What is wrong with a tenant's own words beside each other, and beside those of the language. */
export function wordFaults({ language, words }: TenantSettings): readonly FieldError[] {
  return clashingWords({ language, words }).map(({ kind, index, other }) => ({
    path: `words.${kind}.${index}`,
    message: `Is a word of "${other}" too: it can mean one thing only`,
  }))
}

const currencies: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'))

const settingsSchema = v.object(settingsEntries)
/** All of a tenant's settings. */
export type TenantSettings = v.InferOutput<typeof settingsSchema>

export const settingsDefault: TenantSettings = {
  language: 'es',
  country_code: null,
  currency: null,
  hours: null,
  holidays: [],
  words: {},
  texts: {},
  handoff: {},
  retention: {},
  reports: {},
}

const selectOne = statement({
  name: 'tenant_settings_find',
  params: ['id'],
  row: { settings: json<Partial<TenantSettings>>() },
  sql: 'select settings from tenants where id = $1',
})

const lockOne = statement({
  name: 'tenant_settings_lock',
  params: ['id'],
  row: { settings: json<Partial<TenantSettings>>() },
  sql: 'select settings from tenants where id = $1 for no key update',
})

const updateOne = statement({
  name: 'tenant_settings_update',
  params: ['id', 'settings'],
  row: {},
  sql: 'update tenants set settings = $2::text::jsonb where id = $1',
})

/** Undefined where there is no such tenant. */
export async function findSettings(tx: Transaction, tenantId: string): Promise<TenantSettings | undefined> {
  const [found] = await tx.run(selectOne, { id: tenantId })
  return found && { ...settingsDefault, ...found.settings }
}

/** The same, held against every other change until the transaction ends. */
export async function lockSettings(tx: Transaction, tenantId: string): Promise<TenantSettings | undefined> {
  const [found] = await tx.run(lockOne, { id: tenantId })
  return found && { ...settingsDefault, ...found.settings }
}

export async function saveSettings(tx: Transaction, tenantId: string, settings: TenantSettings): Promise<void> {
  await tx.run(updateOne, { id: tenantId, settings: JSON.stringify(settings) })
}
