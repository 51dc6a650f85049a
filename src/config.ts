import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join, resolve } from 'node:path'
import { randomToken } from './lib/crypto.ts'
import { messageOf, UsageError } from './lib/errors.ts'
import { type LogLevel, logLevels } from './lib/log.ts'

type Setting<T> = {
  /** The value where the variable is unset or empty. */
  readonly fallback: T
  /** What it means, for `docs/reference/settings.md`. */
  readonly meaning: string
  /** What it takes, for the line that says that it got something else. */
  readonly takes: string
  /** The value that a text stands for; undefined where it stands for none. */
  readonly parse: (text: string) => T | undefined
  /** Whether the value must never be printed. */
  readonly secret?: boolean
}

/** Every setting, with its default. The only place that reads the environment. */
export const settings = {
  DATABASE_URL: optional({
    ...url('postgres:', 'postgresql:'),
    secret: true,
    meaning: 'PostgreSQL 15 or newer; unset: the embedded one, under the data dir',
  }),
  REDIS_URL: optional({
    takes: 'redis:// or rediss:// URLs, several separated by commas for a cluster',
    parse: text => (text.split(',').every(part => isUrl(part.trim(), ['redis:', 'rediss:'])) ? text : undefined),
    secret: true,
    meaning: 'Redis; unset: in process',
  }),
  MONGODB_URL: optional({
    takes: 'a mongodb:// or mongodb+srv:// URL',
    parse: text => (/^mongodb(\+srv)?:\/\/[^\s]+$/.test(text) ? text : undefined),
    secret: true,
    meaning: 'MongoDB 6 or newer; unset: logs and analytics events in PostgreSQL',
  }),
  DASHOFFICE_DATA_DIR: {
    ...text(),
    fallback: './data',
    meaning: 'Embedded database, generated secrets (mode 0600), media, logs',
  },
  GATEWAY_PORT: port(3009, 'REST API and its docs'),
  ADAPTER_PORT: port(3010, 'Webhooks of the WhatsApp providers'),
  ORCHESTRATOR_PORT: port(3011, 'Health and metrics of the orchestrator'),
  ANALYTICS_PORT: port(3012, 'Health and metrics of the analytics engine'),
  EMULATOR_PORT: port(3020, 'The phone emulator'),
  HOST: { ...text(), fallback: '127.0.0.1', meaning: 'Address to listen on' },
  PUBLIC_URL: {
    ...url('http:', 'https:'),
    fallback: 'http://localhost:3010',
    meaning: "The adapter's address as the providers see it",
  },
  JWT_SECRET: optional({ ...strongSecret(), meaning: 'Signs access tokens; unset: generated into the data dir' }),
  JWT_SECRET_PREVIOUS: optional({
    ...strongSecret(),
    meaning: 'The secret before JWT_SECRET: access tokens under it stay good until they run out',
  }),
  ENCRYPTION_KEY: optional({ ...strongSecret(), meaning: 'Seals secrets at rest; unset: generated into the data dir' }),
  RATE_LIMIT_MESSAGES_PER_MINUTE: {
    ...integer(1, 1_000_000),
    fallback: 60,
    meaning: 'WhatsApp messages that one tenant may send a minute; more wait their turn',
  },
  SEND_TIMEOUT_SECONDS: {
    ...integer(1, 300),
    fallback: 10,
    meaning: "Time for a provider's answer to a send; after it what became of the message is unknown",
  },
  SEND_SETTLE_SECONDS: {
    ...integer(1, 3_600),
    fallback: 60,
    meaning: 'Time for a status to tell what became of a send that is unknown',
  },
  RATE_LIMIT_API_PER_MINUTE: {
    ...integer(1, 10_000_000),
    fallback: 100,
    meaning: 'API calls that one tenant may make a minute',
  },
  RATE_LIMIT_AUTH_PER_5_MINUTES: {
    ...integer(1, 1_000_000),
    fallback: 5,
    meaning: 'Log-in attempts per account and address in five minutes',
  },
  CORS_ORIGINS: {
    takes: 'origins like https://shop.example, separated by commas, or *',
    parse: readOrigins,
    fallback: [] as readonly string[],
    meaning: 'Web pages of other origins that may call the API',
  },
  TRUSTED_PROXIES: {
    takes: 'IP addresses, separated by commas',
    parse: readAddresses,
    fallback: ['127.0.0.1', '::1'] as readonly string[],
    meaning: "Reverse proxies whose X-Forwarded-For tells the caller's address",
  },
  SLOW_REQUEST_MS: {
    ...integer(1, 600_000),
    fallback: 1_000,
    meaning: 'Requests that take longer are logged',
  },
  DATABASE_REPLICA_URL: optional({
    ...url('postgres:', 'postgresql:'),
    secret: true,
    meaning: 'Read replica for list and report reads',
  }),
  BAILEYS_BRIDGE_URL: optional({
    ...url('http:', 'https:'),
    meaning:
      'The bridge to WhatsApp Web where it runs by itself (baileys-bridge); unset: the adapter starts it when a bot needs it',
  }),
  ADAPTER_GRPC_PORT: optional({
    ...integer(0, 65_535),
    meaning: 'gRPC of the adapter, without TLS: a reverse proxy ends it; unset: no gRPC',
  }),
  OFFICIAL_BASE_URL: optional({
    ...url('http:', 'https:'),
    meaning: "The Business API provider's address; unset: its own",
  }),
  TWILIO_BASE_URL: optional({ ...url('http:', 'https:'), meaning: "Twilio's address; unset: its own" }),
  ANALYTICS_INTERVAL_SECONDS: { ...integer(1, 86_400), fallback: 300, meaning: 'Time between two analytics passes' },
  LOG_RETENTION_DAYS: { ...integer(1, 3_650), fallback: 30, meaning: 'Days that logs and analytics events are kept' },
  SMTP_URL: optional({
    ...url('smtp:', 'smtps:'),
    secret: true,
    meaning:
      'Mail server that reports are sent by, as in smtp://name:password@host:587 (TLS where the server offers it, ?requireTLS=true insists) or smtps://…:465; unset: no mail',
  }),
  MAIL_FROM: optional({
    takes: 'an address like reports@shop.example, or Shop <reports@shop.example>',
    parse: text => (/^(?:[^<>\r\n]{0,100}<[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/.test(text) ? text : undefined),
    meaning: 'Whom mail comes from; needed where SMTP_URL is set',
  }),
  META_BASE_URL: {
    ...url('http:', 'https:'),
    fallback: 'https://graph.facebook.com/v25.0',
    meaning: "Meta's Graph API, with its version",
  },
  ALLOW_PRIVATE_URLS: {
    takes: 'true or false',
    parse: text => (text === 'true' ? true : text === 'false' ? false : undefined),
    fallback: false,
    meaning: 'Whether addresses that tenants write may point at private or loopback networks',
  },
  LOG_LEVEL: {
    takes: logLevels.join(', '),
    parse: text => logLevels.find(level => level === text),
    fallback: 'info' as LogLevel,
    meaning: 'The least severe log lines that are written',
  },
  LOG_DIR: optional({ ...text(), meaning: 'A folder for daily log files, kept 7 days, beside stdout' }),
} satisfies Record<string, Setting<unknown>>

type Settings = typeof settings
type Environment = Readonly<Record<string, string | undefined>>
export type SettingValues = {
  readonly [K in keyof Settings]: Exclude<ReturnType<Settings[K]['parse']>, undefined> | Settings[K]['fallback']
}

/** What the process runs with: all settings, paths absolute, secrets present. */
export type Config = Omit<SettingValues, 'JWT_SECRET' | 'ENCRYPTION_KEY'> & {
  readonly JWT_SECRET: string
  readonly ENCRYPTION_KEY: string
  /** Password of the embedded database's owner. */
  readonly DATABASE_PASSWORD: string
}

/**
 * Reads every setting once. Creates the data dir and, at the first start, its secrets. Throws a `UsageError` of one
 * line that names the setting, what it got and what it takes; a secret's value is never in it.
 */
export function readConfig(environment: Environment): Config {
  const values = readSettings(environment)
  const dataDir = resolve(values.DASHOFFICE_DATA_DIR)
  const generated = generatedSecrets(dataDir)
  return {
    ...values,
    DASHOFFICE_DATA_DIR: dataDir,
    JWT_SECRET: values.JWT_SECRET ?? generated.JWT_SECRET,
    ENCRYPTION_KEY: values.ENCRYPTION_KEY ?? generated.ENCRYPTION_KEY,
    DATABASE_PASSWORD: generated.DATABASE_PASSWORD,
  }
}

/** The same without touching the disk: what the environment says, checked. */
export function readSettings(environment: Environment): SettingValues {
  const entries = Object.entries(settings).map(([name, setting]) => [
    name,
    readSetting(name, setting, environment[name]),
  ])
  // Object.fromEntries loses the keys' types; every key of `settings` was read by its own parser just above.
  const values = Object.fromEntries(entries) as SettingValues
  if (values.SMTP_URL !== undefined && values.MAIL_FROM === undefined)
    throw new UsageError('MAIL_FROM is unset, but SMTP_URL is set, and mail needs somebody whom it comes from')
  return values
}

function readSetting(name: string, setting: Setting<unknown>, value: string | undefined): unknown {
  if (value === undefined || value === '') return setting.fallback
  const parsed = setting.parse(value)
  if (parsed !== undefined) return parsed
  const got = setting.secret ? `a value of ${value.length} characters (not shown)` : JSON.stringify(value)
  throw new UsageError(`${name} is ${got}, but takes ${setting.takes}`)
}

const secretNames = ['JWT_SECRET', 'ENCRYPTION_KEY', 'DATABASE_PASSWORD'] as const
type GeneratedSecrets = Record<(typeof secretNames)[number], string>

/** The secrets in `secrets.json` of the data dir, made at the first start, readable by their owner only. */
function generatedSecrets(dataDir: string): GeneratedSecrets {
  const path = join(dataDir, 'secrets.json')
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o755 })
    if (!existsSync(path)) {
      const made = Object.fromEntries(secretNames.map(name => [name, randomToken(32)]))
      writeFileSync(path, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600, flag: 'wx' })
    }
    chmodSync(path, 0o600)
    return parseSecrets(JSON.parse(readFileSync(path, 'utf8')), path)
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`DASHOFFICE_DATA_DIR is ${JSON.stringify(dataDir)}, which cannot be used: ${messageOf(error)}`)
  }
}

