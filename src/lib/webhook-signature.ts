import { randomBytes } from 'node:crypto'
import { hmacSha256 } from './crypto.ts'

// How what we send to a tenant's webhooks is signed: Standard Webhooks 1.0.0 (standardwebhooks.com, "Signature scheme").

const prefix = 'whsec_'
/** The specification wants 24 to 64. */
const secretBytes = 32

/** A new secret, as it is shown to whoever verifies by it. */
export function makeWebhookSecret(): string {
  return prefix + randomBytes(secretBytes).toString('base64')
}

/**
 * The headers by which a receiver knows that a body is ours and of now. `secrets`: a signature by each goes along, so that
 * one can be changed for another. `id` has no full stop in it.
 */
export function signWebhook(
  body: string,
  { id, atMs, secrets }: { readonly id: string; readonly atMs: number; readonly secrets: readonly string[] },
): Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string> {
  const timestamp = String(Math.floor(atMs / 1000))
  const signed = `${id}.${timestamp}.${body}`
  const signatures = secrets.map(secret => `v1,${Buffer.from(hmac(secret, signed)).toString('base64')}`)
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
}

function hmac(secret: string, text: string): Uint8Array {
  return hmacSha256(Buffer.from(secret.slice(prefix.length), 'base64'), text)
}
