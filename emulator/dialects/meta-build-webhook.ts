import type { BusinessNumber, ChatMessage, Content, Customer } from '../records.ts'
import type { WebhookEvent, WebhookSurroundings } from '../webhook-event.ts'
import { accountOf } from './accounts.ts'
import { statusError, unsupportedMessageError } from './meta-errors.ts'

type StatusEvent = Extract<WebhookEvent, { kind: 'status' }>
type Json = Record<string, unknown>

type Around = Pick<WebhookSurroundings, 'message' | 'media'>

const nowhere: Around = { message: () => null, media: () => ({ url: '', bytes: new Uint8Array() }) }

/** Webhooks as Meta writes them: non-ASCII escaped, and signed with the app's secret. */
export function metaWebhooks(around: Around = nowhere) {
  return {
    build: (number: BusinessNumber, events: readonly WebhookEvent[]) =>
      metaJson(cloudWebhook(number, accountOf(number, 'meta').waba_id, events, around)),
    sign: (number: BusinessNumber, body: string): Record<string, string> => ({
      'X-Hub-Signature-256': signature(body, accountOf(number, 'meta').app_secret),
    }),
  }
}

/** JSON as Meta writes and signs it: every character outside ASCII as `\uXXXX`, lower-case hex. */
export function metaJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u0080-\uffff]/g,
    unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** The value of `X-Hub-Signature-256` for these bytes. */
export function signature(body: string, appSecret: string): string {
  return `sha256=${new Bun.CryptoHasher('sha256', appSecret).update(body).digest('hex')}`
}

/** The Cloud API's envelope around these events, as whoever hosts that API passes it on. */
export function cloudWebhook(
  number: BusinessNumber,
  wabaId: string,
  events: readonly WebhookEvent[],
  around: Around,
): Json {
  const [first] = events
  const told = toldBy(number, events, around)
  const value = {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: digits(number.display_phone_number), phone_number_id: number.id },
    ...told,
  }
  return {
    object: 'whatsapp_business_account',
    entry: [{ id: wabaId, changes: [{ value, field: first?.kind === 'phone' ? 'smb_message_echoes' : 'messages' }] }],
  }
}

function toldBy(number: BusinessNumber, events: readonly WebhookEvent[], around: Around): Json {
  const [first] = events
  if (first?.kind === 'messages') return messagesValue(number, first, around)
  return first?.kind === 'phone' ? echoesValue(number, first, around) : statusesValue(number, events)
}

/** What was written in the WhatsApp Business app, where a number is in both ("smb_message_echoes webhook reference"). */
function echoesValue(
  number: BusinessNumber,
  { customer, message }: Extract<WebhookEvent, { kind: 'echo' | 'phone' }>,
  around: Around,
): Json {
  const phone = shownPhone(customer)
  const echo = {
    from: digits(number.display_phone_number),
    ...(phone === null ? { to_user_id: customer.user_id } : { to: phone }),
    ...{ id: message.id, timestamp: seconds(message.at), ...inboundContent(message.content, around) },
  }
  return { message_echoes: [echo] }
}

function messagesValue(
  number: BusinessNumber,
  { customer, messages }: Extract<WebhookEvent, { kind: 'messages' }>,
  around: Around,
): Json {
  return {
    contacts: [contact(customer)],
    messages: messages.map(message => inboundMessage(number, customer, message, around)),
  }
}

function inboundMessage(number: BusinessNumber, customer: Customer, message: ChatMessage, around: Around): Json {
  const phone = shownPhone(customer)
  return {
    ...(message.reply_to === undefined ? {} : { context: context(number, customer, message.reply_to, around) }),
    ...(phone === null ? {} : { from: phone }),
    from_user_id: customer.user_id,
    id: message.id,
    timestamp: seconds(message.at),
    ...inboundContent(message.content, around),
  }
}

function context(number: BusinessNumber, customer: Customer, id: string, around: Around): Json {
  const ownMessage = around.message(id)?.direction === 'inbound'
  const from = ownMessage ? shownPhone(customer) : digits(number.display_phone_number)
  return { ...(from === null ? {} : { from }), id }
}