function parseSecrets(found: unknown, path: string): GeneratedSecrets {
  const secret = (name: string): string => {
    const value: unknown = typeof found === 'object' && found !== null ? Reflect.get(found, name) : undefined
    if (typeof value === 'string' && value.length >= 32) return value
    throw new UsageError(`${path} has no ${name} of at least 32 characters: restore the file from a backup`)
  }
  return {
    JWT_SECRET: secret('JWT_SECRET'),
    ENCRYPTION_KEY: secret('ENCRYPTION_KEY'),
    DATABASE_PASSWORD: secret('DATABASE_PASSWORD'),
  }
}

function optional<T>(setting: Omit<Setting<T>, 'fallback'>): Setting<T | undefined> {
  return { ...setting, fallback: undefined }
}

function text() {
  return { takes: 'some text', parse: (value: string) => value }
}

function strongSecret() {
  return {
    takes: 'at least 32 bytes (try: openssl rand -base64 33)',
    parse: (value: string) => (Buffer.byteLength(value) >= 32 ? value : undefined),
    secret: true,
  }
}

function integer(min: number, max: number) {
  return {
    takes: `a whole number from ${min} to ${max}`,
    parse: (value: string) => (/^\d{1,9}$/.test(value) && +value >= min && +value <= max ? +value : undefined),
  }
}

function port(fallback: number, meaning: string): Setting<number> {
  return { ...integer(0, 65_535), takes: 'a port from 0 to 65535 (0 picks a free one)', fallback, meaning }
}

function url(...protocols: readonly string[]) {
  return {
    takes: `a URL with ${protocols.map(protocol => `${protocol}//`).join(' or ')}`,
    parse: (value: string) => (isUrl(value, protocols) ? value.replace(/\/+$/, '') : undefined),
  }
}

function readOrigins(text: string): readonly string[] | undefined {
  const origins = listOf(text)
  return origins.every(origin => origin === '*' || URL.parse(origin)?.origin === origin) ? origins : undefined
}

function readAddresses(text: string): readonly string[] | undefined {
  const addresses = listOf(text)
  return addresses.every(address => isIP(address) !== 0) ? addresses : undefined
}

function listOf(text: string): readonly string[] {
  return text
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
}

function isUrl(value: string, protocols: readonly string[]): boolean {
  const parsed = URL.parse(value)
  return parsed !== null && protocols.includes(parsed.protocol) && parsed.hostname !== ''
}
