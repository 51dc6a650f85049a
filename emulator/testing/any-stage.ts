import { type EmulatorOptions, startEmulator } from '../emulator.ts'
import { until } from './stage.ts'

/** A webhook as it arrived. */
export type Arrived = {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly raw: string
  // biome-ignore lint/suspicious/noExplicitAny: what a test reads of a webhook is checked by the test.
  readonly json: any
  readonly form: Readonly<Record<string, string>>
}

export type BotAnswer = { readonly status: number; readonly body?: string; readonly type?: string }

export const number = 'n1'
export const business = '12025550100'
export const customer = '12025550143'

/** An emulator with one number of any dialect, and the server of its bot, which keeps all webhooks. */
export async function setAnyStage(
  registration: (webhookUrl: string) => object,
  options: Partial<EmulatorOptions> = {},
) {
  const arrived: Arrived[] = []
  const bot = { answer: (_: Arrived): BotAnswer | Promise<BotAnswer> => ({ status: 200 }) }
  const server = Bun.serve({
    ...{ port: 0, hostname: '127.0.0.1' },
    async fetch(request) {
      // Meta's check of the address.
      if (request.method === 'GET') return new Response(new URL(request.url).searchParams.get('hub.challenge'))
      const one = await arrivedAs(request)
      arrived.push(one)
      const { status, body, type } = await bot.answer(one)
      return new Response(body ?? null, { status, headers: type === undefined ? {} : { 'content-type': type } })
    },
  })
  const emulator = await startEmulator({ port: 0, rates: 'off', ...options })

  async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const isRaw = typeof body === 'string' || body instanceof FormData || body instanceof Blob
    const type = isRaw ? {} : { 'content-type': 'application/json' }
    const response = await fetch(path.startsWith('http') ? path : `${emulator.url}${path}`, {
      ...{ method, headers: { ...type, ...headers }, redirect: 'manual' },
      ...(body === undefined ? {} : { body: isRaw ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, text, headers: response.headers, body: parsed(text) }
  }
  const control = (method: string, path: string, body?: unknown) => call(method, `/emulator${path}`, body)
  const registered = await control('PUT', `/numbers/${number}`, {
    ...{ display_phone_number: business, name: 'Test Shop' },
    ...registration(server.url.href),
  })
  if (registered.status !== 200) throw new Error(`not registered: ${registered.text}`)
  return {
    ...{ emulator, arrived, bot, call, control, registered, webhookUrl: server.url.href },
    /** The customer writes, and the webhook is waited for. */
    write: (content: object, from: string = customer) =>
      control('POST', `/customers/${from}/messages?number=${number}&wait=delivered`, content),
    // biome-ignore lint/suspicious/noExplicitAny: what a test reads of a chat is checked by the test.
    chat: async (from: string = customer): Promise<any[]> =>
      (await control('GET', `/chats/${number}/${from}/messages`)).body.data,
    /** Waits for so many webhooks. */
    arrivals: async (count: number) => {
      await until(() => arrived.length >= count)
      return arrived
    },
    async [Symbol.asyncDispose]() {
      await emulator.stop()
      await server.stop(true)
    },
  }
}

async function arrivedAs(request: Request): Promise<Arrived> {
  const raw = await request.text()
  const headers = Object.fromEntries(request.headers)
  const isForm = headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true
  const form = isForm ? Object.fromEntries(new URLSearchParams(raw)) : {}
  return { url: request.url, headers, raw, json: parsed(raw), form }
}

// biome-ignore lint/suspicious/noExplicitAny: what a test reads of an answer is checked by the test.
function parsed(text: string): any {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
