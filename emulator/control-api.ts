import { Hono, type MiddlewareHandler } from 'hono'
import type { ChatWatch } from './chat-watch.ts'
import {
  customerInput,
  customerRef,
  rawInput,
  readFaults,
  readNumber,
  whole,
  windowInput,
  writeInput,
} from './control-inputs.ts'
import type { WebhookDeliveries } from './deliver-webhooks.ts'
import { dialectOf } from './dialects/dialects.ts'
import type { Exchange } from './exchange.ts'
import type { Fault, FaultQueue } from './faults.ts'
import type { EmulatorLimits } from './limits.ts'
import type { MediaStore } from './media-store.ts'
import { numberOf, Refused, read } from './read-control.ts'
import type { BusinessNumber, Customer } from './records.ts'
import type { SendLog } from './send-log.ts'
import { metaRates, ratesSchema, type Throttle } from './throttle.ts'
import type { Chat, World } from './world.ts'
import { readWritten } from './written-content.ts'

const waitMsMax = 60_000
const pageMax = 500

export type ControlParts = {
  readonly limits: EmulatorLimits
  /** Runs before every route. */
  readonly guard: MiddlewareHandler
  readonly now: () => number
  readonly world: World
  readonly watch: ChatWatch
  readonly exchange: Exchange
  readonly deliveries: WebhookDeliveries
  readonly throttle: Throttle
  readonly faults: FaultQueue
  readonly sends: SendLog
  readonly media: MediaStore
  /** What dialects add. */
  readonly routes: readonly Hono[]
  /** Forgets what dialects keep besides the records. */
  readonly onReset: () => void
  readonly openEvents: () => ReadableStream<Uint8Array> | null
  readonly onFaults: () => void
}

/** `/emulator/…`: what tests, the demo and the chat page do with the emulator. Errors are `{error: sentence}`. */
export function controlApi(parts: ControlParts): Hono {
  const app = new Hono()
  app.onError((error, context) => {
    if (error instanceof Refused) return context.json({ error: error.message }, error.status)
    return context.json({ error: `The emulator failed: ${error.message}` }, 500)
  })
  app.use(parts.guard)
  numberRoutes(app, parts)
  customerRoutes(app, parts)
  chatRoutes(app, parts)
  logRoutes(app, parts)
  settingRoutes(app, parts)
  mediaRoutes(app, parts)
  for (const routes of parts.routes) app.route('/', routes)
  app.all('*', context => {
    throw new Refused(404, `There is no ${context.req.method} ${context.req.path}.`)
  })
  return app
}

function numberRoutes(app: Hono, { world, deliveries }: ControlParts): void {
  app.get('/numbers', context => context.json({ data: world.numbers().map(shownNumber) }))
  app.get('/numbers/:id', context => context.json(shownNumber(numberOf(world, context.req.param('id')))))
  app.put('/numbers/:id', async context => {
    const number = await readNumber(context, context.req.param('id'))
    if (world.putNumber(number) === 'full') throw new Refused(409, 'There is no room for one more number.')
    const { verify } = dialectOf(number)
    if (verify === null || context.req.query('verify') === 'false') return context.json(shownNumber(number))
    return context.json({ ...shownNumber(number), ...(await verify(number)) })
  })
  app.delete('/numbers/:id', context => {
    const { id } = numberOf(world, context.req.param('id'))
    world.removeNumber(id)
    deliveries.forget(id)
    return context.body(null, 204)
  })
  app.get('/numbers/:id/verify', async context => {
    const number = numberOf(world, context.req.param('id'))
    const { name, verify } = dialectOf(number)
    if (verify === null) throw new Refused(422, `Webhooks are not verified in the dialect ${name}.`)
    return context.json(await verify(number))
  })
  app.post('/numbers/:id/webhooks', async context => {
    const number = numberOf(world, context.req.param('id'))
    const { id } = number
    const { body, copies } = await read(context, rawInput)
    const raw = typeof body === 'string' ? body : dialectOf(number).webhooks.encode(body)
    const sent = Array.from({ length: copies }, () => deliveries.add(id, { kind: 'raw', body: raw }))
    const delivered = await within(Promise.all(sent), waitMsMax)
    return context.json({ delivered: (delivered ?? []).filter(Boolean).length })
  })
}

