import * as v from 'valibot'
import { equalBytes, hmacSha256 } from '../lib/crypto.ts'
import { isUuid } from '../lib/ids.ts'
import { type Role, roles } from './permissions.ts'

/** How long an access token is good for. */
export const accessTokenSeconds = 24 * 3_600

/** Who asks, as an access token says it. */
export type Identity = { readonly userId: string; readonly tenantId: string; readonly role: Role }

// Every token has this very header: no other algorithm, `none` least of all, can be asked for.
const header = encode({ alg: 'HS256', typ: 'JWT' })

/** A JWT (RFC 7519) for `accessTokenSeconds`, signed with HMAC-SHA256. */
export function signAccessToken(identity: Identity, secret: string, nowMs: number): string {
  const issuedAt = Math.floor(nowMs / 1000)
  const { userId, tenantId, role } = identity
  const claims = { sub: userId, tenant_id: tenantId, role, iat: issuedAt, exp: issuedAt + accessTokenSeconds }
  const signed = `${header}.${encode(claims)}`
  return `${signed}.${Buffer.from(hmacSha256(secret, signed)).toString('base64url')}`
}

/** Who a token is of; null where it was not made by `signAccessToken` with this secret, or has run out. */
export function verifyAccessToken(token: string, secret: string, nowMs: number): Identity | null {
  const [head = '', body = '', signature = '', ...rest] = token.split('.')
  if (head !== header || rest.length > 0) return null
  if (!equalBytes(Buffer.from(signature, 'base64url'), hmacSha256(secret, `${head}.${body}`))) return null
  return readClaims(decode(body), nowMs)
}

const claimsSchema = v.object({
  sub: v.pipe(v.string(), v.check(isUuid)),
  tenant_id: v.pipe(v.string(), v.check(isUuid)),
  role: v.picklist(roles),
  exp: v.number(),
})

function readClaims(claims: unknown, nowMs: number): Identity | null {
  const parsed = v.safeParse(claimsSchema, claims)
  if (!parsed.success || parsed.output.exp * 1000 <= nowMs) return null
  const { sub, tenant_id, role } = parsed.output
  return { userId: sub, tenantId: tenant_id, role }
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
