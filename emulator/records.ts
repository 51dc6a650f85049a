import * as v from 'valibot'
import { accountSchema } from './dialects/accounts.ts'

/*
 * What the emulator keeps, in the shapes its control API shows and its state file holds: one shape
 * for all three, hence snake_case. Nothing here belongs to one provider, except `account`.
 */

const optionalText = v.exactOptional(v.string())

const choiceButton = v.object({ id: v.string(), title: v.string() })

const listSection = v.object({
  title: optionalText,
  rows: v.array(v.object({ id: v.string(), title: v.string(), description: optionalText })),
})

const contactCard = v.object({ name: v.string(), phones: v.array(v.string()) })

/** What a bubble on the phone shows, in either direction. */
export const contentSchema = v.variant('type', [
  v.object({ type: v.literal('text'), text: v.string() }),
  v.object({
    type: v.literal('buttons'),
    header: optionalText,
    text: v.string(),
    footer: optionalText,
    buttons: v.array(choiceButton),
  }),
  v.object({
    type: v.literal('list'),
    header: optionalText,
    text: v.string(),
    footer: optionalText,
    button: v.string(),
    sections: v.array(listSection),
  }),
  v.object({
    type: v.picklist(['image', 'audio', 'video', 'document', 'sticker']),
    media_id: optionalText,
    link: optionalText,
    caption: optionalText,
    filename: optionalText,
    mime_type: optionalText,
    voice: v.exactOptional(v.boolean()),
  }),
  v.object({
    type: v.literal('location'),
    latitude: v.number(),
    longitude: v.number(),
    name: optionalText,
    address: optionalText,
  }),
  v.object({ type: v.literal('contacts'), contacts: v.array(contactCard) }),
  v.object({
    type: v.literal('template'),
    name: v.string(),
    language: v.string(),
    parameters: v.array(v.string()),
    buttons: v.array(choiceButton),
  }),
  v.object({ type: v.literal('reaction'), message_id: v.string(), emoji: v.string() }),
  v.object({
    type: v.literal('choice'),
    id: v.string(),
    title: v.string(),
    description: optionalText,
    of: v.picklist(['button', 'list', 'template']),
  }),
  v.object({ type: v.literal('unsupported'), reason: v.string() }),
])

export type Content = v.InferOutput<typeof contentSchema>

/** `failed` is for outbound messages only. */
export const messageStatuses = ['sent', 'delivered', 'read', 'failed'] as const
export type MessageStatus = (typeof messageStatuses)[number]

/**
 * Why a message that was accepted never arrived.
 * - `window_closed`: free text, and the customer has not written for 24 hours.
 * - `rate_limited`: too many messages from the number, or to this customer.
 * - `not_on_whatsapp`: nobody uses WhatsApp with this phone.
 * - `undeliverable`: WhatsApp would not deliver it.
 * - `media_unreachable`: the file under its link could not be fetched.
 */
export const failures = [
  'window_closed',
  'rate_limited',
  'not_on_whatsapp',
  'undeliverable',
  'media_unreachable',
] as const
export type Failure = (typeof failures)[number]

export const messageSchema = v.object({
  /** Grows by one with every message of the emulator: what `after=` compares. */
  seq: v.number(),
  /** The provider's message id. */
  id: v.string(),
  /** As the bot sees it: `inbound` is written by the customer, `outbound` by the bot. */
  direction: v.picklist(['inbound', 'outbound']),
  /** Milliseconds since the epoch. */
  at: v.number(),
  content: contentSchema,
  /** Inbound: `delivered` when the webhook was answered 2xx, `read` when the bot marked it. */
  status: v.picklist(messageStatuses),
  /** Why an outbound message failed. */
  failure: v.exactOptional(v.picklist(failures)),
  /** Id of the message it answers. */
  reply_to: optionalText,
  /** What the bot asked to have back in every status. */
  callback_data: optionalText,
  /** Where its statuses are told, at a provider that takes an address with each message. */
  callback_url: optionalText,
})

export type ChatMessage = v.InferOutput<typeof messageSchema>

export const numberSchema = v.object({
  id: v.string(),
  display_phone_number: v.string(),
  name: v.string(),
  /** Where its provider tells of it; null while nobody has said. */
  webhook_url: v.nullable(v.string()),
  /** The origin that the public one of the bot's server leads to from here; left out, it is reached as it is. */
  deliver_to: optionalText,
  account: accountSchema,
})

export type BusinessNumber = v.InferOutput<typeof numberSchema>

export const customerSchema = v.object({
  /** The phone in digits, or the `user_id` where the phone was never known. */
  id: v.string(),
  wa_id: v.nullable(v.string()),
  /** Business-scoped user id. One for all numbers here, though Meta makes one for each business. */
  user_id: v.string(),
  name: v.string(),
  /** The customer goes by a user name: the bot gets `user_id` and never the phone. */
  hide_phone: v.boolean(),
  /** Everything that arrives counts as read at once. */
  auto_read: v.boolean(),
  /** Nobody uses WhatsApp with this phone. */
  not_on_whatsapp: v.exactOptional(v.boolean()),
})

export type Customer = v.InferOutput<typeof customerSchema>

/** One line of the state file, and one change the world tells its listeners. */
export const changeSchema = v.variant('kind', [
  v.object({ kind: v.literal('number'), number: numberSchema }),
  v.object({ kind: v.literal('number_removed'), id: v.string() }),
  v.object({ kind: v.literal('customer'), customer: customerSchema }),
  v.object({
    kind: v.literal('chat'),
    number: v.string(),
    customer: v.string(),
    /** When the customer last wrote, in milliseconds since the epoch: the 24 h window counts from it. */
    last_inbound_at: v.nullable(v.number()),
  }),
  v.object({ kind: v.literal('message'), number: v.string(), customer: v.string(), message: messageSchema }),
  v.object({ kind: v.literal('reset') }),
])

export type Change = v.InferOutput<typeof changeSchema>
