import * as v from 'valibot'
import type { InboundContent } from '../../../flow/content.ts'
import type { Identity } from '../../../messaging/resolve-customers.ts'
import {
  emptyWebhook,
  type Ignored,
  type IgnoredReason,
  type InboundMedia,
  type ReceivedMessage,
  type ReceivedStatus,
  type Webhook,
} from '../../provider.ts'
import { contentOr, cut, given } from '../read-content.ts'
import { referralOf, withReferral } from '../read-referral.ts'
import { explain } from './errors.ts'

const text = v.string()
const optionalText = v.optional(text)
const list = v.optional(v.array(v.unknown()), [])
const idSchema = v.pipe(text, v.minLength(1), v.maxLength(512))
/** Seconds since 1970, as text. */
const timestampSchema = v.pipe(
  v.union([text, v.number()]),
  v.transform(seconds => new Date(Number(seconds) * 1000)),
  v.check(date => !Number.isNaN(date.getTime()), 'Must be seconds since 1970'),
)

const bodySchema = v.object({
  object: v.literal('whatsapp_business_account'),
  entry: v.array(v.object({ changes: v.optional(v.array(v.object({ field: text, value: v.unknown() })), []) })),
})

const valueSchema = v.object({
  metadata: v.optional(v.object({ phone_number_id: optionalText })),
  contacts: list,
  messages: list,
  statuses: list,
  errors: list,
})

const contactSchema = v.object({
  profile: v.optional(v.object({ name: optionalText })),
  wa_id: optionalText,
  user_id: optionalText,
})

const messageSchema = v.looseObject({
  id: idSchema,
  timestamp: timestampSchema,
  type: text,
  from: v.optional(v.pipe(text, v.regex(/^\+?\d{5,15}$/))),
  from_user_id: v.optional(v.pipe(text, v.minLength(1), v.maxLength(256))),
  group_id: optionalText,
})

const errorSchema = v.object({
  code: v.number(),
  title: optionalText,
  message: optionalText,
  error_data: v.optional(v.object({ details: optionalText })),
})

const statusSchema = v.object({
  id: idSchema,
  status: v.picklist(['sent', 'delivered', 'read', 'played', 'failed']),
  timestamp: timestampSchema,
  biz_opaque_callback_data: v.optional(v.nullable(text), null),
  errors: v.optional(v.array(v.unknown()), []),
})

type Message = v.InferOutput<typeof messageSchema>
type Found = { messages: ReceivedMessage[]; statuses: ReceivedStatus[]; ignored: Ignored[] }

/**
 * Reads a webhook of the Cloud API (developers.facebook.com, "Webhooks payload examples"): any number of entries,
 * changes, messages and statuses. A message of a type unknown here becomes `unsupported` content; nothing that a
 * customer wrote is dropped. `phoneNumberId`: the only number taken; null takes all.
 */
export function parseCloudWebhook(body: unknown, phoneNumberId: string | null): Webhook {
  const found: Found = { messages: [], statuses: [], ignored: [] }
  const parsed = v.safeParse(bodySchema, body)
  if (!parsed.success) ignore(found, 'malformed', body)
  else
    for (const { field, value } of parsed.output.entry.flatMap(entry => entry.changes)) {
      if (field === 'messages') readValue(found, value, phoneNumberId)
      else ignore(found, otherFields.has(field) ? 'other_event' : 'unknown_event', { field, value })
    }
  return { ...emptyWebhook, ...found }
}

/** The same for the flat body of the API that ran on a business's own machines: one value, without an envelope. */
export function parseFlatWebhook(body: unknown): Webhook {
  const found: Found = { messages: [], statuses: [], ignored: [] }
  const isFlat = v.is(flatSchema, body)
  if (isFlat) readValue(found, body, null)
  else ignore(found, 'malformed', body)
  return { ...emptyWebhook, ...found }
}

