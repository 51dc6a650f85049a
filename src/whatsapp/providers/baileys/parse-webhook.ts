import * as v from 'valibot'
import { eventSchema, type MediaRequest, readConnection } from '../../baileys/protocol.ts'
import { refusalText } from '../../baileys/refusals.ts'
import {
  type Connection,
  emptyWebhook,
  type Ignored,
  type InboundMedia,
  type PhoneMessage,
  type ReceivedMessage,
  type ReceivedStatus,
  type Webhook,
} from '../../provider.ts'
import { unsupported } from '../read-content.ts'
import { readRecipient, readSender } from '../web-content/read-jid.ts'
import { readSeconds, type WebFile } from '../web-content/read-web-file.ts'
import { readWebMessage } from '../web-content/read-web-message.ts'
import { readWebStatus } from '../web-content/read-web-status.ts'

type Found = {
  messages: ReceivedMessage[]
  phoneMessages: PhoneMessage[]
  statuses: ReceivedStatus[]
  connection: Connection | null
  ignored: Ignored[]
}

/**
 * Reads what the bridge tells: messages and statuses as the library has them, in JSON, and how the session stands. `now`
 * stands for the time of what has none.
 */
export function parseBaileysWebhook(body: unknown, now: Date): Webhook {
  const found: Found = { messages: [], phoneMessages: [], statuses: [], connection: null, ignored: [] }
  const parsed = v.safeParse(eventSchema, body)
  if (!parsed.success) ignore(found, v.is(v.object({ event: v.string() }), body) ? 'unknown_event' : 'malformed', body)
  else if (parsed.output.event === 'messages') readMessages(found, parsed.output.data)
  else if (parsed.output.event === 'statuses') readStatuses(found, parsed.output.data, now)
  else readState(found, parsed.output.data)
  return { ...emptyWebhook, ...found }
}

function ignore(found: Found, reason: Ignored['reason'], raw: unknown): void {
  found.ignored.push({ reason, raw })
}

const messagesSchema = v.object({ messages: v.array(v.unknown()) })

function readMessages(found: Found, data: unknown): void {
  const parsed = v.safeParse(messagesSchema, data)
  if (!parsed.success) ignore(found, 'malformed', data)
  else for (const raw of parsed.output.messages) readMessage(found, raw)
}

const messageSchema = v.object({
  key: v.looseObject({
    id: v.pipe(v.string(), v.minLength(1), v.maxLength(512)),
    remoteJid: v.string(),
    fromMe: v.nullish(v.boolean(), false),
  }),
  pushName: v.nullish(v.string(), null),
  message: v.optional(v.unknown()),
  messageTimestamp: v.optional(v.unknown()),
  messageStubType: v.nullish(v.unknown()),
})

function readMessage(found: Found, raw: unknown): void {
  const parsed = v.safeParse(messageSchema, raw)
  if (!parsed.success) return void ignore(found, 'malformed', raw)
  const { key, pushName, message, messageTimestamp, messageStubType } = parsed.output
  // What the bridge has sent itself it does not hand over, nor what stands in the key of the business.
  const other = key.fromMe ? readRecipient(key, []) : readSender(key)
  const at = readSeconds(messageTimestamp)
  if (other === null || at === null) return void ignore(found, 'malformed', raw)
  if (other.kind !== 'person') return void ignore(found, other.kind === 'group' ? 'group_message' : 'other_event', raw)
  const isStub =
    messageStubType !== null && messageStubType !== undefined && (message === undefined || message === null)
  const read = isStub ? { content: undecrypted, file: null } : readWebMessage(message, key.id)
  if (read === null || (isStub && key.fromMe)) return void ignore(found, 'other_event', raw)
  const { content } = read
  const media = read.file === null ? undefined : mediaOf(read.file, key)
  const written = { providerMessageId: key.id, content, media, at }
  if (key.fromMe) found.phoneMessages.push({ ...written, to: other.identities, mayBeOurs: false })
  else found.messages.push({ ...written, sender: { identities: other.identities, name: pushName || null } })
}

/** The sender's phone was asked for it again, and did not answer. */
const undecrypted = unsupported('The message could not be decrypted: ask the customer to send it again.')

/** What the bridge needs to get a file: where it is, what opens it, and of whom to ask for it again. */
function mediaOf(
  file: WebFile,
  { id, remoteJid, fromMe }: { readonly id: string; readonly remoteJid: string; readonly fromMe: boolean | null },
): InboundMedia {
  const source: MediaRequest = {
    kind: file.type,
    media_key: file.mediaKey ?? '',
    direct_path: file.directPath ?? pathIn(file.url),
    file_sha256: file.fileSha256,
    file_enc_sha256: file.fileEncSha256,
    bytes: file.bytes,
    mime_type: file.mimeType,
    message_id: id,
    remote_jid: remoteJid,
    ...(fromMe === true && { from_me: true }),
  }
  return { kind: 'source', source }
}

function pathIn(address: string | null): string {
  const url = URL.parse(address ?? '')
  return url === null ? '' : `${url.pathname}${url.search}`
}

const statusesSchema = v.array(v.unknown())
const statusSchema = v.object({
  key: v.object({
    id: v.pipe(v.string(), v.minLength(1), v.maxLength(512)),
    fromMe: v.nullish(v.boolean(), false),
  }),
  update: v.object({
    status: v.unknown(),
    messageTimestamp: v.optional(v.unknown()),
    messageStubParameters: v.nullish(v.array(v.unknown()), []),
  }),
  reference: v.nullish(v.string(), null),
})

function readStatuses(found: Found, data: unknown, now: Date): void {
  const parsed = v.safeParse(statusesSchema, data)
  if (!parsed.success) ignore(found, 'malformed', data)
  else for (const raw of parsed.output) readStatus(found, raw, now)
}

function readStatus(found: Found, raw: unknown, now: Date): void {
  const parsed = v.safeParse(statusSchema, raw)
  if (!parsed.success) return void ignore(found, 'malformed', raw)
  const { key, update, reference } = parsed.output
  const status = readWebStatus(update.status)
  // Of a customer's message it says that we have read it, or what became of it there.
  if (!key.fromMe || status === null || status === 'pending') return void ignore(found, 'other_event', raw)
  const code = String(update.messageStubParameters?.[0] ?? '')
  const error = status === 'failed' ? { code: code || 'ERROR', message: refusalText(code) } : null
  const at = readSeconds(update.messageTimestamp) ?? now
  found.statuses.push({ providerMessageId: key.id, status, error, at, reference })
}

function readState(found: Found, data: unknown): void {
  const connection = readConnection(data)
  if (connection === null) ignore(found, 'malformed', data)
  else found.connection = connection
}
