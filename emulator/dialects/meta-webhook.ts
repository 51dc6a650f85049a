import { createHmac } from 'node:crypto'
import type { BusinessNumber, ChatMessage, Customer, MessageStatus } from '../records.ts'
import { unsupportedMessageError, windowClosedStatusError } from './meta-errors.ts'

/** The body of a webhook with messages of one customer, as in Meta's "Webhooks payload examples". */
export function messagesBody(number: BusinessNumber, customer: Customer, messages: readonly ChatMessage[]): string {
  return envelope(number, {
    contacts: [contactOf(customer)],
    messages: messages.map(message => ({
      ...(message.reply_to === undefined
        ? {}
        : { context: { from: number.display_phone_number, id: message.reply_to } }),
      ...(isHidden(customer) ? {} : { from: customer.wa_id }),
      from_user_id: customer.user_id,
      id: message.id,
      timestamp: seconds(message.at),
      ...fieldsOf(message),
    })),
  })
}

/** The body of a webhook with one status of a message that the bot sent. */
export function statusBody(
  number: BusinessNumber,
  customer: Customer,
  message: ChatMessage,
  status: MessageStatus,
  at: number,
): string {
  return envelope(number, {
    // Meta leaves the contacts out of a failure.
    ...(status === 'failed' ? {} : { contacts: [contactOf(customer)] }),
    statuses: [
      {
        id: message.id,
        status,
        timestamp: seconds(at),
        ...(isHidden(customer) ? { recipient_user_id: customer.user_id } : { recipient_id: customer.wa_id }),
        ...(message.callback_data === undefined ? {} : { biz_opaque_callback_data: message.callback_data }),
        ...(status === 'failed'
          ? { errors: [windowClosedStatusError] }
          : { pricing: { billable: true, pricing_model: 'PMP', type: 'regular', category: 'service' } }),
      },
    ],
  })
}

/**
 * Meta's signature header for a body: HMAC-SHA256 of its bytes, under the app's secret. A corrupt one has its first
 * digit changed.
 */
export function signatureOf(body: string, appSecret: string, isCorrupt: boolean): string {
  const hex = createHmac('sha256', appSecret).update(body).digest('hex')
  return `sha256=${isCorrupt ? (hex.startsWith('0') ? '1' : '0') + hex.slice(1) : hex}`
}

/** JSON as Meta writes it: whatever is not ASCII as `\uXXXX`, in lower case. */
export function metaJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u0080-\uffff]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function envelope(number: BusinessNumber, value: object): string {
  const metadata = { display_phone_number: number.display_phone_number, phone_number_id: number.id }
  return metaJson({
    object: 'whatsapp_business_account',
    entry: [
      {
        id: number.account.waba_id,
        changes: [{ value: { messaging_product: 'whatsapp', metadata, ...value }, field: 'messages' }],
      },
    ],
  })
}

function contactOf(customer: Customer): unknown {
  return {
    profile: { name: customer.name },
    ...(isHidden(customer) ? {} : { wa_id: customer.wa_id }),
    user_id: customer.user_id,
  }
}

function isHidden(customer: Customer): boolean {
  return customer.hide_phone || customer.wa_id === null
}

function seconds(at: number): string {
  return String(Math.floor(at / 1_000))
}

/** `type`, and the field named after it. */
function fieldsOf({ content }: ChatMessage): Record<string, unknown> {
  switch (content.type) {
    case 'text':
      return { type: 'text', text: { body: content.text } }
    case 'choice':
      return choiceFields(content)
    case 'location': {
      const { type, ...location } = content
      return { type, location }
    }
    case 'contacts':
      return {
        type: 'contacts',
        contacts: content.contacts.map(({ name, phones }) => ({
          name: { formatted_name: name, first_name: name },
          phones: phones.map(phone => ({ phone, type: 'CELL' })),
        })),
      }
    case 'reaction':
      return {
        type: 'reaction',
        reaction: { message_id: content.message_id, ...(content.emoji === '' ? {} : { emoji: content.emoji }) },
      }
    case 'image':
    case 'audio':
    case 'video':
    case 'document':
    case 'sticker': {
      const {
        type,
        media_id = 'media-of-the-emulator',
        mime_type = 'application/octet-stream',
        link: _,
        ...rest
      } = content
      return { type, [type]: { id: media_id, mime_type, sha256: 'ZW11bGF0b3I=', ...rest } }
    }
    default:
      return { type: 'unsupported', errors: [unsupportedMessageError(`The emulator sent a ${content.type}.`)] }
  }
}

function choiceFields(choice: Extract<ChatMessage['content'], { type: 'choice' }>): Record<string, unknown> {
  const { id, title, description, of } = choice
  if (of === 'template') return { type: 'button', button: { payload: id, text: title } }
  const reply = { id, title, ...(description === undefined ? {} : { description }) }
  const type = of === 'list' ? 'list_reply' : 'button_reply'
  return { type: 'interactive', interactive: { type, [type]: reply } }
}
