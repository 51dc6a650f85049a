import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js'
import { makeGuardedFetch } from '../../../lib/guarded-fetch.ts'
import type { Memo, ProviderBot, ProviderParts, WebhookRequest } from '../../provider.ts'

// Webhooks as Twilio sends them, and whom they are for.

export const account = 'AC00000000000000000000000000000001'
export const token = '0123456789abcdef0123456789abcdef'
export const config = { account_sid: account, auth_token: token, from: '+12025550100' }
export const service = 'MG00000000000000000000000000000001'

export const bot: ProviderBot = { tenantId: 'tenant', id: 'bot-1', config }

export const publicUrl = 'https://hooks.example.test'
export const webhookUrl = `${publicUrl}/webhooks/twilio/bot-1`

/** Remembers nothing, as a memo may. */
export const noMemo: Memo = { find: async () => null, save: async () => undefined }

export function partsAt(baseUrl: string | null, memo = noMemo, allowsPrivate = false): ProviderParts {
  const bases = { META_BASE_URL: 'http://127.0.0.1:1', OFFICIAL_BASE_URL: null, TWILIO_BASE_URL: baseUrl }
  return { config: { PUBLIC_URL: publicUrl, ...bases }, memo, guardedFetch: makeGuardedFetch({ allowsPrivate }) }
}

/** A webhook with this form, signed by Twilio's own code. */
export function signedForm(form: string, url = webhookUrl): WebhookRequest {
  return signedBody(new TextEncoder().encode(form), url)
}

/** The same for any bytes: what Twilio would have signed, had it sent them. */
export function signedBody(body: Uint8Array, url = webhookUrl): WebhookRequest {
  const fields: Record<string, string[]> = Object.create(null)
  for (const [name, value] of new URLSearchParams(new TextDecoder().decode(body))) {
    fields[name] ??= []
    fields[name].push(value)
  }
  const headers = new Headers({ 'x-twilio-signature': getExpectedTwilioSignature(token, url, fields) })
  return { headers, body, url }
}

const common = {
  AccountSid: account,
  ApiVersion: '2010-04-01',
  From: 'whatsapp:+12025550143',
  To: 'whatsapp:+12025550100',
}

/** A form that tells of a customer's message. */
export function messageForm(sid: string, fields: Readonly<Record<string, string>>): string {
  const context = { type: 'whatsapp', data: { context: { ProfileName: 'Ada Test', WaId: '12025550143' } } }
  return new URLSearchParams({
    ...common,
    SmsMessageSid: sid,
    SmsSid: sid,
    MessageSid: sid,
    SmsStatus: 'received',
    ProfileName: 'Ada Test',
    WaId: '12025550143',
    ExternalUserId: 'whatsapp:US.1000000000000143',
    NumSegments: '1',
    NumMedia: '0',
    ReferralNumMedia: '0',
    Body: '',
    ChannelMetadata: JSON.stringify(context),
    ...fields,
  }).toString()
}

/** A form that tells what became of a message. */
export function statusForm(status: string, fields: Readonly<Record<string, string>> = {}): string {
  const sid = 'SM00000000000000000000000000000901'
  return new URLSearchParams({
    ...common,
    From: common.To,
    To: common.From,
    MessageSid: sid,
    SmsSid: sid,
    MessageStatus: status,
    SmsStatus: status,
    ChannelPrefix: 'whatsapp',
    ChannelInstallSid: 'XE00000000000000000000000000000001',
    ChannelToAddress: '+1202555XXXX',
    ...fields,
  }).toString()
}

const quoted = {
  OriginalRepliedMessageSender: 'whatsapp:+12025550100',
  OriginalRepliedMessageSid: 'SM00000000000000000000000000000900',
  Forwarded: 'false',
  FrequentlyForwarded: 'false',
}

export function mediaUrl(sid: string): string {
  return `https://api.twilio.com/2010-04-01/Accounts/${account}/Messages/MM1/Media/${sid}`
}

function file(messageType: string, mimeType: string, body = '') {
  const fields = { MessageType: messageType, NumMedia: '1', Body: body, MediaContentType0: mimeType }
  return messageForm('MM1', { ...fields, MediaUrl0: mediaUrl('ME1') })
}

/** One form of every kind. */
export const messageForms = {
  text: messageForm('SM1', { MessageType: 'text', Body: 'Hola, ¿está el pedido 1042? ✅' }),
  quotedText: messageForm('SM2', { MessageType: 'text', Body: 'Yes, that one', ...quoted }),
  image: file('image', 'image/jpeg', 'The damaged box'),
  video: file('video', 'video/mp4'),
  voice: file('audio', 'audio/ogg'),
  sticker: file('sticker', 'image/webp'),
  document: file('document', 'application/pdf', 'invoice-1042.pdf'),
  contact: file('contacts', 'text/vcard'),
  location: messageForm('SM3', {
    MessageType: 'location',
    Latitude: '51.4779',
    Longitude: '-0.0015',
    Label: 'Test Observatory',
    Address: '1 Example Road',
  }),
  button: messageForm('SM4', {
    MessageType: 'interactive',
    Body: 'Yes',
    ButtonText: 'Yes',
    ButtonPayload: 'opt_yes',
    ...quoted,
  }),
  list: messageForm('SM5', {
    MessageType: 'interactive',
    Body: 'Morning',
    ListId: 'slot_morning',
    ListTitle: 'Morning',
    ListDescription: '09:00-12:00',
    ...quoted,
  }),
  advertisement: messageForm('SM6', {
    MessageType: 'text',
    Body: 'I saw your advertisement',
    ReferralHeadline: 'Fresh bread',
    ReferralSourceType: 'ad',
  }),
} as const

/** One form of every status that is told of. */
export const statusForms = {
  queued: statusForm('queued'),
  sent: statusForm('sent', { StructuredMessage: 'false' }),
  delivered: statusForm('delivered', { EventType: 'DELIVERED', ExternalUserId: 'whatsapp:US.1000000000000143' }),
  read: statusForm('read', { EventType: 'READ', ExternalUserId: 'whatsapp:US.1000000000000143' }),
  failed: statusForm('failed', { ErrorCode: '63018', ErrorMessage: 'Rate limit exceeded for Channel' }),
} as const
