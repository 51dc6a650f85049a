import * as v from 'valibot'
import type { FieldError } from '../lib/errors.ts'

/** What a secret looks like from outside; sent back, it means: keep the one you have. */
export const maskedSecret = '••••'

export const providerNames = ['baileys', 'official', 'twilio', 'evolution', 'meta'] as const
export type ProviderName = (typeof providerNames)[number]

/** A bot's settings at its provider, secrets included. Flat: names and texts. */
export type BotConfig = Readonly<Record<string, string>>

/** Printable ASCII: it goes into a header or a URL. */
const plain = (max: number) =>
  v.pipe(
    v.string(),
    v.minLength(1, 'Must not be empty'),
    v.maxLength(max, `Must have at most ${max} characters`),
    v.regex(/^[\x21-\x7e]+$/, 'Must have letters, digits and signs only, without spaces'),
  )

type Provider = {
  /** Every setting is a text; one that is optional may be missing. */
  readonly config: v.StrictObjectSchema<v.ObjectEntries, undefined>
  readonly secrets: readonly string[]
  /** The setting that names the account: a tenant has one bot on it. Null where only a secret names it, or nothing. */
  readonly account: string | null
}

/** An address that requests are sent to: http or https, without a user, a query or a fragment. */
const baseUrl = v.pipe(
  v.string(),
  v.maxLength(2_048, 'Must have at most 2048 characters'),
  v.regex(
    /^https?:\/\/[\w.:[\]-]+(\/[\w./~%-]*)?$/,
    'Must be an address that begins with http:// or https://, without user, query or fragment',
  ),
  v.transform(url => url.replace(/\/+$/, '')),
)

/** The settings that a bot has at each provider. */
const providers: Readonly<Record<ProviderName, Provider>> = {
  meta: {
    config: v.strictObject({
      phone_number_id: v.pipe(
        v.string(),
        v.maxLength(64, 'Must have at most 64 characters'),
        v.regex(/^[\w-]+$/, 'Must be the id of a phone number, as Meta shows it'),
      ),
      access_token: plain(2_048),
      app_secret: plain(256),
      verify_token: plain(256),
    }),
    secrets: ['access_token', 'app_secret', 'verify_token'],
    account: 'phone_number_id',
  },
  official: {
    config: v.strictObject({
      api_key: plain(512),
      webhook_secret: plain(256),
      flavour: v.optional(v.picklist(['d360', 'legacy'], 'Must be d360 or legacy')),
    }),
    secrets: ['api_key', 'webhook_secret'],
    account: null,
  },
  twilio: {
    config: v.strictObject({
      account_sid: v.pipe(v.string(), v.regex(/^AC[0-9a-fA-F]{32}$/, 'Must be AC and 32 hexadecimal digits')),
      auth_token: plain(256),
      from: v.pipe(
        v.string(),
        v.regex(/^(whatsapp:)?\+[1-9]\d{6,14}$|^MG[0-9a-fA-F]{32}$/, 'Must be a phone in E.164, or MG and 32 digits'),
      ),
    }),
    secrets: ['auth_token'],
    account: 'from',
  },
  evolution: {
    config: v.strictObject({
      base_url: baseUrl,
      api_key: plain(512),
      instance: v.pipe(
        v.string(),
        v.maxLength(100, 'Must have at most 100 characters'),
        v.regex(/^[\w.-]+$/, 'Must have letters, digits, dots, dashes and underscores only'),
      ),
      webhook_token: v.optional(plain(256)),
    }),
    secrets: ['api_key', 'webhook_token'],
    account: 'instance',
  },
  baileys: { config: v.strictObject({}), secrets: [], account: null },
}

const textsSchema = v.record(v.string(), v.string())

/** What the API takes: the config of a new bot of each provider that this version connects, and of its changes. */
export const configSchemas = Object.entries(providers).map(([name, { config, secrets }]) => ({
  provider: name,
  config,
  changes: changesOf(config.entries, secrets),
}))

/** Any part of a config; a secret may come back masked. */
function changesOf(entries: v.ObjectEntries, secrets: readonly string[]): v.GenericSchema<Record<string, unknown>> {
  const optional = Object.entries(entries).map(([key, schema]) => [
    key,
    v.optional(secrets.includes(key) ? v.union([v.literal(maskedSecret), schema]) : schema),
  ])
  return v.strictObject(Object.fromEntries(optional))
}

/** A bot's config, split into what may be shown and what is sealed. */
export type SplitConfig = {
  readonly shown: BotConfig
  readonly secrets: BotConfig
  /** What names the account at the provider; null where nothing that may be shown does. */
  readonly account: { readonly setting: string; readonly value: string } | null
}

/**
 * Checks a config for its provider. What is left out, or is a masked secret, is taken from `before` where there is
 * one. The errors' paths begin with `config` or `provider`.
 */
export function readConfig(
  name: ProviderName,
  given: Readonly<Record<string, unknown>>,
  before: BotConfig | null,
): { readonly ok: true; readonly config: SplitConfig } | { readonly ok: false; readonly errors: FieldError[] } {
  const provider = providers[name]
  const isKept = (key: string, value: unknown) => provider.secrets.includes(key) && value === maskedSecret
  const changed = Object.entries(given).filter(([key, value]) => !isKept(key, value))
  const parsed = v.safeParse(provider.config, { ...before, ...Object.fromEntries(changed) })
  if (!parsed.success) return { ok: false, errors: parsed.issues.map(issue => errorOf(issue)) }
  return { ok: true, config: split(provider, v.parse(textsSchema, parsed.output)) }
}

function split({ secrets, account }: Provider, config: BotConfig): SplitConfig {
  const entries = Object.entries(config)
  return {
    shown: Object.fromEntries(entries.filter(([key]) => !secrets.includes(key))),
    secrets: Object.fromEntries(entries.filter(([key]) => secrets.includes(key))),
    account: account === null ? null : { setting: account, value: config[account] ?? '' },
  }
}

/** Says what is expected, never what was given: it may be a secret. */
function errorOf(issue: v.BaseIssue<unknown>): FieldError {
  const path = `config.${v.getDotPath(issue) ?? ''}`
  if (issue.kind === 'validation') return { path, message: issue.message }
  if (issue.expected === 'never') return { path, message: 'Is no setting of this provider' }
  return { path, message: issue.input === undefined ? 'Is missing' : 'Must be a text' }
}

/** The config as it may be shown: every secret of the provider masked. */
export function maskConfig(name: ProviderName, shown: BotConfig): BotConfig {
  return { ...shown, ...Object.fromEntries(providers[name].secrets.map(key => [key, maskedSecret])) }
}
