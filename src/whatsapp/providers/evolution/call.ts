import { type Fetch, UnsafeAddress } from '../../../lib/guarded-fetch.ts'
import type { BotConfig } from '../../provider.ts'
import { parseJson } from '../read-body.ts'

/** An answer of Evolution's, or why there is none. */
export type Answer =
  | { readonly kind: 'answered'; readonly status: number; readonly body: unknown }
  | { readonly kind: 'failed'; readonly error: unknown }

export type Call = {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly url: string
  readonly body?: unknown
}

/** Asks the Evolution of a bot. Never rejects. How large an answer may be is up to `fetch`: see `limitAnswers`. */
export async function callEvolution(
  fetch: Fetch,
  config: BotConfig,
  { method, url, body }: Call,
  signal: AbortSignal,
): Promise<Answer> {
  try {
    const json = body === undefined ? {} : { body: JSON.stringify(body) }
    const response = await fetch(url, { method, headers: headersOf(config), ...json, signal, redirect: 'manual' })
    return { kind: 'answered', status: response.status, body: parseJson(await response.text()) }
  } catch (error) {
    return { kind: 'failed', error }
  }
}

/** The address of what is done with the bot's instance, as in `/instance/connect`. */
export function urlOf({ base_url, instance }: BotConfig, path: string): string {
  return `${base_url}${path}/${encodeURIComponent(instance ?? '')}`
}

export function headersOf({ api_key }: BotConfig, contentType = 'application/json'): Record<string, string> {
  return { apikey: api_key ?? '', 'content-type': contentType }
}

/** Answers that have no body, and cannot be made with one. */
const nullBodied: ReadonlySet<number> = new Set([204, 205, 304])

/** Makes a fetch whose answers end in an error beyond `bytesMax`: whoever runs the server may send without end. */
export function limitAnswers(fetch: Fetch, bytesMax: number): Fetch {
  return async (url, init) => {
    const response = await fetch(url, init)
    const { status, headers, body } = response
    if (body === null || nullBodied.has(status)) return response
    let bytes = 0
    const counter = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.length
        if (bytes > bytesMax) controller.error(new Error(`The answer is larger than ${bytesMax} bytes`))
        else controller.enqueue(chunk)
      },
    })
    return new Response(body.pipeThrough(counter), { status, headers })
  }
}

/** What to say where no request was made, since the address is not one of the public internet; null for any other error. */
export function unsafeReason(error: unknown): string | null {
  if (!(error instanceof UnsafeAddress)) return null
  return (
    'The base_url is refused: it must be an address of the public internet. To have this server ask its own network, who ' +
    'operates it sets ALLOW_PRIVATE_URLS=true.'
  )
}
