import type { ActionResult } from '../commerce/actions/action.ts'
import { hostOf, resultOfHttp, saysJson } from '../commerce/actions/http-answer.ts'
import type { HttpCall } from '../commerce/actions/http-request.ts'
import { type Asked, askOutside } from '../lib/ask-outside.ts'
import type { Fetch } from '../lib/guarded-fetch.ts'
import { hideInJsonText, makeHide } from './hide-secrets.ts'
import { retryAfterMs } from './retry-after.ts'

const redirectsMax = 3
const answerBytesMax = 256 * 1024

/** A tenant's secrets by their names; null: there is none, undefined: it cannot be opened. */
export type Secrets = ReadonlyMap<string, string | null | undefined>

/** How a try ended. */
export type Tried =
  | { readonly kind: 'ended'; readonly result: ActionResult }
  /** It is certain not to have been done, or does no harm twice. `result` is what it comes to if it is not tried again. */
  | { readonly kind: 'passing'; readonly result: ActionResult; readonly waitMs: number }
  /** The same, because the program stops: the try does not count. */
  | { readonly kind: 'stopped' }

/** The names of the secrets that a call carries. */
export function secretsOf(call: HttpCall): readonly string[] {
  return Object.values(call.headers).flatMap(value => (typeof value === 'string' ? [] : [value.secret]))
}

/**
 * Makes one try of a call. `key` is its Idempotency-Key, the same for each. Never throws, and what it answers holds none
 * of the secrets, whatever the other side answers.
 */
export async function tryHttpCall(
  call: HttpCall,
  tools: {
    readonly fetch: Fetch
    readonly secrets: Secrets
    readonly key: string
    readonly nowMs: number
    readonly stop: AbortSignal
  },
): Promise<Tried> {
  const { fetch, secrets, key, nowMs, stop } = tools
  const problem = secretsOf(call).find(name => typeof secrets.get(name) !== 'string')
  if (problem !== undefined) return ended(secretProblem(problem, secrets.get(problem)))
  const { method, url, body, timeout_ms } = call
  const headers = { ...filled(call, secrets), 'Idempotency-Key': key }
  const bounds = { timeoutMs: timeout_ms, redirectsMax, answerBytesMax }
  const asked = await askOutside(
    fetch,
    { method, url, body, headers, secretHeaders: secretHeadersOf(call), ...bounds },
    stop,
  )
  return judge(call, hidden(asked, secretsOf(call), secrets), nowMs)
}

function ended(result: ActionResult): Tried {
  return { kind: 'ended', result }
}

function secretProblem(name: string, value: string | null | undefined): ActionResult {
  return value === undefined
    ? failure('unreadable_secret', `The secret "${name}" cannot be opened: give it its value again.`)
    : failure('unknown_secret', `There is no secret "${name}".`)
}

function failure(code: string, message: string): ActionResult {
  return { ok: false, code, message }
}

function filled({ headers }: HttpCall, secrets: Secrets): Record<string, string> {
  const entries = Object.entries(headers).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : `${value.prefix}${secrets.get(value.secret) ?? ''}`,
  ])
  return Object.fromEntries(entries)
}

function secretHeadersOf({ headers }: HttpCall): ReadonlySet<string> {
  const names = Object.entries(headers).flatMap(([name, value]) =>
    typeof value === 'string' ? [] : [name.toLowerCase()],
  )
  return new Set(names)
}

/** Without the secrets, if it answers with what it was sent. */
function hidden(asked: Asked, names: readonly string[], secrets: Secrets): Asked {
  if (asked.kind === 'failed' || names.length === 0) return asked
  const hide = makeHide(names.map(name => secrets.get(name) ?? ''))
  const headers = new Headers()
  // Headers take no sign of what was hidden.
  for (const [name, value] of asked.headers) if (hide(value) === value) headers.append(name, value)
  const text = saysJson(asked.headers) ? hideInJsonText(asked.text, hide) : hide(asked.text)
  return { ...asked, text, headers }
}

/** Methods that do the same once or twice (RFC 9110, section 9.2.2). */
const repeatable: ReadonlySet<string> = new Set(['GET', 'PUT', 'DELETE'])

function judge(call: HttpCall, asked: Asked, nowMs: number): Tried {
  if (asked.kind === 'failed') return judgeFailure(call, asked)
  const result = resultOfHttp(call, asked)
  if (!isRefusedForNow(asked.status, call.method) || asked.wasTaken) return ended(result)
  return { kind: 'passing', result, waitMs: retryAfterMs(asked.headers, nowMs) }
}

/**
 * 429 and 503 say that nothing was done. A 502 or 504 is of somebody in between who got no answer: what was asked may have
 * been done, so only what does no harm twice is tried again.
 */
function isRefusedForNow(status: number, method: string): boolean {
  return status === 429 || status === 503 || ((status === 502 || status === 504) && repeatable.has(method))
}

function judgeFailure(call: HttpCall, { code, message, wasTaken }: Extract<Asked, { kind: 'failed' }>): Tried {
  const result = failure(code, message)
  if (code === 'no_connection') return wasTaken ? ended(result) : { kind: 'passing', result, waitMs: 0 }
  const isAnswerless = code === 'timeout' || code === 'connection_lost' || code === 'stopped'
  if (!isAnswerless) return ended(result)
  if (call.method !== 'GET') return ended(unknown(call.url))
  if (code === 'stopped') return { kind: 'stopped' }
  return code === 'timeout' ? ended(result) : { kind: 'passing', result, waitMs: 0 }
}

/** What a call comes to of which nobody knows what became of it. */
export function unknown(url: string): ActionResult {
  return failure('unknown', `No answer came from ${hostOf(url)}: it may have been done.`)
}
