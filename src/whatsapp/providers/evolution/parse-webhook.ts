import * as v from 'valibot'
import {
  type Connection,
  emptyWebhook,
  type Ignored,
  type IgnoredReason,
  type InboundMedia,
  type PhoneMessage,
  type ReceivedMessage,
  type ReceivedStatus,
  type Webhook,
} from '../../provider.ts'
import { readRecipient, readSender } from '../web-content/read-jid.ts'
import { isBase64, readSeconds } from '../web-content/read-web-file.ts'
import { readWebMessage } from '../web-content/read-web-message.ts'
import { readWebStatus } from '../web-content/read-web-status.ts'
import { closedBecause, pairingOf, stateOf, unscanned } from './read-state.ts'

type Found = {
  messages: ReceivedMessage[]
  phoneMessages: PhoneMessage[]
  statuses: ReceivedStatus[]
  connection: Connection | null
  ignored: Ignored[]
}
/** `own`: the address of the phone that the instance is linked to. */
type Reader = (found: Found, data: unknown, now: Date, own: string) => void

const bodySchema = v.object({
  event: v.string(),
  instance: v.string(),
  sender: v.nullish(v.string(), ''),
  data: v.optional(v.unknown()),
})

/**
 * Reads a webhook of Evolution API 2: one event of one instance. `instance`: the only one taken. Events come as
 * `messages.upsert`, `messages-upsert` or `MESSAGES_UPSERT`, by version and setting. `now` stands for the time of what
 * has none: Evolution's `date_time` is a local time that claims to be UTC.
 */
export function parseEvolutionWebhook(body: unknown, instance: string, now: Date): Webhook {
  const found: Found = { messages: [], phoneMessages: [], statuses: [], connection: null, ignored: [] }
  const parsed = v.safeParse(bodySchema, body)
  if (!parsed.success) ignore(found, 'malformed', withoutKey(body))
  else if (parsed.output.instance !== instance) ignore(found, 'other_number', withoutKey(body))
  else readEvent(found, parsed.output, now)
  return { ...emptyWebhook, ...found }
}

function readEvent(found: Found, body: v.InferOutput<typeof bodySchema>, now: Date): void {
  const { data, sender } = body
  const event = body.event.toLowerCase().replace(/[_-]/g, '.')
  const reader = readers.get(event)
  // One object each; a list in versions before 2.
  if (reader !== undefined) for (const item of Array.isArray(data) ? data : [data]) reader(found, item, now, sender)
  else ignore(found, otherEvents.has(event) ? 'other_event' : 'unknown_event', { event, data })
}

function ignore(found: Found, reason: IgnoredReason, raw: unknown): void {
  found.ignored.push({ reason, raw })
}

/** The body without the instance's key, which some servers put into it. */
function withoutKey(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body
  return Object.fromEntries(Object.entries(body).filter(([name]) => name !== 'apikey'))
}

const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['messages.upsert', readMessage],
  ['messages.update', readStatus],
  ['send.message', (found, data) => ignore(found, 'own_message', data)],
  ['qrcode.updated', readCode],
  ['connection.update', readConnection],
  ['status.instance', readClosed],
  ['logout.instance', found => tell(found, closedBecause(401))],
])

/** What Evolution tells of besides (evolution-api, `Events`). */
const otherEvents: ReadonlySet<string> = new Set([
  ...['application.startup', 'instance.create', 'instance.delete', 'remove.instance', 'creds.update', 'call'],
  ...['messages.set', 'messages.edited', 'messages.delete', 'messaging.history.set', 'send.message.update'],
  ...['contacts.set', 'contacts.upsert', 'contacts.update', 'presence.update', 'labels.edit', 'labels.association'],
  ...['chats.set', 'chats.update', 'chats.upsert', 'chats.delete', 'groups.upsert', 'groups.update', 'group.update'],
  ...['group.participants.update', 'typebot.start', 'typebot.change.status'],
])

const messageSchema = v.object({
  key: v.looseObject({
    id: v.pipe(v.string(), v.minLength(1), v.maxLength(512)),
    remoteJid: v.string(),
    fromMe: v.nullish(v.boolean(), false),
  }),
  pushName: v.nullish(v.string(), null),
  message: v.optional(v.unknown()),
  /** Of a text, which Evolution takes out of the field that has it. */
  contextInfo: v.optional(v.unknown()),
  messageTimestamp: v.optional(v.unknown()),
})

