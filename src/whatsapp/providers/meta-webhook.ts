import * as v from 'valibot'
import { type InboundContent, inboundContentSchema } from '../../flow/content.ts'
import { INBOUND_TEXT_LENGTH_MAX } from '../../flow/limits.ts'
import type { Identity } from '../../messaging/resolve-customers.ts'
import type { IgnoredReason, Webhook } from '../provider.ts'
import { explain } from './meta-errors.ts'

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
  metadata: v.object({ phone_number_id: text }),
  contacts: list,
  messages: list,
  statuses: list,
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
type Found = {
  messages: Webhook['messages'][number][]
  statuses: Webhook['statuses'][number][]
  ignored: IgnoredReason[]
}

/**
 * Reads a webhook of the Cloud API (developers.facebook.com, "Webhooks payload examples"): any number of entries,
 * changes, messages and statuses. A message of a type unknown here becomes `unsupported` content; nothing that a
 * customer wrote is dropped.
 */
export function parseMetaWebhook(body: unknown, phoneNumberId: string): Webhook {
  const found: Found = { messages: [], statuses: [], ignored: [] }
  const parsed = v.safeParse(bodySchema, body)
  if (!parsed.success) return { ...found, ignored: ['malformed'] }
  for (const change of parsed.output.entry.flatMap(entry => entry.changes)) {
    if (change.field === 'messages') readValue(found, change.value, phoneNumberId)
    else found.ignored.push('other_event')
  }
  return found
}

function readValue(found: Found, value: unknown, phoneNumberId: string): void {
  const parsed = v.safeParse(valueSchema, value)
  if (!parsed.success) return void found.ignored.push('malformed')
  const { metadata, contacts, messages, statuses } = parsed.output
  if (metadata.phone_number_id !== phoneNumberId) return void found.ignored.push('other_number')
  const names = namesOf(contacts)
  for (const message of messages) readMessage(found, message, names)
  for (const status of statuses) readStatus(found, status)
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
  if (!parsed.success) return void found.ignored.push('malformed')
  const message = parsed.output
  if (message.group_id !== undefined) return void found.ignored.push('group_message')
  const digits = message.from?.replace('+', '')
  const identities: Identity[] = []
  if (digits !== undefined) identities.push({ kind: 'phone', value: `+${digits}` })
  if (message.from_user_id !== undefined) identities.push({ kind: 'bsuid', value: message.from_user_id })
  if (identities.length === 0) return void found.ignored.push('malformed')
  const name = names.get(digits ?? '') ?? names.get(message.from_user_id ?? '') ?? null
  found.messages.push({
    providerMessageId: message.id,
    sender: { identities, name },
    content: contentOf(message),
    at: message.timestamp,
  })
}

function readStatus(found: Found, raw: unknown): void {
  const parsed = v.safeParse(statusSchema, raw)
  if (!parsed.success) return void found.ignored.push('malformed')
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
  const read = readContent(message)
  const checked = read === null ? null : v.safeParse(inboundContentSchema, withoutUndefined(read))
  return checked?.success ? checked.output : unsupported(message)
}

function unsupported(message: Message): InboundContent {
  const errors = v.safeParse(v.array(errorSchema), message.errors)
  const [error] = errors.success ? errors.output : []
  const reason = error === undefined ? '' : `: ${metaError(error).details}`
  return { type: 'unsupported', reason: `${message.type}${reason}`.slice(0, 500) }
}

function readContent(message: Message): unknown {
  const { type } = message
  switch (type) {
    case 'text':
      return given(typed.text, message.text, ({ body }) => ({ type, text: cut(body) }))
    case 'image':
    case 'audio':
    case 'video':
    case 'document':
    case 'sticker':
      return given(media, message[type], ({ id, mime_type, caption, filename }) => ({
        type,
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

function given<T>(schema: v.GenericSchema<unknown, T>, value: unknown, make: (value: T) => unknown): unknown {
  const parsed = v.safeParse(schema, value)
  return parsed.success ? make(parsed.output) : null
}

function cut(written: string): string {
  return written.slice(0, INBOUND_TEXT_LENGTH_MAX)
}

function withoutUndefined(content: unknown): unknown {
  if (typeof content !== 'object' || content === null) return content
  return Object.fromEntries(Object.entries(content).filter(([, value]) => value !== undefined))
}
