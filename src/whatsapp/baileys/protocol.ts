import { hkdfSync } from 'node:crypto'
import * as v from 'valibot'
import { outboundContentSchema } from '../../flow/content.ts'
import type { Connection } from '../provider.ts'

// What the adapter and the bridge say to each other, over HTTP on the loopback.

/** What each shows to the other, as a bearer token: whoever has ENCRYPTION_KEY can make it, so nobody hands it over. */
export function bridgeToken(encryptionKey: string): string {
  return Buffer.from(hkdfSync('sha256', encryptionKey, '', 'dashoffice:baileys-bridge', 32)).toString('base64url')
}

/** A bridge's exit status for "start me again" (sysexits.h, EX_TEMPFAIL): its memory is to be given back. */
export const restartStatus = 75

/** What a bridge is told beside the settings: where the adapter that starts it listens. */
export const adapterVariable = 'BAILEYS_ADAPTER_URL'
/** For tests: another WhatsApp Web. */
export const webSocketVariable = 'BAILEYS_WEB_SOCKET_URL'

/** How a server is reached from its own machine that may listen on all addresses. */
export function onThisMachine(url: string): string {
  return url.replace(/\/\/(0\.0\.0\.0|\[::\])(?=[:/]|$)/, '//127.0.0.1')
}

/** What the bridge is asked to send. */
export const sendSchema = v.strictObject({
  /** What WhatsApp is to call it. */
  message_id: v.pipe(v.string(), v.regex(/^[0-9A-F]{16,64}$/)),
  /** Comes back with each status. */
  reference: v.pipe(v.string(), v.maxLength(512)),
  to: v.strictObject({ kind: v.picklist(['phone', 'lid']), value: v.pipe(v.string(), v.regex(/^\+?\d{5,20}$/)) }),
  content: outboundContentSchema,
  /** A file that was given to the bridge before, under this name. */
  file: v.nullable(v.strictObject({ name: v.string(), mime_type: v.string(), filename: v.nullable(v.string()) })),
})
export type SendRequest = v.InferOutput<typeof sendSchema>

/** How a send ended that the bridge took on; as `SendResult` (provider.ts). */
export const sendErrorSchema = v.object({
  kind: v.picklist(['retry', 'failed', 'account', 'not_ready', 'logged_out', 'unknown']),
  code: v.string(),
  message: v.string(),
  tries_max: v.optional(v.number()),
})
export type SendError = v.InferOutput<typeof sendErrorSchema>

export const sendAnswerSchema = v.union([v.object({ id: v.string() }), v.object({ error: sendErrorSchema })])
export type SendAnswer = v.InferOutput<typeof sendAnswerSchema>

/** A customer's message that was read. */
export const readSchema = v.strictObject({
  message_id: v.string(),
  from: v.strictObject({ kind: v.picklist(['phone', 'lid']), value: v.string() }),
  is_typing: v.boolean(),
})
export type ReadRequest = v.InferOutput<typeof readSchema>

/** How to get a customer's file: what a message says of it, bytes as base64. */
export const mediaSchema = v.object({
  kind: v.picklist(['image', 'audio', 'video', 'document', 'sticker']),
  media_key: v.string(),
  direct_path: v.string(),
  file_sha256: v.nullable(v.string()),
  file_enc_sha256: v.nullable(v.string()),
  bytes: v.nullable(v.number()),
  mime_type: v.string(),
  /** Of the message, to have the phone put the file there again. */
  message_id: v.string(),
  remote_jid: v.string(),
  /** Whether the business wrote it, on its phone. */
  from_me: v.exactOptional(v.boolean()),
})
export type MediaRequest = v.InferOutput<typeof mediaSchema>

/** How a session stands, in JSON. */
export const connectionSchema = v.object({
  state: v.picklist(['connected', 'pairing', 'connecting', 'logged_out', 'refused']),
  reason: v.nullable(v.string()),
  qr: v.nullable(v.string()),
  pairing_code: v.nullable(v.string()),
  expires_at: v.nullable(v.pipe(v.string(), v.isoTimestamp())),
})
type ConnectionJson = v.InferOutput<typeof connectionSchema>

/** How a session stands: what a provider says of it, but for that it could not be asked. */
export type SessionConnection = Exclude<Connection, { kind: 'retry' }>

export function connectionJson(connection: SessionConnection): ConnectionJson {
  const none = { qr: null, pairing_code: null, expires_at: null }
  if (connection.kind !== 'pairing') return { ...none, state: connection.kind, reason: connection.reason }
  const { qr, pairingCode, expiresAt } = connection
  return { state: 'pairing', reason: null, qr, pairing_code: pairingCode, expires_at: expiresAt.toISOString() }
}

/** Null where it is not of this form. */
export function readConnection(value: unknown): SessionConnection | null {
  const parsed = v.safeParse(connectionSchema, value)
  if (!parsed.success) return null
  const { state, reason, qr, pairing_code: pairingCode, expires_at } = parsed.output
  if (state === 'connected') return { kind: state, reason }
  if (state !== 'pairing') return { kind: state, reason: reason ?? '' }
  return expires_at === null ? null : { kind: state, qr, pairingCode, expiresAt: new Date(expires_at) }
}

/** What the bridge tells the adapter. */
export const eventSchema = v.object({
  event: v.picklist(['messages', 'statuses', 'connection']),
  data: v.unknown(),
})
