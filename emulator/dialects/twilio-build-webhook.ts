import type { BusinessNumber, ChatMessage, Content, Customer } from '../records.ts'
import type { WebhookAnswer, WebhookEvent, WebhookFormat, WebhookSurroundings } from '../webhook-event.ts'
import { accountOf } from './accounts.ts'
import { addressOf, mediaSid } from './twilio-account.ts'
import { statusErrors } from './twilio-errors.ts'
import { answeredText } from './twilio-read-answer.ts'
import { twilioSignature } from './twilio-sign.ts'

type Fields = Record<string, string>

/** Webhooks as Twilio sends them: forms, one for each message and for each status, signed with the account's token. */
export const twilioWebhooks: WebhookFormat = {
  isBatched: false,
  timeoutMs: 15_000,
  build(number, [event], around) {
    const url = addressFor(number, event)
    const body = event === undefined ? null : bodyOf(number, event, around)
    return url === null || body === null ? null : { url, headers: headersOf(body), body }
  },
  sign(number, { url, body }) {
    const { auth_token } = accountOf(number, 'twilio')
    const fields = new URLSearchParams(body)
    return { 'X-Twilio-Signature': twilioSignature(auth_token, withoutFragment(url), fields) }
  },
  isRetried: ({ url }, answer, failures) => isRetried(url, answer, failures),
  hear: (event, answer) => (event.kind === 'messages' ? answeredText(answer) : { reply: null, problem: null }),
  encode: body =>
    encoded(Object.fromEntries(Object.entries(Object(body)).map(([name, value]) => [name, String(value)]))),
}

/** Statuses are told where the send asked for it, and nowhere else. */
function addressFor(number: BusinessNumber, event: WebhookEvent | undefined): string | null {
  if (event?.kind === 'status') return event.message.callback_url ?? null
  return number.webhook_url
}

function bodyOf(number: BusinessNumber, event: WebhookEvent, around: WebhookSurroundings): string | null {
  switch (event.kind) {
    case 'raw':
      return event.body
    case 'status':
      return encoded(statusFields(number, event))
    case 'messages': {
      const [message] = event.messages
      const fields = message === undefined ? null : messageFields(number, event.customer, message, around)
      return fields === null ? null : encoded(fields)
    }
    case 'echo':
    case 'phone':
    case 'notice':
      return null
  }
}

function encoded(fields: Fields): string {
  return new URLSearchParams(fields).toString()
}

function headersOf(body: string): Fields {
  return {
    ...{ 'Content-Type': 'application/x-www-form-urlencoded; charset=UTF-8', 'User-Agent': 'TwilioProxy/1.1' },
    // The same for every try of one webhook.
    'I-Twilio-Idempotency-Token': new Bun.CryptoHasher('sha256').update(body).digest('hex').slice(0, 36),
  }
}

function withoutFragment(url: string): string {
  return url.split('#', 1)[0] ?? url
}

/**
 * The fragment of an address says how often it is tried again, and after what ("Connection overrides" of Twilio's
 * documentation). Without one: once more, where no connection came about.
 */
function isRetried(url: string, { status }: WebhookAnswer, failures: number): boolean {
  const overrides = new URLSearchParams(url.split('#')[1] ?? '')
  const policy = (overrides.get('rp') ?? 'ct').split(',')
  const what = status === null ? ['ct', 'rt'] : status >= 500 ? ['5xx'] : ['4xx']
  return failures <= Number(overrides.get('rc') ?? 1) && policy.some(each => each === 'all' || what.includes(each))
}

/** The customer, as far as the bot may see who it is. */
function from({ wa_id, user_id, hide_phone }: Customer): Fields {
  if (hide_phone || wa_id === null) return { From: `whatsapp:${user_id}` }
  return { From: `whatsapp:+${wa_id}`, WaId: wa_id }
}

function messageFields(
  number: BusinessNumber,
  customer: Customer,
  message: ChatMessage,
  around: WebhookSurroundings,
): Fields | null {
  const content = contentFields(number, message, around)
  if (content === null) return null
  const { account_sid, messaging_service_sid } = accountOf(number, 'twilio')
  const { id } = message
  return {
    ...{ ExternalUserId: `whatsapp:${customer.user_id}`, SmsMessageSid: id, SmsSid: id, MessageSid: id },
    ...{ NumMedia: '0', NumSegments: '1', ReferralNumMedia: '0', SmsStatus: 'received', ApiVersion: '2010-04-01' },
    ...{ ProfileName: customer.name, AccountSid: account_sid, To: addressOf(number), Body: '' },
    ...from(customer),
    ...(messaging_service_sid === null ? {} : { MessagingServiceSid: messaging_service_sid }),
    ChannelMetadata: channelMetadata(customer),
    ...content,
    ...(message.reply_to === undefined ? {} : replied(number, customer, message.reply_to, around)),
  }
}

function channelMetadata(customer: Customer): string {
  const { WaId } = from(customer)
  const context = { ProfileName: customer.name, ...(WaId === undefined ? {} : { WaId }) }
  return JSON.stringify({ type: 'whatsapp', data: { context } })
}

