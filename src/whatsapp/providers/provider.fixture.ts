import { makeGuardedFetch } from '../../lib/guarded-fetch.ts'
import type { BotConfig, OutboundFile, ProviderBot, ProviderParts, WebhookRequest } from '../provider.ts'

/** What a provider is made of in its own test: a memo in memory, and addresses of this machine allowed. */
export function partsWith(
  config: Partial<ProviderParts['config']>,
): ProviderParts & { readonly kept: Map<string, string> } {
  const kept = new Map<string, string>()
  return {
    config: {
      ...{ PUBLIC_URL: 'https://hooks.example.test', META_BASE_URL: 'http://127.0.0.1:1/v25.0' },
      ...{ OFFICIAL_BASE_URL: null, TWILIO_BASE_URL: null },
      ...config,
    },
    guardedFetch: makeGuardedFetch({ allowsPrivate: true }),
    memo: {
      find: async (bot, key) => kept.get(`${bot.id} ${key}`) ?? null,
      save: async (bot, key, value) => void kept.set(`${bot.id} ${key}`, value),
    },
    kept,
  }
}

export function botWith(config: BotConfig): ProviderBot {
  return { tenantId: '01900000-0000-7000-8000-000000000001', id: '01900000-0000-7000-8000-000000000002', config }
}

export function webhookOf(body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): WebhookRequest {
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
  return { headers: new Headers(headers), url: 'https://hooks.example.test/webhooks/x/y', body: bytes }
}

export function fileOf(text: string, mimeType = 'image/png', filename: string | null = 'label.png'): OutboundFile {
  const blob = new Blob([text], { type: mimeType })
  return {
    mimeType,
    filename,
    bytes: blob.size,
    blob,
    link: 'https://hooks.example.test/media/1',
    key: `key of ${text}`,
  }
}

/** A request that a loopback provider was asked. */
export type Asked = {
  readonly method: string
  readonly path: string
  readonly headers: Headers
  readonly text: string
}

/** A provider on loopback: `answer` says what it answers to each request. Stop it at the end. */
export function startProvider(answer: (asked: Asked) => Response | Promise<Response>) {
  const asked: Asked[] = []
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname, search } = new URL(request.url)
      const one = {
        method: request.method,
        path: pathname + search,
        headers: request.headers,
        text: await request.text(),
      }
      asked.push(one)
      return await answer(one)
    },
  })
  return { url: `http://127.0.0.1:${server.port}`, asked, stop: () => server.stop(true) }
}
