import * as v from 'valibot'
import type { Identity } from '../../../messaging/resolve-customers.ts'
import {
  emptyWebhook,
  type Ignored,
  type IgnoredReason,
  type PhoneMessage,
  type ReceivedMessage,
  type ReceivedStatus,
  type Webhook,
} from '../../provider.ts'
import { explain } from './errors.ts'
import {
  contentOf,
  errorSchema,
  idSchema,
  mediaOf,
  messageSchema,
  metaError,
  optionalText,
  text,
  timestampSchema,
} from './read-message.ts'

const list = v.optional(v.array(v.unknown()), [])

const bodySchema = v.object({
  object: v.literal('whatsapp_business_account'),
  entry: v.array(v.object({ changes: v.optional(v.array(v.object({ field: text, value: v.unknown() })), []) })),
})

const valueSchema = v.object({
  metadata: v.optional(v.object({ phone_number_id: optionalText })),
  contacts: list,
  messages: list,
  message_echoes: list,
  statuses: list,
  errors: list,
})

const contactSchema = v.object({
  profile: v.optional(v.object({ name: optionalText })),
  wa_id: optionalText,
  user_id: optionalText,
})

const echoSchema = v.looseObject({
  ...messageSchema.entries,
  to: v.optional(v.pipe(text, v.regex(/^\+?\d{5,15}$/))),
  to_user_id: v.optional(v.pipe(text, v.minLength(1), v.maxLength(256))),
})

const statusSchema = v.object({
  id: idSchema,
  status: v.picklist(['sent', 'delivered', 'read', 'played', 'failed']),
  timestamp: timestampSchema,
  biz_opaque_callback_data: v.optional(v.nullable(text), null),
  errors: v.optional(v.array(v.unknown()), []),
})

type Found = {
  messages: ReceivedMessage[]
  phoneMessages: PhoneMessage[]
  statuses: ReceivedStatus[]
  ignored: Ignored[]
}

function foundNothing(): Found {
  return { messages: [], phoneMessages: [], statuses: [], ignored: [] }
}

/**
 * Reads a webhook of the Cloud API (developers.facebook.com, "Webhooks payload examples"): any number of entries,
 * changes, messages and statuses. A message of a type unknown here becomes `unsupported` content; nothing that a
 * customer wrote is dropped. `phoneNumberId`: the only number taken; null takes all.
 */
export function parseCloudWebhook(body: unknown, phoneNumberId: string | null): Webhook {
  const found = foundNothing()
  const parsed = v.safeParse(bodySchema, body)
  if (!parsed.success) ignore(found, 'malformed', body)
  else
    for (const { field, value } of parsed.output.entry.flatMap(entry => entry.changes)) {
      if (readFields.has(field)) readValue(found, value, phoneNumberId)
      else ignore(found, otherFields.has(field) ? 'other_event' : 'unknown_event', { field, value })
    }
  return { ...emptyWebhook, ...found }
}

/** The same for the flat body of the API that ran on a business's own machines: one value, without an envelope. */
export function parseFlatWebhook(body: unknown): Webhook {
  const found = foundNothing()
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

/** What is read: `smb_message_echoes` tells what was written in the WhatsApp Business app, where a number is in both. */
const readFields: ReadonlySet<string> = new Set(['messages', 'smb_message_echoes'])

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
  'template_category_update',
  'user_preferences',
])

function readValue(found: Found, value: unknown, phoneNumberId: string | null): void {
  const parsed = v.safeParse(valueSchema, value)
  if (!parsed.success) return void ignore(found, 'malformed', value)
  const { metadata, contacts, messages, message_echoes, statuses, errors } = parsed.output
  const number = metadata?.phone_number_id
  if (phoneNumberId !== null && number === undefined) return void ignore(found, 'malformed', value)
  if (phoneNumberId !== null && number !== phoneNumberId) return void ignore(found, 'other_number', value)
  const names = namesOf(contacts)
  for (const message of messages) readMessage(found, message, names)
  for (const echo of message_echoes) readEcho(found, echo)
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
  const identities = identitiesOf(message.from, message.from_user_id)
  if (identities.length === 0) return void ignore(found, 'malformed', raw)
  const name = names.get(digitsOf(message.from)) ?? names.get(message.from_user_id ?? '') ?? null
  found.messages.push({
    providerMessageId: message.id,
    sender: { identities, name },
    content: contentOf(message),
    media: mediaOf(message),
    at: message.timestamp,
  })
}

function identitiesOf(phone: string | undefined, userId: string | undefined): Identity[] {
  return [
    ...(phone === undefined ? [] : [{ kind: 'phone' as const, value: `+${digitsOf(phone)}` }]),
    ...(userId === undefined ? [] : [{ kind: 'bsuid' as const, value: userId }]),
  ]
}

function digitsOf(phone = ''): string {
  return phone.replace('+', '')
}

/** What changes a message that was told of before: an edit, a message that was taken back. */
const changingTypes: ReadonlySet<string> = new Set(['edit', 'revoke'])

/**
 * A message of the WhatsApp Business app, or of a device linked to it; what is sent through the API is not told of in this
 * way (developers.facebook.com, "smb_message_echoes webhook reference").
 */
function readEcho(found: Found, raw: unknown): void {
  const parsed = v.safeParse(echoSchema, raw)
  if (!parsed.success) return void ignore(found, 'malformed', raw)
  const message = parsed.output
  if (message.group_id !== undefined) return void ignore(found, 'group_message', raw)
  const to = identitiesOf(message.to, message.to_user_id)
  if (to.length === 0) return void ignore(found, 'malformed', raw)
  const isNote = message.to !== undefined && digitsOf(message.to) === digitsOf(message.from)
  if (isNote || changingTypes.has(message.type)) return void ignore(found, 'other_event', raw)
  found.phoneMessages.push({
    ...{ providerMessageId: message.id, to, content: contentOf(message), media: mediaOf(message) },
    ...{ at: message.timestamp, mayBeOurs: false },
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
