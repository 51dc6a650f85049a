import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import type { WebhookDeliveries } from './deliver-webhooks.ts'
import { metaJson } from './dialects/meta-webhook.ts'
import type { Exchange } from './exchange.ts'
import { type FaultQueue, faultSchema } from './faults.ts'
import type { EmulatorLimits } from './limits.ts'
import { type BusinessNumber, contentSchema } from './records.ts'
import type { SendLog } from './send-log.ts'
import { metaRates, ratesSchema, type Throttle } from './throttle.ts'
import { verifyWebhook } from './verify-webhook.ts'
import type { World } from './world.ts'

const waitMsMax = 60_000
const pageMax = 500
const copiesMax = 200

const text = (max: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(max))

const numberInput = v.strictObject({
  display_phone_number: text(32),
  name: v.optional(text(100), 'Shop'),
  webhook_url: v.pipe(v.string(), v.url(), v.regex(/^https?:/i)),
  access_token: text(2_048),
  app_secret: text(256),
  verify_token: text(256),
  waba_id: v.optional(text(64), '100000000000001'),
})

const customerFields = {
  profile_name: v.optional(text(200)),
  bsuid: v.optional(text(150)),
  hide_phone: v.optional(v.boolean()),
  auto_read: v.optional(v.boolean()),
}

/** A tapped choice may leave out what was tapped: the emulator then takes a button. */
const writtenContent = v.union([
  contentSchema,
  v.pipe(
    v.object({ type: v.literal('choice'), id: v.string(), title: v.string() }),
    v.transform(choice => ({ ...choice, of: 'button' as const })),
  ),
])

const writeInput = v.union([
  v.object({ messages: v.pipe(v.array(writtenContent), v.minLength(1), v.maxLength(100)), ...customerFields }),
  v.looseObject({ type: v.string(), reply_to: v.optional(text(512)), ...customerFields }),
])

const rawInput = v.object({
  body: v.unknown(),
  copies: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(copiesMax)), 1),
})

export type ControlParts = {
  readonly limits: EmulatorLimits
  readonly world: World
  readonly exchange: Exchange
  readonly deliveries: WebhookDeliveries
  readonly throttle: Throttle
  readonly faults: FaultQueue
  readonly sends: SendLog
  /** Resolves at the next change of the world, or after `ms`. */
  readonly nextChange: (ms: number) => Promise<void>
  readonly openEvents: () => ReadableStream<Uint8Array> | null
  readonly onFaults: () => void
}

/** A request that is refused; the message is a sentence. */
export class Refused extends Error {
  readonly status: 400 | 404 | 409 | 413 | 422 | 503
  constructor(status: Refused['status'], message: string) {
    super(message)
    this.status = status
  }
}