function inboundContent(content: Content, around: Around): Json {
  switch (content.type) {
    case 'text':
      return { type: 'text', text: { body: content.text } }
    case 'choice':
      return choice(content)
    case 'image':
    case 'audio':
    case 'video':
    case 'document':
    case 'sticker':
      return { type: content.type, [content.type]: media(content, around) }
    case 'location': {
      const { type, ...location } = content
      return { type, location }
    }
    case 'contacts':
      return { type: 'contacts', contacts: content.contacts.map(contactCard) }
    case 'reaction': {
      const { message_id, emoji } = content
      return { type: 'reaction', reaction: { message_id, ...(emoji === '' ? {} : { emoji }) } }
    }
    case 'unsupported':
      return unsupported(content.reason)
    case 'buttons':
    case 'list':
    case 'template':
      return unsupported(`Message of type ${content.type} is not sent by customers`)
  }
}

function choice({ id, title, description, of }: Extract<Content, { type: 'choice' }>): Json {
  if (of === 'template') return { type: 'button', button: { payload: id, text: title } }
  if (of === 'button')
    return { type: 'interactive', interactive: { type: 'button_reply', button_reply: { id, title } } }
  const reply = { id, title, ...(description === undefined ? {} : { description }) }
  return { type: 'interactive', interactive: { type: 'list_reply', list_reply: reply } }
}

type Media = Extract<Content, { media_id?: string }>

function media(content: Media, around: Around): Json {
  const { media_id: id = '', mime_type = 'application/octet-stream', caption, filename } = content
  const { url, bytes } = around.media(id, mime_type)
  return {
    ...(caption === undefined ? {} : { caption }),
    ...(filename === undefined ? {} : { filename }),
    mime_type,
    sha256: new Bun.CryptoHasher('sha256').update(bytes).digest('base64'),
    ...{ id, url: content.link ?? url },
    ...(content.type === 'audio' ? { voice: content.voice ?? false } : {}),
    ...(content.type === 'sticker' ? { animated: false } : {}),
  }
}

function contactCard({ name, phones }: { name: string; phones: readonly string[] }): Json {
  return {
    name: { formatted_name: name, first_name: name.split(' ')[0] ?? name },
    phones: phones.map(phone => ({ phone, wa_id: digits(phone), type: 'CELL' })),
  }
}

function unsupported(reason: string): Json {
  return { type: 'unsupported', errors: [unsupportedMessageError(reason)], unsupported: { type: 'unknown' } }
}

function statusesValue(number: BusinessNumber, events: readonly WebhookEvent[]): Json {
  const statuses = events.filter(event => event.kind === 'status')
  const contacts = new Map(
    statuses.flatMap(({ customer, status }) => (status === 'failed' ? [] : [[customer.id, contact(customer)]])),
  )
  return {
    ...(contacts.size === 0 ? {} : { contacts: [...contacts.values()] }),
    statuses: statuses.map(event => statusEntry(number, event)),
  }
}

function statusEntry(number: BusinessNumber, { customer, message, status, at }: StatusEvent): Json {
  const phone = shownPhone(customer)
  return {
    id: message.id,
    status,
    timestamp: seconds(at),
    ...(phone === null ? { recipient_user_id: customer.user_id } : { recipient_id: phone }),
    ...(message.callback_data === undefined ? {} : { biz_opaque_callback_data: message.callback_data }),
    ...(status === 'sent' || status === 'delivered' ? charge(number, customer, message) : {}),
    ...(status === 'failed' ? { errors: [statusError(message.failure ?? 'window_closed')] } : {}),
  }
}

/** Free text inside the window costs nothing; a template is charged. */
function charge(number: BusinessNumber, customer: Customer, { content }: ChatMessage): Json {
  const category = content.type === 'template' ? 'utility' : 'service'
  return {
    conversation: { id: `${number.id}${customer.user_id}`.replace(/\W/g, ''), origin: { type: category } },
    pricing: {
      billable: category === 'utility',
      pricing_model: 'PMP',
      type: category === 'utility' ? 'regular' : 'free_customer_service',
      category,
    },
  }
}

function contact(customer: Customer): Json {
  const phone = shownPhone(customer)
  return {
    profile: { name: customer.name, ...(phone === null ? { username: userName(customer) } : {}) },
    ...(phone === null ? {} : { wa_id: phone }),
    user_id: customer.user_id,
  }
}

/** The phone, where the customer lets the bot see it. */
function shownPhone({ wa_id, hide_phone }: Customer): string | null {
  return hide_phone ? null : wa_id
}

function userName({ name }: Customer): string {
  return (
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '.')
      .replace(/^\.|\.$/g, '') || 'customer'
  )
}

function digits(phone: string): string {
  return phone.replace(/\D/g, '')
}

function seconds(atMs: number): string {
  return String(Math.floor(atMs / 1000))
}
