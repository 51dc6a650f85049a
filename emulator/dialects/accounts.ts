import * as v from 'valibot'

/*
 * What a number's account keeps at each provider: its credentials and its settings there. In the shapes of the state
 * file. A new dialect adds its schema here and itself to dialects.ts.
 */

const texts = v.record(v.string(), v.string())

const metaAccount = v.object({
  dialect: v.literal('meta'),
  access_token: v.string(),
  app_secret: v.string(),
  verify_token: v.string(),
  waba_id: v.string(),
})

const d360Account = v.object({
  dialect: v.literal('d360'),
  api_key: v.string(),
  /** Signs the webhooks, where there is one. */
  webhook_secret: v.nullable(v.string()),
  webhook_headers: texts,
  waba_id: v.string(),
})

const legacyAccount = v.object({ dialect: v.literal('legacy'), api_key: v.string(), webhook_headers: texts })

const twilioAccount = v.object({
  dialect: v.literal('twilio'),
  account_sid: v.string(),
  auth_token: v.string(),
  api_key_sid: v.nullable(v.string()),
  api_key_secret: v.nullable(v.string()),
  messaging_service_sid: v.nullable(v.string()),
})

const evolutionAccount = v.object({
  dialect: v.literal('evolution'),
  /** The global key of the server that the instance is on. */
  api_key: v.string(),
  instance: v.string(),
  instance_id: v.string(),
  /** The instance's own key. */
  token: v.string(),
  /** `absent`: the phone is there, and the server has no such instance. */
  state: v.picklist(['absent', 'close', 'connecting', 'open']),
  /** The instance is linked to the phone: it comes back by itself after a lost connection. */
  is_linked: v.boolean(),
  is_webhook_enabled: v.boolean(),
  webhook_headers: texts,
  webhook_by_events: v.boolean(),
  webhook_base64: v.boolean(),
  /** Names as MESSAGES_UPSERT; null: all. */
  webhook_events: v.nullable(v.array(v.string())),
  event_names: v.picklist(['dotted', 'upper']),
  addressing: v.picklist(['pn', 'lid']),
  expose_api_key: v.boolean(),
  qr_delay_ms: v.number(),
  qr_rotate_ms: v.number(),
  qr_limit: v.number(),
  /** What `POST /settings/set` last took. */
  settings: v.record(v.string(), v.union([v.string(), v.boolean()])),
})

export const accountSchema = v.variant('dialect', [
  metaAccount,
  d360Account,
  legacyAccount,
  twilioAccount,
  evolutionAccount,
])

export type Account = v.InferOutput<typeof accountSchema>
export type DialectName = Account['dialect']
export type AccountOf<D extends DialectName> = Extract<Account, { dialect: D }>

/**
 * The account of a number that is known to speak this dialect.
 * @throws {Error} when it speaks another, which is a defect
 */
export function accountOf<D extends DialectName>(number: { readonly account: Account }, dialect: D): AccountOf<D> {
  if (speaks(number.account, dialect)) return number.account
  throw new Error(`the number speaks ${number.account.dialect}, not ${dialect}`)
}

export function speaks<D extends DialectName>(account: Account, dialect: D): account is AccountOf<D> {
  return account.dialect === dialect
}