function customerRoutes(app: Hono, { world, exchange }: ControlParts): void {
  app.get('/customers/:ref', context => context.json(customerOf(world, context.req.param('ref'))))
  app.put('/customers/:ref', async context => {
    const change = await read(context, customerInput)
    return context.json(exchange.customer(customerRef(context.req.param('ref')), change))
  })
  app.post('/customers/:ref/messages', async context => {
    const number = numberOf(world, context.req.query('number') ?? onlyNumber(world))
    const ref = customerRef(context.req.param('ref'))
    const input = await read(context, writeInput)
    const chat = world.chat(number.id, world.customer(ref)?.id ?? ref)
    const written = (input.messages ?? [input]).map(each => {
      const found = readWritten(each, chat, input.reply_to ?? null)
      if (found.kind === 'invalid') throw new Refused(422, found.reason)
      return found.written
    })
    const { messages, delivered } = exchange.write(number, exchange.customer(ref, input), written)
    const answer = { data: messages, id: messages[0]?.id, seq: messages.at(-1)?.seq }
    if (context.req.query('wait') !== 'delivered') return context.json(answer, 202)
    return context.json({ ...answer, delivered: (await within(delivered, waitMsMax)) ?? false })
  })
}

function chatRoutes(app: Hono, { world, watch, exchange, now }: ControlParts): void {
  app.get('/chats', context => {
    const chats = world.chats(context.req.query('number') ?? null)
    return context.json({ data: chats.slice(0, pageMax).map(chat => shownChat(chat, world.customer(chat.customer))) })
  })
  app.get('/chats/:number/:customer/messages', async context => {
    const { id } = numberOf(world, context.req.param('number'))
    const ref = context.req.param('customer')
    const after = whole(context.req.query('after'), 0, 0, Number.MAX_SAFE_INTEGER)
    const limit = whole(context.req.query('limit'), pageMax, 1, pageMax)
    const until = Date.now() + whole(context.req.query('wait'), 0, 0, waitMsMax)
    const { signal } = context.req.raw
    for (;;) {
      const customer = world.customer(ref)?.id ?? ref
      const messages = (world.chat(id, customer)?.messages ?? []).filter(({ seq }) => seq > after)
      const page = after === 0 ? messages.slice(-limit) : messages.slice(0, limit)
      if (page.length > 0 || Date.now() >= until || signal.aborted) return context.json({ data: page })
      await watch.next(id, customer, until - Date.now(), signal)
    }
  })
  app.post('/chats/:number/:customer/phone', async context => {
    const number = numberOf(world, context.req.param('number'))
    const { name, tellsOfPhone } = dialectOf(number)
    if (!tellsOfPhone) throw new Refused(422, `What is written on the phone is not told of in the dialect ${name}.`)
    const customer = exchange.customer(customerRef(context.req.param('customer')))
    const { reply_to = null, ...input } = await read(context, writeInput)
    const found = readWritten(input, world.chat(number.id, customer.id), reply_to)
    if (found.kind === 'invalid') throw new Refused(422, found.reason)
    const { message, delivered } = exchange.writeFromPhone(number, customer, found.written)
    const answer = { id: message.id, seq: message.seq }
    if (context.req.query('wait') !== 'delivered') return context.json(answer, 202)
    return context.json({ ...answer, delivered: (await within(delivered, waitMsMax)) ?? false })
  })
  app.post('/chats/:number/:customer/read', context => {
    const number = numberOf(world, context.req.param('number'))
    return context.json({ read: exchange.read(number, customerOf(world, context.req.param('customer'))) })
  })
  app.put('/chats/:number/:customer/window', async context => {
    const number = numberOf(world, context.req.param('number'))
    const customer = customerOf(world, context.req.param('customer'))
    const { open } = await read(context, windowInput)
    const lastInboundAt = open ? now() : null
    world.setLastInbound(number.id, customer.id, lastInboundAt)
    return context.json({ last_inbound_at: lastInboundAt })
  })
}

