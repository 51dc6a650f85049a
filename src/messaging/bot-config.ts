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
  readonly config: v.StrictObjectSchema<v.ObjectEntries, undefined> & v.GenericSchema<BotConfig>
  readonly secrets: readonly string[]
  /** The setting that names the account: a tenant has one bot on it. */
  readonly account: string
}

/** The providers that bots can be made for. */
const providers: Readonly<Partial<Record<ProviderName, Provider>>> = {
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
}

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
  /** What names the account at the provider. */
  readonly account: { readonly setting: string; readonly value: string }
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
  if (provider === undefined) {
    const known = Object.keys(providers).join(', ')
    const message = `This version connects bots of these providers only: ${known}`
    return { ok: false, errors: [{ path: 'provider', message }] }
  }
  const isKept = (key: string, value: unknown) => provider.secrets.includes(key) && value === maskedSecret
  const changed = Object.entries(given).filter(([key, value]) => !isKept(key, value))
  const parsed = v.safeParse(provider.config, { ...before, ...Object.fromEntries(changed) })
  if (!parsed.success) return { ok: false, errors: parsed.issues.map(issue => errorOf(issue)) }
  return { ok: true, config: split(provider, parsed.output) }
}

function split({ secrets, account }: Provider, config: BotConfig): SplitConfig {
  const entries = Object.entries(config)
  return {
    shown: Object.fromEntries(entries.filter(([key]) => !secrets.includes(key))),
    secrets: Object.fromEntries(entries.filter(([key]) => secrets.includes(key))),
    account: { setting: account, value: config[account] ?? '' },
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
  const secrets = providers[name]?.secrets ?? []
  return { ...shown, ...Object.fromEntries(secrets.map(key => [key, maskedSecret])) }
}
