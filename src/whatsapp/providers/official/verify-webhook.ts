import { equalBytes, equalTexts, hmacSha256 } from '../../../lib/crypto.ts'
import type { WebhookRequest } from '../../provider.ts'

/**
 * Whether a webhook comes from who knows the secret: `x-360dialog-signature` is the HMAC-SHA256 of the raw body, or
 * `X-Webhook-Secret` is the secret itself. 360dialog's page does not say how the signature is written: it is taken in hex
 * and in base64, with `sha256=` before it or without.
 */
export function isFromProvider({ headers, body }: WebhookRequest, secret: string): boolean {
  if (secret === '') return false
  const signature = headers.get('x-360dialog-signature')
  if (signature !== null) return isSignature(signature.trim().replace(/^sha256=/i, ''), hmacSha256(secret, body))
  const given = headers.get('x-webhook-secret')
  return given !== null && equalTexts(given, secret)
}

function isSignature(written: string, expected: Uint8Array): boolean {
  const encoding = /^[0-9a-f]{64}$/i.test(written) ? 'hex' : 'base64'
  return equalBytes(Buffer.from(written, encoding), expected)
}
