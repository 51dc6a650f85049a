import { Hono, type MiddlewareHandler } from 'hono'
import type { ChatWatch } from './chat-watch.ts'
import {
  customerInput,
  customerRef,
  numberInput,
  Refused,
  rawInput,
  read,
  readFaults,
  whole,
  windowInput,
  writeInput,
} from './control-inputs.ts'
import type { WebhookDeliveries } from './deliver-webhooks.ts'
import { metaJson } from './dialects/meta-build-webhook.ts'
import type { Exchange } from './exchange.ts'
import type { Fault, FaultQueue } from './faults.ts'
import type { EmulatorLimits } from './limits.ts'
import type { BusinessNumber, Customer } from './records.ts'
import type { SendLog } from './send-log.ts'
import { metaRates, ratesSchema, type Throttle } from './throttle.ts'
import { verifyWebhook } from './verify-webhook.ts'
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
  app.all('*', context => {
    throw new Refused(404, `There is no ${context.req.method} ${context.req.path}.`)
  })
  return app
}

function numberRoutes(app: Hono, { world, deliveries }: ControlParts): void {
  app.get('/numbers', context => context.json({ data: world.numbers().map(shownNumber) }))
  app.get('/numbers/:id', context => context.json(shownNumber(numberOf(world, context.req.param('id')))))
  app.put('/numbers/:id', async context => {
    const { display_phone_number, name, webhook_url, ...account } = await read(context, numberInput)
    const id = context.req.param('id')
    const number: BusinessNumber = {
      ...{ id, display_phone_number, name, webhook_url },
      account: { dialect: 'meta', ...account },
    }
    if (world.putNumber(number) === 'full') throw new Refused(409, 'There is no room for one more number.')
    if (context.req.query('verify') === 'false') return context.json(shownNumber(number))
    return context.json({ ...shownNumber(number), ...(await verifyWebhook(number)) })
  })
  app.delete('/numbers/:id', context => {
    const { id } = numberOf(world, context.req.param('id'))
    world.removeNumber(id)
    deliveries.forget(id)
    return context.body(null, 204)
  })
  app.get('/numbers/:id/verify', async context =>
    context.json(await verifyWebhook(numberOf(world, context.req.param('id')))),
  )
  app.post('/numbers/:id/webhooks', async context => {
    const { id } = numberOf(world, context.req.param('id'))
    const { body, copies } = await read(context, rawInput)
    const raw = typeof body === 'string' ? body : metaJson(body)
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
    setFaults([])
    return context.body(null, 204)
  })
}

function numberOf(world: World, id: string): BusinessNumber {
  const number = world.number(id)
  if (number !== null) return number
  throw new Refused(404, `There is no number ${id}: register it with PUT /emulator/numbers/${id}.`)
}

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
export function shownNumber({ id, display_phone_number, name, webhook_url, account }: BusinessNumber) {
  return { id, display_phone_number, name, webhook_url, waba_id: account.waba_id }
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
