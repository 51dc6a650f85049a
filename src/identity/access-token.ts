import * as v from 'valibot'
import { equalBytes, hmacSha256, sha256Hex } from '../lib/crypto.ts'
import { isUuid } from '../lib/ids.ts'

/** How long an access token is good for. */
export const accessTokenSeconds = 24 * 3_600

/** Whose access token it is, from which login, and until when. What they may do is looked up: it can change meanwhile. */
export type TokenClaims = Login & { readonly endsMs: number }

/** One login of a user: its id is that of the family of its refresh tokens. */
export type Login = { readonly userId: string; readonly tenantId: string; readonly loginId: string }

/**
 * A JWT (RFC 7519) for `accessTokenSeconds`, signed with HMAC-SHA256. Its `kid` names the secret, so that a new secret
 * can take over while tokens under the one before are still good.
 */
export function signAccessToken({ userId, tenantId, loginId }: Login, secret: string, nowMs: number): string {
  const issuedAt = Math.floor(nowMs / 1000)
  const claims = { sub: userId, tenant_id: tenantId, sid: loginId, iat: issuedAt, exp: issuedAt + accessTokenSeconds }
  const signed = `${headerOf(secret)}.${encode(claims)}`
  return `${signed}.${signatureOf(secret, signed)}`
}

/** Whose a token is; null where it was not made by `signAccessToken` with one of the secrets, or has run out. */
export function verifyAccessToken(
  token: string,
  secrets: readonly (string | undefined)[],
  nowMs: number,
): TokenClaims | null {
  const [head = '', body = '', signature = '', ...rest] = token.split('.')
  if (rest.length > 0) return null
  for (const secret of secrets) {
    if (secret === undefined || head !== headerOf(secret)) continue
    const isOurs = equalBytes(Buffer.from(signature), Buffer.from(signatureOf(secret, `${head}.${body}`)))
    return isOurs ? readClaims(decode(body), nowMs) : null
  }
  return null
}

const headers = new Map<string, string>()

/** Every token under a secret has this very header: no other algorithm, `none` least of all, can be asked for. */
function headerOf(secret: string): string {
  const found = headers.get(secret)
  if (found !== undefined) return found
  const kid = sha256Hex(`dashoffice:kid:${secret}`).slice(0, 8)
  const header = encode({ alg: 'HS256', typ: 'JWT', kid })
  headers.set(secret, header)
  return header
}

const claimsSchema = v.object({
  sub: v.pipe(v.string(), v.check(isUuid)),
  tenant_id: v.pipe(v.string(), v.check(isUuid)),
  sid: v.pipe(v.string(), v.check(isUuid)),
  exp: v.number(),
})

function readClaims(claims: unknown, nowMs: number): TokenClaims | null {
  const parsed = v.safeParse(claimsSchema, claims)
  if (!parsed.success || parsed.output.exp * 1000 <= nowMs) return null
  const { sub, tenant_id, sid, exp } = parsed.output
  return { userId: sub, tenantId: tenant_id, loginId: sid, endsMs: exp * 1000 }
}

function signatureOf(secret: string, signed: string): string {
  return Buffer.from(hmacSha256(secret, signed)).toString('base64url')
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function decode(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
  } catch {
    return null
  }
}