function readMessage(found: Found, raw: unknown, _now: Date, own: string): void {
  const parsed = v.safeParse(messageSchema, raw)
  if (!parsed.success) return void ignore(found, 'malformed', raw)
  const { key, pushName, message, contextInfo, messageTimestamp } = parsed.output
  const other = key.fromMe ? readRecipient(key, [own]) : readSender(key)
  const at = readSeconds(messageTimestamp)
  if (other === null || at === null) return void ignore(found, 'malformed', raw)
  if (other.kind !== 'person') return void ignore(found, other.kind === 'group' ? 'group_message' : 'other_event', raw)
  const read = readWebMessage(message, key.id, contextInfo)
  if (read === null) return void ignore(found, 'other_event', raw)
  const { content } = read
  const media = read.file === null ? undefined : mediaOf(message, key.id, read.file.mimeType)
  const written = { providerMessageId: key.id, content, media, at }
  if (!key.fromMe)
    return void found.messages.push({ ...written, sender: { identities: other.identities, name: pushName || null } })
  // What is sent through Evolution comes as `send.message`; by some versions in this way too.
  found.phoneMessages.push({ ...written, to: other.identities, mayBeOurs: true })
}

/** Beside the content: the file itself where the webhook's `base64` is on, its address where Evolution has a store. */
const filesSchema = v.object({
  base64: v.nullish(v.pipe(v.string(), v.minLength(1), v.check(isBase64))),
  mediaUrl: v.nullish(v.pipe(v.string(), v.minLength(1), v.maxLength(2_048))),
})

/** Evolution keeps the file by the id of its message. */
function mediaOf(message: unknown, id: string, mimeType: string): InboundMedia {
  const parsed = v.safeParse(filesSchema, message)
  const { base64, mediaUrl } = parsed.success ? parsed.output : {}
  if (base64) return { kind: 'bytes', bytes: Buffer.from(base64, 'base64') }
  return { kind: 'source', source: { id, mime_type: mimeType, ...(mediaUrl && { url: mediaUrl }) } }
}

const statusSchema = v.object({
  keyId: v.pipe(v.string(), v.minLength(1), v.maxLength(512)),
  fromMe: v.nullish(v.boolean(), true),
  status: v.optional(v.unknown()),
})

/** Of a customer's message it says only that we have read it. */
function readStatus(found: Found, raw: unknown, now: Date): void {
  const parsed = v.safeParse(statusSchema, raw)
  if (!parsed.success) return void ignore(found, 'malformed', raw)
  const { keyId, fromMe } = parsed.output
  const status = readWebStatus(parsed.output.status)
  if (!fromMe || status === null || status === 'pending') return void ignore(found, 'other_event', raw)
  const error = status === 'failed' ? refusedByWhatsApp : null
  found.statuses.push({ providerMessageId: keyId, status, error, at: now, reference: null })
}

const refusedByWhatsApp = {
  code: 'ERROR',
  message:
    'WhatsApp did not take the message, and Evolution does not say why. Look at the phone: an account that wrote to many ' +
    'new chats may be kept from new ones for a while.',
}

const text = v.nullish(v.string(), null)
const codeSchema = v.object({ qrcode: v.object({ code: text, pairingCode: text }) })

function readCode(found: Found, raw: unknown, now: Date): void {
  const parsed = v.safeParse(codeSchema, raw)
  if (parsed.success)
    return void tell(found, pairingOf(parsed.output.qrcode.code, parsed.output.qrcode.pairingCode, now))
  if (v.is(v.object({ statusCode: v.number() }), raw)) return void tell(found, unscanned)
  ignore(found, 'malformed', raw)
}

const connectionSchema = v.object({ state: v.string(), statusReason: v.nullish(v.number(), null) })

function readConnection(found: Found, raw: unknown): void {
  const parsed = v.safeParse(connectionSchema, raw)
  const connection = parsed.success ? stateOf(parsed.output.state, parsed.output.statusReason) : null
  if (connection === null) ignore(found, 'malformed', raw)
  else tell(found, connection)
}

const closedSchema = v.object({ status: v.literal('closed'), disconnectionReasonCode: v.nullish(v.number(), null) })

function readClosed(found: Found, raw: unknown): void {
  const parsed = v.safeParse(closedSchema, raw)
  if (parsed.success) tell(found, closedBecause(parsed.output.disconnectionReasonCode))
  else ignore(found, 'malformed', raw)
}

function tell(found: Found, connection: Connection | null): void {
  found.connection = connection
}
