import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import { type Fetch, UnsafeAddress } from './guarded-fetch.ts'

/** A request to an address that somebody outside wrote. */
export type OutsideRequest = {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Names of headers, in lower case, that are for the first origin alone, besides those that always are. */
  readonly secretHeaders: ReadonlySet<string>
  readonly body: string | null
  /** For all of it: looking the name up, redirects, reading the answer. */
  readonly timeoutMs: number
  readonly redirectsMax: number
  /** Of the answer, unpacked. */
  readonly answerBytesMax: number
  /** Whether what is beyond is left out, instead of making the answer a failure. */
  readonly cutsAnswer?: boolean
}

/** What came of asking. `wasTaken`: it is certain, or possible, that what was asked for was done. */
export type Asked =
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly headers: Headers
      readonly text: string
      /** A redirect has said so, before this answer to what it led to. */
      readonly wasTaken: boolean
    }
  | { readonly kind: 'failed'; readonly code: AskFailure; readonly message: string; readonly wasTaken: boolean }

export type AskFailure =
  | 'address_refused'
  | 'no_connection'
  | 'bad_certificate'
  | 'timeout'
  | 'connection_lost'
  | 'stopped'
  | 'too_many_redirects'
  | 'answer_too_large'
  | 'unreadable_answer'

class Failure extends Error {
  readonly code: AskFailure

  constructor(code: AskFailure, message: string) {
    super(message)
    this.code = code
  }
}

/** Headers that are always for the first origin alone. */
const credentials = ['authorization', 'cookie', 'proxy-authorization']

/**
 * Asks once, and reads the answer. Every connection is a new one: one that was kept open may break as a request leaves,
 * and then nobody knows whether it was taken. A redirect is followed by `fetch`, which refuses private addresses, again;
 * it takes no secret to another origin. Never throws, and no message says more of the address than its host.
 * `stop` ends it before its time.
 */
export async function askOutside(fetch: Fetch, request: OutsideRequest, stop: AbortSignal): Promise<Asked> {
  const progress = { isDone: false }
  const ending = new AbortController()
  let isTimeout = false
  const end = () => ending.abort()
  const timer = setTimeout(() => {
    isTimeout = true
    end()
  }, request.timeoutMs)
  stop.addEventListener('abort', end)
  if (stop.aborted) end()
  try {
    return await unlessAborted(ending.signal, () => follow(fetch, request, ending.signal, progress))
  } catch (error) {
    const failure = failureOf(error, hostOf(request.url), { isTimeout, isStop: stop.aborted })
    return { kind: 'failed', ...failure, wasTaken: progress.isDone || !neverTaken.has(failure.code) }
  } finally {
    clearTimeout(timer)
    stop.removeEventListener('abort', end)
  }
}

/** What is known to have failed before a request left. */
const neverTaken: ReadonlySet<AskFailure> = new Set(['address_refused', 'no_connection', 'bad_certificate'])

/** A name that is being looked up hears of no signal. */
async function unlessAborted<T>(signal: AbortSignal, begin: () => Promise<T>): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('aborted')))
  })
  aborted.catch(() => undefined)
  signal.throwIfAborted()
  const work = begin()
  work.catch(() => undefined)
  return await Promise.race([work, aborted])
}

async function follow(
  fetch: Fetch,
  request: OutsideRequest,
  signal: AbortSignal,
  progress: { isDone: boolean },
): Promise<Asked> {
  let hop: Hop = { ...request, headers: lowerCased(request.headers) }
  for (let redirects = 0; ; redirects++) {
    const response = await fetch(hop.url, initOf(hop, signal))
    const location = response.headers.get('location')
    if (!isRedirect(response.status) || location === null || request.redirectsMax === 0)
      return await read(response, request, progress.isDone)
    await response.body?.cancel()
    if (redirects === request.redirectsMax) throw new Failure('too_many_redirects', tooManyRedirects(request))
    const next = redirected(hop, response.status, location, request.secretHeaders)
    // What was not asked for again was done by whoever sent on.
    if (next.method !== hop.method) progress.isDone = true
    hop = next
  }
}

type Hop = Pick<OutsideRequest, 'method' | 'url' | 'headers' | 'body'>

function initOf({ method, headers, body }: Hop, signal: AbortSignal): RequestInit & { decompress: boolean } {
  return {
    method,
    // Packed, an answer of a few bytes could be one of gigabytes: it is asked for as it is, and unpacked within bounds.
    headers: { 'user-agent': 'DashOffice', 'accept-encoding': 'identity', ...headers },
    ...(body !== null && { body }),
    signal,
    redirect: 'manual',
    keepalive: false,
    decompress: false,
  }
}

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status)
}