function replied(number: BusinessNumber, customer: Customer, id: string, around: WebhookSurroundings): Fields {
  const isOwn = around.message(id)?.direction === 'inbound'
  return {
    OriginalRepliedMessageSender: isOwn ? (from(customer).From ?? '') : addressOf(number),
    ...{ OriginalRepliedMessageSid: id, Forwarded: 'false', FrequentlyForwarded: 'false' },
  }
}

/** Null for what Twilio does not pass on: what it has no form for, and reactions that are taken away. */
function contentFields(number: BusinessNumber, message: ChatMessage, around: WebhookSurroundings): Fields | null {
  const { content } = message
  switch (content.type) {
    case 'text':
      return { MessageType: 'text', Body: content.text }
    case 'choice':
      return choiceFields(content)
    case 'image':
    case 'audio':
    case 'video':
    case 'sticker':
      return { ...mediaFields(number, message, content, around), Body: content.caption ?? '' }
    case 'document':
      // The name of the file stands where the text would, and what was written with it is lost.
      return { ...mediaFields(number, message, content, around), Body: content.filename ?? '' }
    case 'location':
      return locationFields(content)
    case 'contacts':
      return cardFields(number, message, around)
    case 'reaction':
      if (content.emoji === '') return null
      return { MessageType: 'text', Body: content.emoji, OriginalRepliedMessageSid: content.message_id }
    case 'unsupported':
    case 'buttons':
    case 'list':
    case 'template':
      return null
  }
}

function choiceFields({ id, title, description, of }: Extract<Content, { type: 'choice' }>): Fields {
  if (of !== 'list') {
    const type = of === 'template' ? 'button' : 'interactive'
    return { MessageType: type, Body: title, ButtonText: title, ButtonPayload: id }
  }
  const row = { ListId: id, ListTitle: title, ...(description === undefined ? {} : { ListDescription: description }) }
  return { MessageType: 'interactive', Body: title, ...row }
}

function mediaFields(
  number: BusinessNumber,
  message: ChatMessage,
  { type, media_id = '', mime_type = 'application/octet-stream' }: Extract<Content, { media_id?: string }>,
  around: WebhookSurroundings,
): Fields {
  const [mimeType = mime_type] = mime_type.split(';')
  const url = mediaAddress(around.url, number, message.id, mediaSid(media_id))
  return { MessageType: type, NumMedia: '1', MediaContentType0: mimeType, MediaUrl0: url }
}

/** A contact comes as a file, which is made when it is asked for. */
function cardFields(number: BusinessNumber, { id }: ChatMessage, around: WebhookSurroundings): Fields {
  const url = mediaAddress(around.url, number, id, `ME${id.slice(2)}`)
  return { MessageType: 'contacts', NumMedia: '1', MediaContentType0: 'text/vcard', MediaUrl0: url }
}

function mediaAddress(url: string, number: BusinessNumber, message: string, media: string): string {
  const { account_sid } = accountOf(number, 'twilio')
  return `${url}/twilio/2010-04-01/Accounts/${account_sid}/Messages/${message}/Media/${media}`
}

function locationFields({ latitude, longitude, name, address }: Extract<Content, { type: 'location' }>): Fields {
  return {
    ...{ MessageType: 'location', Latitude: String(latitude), Longitude: String(longitude) },
    ...(address === undefined ? {} : { Address: address }),
    ...(name === undefined ? {} : { Label: name }),
  }
}

function statusFields(number: BusinessNumber, event: Extract<WebhookEvent, { kind: 'status' }>): Fields {
  const { message, customer, status } = event
  const failure = status === 'failed' ? statusErrors[message.failure ?? 'window_closed'] : null
  const told = failure?.status ?? status
  return {
    ...{ ApiVersion: '2010-04-01', MessageStatus: told, SmsStatus: told, SmsSid: message.id, MessageSid: message.id },
    ...{ To: from(customer).From ?? '', From: addressOf(number), AccountSid: accountOf(number, 'twilio').account_sid },
    ...(status === 'queued' ? {} : channelFields(customer)),
    ...(status === 'sent' ? { StructuredMessage: 'false' } : {}),
    ...(status === 'delivered' || status === 'read' ? { ExternalUserId: `whatsapp:${customer.user_id}` } : {}),
    ...(status === 'delivered' || status === 'read' ? { EventType: status.toUpperCase() } : {}),
    ...(failure?.status === 'undelivered' ? { EventType: 'UNDELIVERED' } : {}),
    ...(failure === null ? {} : { ErrorCode: String(failure.code), ErrorMessage: failure.message }),
  }
}

function channelFields({ wa_id }: Customer): Fields {
  const to = wa_id === null ? {} : { ChannelToAddress: `+${wa_id.slice(0, -4)}XXXX` }
  return { ChannelPrefix: 'whatsapp', ChannelInstallSid: 'XE00000000000000000000000000000001', ...to }
}
