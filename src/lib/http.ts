import type { Context, MiddlewareHandler } from 'hono'
import { AppError, errorCatalogue, messageOf } from './errors.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

const requestIdShape = /^[\w.:-]{1,128}$/

/** The caller's `X-Request-Id` where it is a sane one, else a new one. */
export function requestIdOf(request: Request): string {
  return saneRequestId(request.headers.get('x-request-id') ?? undefined)
}

/** A request id that was given, where it is a sane one, else a new one. */
export function saneRequestId(given = ''): string {
  return requestIdShape.test(given) ? given : crypto.randomUUID()
}

/**
 * Any error as an RFC 9457 problem document: `{type, title, status, detail, request_id, errors?}`. What is not of the
 * catalogue is a 500 that tells nothing of the inside.
 */
export function problem(error: unknown, requestId: string): Response {
  const known = error instanceof AppError ? error : new AppError('unexpected', 'It was logged under the request id.')
  const { status, title } = errorCatalogue[known.code]
  const body = {
    type: `/problems/${known.code}`,
    title,
    status,
    detail: known.message,
    request_id: requestId,
    ...(known.errors.length > 0 && { errors: known.errors }),
  }
  const headers = new Headers({ 'content-type': 'application/problem+json', 'x-request-id': requestId })
  if (status === 503) headers.set('retry-after', '1')
  // What is left of the body is not read, so that no other request can come after it.
  if (status === 413) headers.set('connection', 'close')
  if (status === 426) headers.set('upgrade', 'websocket')
  if (status === 401) headers.set('www-authenticate', 'Bearer')
  return new Response(JSON.stringify(body), { status, headers })
}

/** Reads a body of at most `bytesMax` bytes; stops reading and throws `too_large` beyond. */
export async function readBody(request: Request, bytesMax: number): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length') ?? 0) > bytesMax) throw tooLarge(bytesMax)
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > bytesMax) throw tooLarge(bytesMax)
    chunks.push(chunk)
  }
  const [first] = chunks
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks)
}

/** The error for a body of more bytes. */
export function tooLarge(bytesMax: number): AppError {
  return new AppError('too_large', `The body may have at most ${bytesMax} bytes.`)
}

/** Reads a JSON body: throws `unsupported_media_type`, `too_large` or `not_json`. */
export async function readJson(request: Request, bytesMax: number): Promise<unknown> {
  const type = request.headers.get('content-type') ?? ''
  if (!/^application\/(?:[\w.+-]+\+)?json\b/i.test(type))
    throw new AppError('unsupported_media_type', `The body is ${type === '' ? 'of no type' : JSON.stringify(type)}.`)
  const body = await readBody(request, bytesMax)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (error) {
    throw new AppError('not_json', `The body is not JSON: ${messageOf(error)}`)
  }
}

const knownMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/**
 * Counts and times requests under the pattern of their route, which is never what the caller wrote; tells of
 * those that were slow.
 */
export function observeRequests(
  metrics: Metrics,
  pattern: (context: Context) => string,
  slow?: { readonly afterMs: number; readonly tell: (context: Context, endpoint: string, ms: number) => void },
): MiddlewareHandler {
  return async (context, next) => {
    const start = performance.now()
    await next()
    const method = knownMethods.has(context.req.method) ? context.req.method : 'OTHER'
    const endpoint = pattern(context)
    metrics.httpRequests.inc({ method, status: String(context.res.status), endpoint })
    const tookMs = performance.now() - start
    metrics.httpSeconds.observe({ method, endpoint }, tookMs / 1000)
    if (slow !== undefined && tookMs > slow.afterMs) slow.tell(context, endpoint, tookMs)
  }
}

/** Answers whatever a route throws with its problem; a defect is logged with its stack, and shown without. */
export function answerError(error: unknown, requestId: string, log: Log): Response {
  logError(error, requestId, log)
  return problem(error, requestId)
}

/** Logs what a request failed with where it is not the request's fault. */
export function logError(error: unknown, requestId: string, log: Log): void {
  if (!(error instanceof AppError))
    log.error(
      { request_id: requestId, error: messageOf(error), stack: error instanceof Error ? error.stack : undefined },
      'a request failed',
    )
  else if (errorCatalogue[error.code].kind !== 'user')
    log.warn(
      { request_id: requestId, code: error.code, error: messageOf(error.cause ?? error) },
      'a request was put off',
    )
}
