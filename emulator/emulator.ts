import { Hono } from 'hono'
import { chatPage } from './chat-page.ts'
import { ChatWatch } from './chat-watch.ts'
import { controlApi, shownNumber } from './control-api.ts'
import { WebhookDeliveries } from './deliver-webhooks.ts'
import type { Stage } from './dialects/dialect.ts'
import { dialectAt, dialectOf, dialects } from './dialects/dialects.ts'
import { EventStreams, type StreamedEvent } from './event-streams.ts'
import { type AutoStatus, Exchange } from './exchange.ts'
import { type Fault, FaultQueue } from './faults.ts'
import { guardBrowser } from './guard-browser.ts'
import { Journal } from './journal.ts'
import { defaultLimits, type EmulatorLimits } from './limits.ts'
import { MediaStore } from './media-store.ts'
import { mediaUrl } from './media-url.ts'
import type { Change } from './records.ts'
import { makeSendApi, respond } from './send-api.ts'
import { SendLog } from './send-log.ts'
import { metaRates, type Rates, Throttle } from './throttle.ts'
import { World } from './world.ts'

const typingMs = 25_000

export type EmulatorOptions = {
  /** 0 picks a free one. */
  readonly port: number
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Where numbers, customers and chats are kept over a restart; without it they are forgotten. */
  readonly stateFile?: string
  readonly faults?: readonly Fault[]
  /** Default: Meta's. */
  readonly rates?: Rates | 'off'
  readonly limits?: Partial<EmulatorLimits>
  /** Default: delivered. A failure is told in any case. */
  readonly autoStatus?: AutoStatus
}

export type Emulator = { readonly url: string; readonly port: number; stop(): Promise<void> }

/** Starts the phone emulator: the providers' APIs, the customers' phones, and webhooks back. Throws where the port is taken. */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  const limits = { ...defaultLimits, ...options.limits }
  const now = () => Date.now()
  const streams = new EventStreams(limits.eventStreamsMax)
  const watch = new ChatWatch()
  let journal: Journal | null = null
  const world = new World(limits, change => {
    journal?.append(change)
    streams.send(streamed(change))
    if (change.kind === 'message') watch.changed(change.number, change.customer)
  })
  if (options.stateFile !== undefined) journal = await Journal.open(options.stateFile, limits.stateLinesMax, world)
  const faults = new FaultQueue(options.faults ?? [])
  const rates = options.rates === 'off' ? ({ throughput: 'off', pair: 'off' } as const) : (options.rates ?? metaRates)
  const throttle = new Throttle(rates, now)
  const sends = new SendLog(limits.requestsMax, now)
  const host = options.host ?? '127.0.0.1'
  let url = ''
  const media = new MediaStore(limits.mediaBytesMax)
  const stopping = new AbortController()
  const deliveries = new WebhookDeliveries({
    ...{ limits, faults, now },
    formatOf: number => dialectOf(number).webhooks,
    around: {
      get url() {
        return url
      },
      message: id => world.message(id)?.message ?? null,
      media: (id, mimeType) => ({ url: mediaUrl(url, id), bytes: media.stage(mimeType, id).bytes }),
    },
    numberOf: id => world.number(id),
    onReply: (number, customer, text) => exchange.answer(number, customer, text),
  })
  const exchange = new Exchange({
    ...{ world, deliveries, throttle, media, now, wordingOf: dialectOf },
    ...{ autoStatus: options.autoStatus ?? 'delivered', signal: stopping.signal },
  })
  const stage: Stage = {
    ...{ world, exchange, media, deliveries, now },
    send: makeSendApi({ exchange, throttle, faults, sends, wordingOf: dialectOf }),
    url: () => url,
    onTyping: (number, customer) => streams.send({ kind: 'typing', number, customer, until: now() + typingMs }),
    onNotice: number => streams.send({ kind: 'notice', number }),
    signal: stopping.signal,
  }
  const mounted = dialects.map(dialect => ({ prefix: dialect.prefix, ...dialect.mount(stage) }))
  const control = controlApi({
    ...{ limits, now, world, watch, exchange, deliveries, throttle, faults, sends, media },
    guard: guardBrowser(host),
    routes: mounted.flatMap(({ control }) => control ?? []),
    onReset: () => mounted.forEach(({ clear }) => void clear?.()),
    openEvents: () => streams.open(),
    onFaults: () => streams.send({ kind: 'faults' }),
  })

  const app = new Hono()
  app.get('/', chatPage())
  app.get('/health', context => context.json({ status: 'ok' }))
  app.route('/emulator', control)
  for (const { prefix, api } of mounted) app.route(prefix === '' ? '/' : prefix, api)
  app.notFound(context => respond(dialectAt(context.req.path).unknownPath(context.req.path)))

  const server = Bun.serve({
    ...{ hostname: host, port: options.port, fetch: app.fetch },
    ...{ maxRequestBodySize: limits.bodyBytesMax, idleTimeout: 255 },
  })
  url = `http://${host.includes(':') ? `[${host}]` : host}:${server.port}`
  exchange.redeliver()
  return {
    ...{ port: server.port ?? options.port, url },
    async stop() {
      stopping.abort()
      deliveries.stop()
      streams.close()
      await server.stop(true)
      await journal?.close()
    },
  }
}

function streamed(change: Change): StreamedEvent {
  return change.kind === 'number' ? { kind: 'number', number: shownNumber(change.number) } : change
}
