import { createHmac } from 'node:crypto'
import type { ProviderKind } from '../plan.ts'

/** A request that a bot made of its provider. */
export type SendRequest = { readonly url: string; readonly headers: Headers; readonly body: string }

/** What was asked to be sent; `reference`: what the bot calls it, where the provider takes that. */
export type Sent = { readonly to: string; readonly text: string; readonly reference: string | null }

export type Reply = { readonly status: number; readonly body: unknown }

/** Something that a provider tells a bot. */
export type Told =
  | {
      readonly kind: 'message'
      readonly id: string
      readonly from: string
      readonly text: string
      readonly atMs: number
    }
  | {
      readonly kind: 'status'
      readonly id: string
      readonly to: string
      readonly status: 'sent' | 'delivered' | 'read' | 'failed'
      readonly reference: string | null
      readonly atMs: number
    }

export type WebhookCall = {
  readonly provider: string
  readonly botId: string
  readonly url: string
  readonly headers: Headers
  readonly body: Uint8Array
}

/** A bot's account with its provider, as the provider sees it: written from the providers' documents. */
export type Account = {
  readonly provider: string
  readonly config: Readonly<Record<string, string>>
  readonly secrets: Readonly<Record<string, string>>
  /** Where its API is. */
  readonly origin: string
  /** Null: whoever asks does not know the account's secret. */
  readSend(request: SendRequest): Sent | null
  readonly isBatched: boolean
  accepted(id: string): Reply
  refused(why: 'for now' | 'for good' | 'account'): Reply
  webhook(told: readonly Told[]): WebhookCall
}

export const publicUrl = 'https://hooks.example.test'
export const origins = { meta: 'https://meta.test', legacy: 'https://official.test', twilio: 'https://twilio.test' }

export function accountOf(kind: ProviderKind, index: number, botId: string): Account {
  return makers[kind](index, botId)
}

type CloudSend = {
  readonly to: string
  readonly text: { readonly body: string }
  readonly biz_opaque_callback_data: string
}

const makers: Readonly<Record<ProviderKind, (index: number, botId: string) => Account>> = {
  meta(index, botId) {
    const number = `50000000000001${index}`
    const secrets = { access_token: `access ${index}`, app_secret: `app ${index}`, verify_token: `verify ${index}` }
    return {
      ...{ provider: 'meta', origin: origins.meta, secrets, config: { phone_number_id: number }, isBatched: true },
      readSend({ url, headers, body }) {
        const isOurs = url.endsWith(`/${number}/messages`)
        if (!isOurs || headers.get('authorization') !== `Bearer ${secrets.access_token}`) return null
        const { to, text, biz_opaque_callback_data }: CloudSend = JSON.parse(body)
        return { to, text: text.body, reference: biz_opaque_callback_data }
      },
      accepted: id => ({ status: 200, body: { messaging_product: 'whatsapp', messages: [{ id }] } }),
      refused: why => metaErrors[why],
      webhook(told) {
        const value = { messaging_product: 'whatsapp', metadata: { phone_number_id: number }, ...cloudValue(told) }
        const json = JSON.stringify({
          object: 'whatsapp_business_account',
          entry: [{ id: '1', changes: [{ value, field: 'messages' }] }],
        })
        const hex = createHmac('sha256', secrets.app_secret).update(json).digest('hex')
        return call('meta', botId, json, { 'x-hub-signature-256': `sha256=${hex}` })
      },
    }
  },
  legacy(index, botId) {
    const secrets = { api_key: `key ${index}`, webhook_secret: `secret ${index}` }
    return {
      ...{ provider: 'official', origin: origins.legacy, secrets, config: { flavour: 'legacy' }, isBatched: true },
      readSend({ headers, body }) {
        if (headers.get('d360-api-key') !== secrets.api_key) return null
        const { to, text }: CloudSend = JSON.parse(body)
        return { to, text: text.body, reference: null }
      },
      accepted: id => ({ status: 201, body: { messages: [{ id }] } }),
      refused: why => legacyErrors[why],
      webhook(told) {
        const json = JSON.stringify(cloudValue(told))
        const hex = createHmac('sha256', secrets.webhook_secret).update(json).digest('hex')
        return call('official', botId, json, { 'x-360dialog-signature': hex })
      },
    }
  },
  twilio(index, botId) {
    const config = { account_sid: `AC${String(index).repeat(32)}`, from: `+1202555010${index}` }
    const secrets = { auth_token: `${index}`.repeat(32) }
    const basic = Buffer.from(`${config.account_sid}:${secrets.auth_token}`).toString('base64')
    return {
      ...{ provider: 'twilio', origin: origins.twilio, secrets, config, isBatched: false },
      readSend({ headers, body }) {
        if (headers.get('authorization') !== `Basic ${basic}`) return null
        const form = new URLSearchParams(body)
        const reference = new URL(form.get('StatusCallback') ?? '').searchParams.get('reference')
        return { to: form.get('To')?.replace('whatsapp:+', '') ?? '', text: form.get('Body') ?? '', reference }
      },
      accepted: sid => ({ status: 201, body: { sid, status: 'queued' } }),
      refused: why => twilioErrors[why],
      webhook(told) {
        const [first] = told
        if (first === undefined) throw new Error('Twilio tells one thing at a time')
        const fields = twilioFields(first, config)
        const query = first.kind === 'status' ? `?reference=${encodeURIComponent(first.reference ?? '')}` : ''
        const url = `${publicUrl}/webhooks/twilio/${botId}${query}`
        const signed = Object.keys(fields)
          .sort()
          .reduce((text, name) => `${text}${name}${fields[name]}`, url)
        const signature = createHmac('sha1', secrets.auth_token).update(signed).digest('base64')
        const body = new TextEncoder().encode(new URLSearchParams(fields).toString())
        return { provider: 'twilio', botId, url, body, headers: new Headers({ 'x-twilio-signature': signature }) }
      },
    }
  },
}

