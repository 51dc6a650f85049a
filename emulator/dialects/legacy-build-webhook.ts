import type { BusinessNumber, ChatMessage, Content, Customer } from '../records.ts'
import type { WebhookEvent, WebhookSurroundings } from '../webhook-event.ts'
import { statusError } from './legacy-errors.ts'

type Json = Record<string, unknown>
type Around = Pick<WebhookSurroundings, 'message' | 'media'>

/**
 * A webhook of the on-premises API: flat, without an envelope, and without a word of whom it is for. That API ended
 * before there were user names: a phone is always shown.
 */
export function legacyWebhook(number: BusinessNumber, events: readonly WebhookEvent[], around: Around): Json {
  const [first] = events
  if (first?.kind === 'messages') {
    const { customer, messages } = first
    return {
      contacts: [{ profile: { name: customer.name }, wa_id: waId(customer) }],
      messages: messages.map(message => inboundMessage(number, customer, message, around)),
    }
  }
  return { statuses: events.flatMap(event => (event.kind === 'status' ? [statusEntry(event)] : [])) }
}

function statusEntry({ customer, message, status, at }: Extract<WebhookEvent, { kind: 'status' }>): Json {
  return {
    id: message.id,
    recipient_id: waId(customer),
    status,
    timestamp: seconds(at),
    ...(status === 'failed' ? { errors: [statusError(message.failure ?? 'window_closed')] } : {}),
  }
}

function inboundMessage(number: BusinessNumber, customer: Customer, message: ChatMessage, around: Around): Json {
  const { reply_to } = message
  return {
    ...(reply_to === undefined ? {} : { context: context(number, customer, reply_to, around) }),
    from: waId(customer),
    id: message.id,
    timestamp: seconds(message.at),
    ...inboundContent(message.content, around),
  }
}

function context(number: BusinessNumber, customer: Customer, id: string, around: Around): Json {
  const isOwn = around.message(id)?.direction === 'inbound'
  return { from: isOwn ? waId(customer) : digits(number.display_phone_number), id }
}

function inboundContent(content: Content, around: Around): Json {
  switch (content.type) {
    case 'text':
      return { type: 'text', text: { body: content.text } }
    case 'choice':
      return choice(content)
    case 'audio': {
      const type = content.voice === true ? 'voice' : 'audio'
      return { type, [type]: media(content, around) }
    }
    case 'image':
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
    case 'reaction':
      return { type: 'reaction', reaction: { message_id: content.message_id, emoji: content.emoji } }
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
  if (of === 'button') {
    return { type: 'interactive', interactive: { type: 'button_reply', button_reply: { id, title } } }
  }
  const reply = { id, title, ...(description === undefined ? {} : { description }) }
  return { type: 'interactive', interactive: { type: 'list_reply', list_reply: reply } }
}

function media(content: Extract<Content, { media_id?: string }>, around: Around): Json {
  const { media_id: id = '', mime_type = 'application/octet-stream', caption, filename } = content
  return {
    ...(caption === undefined ? {} : { caption }),
    ...(filename === undefined ? {} : { filename }),
    ...{
      id,
      mime_type,
      sha256: new Bun.CryptoHasher('sha256').update(around.media(id, mime_type).bytes).digest('hex'),
    },
  }
}

function contactCard({ name, phones }: { name: string; phones: readonly string[] }): Json {
  return {
    ...{ addresses: [], emails: [], ims: [], org: {}, urls: [] },
    name: { formatted_name: name, first_name: name.split(' ')[0] ?? name },
    phones: phones.map(phone => ({ phone, wa_id: digits(phone), type: 'CELL' })),
  }
}

function unsupported(details: string): Json {
  return { type: 'unknown', errors: [{ code: 501, title: 'Unknown message type', details }] }
}

function waId({ wa_id, user_id }: Customer): string {
  return wa_id ?? user_id
}

function digits(phone: string): string {
  return phone.replace(/\D/g, '')
}

function seconds(atMs: number): string {
  return String(Math.floor(atMs / 1_000))
}
