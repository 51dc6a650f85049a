import * as v from 'valibot'
import type { Config } from '../config.ts'
import type { CallerKey } from '../identity/callers.ts'
import { equalBytes, hmacSha256, randomToken } from '../lib/crypto.ts'

/** How long a ticket is good for. */
export const ticketSeconds = 30

type Secrets = Pick<Config, 'JWT_SECRET' | 'JWT_SECRET_PREVIOUS'>

/** Who may open a WebSocket, and until when it may stay open. */
export type Ticket = CallerKey & { readonly endsMs: number }

const contentSchema = v.strictObject({
  kind: v.picklist(['user', 'api_key']),
  tenantId: v.string(),
  id: v.string(),
  loginId: v.nullable(v.string()),
  /** Null: for ever. */
  endsMs: v.nullable(v.number()),
  nonce: v.string(),
  /** Of the ticket itself. */
  expiresMs: v.number(),
})

/**
 * A ticket for a WebSocket, signed with HMAC-SHA256: who may open it, and no more. An address is written into logs: what
 * stands there must be worth nothing a moment later.
 */
export function makeTicket({ JWT_SECRET }: Secrets, ticket: Ticket, nowMs: number): string {
  const { kind, tenantId, id, loginId, endsMs } = ticket
  const content: v.InferOutput<typeof contentSchema> = {
    ...{ kind, tenantId, id, loginId },
    endsMs: Number.isFinite(endsMs) ? endsMs : null,
    nonce: randomToken(12),
    expiresMs: nowMs + ticketSeconds * 1000,
  }
  const signed = Buffer.from(JSON.stringify(content)).toString('base64url')
  return `${signed}.${signatureOf(JWT_SECRET, signed)}`
}

/** What a ticket says; null where it was not made by `makeTicket`, or has expired. That it works once is up to the caller. */
export function readTicket(
  secrets: Secrets,
  text: string,
  nowMs: number,
): (Ticket & { readonly nonce: string }) | null {
  const [signed = '', signature = '', ...rest] = text.split('.')
  const given = Buffer.from(signature)
  const isOurs = [secrets.JWT_SECRET, secrets.JWT_SECRET_PREVIOUS].some(
    secret => secret !== undefined && equalBytes(given, Buffer.from(signatureOf(secret, signed))),
  )
  if (!isOurs || rest.length > 0) return null
  const { expiresMs, endsMs, ...content } = v.parse(
    contentSchema,
    JSON.parse(Buffer.from(signed, 'base64url').toString('utf8')),
  )
  return expiresMs > nowMs ? { ...content, endsMs: endsMs ?? Number.POSITIVE_INFINITY } : null
}

/** The secret is that of access tokens: of what is signed, no text is good for the other. */
function signatureOf(secret: string, signed: string): string {
  return Buffer.from(hmacSha256(secret, `dashoffice:ws-ticket:${signed}`)).toString('base64url')
}