/** One of them at least. */
const flatSchema = v.union([
  v.object({ messages: v.array(v.unknown()) }),
  v.object({ statuses: v.array(v.unknown()) }),
  v.object({ errors: v.array(v.unknown()) }),
])

/** What Meta tells of besides messages. */
const otherFields: ReadonlySet<string> = new Set([
  'account_alerts',
  'account_review_update',
  'account_update',
  'business_capability_update',
  'calls',
  'flows',
  'history',
  'message_template_components_update',
  'message_template_quality_update',
  'message_template_status_update',
  'phone_number_name_update',
  'phone_number_quality_update',
  'security',
  'smb_app_state_sync',
  'smb_message_echoes',
  'template_category_update',
  'user_preferences',
])

function readValue(found: Found, value: unknown, phoneNumberId: string | null): void {
  const parsed = v.safeParse(valueSchema, value)
  if (!parsed.success) return void ignore(found, 'malformed', value)
  const { metadata, contacts, messages, statuses, errors } = parsed.output
  const number = metadata?.phone_number_id
  if (phoneNumberId !== null && number === undefined) return void ignore(found, 'malformed', value)
  if (phoneNumberId !== null && number !== phoneNumberId) return void ignore(found, 'other_number', value)
  const names = namesOf(contacts)
  for (const message of messages) readMessage(found, message, names)
  for (const status of statuses) readStatus(found, status)
  // Of the account, not of a message: kept, for a person to see.
  for (const error of errors) ignore(found, 'unknown_event', { errors: [error] })
}

function ignore(found: Found, reason: IgnoredReason, raw: unknown): void {
  found.ignored.push({ reason, raw })
}

