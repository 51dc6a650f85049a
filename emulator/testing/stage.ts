import { type EmulatorOptions, startEmulator } from '../emulator.ts'

/** A webhook as a bot's server got it. */
export type Received = ReturnType<typeof receive>

export const numberId = '100000000000010'
export const customer = '12025550143'
export const secrets = { access_token: 'test-token', app_secret: 'test-meta-app-secret', verify_token: 'test-verify' }

/** An emulator, a bot's server that keeps every webhook, and one number registered between them. */
export async function setStage(options: Partial<EmulatorOptions> = {}) {
  const received: Received[] = []
  const bot = {
    /** What the bot's server answers to a webhook. */
    respond: (_: Received): number | Promise<number> => 200,
  }
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const query = new URL(request.url).searchParams
      if (request.method === 'GET') {
        const isOurs = query.get('hub.verify_token') === secrets.verify_token && query.get('hub.mode') === 'subscribe'
        return isOurs ? new Response(query.get('hub.challenge')) : new Response('no', { status: 403 })
      }
      const raw = await request.text()
      const one = receive(raw, request.headers.get('x-hub-signature-256'))
      received.push(one)
      return new Response(null, { status: await bot.respond(one) })
    },
  })
  const emulator = await startEmulator({ port: 0, rates: 'off', ...options })

  async function call(method: string, path: string, body?: unknown, headers: object = {}) {
    const response = await fetch(`${emulator.url}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? null : JSON.parse(text) }
  }

  const authorization = { authorization: `Bearer ${secrets.access_token}` }
  const webhookUrl = server.url.href
  const registration = { display_phone_number: '12025550100', name: 'Test Shop', webhook_url: webhookUrl, ...secrets }
  await call('PUT', `/emulator/numbers/${numberId}`, registration)
  return {
    ...{ emulator, call, bot, received, registration, authorization },
    /** Calls Meta's send API with a message to the customer. */
    send: (message: object, headers: object = authorization) =>
      call('POST', `/v25.0/${numberId}/messages`, { messaging_product: 'whatsapp', to: customer, ...message }, headers),
    /** The customer writes, and the webhook is waited for. */
    write: (content: object, from: string = customer) =>
      call('POST', `/emulator/customers/${from}/messages?number=${numberId}&wait=delivered`, content),
    control: (method: string, path: string, body?: unknown) => call(method, `/emulator${path}`, body),
    chat: async (from: string = customer) =>
      (await call('GET', `/emulator/chats/${numberId}/${from}/messages`)).body.data as {
        readonly id: string
        readonly status: string
        readonly direction: string
        readonly content: { readonly text?: string }
      }[],
    messages: () => received.flatMap(({ body }) => body.entry[0].changes[0].value.messages ?? []),
    statuses: () => received.flatMap(({ body }) => body.entry[0].changes[0].value.statuses ?? []),
    async [Symbol.asyncDispose]() {
      await emulator.stop()
      await server.stop(true)
    },
  }
}

function receive(raw: string, signature: string | null) {
  return { raw, signature, body: JSON.parse(raw) }
}

/** Waits until a condition holds; fails after three seconds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 3_000; Date.now() < end; await Bun.sleep(5)) if (await condition()) return
  throw new Error('it never held')
}

export const text = (body: string) => ({ type: 'text', text: { body } })
export const say = (text: string) => ({ type: 'text', text })
