import * as v from 'valibot'
import { parseDurationMs } from '../../flow/duration.ts'
import { URL_LENGTH_MAX } from '../../flow/limits.ts'
import { makeOutsideAction } from './action.ts'

export const httpMethods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
export type HttpMethod = (typeof httpMethods)[number]

const timeoutMsDefault = 10_000
export const httpTimeoutMsMax = 30_000
const headersMax = 20
const headerNameLengthMax = 64
const headerLengthMax = 2_048
const picksMax = 20
const pathLengthMax = 200

/** What a tenant's secrets are called. */
export const secretName = v.pipe(
  v.string('Must be a name'),
  v.regex(/^[A-Za-z][A-Za-z0-9_]{0,63}$/, 'Must begin with a letter and have only letters, digits and _, 64 at most'),
)

/** Headers that are ours to write, or that say how a connection is used (RFC 9110, section 7.6.1). */
const ownHeaders: ReadonlySet<string> = new Set([
  ...['accept-encoding', 'connection', 'content-length', 'expect', 'host', 'idempotency-key', 'keep-alive'],
  ...['proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'],
])

const headerName = v.pipe(
  v.string(),
  v.maxLength(headerNameLengthMax),
  v.regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'Must be the name of a header'),
  v.check(name => !ownHeaders.has(name.toLowerCase()), 'This header is not yours to set'),
)
const headerText = v.pipe(
  v.string('Must be a text, or {"secret": NAME}'),
  v.maxLength(headerLengthMax),
  v.regex(/^[\t\x20-\x7e]*$/, 'A header has only letters without accents, digits and signs'),
)
const secretHeader = v.strictObject({ secret: secretName, prefix: v.optional(headerText, '') })
const headers = v.pipe(
  v.record(headerName, v.union([headerText, secretHeader], 'Must be a text, or {"secret": NAME}')),
  v.check(given => Object.keys(given).length <= headersMax, `Must have at most ${headersMax} headers`),
)

const url = v.pipe(
  v.string('Must be a URL'),
  v.maxLength(URL_LENGTH_MAX),
  v.check(isWebUrl, 'Must be a URL that begins with https:// or http://, without a user and a password'),
)

function isWebUrl(text: string): boolean {
  const parsed = URL.parse(text)
  return parsed !== null && ['http:', 'https:'].includes(parsed.protocol) && parsed.username + parsed.password === ''
}

const timeout = v.pipe(
  v.string(),
  v.check(text => (parseDurationMs(text) ?? Number.POSITIVE_INFINITY) <= httpTimeoutMsMax, 'Must be 1s to 30s'),
)

const pick = v.pipe(
  v.record(
    v.pipe(v.string(), v.regex(/^[a-z][a-z0-9_]{0,63}$/, 'Must have only a to z, 0 to 9 and _')),
    v.pipe(
      v.string(),
      v.maxLength(pathLengthMax),
      v.regex(/^[^.]+(\.[^.]+)*$/, 'Must be a path like data.items.0.name'),
    ),
  ),
  v.check(given => Object.keys(given).length <= picksMax, `Must have at most ${picksMax} names`),
)

export const httpRequestInput = v.pipe(
  v.strictObject({
    method: v.picklist(httpMethods, `Must be one of ${httpMethods.join(', ')}`),
    url: v.pipe(url, v.description('Of the web, and public')),
    headers: v.optional(
      v.pipe(
        headers,
        v.description('Each a text, or {"secret": NAME, "prefix"?: TEXT} for a secret of yours; 20 at most'),
      ),
      {},
    ),
    body: v.optional(v.pipe(v.unknown(), v.description('JSON, or a text, which goes as it is; a GET has none')), null),
    timeout: v.optional(v.pipe(timeout, v.description('For the whole answer, 30s at most; 10s where it is left out'))),
    pick: v.optional(
      v.pipe(
        pick,
        v.description('Names, each with the place in the answer that it stands for, like data.items.0.price'),
      ),
    ),
    accept_errors: v.optional(
      v.pipe(v.boolean(), v.description('Whether an answer of 400 and more is a value like any other')),
      false,
    ),
  }),
  v.check(({ method, body }) => method !== 'GET' || body === null, 'A GET has no body'),
)

/** What is stored of a call: it names its secrets, and does not hold them. */
export const httpCallSchema = v.object({
  method: v.picklist(httpMethods),
  url: v.string(),
  headers: v.record(v.string(), v.union([v.string(), v.object({ secret: v.string(), prefix: v.string() })])),
  body: v.nullable(v.string()),
  timeout_ms: v.pipe(v.number(), v.maxValue(httpTimeoutMsMax)),
  pick: v.nullable(v.record(v.string(), v.string())),
  accept_errors: v.boolean(),
})
export type HttpCall = v.InferOutput<typeof httpCallSchema>

const value = v.strictObject({
  status: v.number(),
  ok: v.boolean(),
  headers: v.record(v.string(), v.string()),
  body: v.pipe(
    v.unknown(),
    v.description('JSON, or text where it is none; with `pick` an object of what is named there'),
  ),
})

/** `http.request`: asks an address of the tenant's choice. See `docs/guides/http-requests.md`. */
export const httpRequest = makeOutsideAction({
  handler: 'http.request',
  // A call may carry any secret of the tenant anywhere.
  permission: 'secrets:write',
  input: httpRequestInput,
  doc: {
    about:
      'Asks a web address, and waits for what it answers. A header may be a secret of yours: {"secret": "NAME", "prefix": ' +
      '"Bearer "}, whose value stands in no flow and no log. Every try of a call has the same Idempotency-Key. What is ' +
      'certain not to have been done is tried up to three times; a call that changes something and gets no answer is ' +
      '`unknown`, and is not made again.',
    value,
    errors: {
      http_404: 'It answered with this status, or another one of 400 and more; see `accept_errors`.',
      unknown: 'No answer came, and it may have been done: ask whoever knows before you do it again.',
      timeout: 'It did not answer in time.',
      no_connection: 'It cannot be reached.',
      connection_lost: 'The connection broke before it answered.',
      bad_certificate: 'Its certificate is not good.',
      address_refused: 'The address is private, or leads to one that is.',
      too_many_redirects: 'It redirects more than three times.',
      answer_too_large: 'The answer does not fit into a variable: name in `pick` what is needed of it.',
      unreadable_answer: 'The answer cannot be read.',
      unknown_secret: 'There is no secret of that name.',
      unreadable_secret: 'The secret cannot be opened: give it its value again.',
      unexpected: 'The call could not be made, for a defect that is logged.',
    },
    example: {
      method: 'POST',
      url: 'https://api.example.com/quotes',
      headers: { Authorization: { secret: 'SHOP_TOKEN', prefix: 'Bearer ' } },
      body: { quantity: 12 },
      timeout: '10s',
      pick: { price: 'quote.total' },
    },
  },
  prepare({ method, url, headers, body, timeout, pick, accept_errors }): HttpCall {
    const timeout_ms = (timeout === undefined ? null : parseDurationMs(timeout)) ?? timeoutMsDefault
    const text = body === null || typeof body === 'string' ? body : JSON.stringify(body)
    const type = typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json'
    const hasType = Object.keys(headers).some(name => name.toLowerCase() === 'content-type')
    const all = text === null || hasType ? headers : { ...headers, 'content-type': type }
    return { method, url, headers: all, body: text, timeout_ms, pick: pick ?? null, accept_errors }
  },
})