/** What each contact of the webhook calls itself, by phone digits and by user id. */
function namesOf(contacts: readonly unknown[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>()
  for (const contact of contacts) {
    const parsed = v.safeParse(contactSchema, contact)
    const name = parsed.success ? parsed.output.profile?.name : undefined
    if (!parsed.success || name === undefined) continue
    for (const id of [parsed.output.wa_id, parsed.output.user_id]) if (id !== undefined) names.set(id, name)
  }
  return names
}

function readMessage(found: Found, raw: unknown, names: ReadonlyMap<string, string>): void {
  const parsed = v.safeParse(messageSchema, raw)
  if (!parsed.success) return void ignore(found, 'malformed', raw)
  const message = parsed.output
  if (message.group_id !== undefined) return void ignore(found, 'group_message', raw)
  const digits = message.from?.replace('+', '')
  const identities: Identity[] = []
  if (digits !== undefined) identities.push({ kind: 'phone', value: `+${digits}` })
  if (message.from_user_id !== undefined) identities.push({ kind: 'bsuid', value: message.from_user_id })
  if (identities.length === 0) return void ignore(found, 'malformed', raw)
  const name = names.get(digits ?? '') ?? names.get(message.from_user_id ?? '') ?? null
  found.messages.push({
    providerMessageId: message.id,
    sender: { identities, name },
    content: contentOf(message),
    media: mediaOf(message),
    at: message.timestamp,
  })
}

function readStatus(found: Found, raw: unknown): void {
  const parsed = v.safeParse(statusSchema, raw)
  if (!parsed.success) return void ignore(found, 'malformed', raw)
  const { id, status, timestamp, biz_opaque_callback_data, errors } = parsed.output
  const error = v.safeParse(errorSchema, errors[0])
  found.statuses.push({
    providerMessageId: id,
    // A voice message that was played was read.
    status: status === 'played' ? 'read' : status,
    error: status !== 'failed' ? null : error.success ? explain(metaError(error.output)) : noReason,
    at: timestamp,
    reference: biz_opaque_callback_data,
  })
}

const noReason = { code: 'unknown', message: 'Meta says that the message failed, and not why.' }

/** An error's code with the most telling of its texts. */
export function metaError(error: v.InferOutput<typeof errorSchema>) {
  const details = error.error_data?.details ?? error.message ?? error.title ?? ''
  return { code: error.code, details, isTransient: false }
}

const media = v.object({
  id: idSchema,
  mime_type: v.optional(text, 'application/octet-stream'),
  caption: optionalText,
  filename: optionalText,
})
const choice = v.object({ id: text, title: text })

/** The shape of each type's own field. */
const typed = {
  text: v.object({ body: text }),
  location: v.object({
    latitude: v.number(),
    longitude: v.number(),
    name: optionalText,
    address: optionalText,
  }),
  contacts: v.array(
    v.object({
      name: v.object({ formatted_name: text }),
      phones: v.optional(v.array(v.object({ phone: optionalText, wa_id: optionalText })), []),
    }),
  ),
  reaction: v.object({ message_id: text, emoji: v.optional(text, '') }),
  button: v.object({ payload: optionalText, text: text }),
  interactive: v.object({ button_reply: v.optional(choice), list_reply: v.optional(choice) }),
}

function contentOf(message: Message): InboundContent {
  const errors = v.safeParse(v.array(errorSchema), message.errors)
  const [error] = errors.success ? errors.output : []
  const reason = error === undefined ? '' : `: ${metaError(error).details}`
  return withReferral(contentOr(readContent(message), `${message.type}${reason}`), referralIn(message))
}

const referralSchema = v.object({
  source_type: optionalText,
  source_id: optionalText,
  source_url: optionalText,
  headline: optionalText,
  body: optionalText,
  ctwa_clid: optionalText,
})

/** The ad or the post with a button to WhatsApp that was tapped (developers.facebook.com, "Text messages webhook reference"). */
function referralIn({ referral }: Message): ReturnType<typeof referralOf> {
  const parsed = v.safeParse(referralSchema, referral)
  if (!parsed.success) return undefined
  const { source_type, source_id, source_url, headline, body, ctwa_clid } = parsed.output
  return referralOf({
    ...{ sourceType: source_type, sourceId: source_id, sourceUrl: source_url },
    ...{ headline, body, clickId: ctwa_clid },
  })
}

/** The fields of files; that of a voice message is `voice` where the API runs on a business's own machines. */
const mediaTypes: ReadonlyMap<string, string> = new Map([
  ['image', 'image'],
  ['audio', 'audio'],
  ['voice', 'audio'],
  ['video', 'video'],
  ['document', 'document'],
  ['sticker', 'sticker'],
])

function mediaOf(message: Message): InboundMedia | undefined {
  const parsed = v.safeParse(media, mediaTypes.has(message.type) ? message[message.type] : undefined)
  return parsed.success ? { kind: 'source', source: { id: parsed.output.id } } : undefined
}

function readContent(message: Message): unknown {
  const { type } = message
  switch (type) {
    case 'text':
      return given(typed.text, message.text, ({ body }) => ({ type, text: cut(body) }))
    case 'image':
    case 'audio':
    case 'voice':
    case 'video':
    case 'document':
    case 'sticker':
      return given(media, message[type], ({ id, mime_type, caption, filename }) => ({
        type: mediaTypes.get(type),
        media_id: id,
        mime_type,
        caption: caption && cut(caption),
        filename,
      }))
    case 'location':
      return given(typed.location, message.location, location => ({ type, ...location }))
    case 'contacts':
      return given(typed.contacts, message.contacts, contacts => ({
        type,
        contacts: contacts.map(({ name, phones }) => ({
          name: name.formatted_name,
          phones: phones.flatMap(({ phone, wa_id }) => phone ?? wa_id ?? []),
        })),
      }))
    case 'reaction':
      return given(typed.reaction, message.reaction, reaction => ({ type, ...reaction }))
    case 'button':
      return given(typed.button, message.button, button => ({
        type: 'choice',
        id: button.payload ?? button.text,
        title: button.text,
      }))
    case 'interactive':
      return given(typed.interactive, message.interactive, ({ button_reply, list_reply }) => ({
        type: 'choice',
        ...(button_reply ?? list_reply),
      }))
    default:
      return null
  }
}
