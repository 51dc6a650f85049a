import { createHash, createHmac } from 'node:crypto'
import { parse, stringify } from 'node:querystring'
import { equalBytes, equalTexts } from '../../../lib/crypto.ts'
import type { WebhookRequest } from '../../provider.ts'

/**
 * Whether Twilio signed a webhook: `X-Twilio-Signature` is the HMAC-SHA1, in base64, of the address that Twilio called,
 * query included, and of the form's fields. A body that is no form is covered by its hash in the address
 * (twilio.com/docs/usage/webhooks/webhooks-security). `authToken`: the account's primary one, whatever the API is called
 * with. Nothing is signed under an empty one.
 */
export function isSigned(request: WebhookRequest, form: URLSearchParams, authToken: string): boolean {
  const given = Buffer.from(request.headers.get('x-twilio-signature') ?? '')
  const hash = bodyHashOf(request.url)
  if (authToken === '' || (hash !== null && !isHashOf(hash, request.body))) return false
  const signed = hash === null ? signedFields(form) : ''
  return spellingsOf(request.url).some(url => equalBytes(given, sign(`${url}${signed}`, authToken)))
}

/** The hash of the body, where the address has it: the body is no form then. */
export function bodyHashOf(url: string): string | null {
  return URL.parse(url)?.searchParams.get('bodySHA256') ?? null
}

function isHashOf(hash: string, body: Uint8Array): boolean {
  return equalTexts(hash, createHash('sha256').update(body).digest('hex'))
}

function sign(data: string, authToken: string): Uint8Array {
  return Buffer.from(createHmac('sha1', authToken).update(data).digest('base64'))
}

/** Each name followed by its value, sorted by name; of a name that comes more than once each value once, sorted. */
function signedFields(form: URLSearchParams): string {
  const values = Map.groupBy(form, ([name]) => name)
  return [...values.keys()]
    .sort()
    .flatMap(name => [...new Set(values.get(name)?.map(([, value]) => value))].sort().map(value => `${name}${value}`))
    .join('')
}

/**
 * The ways in which Twilio may have spelt the address: parts of it add the port and others leave it out, and some escape
 * the query anew (twilio-node, lib/webhooks/webhooks.ts, tries the same).
 */
function spellingsOf(url: string): readonly string[] {
  const escaped = URL.parse(url)?.href ?? url
  return [url, escaped, withQueryEscaped(escaped)].flatMap(spelling => [withoutPort(spelling), withPort(spelling)])
}

const addressPattern = /^(https?:\/\/)((?:[^/?#]*@)?)(\[[^\]]*\]|[^/?#:]*)((?::[^/?#]*)?)/i

function withoutPort(url: string): string {
  return url.replace(addressPattern, '$1$2$3')
}

function withPort(url: string): string {
  return url.replace(addressPattern, (whole, scheme: string, _user, _host, port: string) =>
    port === '' ? `${whole}:${scheme.toLowerCase() === 'https://' ? 443 : 80}` : whole,
  )
}

function withQueryEscaped(url: string): string {
  const start = url.indexOf('?') + 1
  return start === 0 || start === url.length ? url : `${url.slice(0, start)}${stringify(parse(url.slice(start)))}`
}