/** As browsers do it (Fetch standard, "HTTP-redirect fetch"): a POST that is sent on becomes a GET, unless it may not. */
function redirected(hop: Hop, status: number, location: string, secretHeaders: ReadonlySet<string>): Hop {
  const from = new URL(hop.url)
  const to = URL.parse(location, from.href)
  if (to === null) throw new Failure('unreadable_answer', `${from.host} redirects to what is no address.`)
  const headers = to.origin === from.origin ? hop.headers : without(hop.headers, [...credentials, ...secretHeaders])
  const isTaken = status === 303 ? hop.method !== 'GET' : status < 303 && hop.method === 'POST'
  if (!isTaken) return { ...hop, url: to.href, headers }
  return { method: 'GET', url: to.href, headers: without(headers, ['content-type']), body: null }
}

function lowerCased(headers: OutsideRequest['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

function without(headers: OutsideRequest['headers'], names: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)))
}

async function read(response: Response, request: OutsideRequest, wasTaken: boolean): Promise<Asked> {
  const { status, headers } = response
  const bytes = await readBytes(response, request)
  const text = decoderFor(headers).decode(unpacked(bytes, request, headers.get('content-encoding')))
  return { kind: 'answered', status, headers, text, wasTaken }
}

async function readBytes(response: Response, request: OutsideRequest): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let length = 0
  // Leaving the loop cancels what is still to come.
  for await (const chunk of response.body) {
    length += chunk.length
    if (length > request.answerBytesMax && request.cutsAnswer !== true) throw tooLarge(request)
    chunks.push(chunk)
    if (length > request.answerBytesMax) break
  }
  return Buffer.concat(chunks).subarray(0, request.answerBytesMax)
}

const unpackers = { gzip: gunzipSync, 'x-gzip': gunzipSync, deflate: inflateSync, br: brotliDecompressSync } as const

/** For servers that pack an answer although they are not asked to. */
function unpacked(bytes: Uint8Array, request: OutsideRequest, encoding: string | null): Uint8Array {
  const name = encoding?.trim().toLowerCase() ?? 'identity'
  if (name === 'identity' || name === '' || bytes.length === 0) return bytes
  // A part cannot be unpacked.
  if (request.cutsAnswer === true) return new Uint8Array()
  const unpacker = Object.entries(unpackers).find(([known]) => known === name)?.[1]
  if (unpacker === undefined) throw unreadable(request)
  try {
    return unpacker(bytes, { maxOutputLength: request.answerBytesMax })
  } catch (error) {
    throw codeOf(error) === 'ERR_BUFFER_TOO_LARGE' ? tooLarge(request) : unreadable(request)
  }
}

function decoderFor(headers: Headers): TextDecoder {
  const charset = /charset="?([\w-]+)/i.exec(headers.get('content-type') ?? '')?.[1] ?? 'utf-8'
  try {
    return new TextDecoder(charset)
  } catch {
    return new TextDecoder()
  }
}

function tooLarge({ url, answerBytesMax }: OutsideRequest): Failure {
  const text = `The answer of ${hostOf(url)} is larger than ${Math.floor(answerBytesMax / 1024)} KB.`
  return new Failure('answer_too_large', text)
}

function unreadable({ url }: OutsideRequest): Failure {
  return new Failure('unreadable_answer', `The answer of ${hostOf(url)} is packed in a way that cannot be read.`)
}

function tooManyRedirects({ url, redirectsMax }: OutsideRequest): string {
  return `${hostOf(url)} redirects more than ${redirectsMax} times.`
}

function hostOf(url: string): string {
  return URL.parse(url)?.host ?? 'The address'
}

function failureOf(
  error: unknown,
  host: string,
  { isTimeout, isStop }: { readonly isTimeout: boolean; readonly isStop: boolean },
): { readonly code: AskFailure; readonly message: string } {
  if (error instanceof Failure) return { code: error.code, message: error.message }
  if (error instanceof UnsafeAddress)
    return { code: 'address_refused', message: `${host} is not asked: ${error.message}.` }
  if (isTimeout) return { code: 'timeout', message: `${host} did not answer in time.` }
  if (isStop) return { code: 'stopped', message: `${host} had not answered when the program stopped.` }
  const code = codeOf(error)
  if (noConnection.has(code)) return { code: 'no_connection', message: `${host} cannot be reached (${code}).` }
  if (certificateCodes.test(code)) return { code: 'bad_certificate', message: `${host} is not trusted (${code}).` }
  return { code: 'connection_lost', message: `The connection to ${host} broke before it answered.` }
}

/** Bun and Node name what happened to a connection in an error's `code`; '' where it has none. */
function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** There was no connection by which a request could have left. */
const noConnection: ReadonlySet<string> = new Set([
  ...['ECONNREFUSED', 'ConnectionRefused', 'FailedToOpenSocket', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL'],
  ...['ENOTFOUND', 'ENODATA', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'ETIMEOUT', 'ESERVFAIL'],
])
/** Nor where TLS was not agreed on. */
const certificateCodes = /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|EPROTO|HOSTNAME_MISMATCH/