function logRoutes(app: Hono, { sends, deliveries }: ControlParts): void {
  app.get('/requests', context =>
    context.json({ total: sends.total, data: sends.entries(context.req.query('number') ?? null) }),
  )
  app.get('/webhooks', context => {
    const number = context.req.query('number') ?? null
    const { log, pending } = deliveries
    return context.json({ total: log.total(number), pending, data: log.entries(number) })
  })
}

function settingRoutes(app: Hono, parts: ControlParts): void {
  const { limits, world, throttle, faults, sends, deliveries } = parts
  const setFaults = (list: readonly Fault[]): { data: readonly Fault[] } => {
    if (list.length > limits.faultsMax) throw new Refused(422, `There are at most ${limits.faultsMax} faults.`)
    faults.set(list)
    parts.onFaults()
    return { data: faults.list() }
  }
  app.get('/faults', context => context.json({ data: faults.list() }))
  app.put('/faults', async context => context.json(setFaults(await readFaults(context, limits.faultsMax))))
  app.post('/faults', async context => {
    const added = await readFaults(context, limits.faultsMax)
    return context.json(setFaults([...faults.list(), ...added]))
  })
  app.delete('/faults', context => context.json(setFaults([])))

  app.get('/rates', context => context.json(throttle.rates))
  app.put('/rates', async context => {
    throttle.configure(await read(context, ratesSchema))
    return context.json(throttle.rates)
  })
  app.delete('/rates', context => {
    throttle.configure(metaRates)
    return context.json(throttle.rates)
  })

  app.get('/events', () => {
    const stream = parts.openEvents()
    if (stream === null) throw new Refused(503, 'Too many pages are open.')
    return new Response(stream, { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' } })
  })
  app.delete('/state', context => {
    world.reset()
    sends.clear()
    deliveries.clear()
    throttle.clear()
    parts.onReset()
    setFaults([])
    return context.body(null, 204)
  })
}

/** Files as they are on the phones: what customers send, and what bots sent. */
function mediaRoutes(app: Hono, { media }: ControlParts): void {
  app.post('/media', async context => {
    const bytes = new Uint8Array(await context.req.arrayBuffer())
    const mimeType = context.req.header('content-type') ?? 'application/octet-stream'
    return context.json({ id: media.add(mimeType, bytes, crypto.randomUUID()).id }, 201)
  })
  app.get('/media/:id', context => {
    const file = media.get(context.req.param('id'))
    if (file === null) throw new Refused(404, 'This file is not kept any more.')
    return new Response(file.bytes, { headers: { ...fileHeaders, 'content-type': file.mimeType } })
  })
}

/** A bot's file is nothing this page would run. */
const fileHeaders = { 'x-content-type-options': 'nosniff', 'content-security-policy': "sandbox; default-src 'none'" }

function onlyNumber(world: World): string {
  const [number, ...others] = world.numbers()
  if (number === undefined || others.length > 0) throw new Refused(422, 'Say which number: ?number=ID.')
  return number.id
}

function customerOf(world: World, ref: string): Customer {
  const customer = world.customer(ref)
  if (customer === null) throw new Refused(404, `There is no customer ${ref}.`)
  return customer
}

function shownChat({ number, customer, lastInboundAt, messages }: Chat, person: Customer | null) {
  const isUnread = ({ direction, status }: Chat['messages'][number]) =>
    direction === 'outbound' && (status === 'sent' || status === 'delivered')
  return {
    ...{ number, customer, person },
    last_inbound_at: lastInboundAt,
    last_message: messages.at(-1) ?? null,
    messages: messages.length,
    unread: messages.filter(isUnread).length,
  }
}

/** A number as it may be shown: without its secrets. */
export function shownNumber(number: BusinessNumber) {
  const { id, display_phone_number, name, webhook_url } = number
  return { id, display_phone_number, name, webhook_url, ...dialectOf(number).shown(number) }
}

/** What the promise resolves to, or null after `ms`. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  let timer: Timer | undefined
  const late = new Promise<null>(resolve => {
    timer = setTimeout(() => resolve(null), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