function call(provider: string, botId: string, json: string, headers: Record<string, string>): WebhookCall {
  const url = `${publicUrl}/webhooks/${provider}/${botId}`
  return { provider, botId, url, headers: new Headers(headers), body: new TextEncoder().encode(json) }
}

/** What the Cloud API and the one before it tell in the same words. */
function cloudValue(told: readonly Told[]) {
  const messages = told.flatMap(one => {
    if (one.kind !== 'message') return []
    return [{ from: one.from, id: one.id, timestamp: secondsOf(one.atMs), type: 'text', text: { body: one.text } }]
  })
  const statuses = told.flatMap(one => {
    if (one.kind !== 'status') return []
    const { id, to, status, reference, atMs } = one
    const errors = status === 'failed' ? { errors: [{ code: 131026, title: 'Message undeliverable' }] } : {}
    const callback = reference === null ? {} : { biz_opaque_callback_data: reference }
    return [{ id, status, timestamp: secondsOf(atMs), recipient_id: to, ...callback, ...errors }]
  })
  const contacts = messages.map(({ from }) => ({ profile: { name: `Customer ${from.slice(-1)}` }, wa_id: from }))
  return {
    ...(messages.length > 0 && { contacts, messages }),
    ...(statuses.length > 0 && { statuses }),
  }
}

function secondsOf(atMs: number): string {
  return String(Math.floor(atMs / 1_000))
}

function twilioFields(told: Told, config: { account_sid: string; from: string }): Record<string, string> {
  const ours = `whatsapp:${config.from}`
  const common = { AccountSid: config.account_sid, MessageSid: told.id, ApiVersion: '2010-04-01' }
  if (told.kind === 'message') {
    const { from, text } = told
    const said = { Body: text, NumMedia: '0', SmsStatus: 'received', ProfileName: 'Customer' }
    return { ...common, ...said, From: `whatsapp:+${from}`, To: ours, WaId: from }
  }
  const failed = told.status === 'failed' ? { ErrorCode: '63024' } : {}
  return { ...common, ...failed, From: ours, To: `whatsapp:+${told.to}`, MessageStatus: told.status }
}

type Refusals = Readonly<Record<'for now' | 'for good' | 'account', Reply>>

const metaErrors: Refusals = {
  'for now': { status: 503, body: { error: { code: 2, message: 'Service temporarily unavailable' } } },
  'for good': { status: 400, body: { error: { code: 131026, message: 'Message undeliverable' } } },
  account: { status: 401, body: { error: { code: 190, message: 'Access token has expired' } } },
}
const legacyErrors: Refusals = {
  'for now': { status: 503, body: { errors: [{ code: 1016, title: 'Service overloaded' }] } },
  'for good': { status: 400, body: { errors: [{ code: 1013, title: 'User is not valid' }] } },
  account: { status: 401, body: { errors: [{ code: 401, title: 'Unauthorized' }] } },
}
const twilioErrors: Refusals = {
  'for now': { status: 503, body: { code: 20503, message: 'Service unavailable', status: 503 } },
  'for good': { status: 400, body: { code: 21211, message: 'Invalid To number', status: 400 } },
  account: { status: 401, body: { code: 20003, message: 'Authenticate', status: 401 } },
}