/** `/emulator/…`: what tests, the demo and the chat page do with the emulator. Errors are `{error: sentence}`. */
export function controlApi(parts: ControlParts): Hono {
  const { world, exchange, deliveries, throttle, faults, sends } = parts
  const app = new Hono()
  app.onError((error, context) => {
    if (error instanceof Refused) return context.json({ error: error.message }, error.status)
    return context.json({ error: `The emulator failed: ${error.message}` }, 500)
  })

  app.get('/numbers', context => context.json({ data: world.numbers().map(shownNumber) }))
  app.get('/numbers/:id', context => context.json(shownNumber(numberOf(context.req.param('id')))))
  app.put('/numbers/:id', async context => {
    const { display_phone_number, name, webhook_url, ...account } = await read(context, numberInput)
    const id = context.req.param('id')
    const number: BusinessNumber = {
      id,
      display_phone_number,
      name,
      webhook_url,
      account: { dialect: 'meta', ...account },
    }
    if (world.putNumber(number) === 'full') throw new Refused(409, 'There is no room for one more number.')
    if (context.req.query('verify') === 'false') return context.json(shownNumber(number))
    return context.json({ ...shownNumber(number), ...(await verifyWebhook(number)) })
  })
  app.delete('/numbers/:id', context => {
    if (!world.removeNumber(context.req.param('id'))) throw new Refused(404, 'There is no such number.')
    return context.body(null, 204)
  })
  app.post('/numbers/:id/webhooks', async context => {
    const number = numberOf(context.req.param('id'))
    const { body, copies } = await read(context, rawInput)
    const raw = typeof body === 'string' ? body : metaJson(body)
    const delivered = await Promise.all(
      Array.from({ length: copies }, (_, copy) => deliveries.add(number.id, `copy ${copy}`, 'raw', raw)),
    )
    return context.json({ delivered: delivered.filter(Boolean).length })
  })
  app.get('/numbers/:id/verify', async context => context.json(await verifyWebhook(numberOf(context.req.param('id')))))

  app.put('/customers/:ref', async context => {
    const change = await read(context, v.strictObject(customerFields))
    return context.json(exchange.customer(context.req.param('ref'), change))
  })
  app.post('/customers/:ref/messages', async context => {
    const number = numberOf(context.req.query('number') ?? onlyNumber())
    const input = await read(context, writeInput)
    const contents =
      'messages' in input && Array.isArray(input.messages) ? input.messages : [parse(writtenContent, input)]
    const customer = exchange.customer(context.req.param('ref'), input)
    const replyTo = 'reply_to' in input && typeof input.reply_to === 'string' ? input.reply_to : undefined
    const { messages, delivered } = exchange.write(number, customer, contents, replyTo)
    const written = { data: messages, id: messages[0]?.id, seq: messages.at(-1)?.seq }
    if (context.req.query('wait') !== 'delivered') return context.json(written, 202)
    return context.json({
      ...written,
      delivered: await Promise.race([delivered, Bun.sleep(waitMsMax).then(() => false)]),
    })
  })

  app.get('/chats', context => {
    const chats = world.chats(context.req.query('number') ?? null)
    return context.json({
      data: chats.slice(0, pageMax).map(({ messages, lastInboundAt, ...chat }) => ({
        ...chat,
        person: world.customer(chat.customer),
        last_inbound_at: lastInboundAt,
        last_message: messages.at(-1) ?? null,
        messages: messages.length,
      })),
    })
  })
  app.get('/chats/:number/:customer/messages', async context => {
    const number = numberOf(context.req.param('number'))
    const customer = world.customer(context.req.param('customer'))?.id ?? context.req.param('customer')
    const after = whole(context.req.query('after'), 0, Number.MAX_SAFE_INTEGER)
    const until = Date.now() + whole(context.req.query('wait'), 0, waitMsMax)
    for (;;) {
      const messages = (world.chat(number.id, customer)?.messages ?? []).filter(message => message.seq > after)
      if (messages.length > 0 || Date.now() >= until) return context.json({ data: messages })
      await parts.nextChange(until - Date.now())
    }
  })
  app.post('/chats/:number/:customer/read', context => {
    const number = numberOf(context.req.param('number'))
    const customer = world.customer(context.req.param('customer'))
    if (customer === null) throw new Refused(404, 'There is no such customer.')
    return context.json({ read: exchange.read(number, customer) })
  })

  app.get('/requests', context =>
    context.json({ total: sends.total, data: sends.entries(context.req.query('number') ?? null) }),
  )
  app.get('/webhooks', context =>
    context.json({ pending: deliveries.pending, data: deliveries.entries(context.req.query('number') ?? null) }),
  )

  app.get('/faults', context => context.json({ data: faults.list() }))
  app.put('/faults', async context => setFaults(context, await readFaults(context)))
  app.post('/faults', async context => setFaults(context, [...faults.list(), ...(await readFaults(context))]))
  app.delete('/faults', context => setFaults(context, []))

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
    return context.body(null, 204)
  })
  return app

  function numberOf(id: string): BusinessNumber {
    const number = world.number(id)
    if (number === null)
      throw new Refused(404, `There is no number ${id}: register it with PUT /emulator/numbers/${id}.`)
    return number
  }

  function onlyNumber(): string {
    const [number, ...others] = world.numbers()
    if (number === undefined || others.length > 0) throw new Refused(422, 'Say which number: ?number=ID.')
    return number.id
  }

  async function readFaults(context: Context) {
    const list = v.pipe(v.array(faultSchema), v.maxLength(parts.limits.faultsMax))
    const body = await json(context)
    return parse(list, Array.isArray(body) ? body : [body])
  }

  function setFaults(context: Context, list: Parameters<FaultQueue['set']>[0]): Response {
    if (list.length > parts.limits.faultsMax)
      throw new Refused(422, `There are at most ${parts.limits.faultsMax} faults.`)
    faults.set(list)
    parts.onFaults()
    return context.json({ data: faults.list() })
  }
}

/** A number as it may be shown: without its secrets. */
export function shownNumber({ id, display_phone_number, name, webhook_url }: BusinessNumber) {
  return { id, display_phone_number, name, webhook_url }
}

async function read<T>(context: Context, schema: v.GenericSchema<unknown, T>): Promise<T> {
  return parse(schema, await json(context))
}

async function json(context: Context): Promise<unknown> {
  try {
    return await context.req.json()
  } catch {
    throw new Refused(400, 'The body is not JSON.')
  }
}

function parse<T>(schema: v.GenericSchema<unknown, T>, value: unknown): T {
  const parsed = v.safeParse(schema, value)
  if (parsed.success) return parsed.output
  const [issue] = parsed.issues
  throw new Refused(422, `${v.getDotPath(issue) ?? 'The body'}: ${issue.message}`)
}

function whole(given: string | undefined, min: number, max: number): number {
  const number = Number(given ?? min)
  if (!Number.isSafeInteger(number)) throw new Refused(422, `"${given}" is no whole number.`)
  return Math.min(Math.max(number, min), max)
}
