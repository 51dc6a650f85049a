import type { Fetch } from '../../lib/guarded-fetch.ts'

/** How a POST ended: with an answer, or without one. `tookNothing`: it is certain that no body left. */
export type Posted =
  | { readonly kind: 'answered'; readonly status: number; readonly text: string }
  | { readonly kind: 'failed'; readonly error: unknown; readonly tookNothing: boolean }

export type Post = (
  url: string,
  request: {
    readonly headers: Readonly<Record<string, string>>
    readonly body: string | StreamedBody
    readonly signal: AbortSignal
  },
) => Promise<Posted>

/** A body that is read as it leaves, and never held: `bytes` of them, from the beginning each time. */
export type StreamedBody = { readonly bytes: number; readonly open: () => ReadableStream<Uint8Array> }

/** After the last answer, until a body is watched: a connection that hangs is then told from an answer that does not come. */
const quietMs = 1_000

/**
 * Makes what posts to one provider. Bun's fetch ends in the same TimeoutError whether the connection hung or the answer
 * did. But it asks a streamed body for its bytes only once the connection stands, TLS included (Bun 1.4.5; with a
 * Content-Length it is byte for byte the same request): a body that was never asked for did not leave. A stream costs 30
 * µs of CPU more than a text (20), so while the provider answers the body is a text, and a timeout is taken for one after
 * the body left. `send`: what asks, for addresses that tenants write.
 */
export function makePost(send: Fetch = fetch): Post {
  let answeredAt = Number.NEGATIVE_INFINITY
  return async (url, { headers, body, signal }) => {
    const isWatched = typeof body !== 'string' || performance.now() - answeredAt > quietMs
    const watched = isWatched ? watch(typeof body === 'string' ? streamedText(body) : body) : undefined
    try {
      const response = await send(url, {
        method: 'POST',
        headers: { ...headers, ...(watched && { 'content-length': String(watched.bytes) }) },
        ...(watched ? { body: watched.stream } : typeof body === 'string' && { body }),
        signal,
        redirect: 'manual',
      })
      const answer = { kind: 'answered', status: response.status, text: await response.text() } as const
      answeredAt = performance.now()
      return answer
    } catch (error) {
      return { kind: 'failed', error, tookNothing: watched?.close() === 'kept' || neverLeft.has(codeOf(error)) }
    }
  }
}

function streamedText(text: string): StreamedBody {
  const bytes = new TextEncoder().encode(text)
  return {
    bytes: bytes.length,
    open: () =>
      new ReadableStream({
        start(controller) {
          controller.enqueue(bytes)
          controller.close()
        },
      }),
  }
}

/** A body that knows whether all of it was asked for: of less, nothing can be made. Once closed, it is not given any more. */
function watch({ bytes, open }: StreamedBody) {
  let state: 'kept' | 'given' | 'closed' = 'kept'
  let given = 0
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        reader ??= open().getReader()
        const { value } = await reader.read()
        if (state === 'closed') return controller.error(new Error('The request is over'))
        given += value?.length ?? 0
        if (given >= bytes) state = 'given'
        if (value !== undefined) controller.enqueue(value)
        if (value === undefined || given >= bytes) controller.close()
      },
      cancel: () => reader?.cancel(),
    },
    { highWaterMark: 0 },
  )
  return {
    stream,
    bytes,
    close(): 'kept' | 'given' {
      if (state === 'given') return 'given'
      state = 'closed'
      void reader?.cancel().catch(() => undefined)
      return 'kept'
    },
  }
}

/** Bun names what happened to a connection in an error's `code`; '' where it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** Before a connection stood, nothing can have been taken. */
const neverLeft: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ConnectionRefused',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'FailedToOpenSocket',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_HAS_EXPIRED',
])
