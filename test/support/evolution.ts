import { makeGuardedFetch } from '../../src/lib/guarded-fetch.ts'
import type { BotConfig, Memo, ProviderBot } from '../../src/whatsapp/provider.ts'
import { evolutionProvider } from '../../src/whatsapp/providers/evolution.ts'

/** What an Evolution was asked. */
export type AskedRequest = {
  readonly method: string
  /** With the query. */
  readonly path: string
  readonly headers: Headers
  readonly text: string
}

export type Answering = (request: AskedRequest) => Response | Promise<Response>

/** A server that stands for an Evolution: gives these answers, and keeps what it was asked. */
export function serveEvolution(answer: Answering) {
  const requests: AskedRequest[] = []
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname, search } = new URL(request.url)
      const { method, headers } = request
      const asked = { method, path: `${pathname}${search}`, headers, text: await request.text() }
      requests.push(asked)
      return await answer(asked)
    },
  })
  return {
    requests,
    url: `http://127.0.0.1:${server.port}`,
    /** The JSON of the n-th request. */
    body: (index: number): unknown => JSON.parse(requests[index]?.text ?? 'null'),
    [Symbol.asyncDispose]: () => server.stop(true),
  }
}

const memo: Memo = { find: async () => null, save: async () => undefined }

/** A provider whose bots may be on this machine, and which does not wait long for a code. */
export function providerForTests({ allowsPrivate = true, codeWaitMs = 200 } = {}) {
  const urls = { META_BASE_URL: '', OFFICIAL_BASE_URL: null, TWILIO_BASE_URL: null }
  return evolutionProvider(
    {
      config: { PUBLIC_URL: 'https://hooks.example.test', ...urls },
      memo,
      guardedFetch: makeGuardedFetch({ allowsPrivate }),
    },
    { codeWaitMs, codePollMs: 20 },
  )
}

export function botAt(base_url: string, more: BotConfig = {}): ProviderBot {
  const config = { base_url, api_key: 'the-key', instance: 'shop 1', webhook_token: 'the-token', ...more }
  return { tenantId: 'tenant', id: 'bot-1', config }
}

/** An error as Evolution answers with it. */
export function refusal(status: number, message: unknown): Response {
  const error = status === 400 ? 'Bad Request' : 'Error'
  return Response.json({ status, error, response: { message } }, { status })
}

/** What Evolution 2.4 answers to everything until its licence is activated. */
export function unlicensed(): Response {
  return Response.json({ error: 'service not activated', code: 'LICENSE_REQUIRED' }, { status: 503 })
}

export const soon = () => AbortSignal.timeout(5_000)
