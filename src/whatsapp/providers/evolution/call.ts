import { type Fetch, UnsafeAddress } from '../../../lib/guarded-fetch.ts'
import type { BotConfig } from '../../provider.ts'
import { parseJson } from '../read-body.ts'

/** An answer of Evolution's, or why there is none. */
export type Answer =
  | { readonly kind: 'answered'; readonly status: number; readonly body: unknown }
  | { readonly kind: 'failed'; readonly error: unknown }

export type Call = {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Before the instance: `/instance/connect`. Null: the path is whole. */
  readonly path: string
  readonly query?: string
  /** Whether the instance's name ends the path. */
  readonly isOfInstance?: boolean
  readonly body?: unknown
}

/** Asks the Evolution of a bot. Answers are bounded by `fetch`: see `limitAnswers`. */
export async function callEvolution(
  fetch: Fetch,
  config: BotConfig,
  { method, path, query = '', isOfInstance = true, body }: Call,
  signal: AbortSignal,
): Promise<Answer> {
  try {
    const url = isOfInstance ? urlOf(config, path) : `${config.base_url}${path}`
    const response = await fetch(`${url}${query}`, {
      method,
      headers: headersOf(config),
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal,
      redirect: 'manual',
    })
    return { kind: 'answered', status: response.status, body: parseJson(await response.text()) }
  } catch (error) {
    return { kind: 'failed', error }
  }
}

export function urlOf({ base_url, instance }: BotConfig, path: string): string {
  return `${base_url}${path}/${encodeURIComponent(instance ?? '')}`
}

export function headersOf({ api_key }: BotConfig, contentType = 'application/json'): Record<string, string> {
  return { apikey: api_key ?? '', 'content-type': contentType }
}

/** Makes a fetch whose answers end in an error beyond `bytesMax`: whoever runs the server may send without end. */
export function limitAnswers(fetch: Fetch, bytesMax: number): Fetch {
  return async (url, init) => {
    const response = await fetch(url, init)
    if (response.body === null) return response
    let bytes = 0
    const counter = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.length
        if (bytes > bytesMax) controller.error(new Error(`The answer is larger than ${bytesMax} bytes`))
        else controller.enqueue(chunk)
      },
    })
    const { status, headers } = response
    return new Response(response.body.pipeThrough(counter), { status, headers })
  }
}

/** What to say where no request was made, since the address is not one of the public internet; null for any other error. */
export function unsafeReason(error: unknown): string | null {
  if (!(error instanceof UnsafeAddress)) return null
  return (
    'base_url is refused: it must be an address of the public internet. To have this server ask its own network, who ' +
    'operates it sets ALLOW_PRIVATE_URLS=true.'
  )
}
