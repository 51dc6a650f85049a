import { isBoundedJson, type Json } from '../../flow/json.ts'
import { VALUE_JSON_LENGTH_MAX } from '../../flow/limits.ts'
import type { ActionResult } from './action.ts'
import type { HttpCall } from './http-request.ts'
import { refusal } from './refusals.ts'

/** An answer over HTTP, read. */
export type HttpAnswer = { readonly status: number; readonly headers: Headers; readonly text: string }

/** The headers that a flow may need of an answer. */
const headersShown = ['content-type', 'etag', 'last-modified', 'link', 'location', 'retry-after', 'x-request-id']
const headerLengthMax = 500
const excerptLengthMax = 200

/** What a flow gets of an answer to its `http.request`. */
export function resultOfHttp(call: Pick<HttpCall, 'url' | 'pick' | 'accept_errors'>, answer: HttpAnswer): ActionResult {
  const { status, headers, text } = answer
  const host = hostOf(call.url)
  if (status >= 400 && !call.accept_errors)
    return { ...refusal(`http_${status}`, `${host} answered ${status}${excerptOf(answer)}`), data: { status } }
  const whole = bodyOf(headers, text)
  const body = call.pick === null ? whole : picked(whole, call.pick)
  const value = { status, ok: status >= 200 && status < 300, headers: shown(headers), body }
  if (isBoundedJson(value, VALUE_JSON_LENGTH_MAX)) return { ok: true, value }
  const message = `The answer of ${host} is larger than 64 KB, or nested too deeply: name in "pick" what is needed of it.`
  return refusal('answer_too_large', message)
}

/** The host of a URL: all that a message says of it, since the rest may hold a secret. */
export function hostOf(url: string): string {
  return URL.parse(url)?.host ?? 'The address'
}

/** The beginning of what an answer says, for a person; nothing of a page. */
export function excerptOf({ headers, text }: HttpAnswer): string {
  const said = text
    .slice(0, 10 * excerptLengthMax)
    .replace(/\s+/g, ' ')
    .trim()
  if (said === '' || /html/i.test(headers.get('content-type') ?? '')) return '.'
  return `: ${said.length > excerptLengthMax ? `${said.slice(0, excerptLengthMax - 1)}…` : said}`
}

/** Whether an answer says that it is JSON. */
export function saysJson(headers: Headers): boolean {
  return /[/+]json\b/i.test(headers.get('content-type') ?? '')
}

function bodyOf(headers: Headers, text: string): Json {
  if (!saysJson(headers)) return text
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function shown(headers: Headers): Record<string, string> {
  return Object.fromEntries(
    headersShown.flatMap(name => {
      const value = headers.get(name)
      return value === null ? [] : [[name, value.slice(0, headerLengthMax)]]
    }),
  )
}

function picked(body: Json, paths: Readonly<Record<string, string>>): Json {
  return Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, partOf(body, path.split('.'))]))
}

/** Null where there is nothing at that place. */
function partOf(value: Json, path: readonly string[]): Json {
  const [key, ...rest] = path
  if (key === undefined) return value
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return null
  const part: Json | undefined = Reflect.get(value, key)
  return partOf(part ?? null, rest)
}
