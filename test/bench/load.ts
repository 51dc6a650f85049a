import { createHmac } from 'node:crypto'
import type { Shop } from '../support/seed.ts'

/** What was seen of the messages of one load. */
export type LoadResult = {
  readonly messages: number
  readonly seconds: number
  /** From handing the webhook over to the arrival of the send at the provider, in milliseconds. */
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  /** From handing the webhook over to its answer, in milliseconds. */
  readonly answeredP50Ms: number
  readonly answeredP99Ms: number
  /** Webhooks that were not answered 200. */
  readonly refused: number
}

/**
 * A provider that accepts everything at once, and the customers of the shops. Runs in a process of its own, so that
 * its work is in nobody's figures. The reply to a message is told by the words that the flow gives back.
 */
export class FakeWhatsApp {
  readonly #server: ReturnType<typeof Bun.serve>
  readonly #sentAt = new Map<string, number>()
  #latencies: number[] = []
  #answers: number[] = []
  #replies = 0
  #onReply: () => void = () => undefined

  constructor() {
    this.#server = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch: async request => {
        const body = await request.text()
        this.#arrived(body)
        return new Response(`{"messages":[{"id":"wamid.${crypto.randomUUID()}"}]}`, {
          headers: { 'content-type': 'application/json' },
        })
      },
    })
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.#server.port}/v25.0`
  }

  #arrived(body: string): void {
    const key = /load-[\w-]+/.exec(body)?.[0] ?? ''
    const sentAt = this.#sentAt.get(key)
    if (sentAt === undefined) return
    this.#sentAt.delete(key)
    this.#latencies.push(performance.now() - sentAt)
    this.#replies++
    this.#onReply()
  }

  /** Sends `messages` at `perSecond` (null: as fast as `inFlightMax` allows), and waits for every reply. */
  async run(options: {
    readonly adapterUrl: string
    readonly shops: readonly Shop[]
    readonly messages: number
    readonly customersPerShop: number
    readonly perSecond: number | null
    readonly inFlightMax: number
  }): Promise<LoadResult> {
    const { messages, perSecond, inFlightMax } = options
    const run = crypto.randomUUID().slice(0, 8)
    this.#latencies = []
    this.#answers = []
    this.#replies = 0
    let refused = 0
    let inFlight = 0
    let next = 0
    const start = performance.now()
    const allReplied = new Promise<void>(resolve => {
      this.#onReply = () => {
        if (this.#replies + refused >= messages) resolve()
      }
    })
    const send = async (index: number) => {
      inFlight++
      const ok = await this.#post(options, `load-${run}-${index}`, index)
      inFlight--
      if (!ok) refused++
      this.#onReply()
    }
    while (next < messages) {
      const due = perSecond === null ? messages : Math.floor(((performance.now() - start) / 1000) * perSecond) + 1
      while (next < Math.min(due, messages) && inFlight < inFlightMax) void send(next++)
      await Bun.sleep(perSecond === null ? 0 : 1)
    }
    await Promise.race([allReplied, Bun.sleep(60_000)])
    const seconds = (performance.now() - start) / 1000
    const at = quantiles(this.#latencies)
    const answered = quantiles(this.#answers)
    return {
      ...{ messages: this.#replies, seconds, refused },
      ...{ p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) },
      ...{ answeredP50Ms: answered(0.5), answeredP99Ms: answered(0.99) },
    }
  }

  async #post(
    { adapterUrl, shops, customersPerShop }: { adapterUrl: string; shops: readonly Shop[]; customersPerShop: number },
    key: string,
    index: number,
  ): Promise<boolean> {
    const shop = shops[index % shops.length]
    if (shop === undefined) throw new Error('no shops')
    const customer = 34_600_000_000 + (Math.floor(index / shops.length) % customersPerShop)
    const body = webhookOf(shop.number.phone_number_id, String(customer), `wamid.${key}`, key)
    const signature = createHmac('sha256', shop.number.app_secret).update(body).digest('hex')
    const handedOver = performance.now()
    this.#sentAt.set(key, handedOver)
    const response = await fetch(`${adapterUrl}/webhooks/meta/${shop.botId}`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', 'x-hub-signature-256': `sha256=${signature}` },
    }).catch(() => undefined)
    await response?.arrayBuffer()
    this.#answers.push(performance.now() - handedOver)
    if (response?.status !== 200) this.#sentAt.delete(key)
    return response?.status === 200
  }

  async stop(): Promise<void> {
    await this.#server.stop(true)
  }
}

/** Milliseconds, to a tenth, by the part of the values that are smaller. */
function quantiles(values: readonly number[]): (part: number) => number {
  const sorted = values.toSorted((a, b) => a - b)
  return part => Math.round((sorted[Math.floor(sorted.length * part)] ?? Number.NaN) * 10) / 10
}

function webhookOf(number: string, from: string, id: string, text: string): string {
  const timestamp = String(Math.floor(Date.now() / 1000))
  const message = { from, from_user_id: `ES.${from}`, id, timestamp, type: 'text', text: { body: text } }
  const value = {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: number, phone_number_id: number },
    contacts: [{ profile: { name: 'Ada' }, wa_id: from, user_id: `ES.${from}` }],
    messages: [message],
  }
  return JSON.stringify({
    object: 'whatsapp_business_account',
    entry: [{ id: '1', changes: [{ field: 'messages', value }] }],
  })
}
