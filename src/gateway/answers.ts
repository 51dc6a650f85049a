import { createHash } from 'node:crypto'
import type { Context } from 'hono'
import type { Caller } from '../identity/callers.ts'
import type { Permission } from '../identity/permissions.ts'
import type { Admission, AnswerKey, Miss } from '../stores/request-gate.ts'
import type { Env, GatewayOptions } from './options.ts'
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

/** Answers reads: from the cache, or by the route, whose answer is kept then. */
export type Reader = {
  answer(
    context: Context<Env>,
    found: { readonly key: AnswerKey | null; readonly admission: Admission },
    next: () => Promise<void>,
  ): Promise<Response | undefined>
}

export function makeReader({ gate, metrics }: Pick<GatewayOptions, 'gate' | 'metrics'>): Reader {
  // What is being read for one caller is waited for by the others who miss it: not read a hundred times at once. An
  // answer of the same generation was read after the last change, so it is as good for them.
  const underWay = new Map<string, Promise<string | null>>()

  async function readAndKeep(key: AnswerKey, miss: Miss, read: () => Promise<string | null>): Promise<string | null> {
    const name = `${key.tenantId} ${key.resource} ${miss.generation} ${key.field}`
    const other = underWay.get(name)
    if (other !== undefined) {
      const answer = await other
      if (answer !== null) {
        metrics.cacheHits.inc()
        return answer
      }
    }
    metrics.cacheMisses.inc()
    const reading = read()
    if (underWay.size < underWayMax) underWay.set(name, reading)
    try {
      const answer = await reading
      if (answer !== null) gate.keep(key, miss, answer)
      return answer
    } finally {
      if (underWay.get(name) === reading) underWay.delete(name)
    }
  }

  return {
    async answer(context, { key, admission }, next) {
      const { answer, miss } = admission
      if (answer !== null) {
        metrics.cacheHits.inc()
        return answerWith(context, answer)
      }
      const read = () => readThrough(context, next)
      const made = key === null || miss === null ? await read() : await readAndKeep(key, miss, read)
      if (made === null) return undefined
      context.res = undefined
      context.res = answerWith(context, made)
      return undefined
    },
  }
}

const underWayMax = 10_000

/** What the route answers, as it is kept; null where it is no JSON or an error, which is then the answer. */
async function readThrough(context: Context<Env>, next: () => Promise<void>): Promise<string | null> {
  await next()
  const { res } = context
  if (res.status !== 200 || !isJson(res)) return null
  const text = await res.text()
  return `${etagOf(text)}${text}`
}

function isJson(response: Response): boolean {
  return response.headers.get('content-type')?.startsWith('application/json') === true
}

function answerWith(context: Context<Env>, answer: string): Response {
  context.set('isComplete', true)
  const [etag, text] = [answer.slice(0, etagLength), answer.slice(etagLength)]
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

/** Whether an `If-None-Match` names an ETag. */
export function isAmong(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  return header.split(',').some(part => part.trim().replace(/^W\//, '') === etag || part.trim() === '*')
}
