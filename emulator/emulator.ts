import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Hono } from 'hono'
import { controlApi, shownNumber } from './control-api.ts'
import { WebhookDeliveries } from './deliver-webhooks.ts'
import { errorBody, unknownPath } from './dialects/meta-errors.ts'
import { EventStreams, type StreamedEvent } from './event-streams.ts'
import { Exchange } from './exchange.ts'
import { type Fault, FaultQueue } from './faults.ts'
import { Journal } from './journal.ts'
import { defaultLimits, type EmulatorLimits } from './limits.ts'
import type { Change } from './records.ts'
import { makeSendApi } from './send-api.ts'
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
}

export type Emulator = { readonly url: string; readonly port: number; stop(): Promise<void> }

/** Starts the phone emulator: Meta's send API, the customers' phones, and webhooks back. Throws where the port is taken. */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  const limits = { ...defaultLimits, ...options.limits }
  const now = () => Date.now()
  const streams = new EventStreams(limits.eventStreamsMax)
  const waiters = new Set<() => void>()
  let journal: Journal | null = null
  const world = new World(limits, change => {
    journal?.append(change)
    streams.send(streamed(change))
    for (const wake of waiters) wake()
    waiters.clear()
  })
  if (options.stateFile !== undefined) journal = await Journal.open(options.stateFile, limits.stateLinesMax, world)
  const faults = new FaultQueue(options.faults ?? [])
  const rates = options.rates === 'off' ? ({ throughput: 'off', pair: 'off' } as const) : (options.rates ?? metaRates)
  const throttle = new Throttle(rates, now)
  const sends = new SendLog(limits.requestsMax, now)
  const deliveries = new WebhookDeliveries(limits, faults, id => world.number(id), now)
  const exchange = new Exchange({ world, deliveries, throttle, now })
  const onTyping = (number: string, customer: string) =>
    streams.send({ kind: 'typing', number, customer, until: now() + typingMs })
  const send = makeSendApi({ world, exchange, throttle, faults, sends, onTyping })
  const control = controlApi({
    ...{ limits, world, exchange, deliveries, throttle, faults, sends },
    nextChange: ms => nextChange(waiters, ms),
    openEvents: () => streams.open(),
    onFaults: () => streams.send({ kind: 'faults' }),
  })

  const page = readFileSync(join(import.meta.dirname, 'chat.html'), 'utf8')
  const app = new Hono()
  app.get('/', context => context.html(page))
  app.get('/health', context => context.json({ status: 'ok' }))
  app.route('/emulator', control)
  app.post('/:version{v[0-9]+\\.[0-9]+}/:number/messages', context =>
    send(context.req.param('number'), context.req.raw),
  )
  app.notFound(context => Response.json(errorBody(unknownPath(context.req.path)), { status: 404 }))

  const host = options.host ?? '127.0.0.1'
  const server = Bun.serve({
    ...{ hostname: host, port: options.port, fetch: app.fetch },
    ...{ maxRequestBodySize: limits.bodyBytesMax, idleTimeout: 255 },
  })
  exchange.redeliver()
  return {
    port: server.port ?? options.port,
    url: `http://${host}:${server.port}`,
    async stop() {
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

function nextChange(waiters: Set<() => void>, ms: number): Promise<void> {
  return new Promise(resolve => {
    const wake = () => {
      clearTimeout(timer)
      resolve()
    }
    const timer = setTimeout(() => {
      waiters.delete(wake)
      resolve()
    }, ms)
    waiters.add(wake)
  })
}
