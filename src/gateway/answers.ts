import { createHash } from 'node:crypto'
import type { Context } from 'hono'
import type { Caller } from '../identity/callers.ts'
import type { Permission } from '../identity/permissions.ts'
import type { Admission, AnswerKey } from '../stores/request-gate.ts'
import type { Env } from './options.ts'
import type { Parts } from './parts.ts'
import { limitHeaders, securityHeaders } from './response-headers.ts'

// An answer to a read has an ETag, by which the next one can be a 304. One that is kept is its ETag and its body.

const etagLength = 24
const fieldCharactersMax = 1_000

/** Where the answer to a read is kept; null where it is not. */
export function answerKeyOf(context: Context<Env>, caller: Caller, permission: Permission): AnswerKey | null {
  const { url } = context.req
  const field = `${caller.sellerId ?? ''} ${url.slice(url.indexOf('/', 8))}`
  if (field.length > fieldCharactersMax) return null
  return { tenantId: caller.tenantId, resource: permission.slice(0, permission.indexOf(':')), field }
}

/** A strong ETag of a JSON text, in its quotes. */
export function etagOf(text: string): string {
  return `"${createHash('sha256')
    .update(text)
    .digest('base64url')
    .slice(0, etagLength - 2)}"`
}

/** Answers a read: from the cache, or by the route, whose answer is kept then. */
export async function answerRead(
  { gate, metrics }: Parts,
  context: Context<Env>,
  { key, admission }: { readonly key: AnswerKey | null; readonly admission: Admission },
  next: () => Promise<void>,
): Promise<Response | undefined> {
  const { answer, miss } = admission
  if (answer !== null) {
    metrics.cacheHits.inc()
    return answerWith(context, answer.slice(0, etagLength), answer.slice(etagLength))
  }
  if (key !== null) metrics.cacheMisses.inc()
  await next()
  const { res } = context
  if (res.status !== 200 || !isJson(res)) return undefined
  const text = await res.text()
  const etag = etagOf(text)
  if (key !== null && miss !== null) gate.keep(key, miss, `${etag}${text}`)
  context.res = undefined
  context.res = answerWith(context, etag, text)
  return undefined
}

function isJson(response: Response): boolean {
  return response.headers.get('content-type')?.startsWith('application/json') === true
}

function answerWith(context: Context<Env>, etag: string, text: string): Response {
  context.set('isComplete', true)
  const isKnown = isAmong(context.req.header('if-none-match'), etag)
  const headers = {
    ...securityHeaders,
    ...limitHeaders(context),
    ...(isKnown ? {} : { 'content-type': 'application/json' }),
    'cache-control': 'private, no-cache',
    vary: 'authorization, x-api-key',
    etag,
    'x-request-id': context.get('requestId'),
  }
  return new Response(isKnown ? null : text, { status: isKnown ? 304 : 200, headers })
}

function isAmong(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  return header.split(',').some(part => part.trim().replace(/^W\//, '') === etag || part.trim() === '*')
}
