import { Hono } from 'hono'
import * as v from 'valibot'
import type { ReadSend } from '../read-send.ts'
import type { BusinessNumber, ChatMessage } from '../records.ts'
import { parseJson } from '../send-api.ts'
import { deaf, type WebhookFormat } from '../webhook-event.ts'
import { accountOf } from './accounts.ts'
import { answered, invalidKey, unknownEndpoint } from './d360-errors.ts'
import { numberOfKey } from './d360-key.ts'
import type { Dialect, Mounted, Stage } from './dialect.ts'
import { legacyWebhook } from './legacy-build-webhook.ts'
import { meta, refuseAtLegacy, userNotValid } from './legacy-errors.ts'
import { legacyObjects } from './legacy-objects.ts'
import { parseLegacySend } from './legacy-parse-send.ts'
import { commonFields, headers, key, parted, webhookUrl } from './number-input.ts'

const numberInput = v.pipe(
  v.strictObject({
    ...commonFields,
    webhook_url: v.optional(v.nullable(webhookUrl), null),
    api_key: key,
    webhook_headers: v.optional(headers, {}),
  }),
  v.transform(input => {
    const { common, rest } = parted(input)
    return { ...common, account: { dialect: 'legacy' as const, ...rest } }
  }),
)

const webhooks: WebhookFormat = {
  isBatched: true,
  timeoutMs: 10_000,
  build(number, events, around) {
    const [first] = events
    if (number.webhook_url === null || first === undefined) return null
    const body = first.kind === 'raw' ? first.body : JSON.stringify(legacyWebhook(number, events, around))
    return { url: number.webhook_url, headers: { 'Content-Type': 'application/json' }, body }
  },
  // Nothing is signed: the headers that were asked for are all there is.
  sign: number => accountOf(number, 'legacy').webhook_headers,
  isRetried: () => true,
  hear: deaf,
  encode: body => JSON.stringify(body),
}

/** The on-premises API that Meta ended in October 2025, and that gateways still imitate, behind 360dialog's keys. */
export const legacy: Dialect = {
  name: 'legacy',
  prefix: '/d360',
  numberInput: () => numberInput,
  shown: () => ({ dialect: 'legacy' }),
  verify: null,
  tellsOfPhone: false,
  hasRates: true,
  hasWindow: true,
  messageId: newMessageId,
  mediaId: () => crypto.randomUUID(),
  announce: () => [],
  webhooks,
  refuse: refuseAtLegacy,
  unknownPath: unknownEndpoint,
  mount,
}

function newMessageId(direction: ChatMessage['direction']): string {
  const random = Buffer.from(crypto.getRandomValues(new Uint8Array(12)))
    .toString('hex')
    .toUpperCase()
  return `${direction === 'inbound' ? 'ABGG' : 'gBGG'}${random}`
}

function mount(stage: Stage): Mounted {
  const api = new Hono()
  api.post('/v1/messages', context => send(stage, context.req.raw))
  api.route('/', legacyObjects(stage))
  return { api }
}

async function send(stage: Stage, request: Request): Promise<Response> {
  const text = await request.text()
  const body = parseJson(text)
  const number = numberOfKey(stage.world, request, 'legacy')
  return await stage.send(request, { number: number?.id ?? '', body: body ?? text }, () =>
    number === null ? answered(invalidKey()) : read(stage, number, body),
  )
}

function read({ exchange }: Stage, number: BusinessNumber, body: unknown): ReadSend {
  const command = parseLegacySend(body)
  if (command.kind === 'refused') return answered(command.answer)
  const { recipient, content, replyTo } = command
  const customer = exchange.customer(recipient.by === 'phone' ? recipient.phone : recipient.input)
  if (customer.not_on_whatsapp === true) return answered(userNotValid(recipient.input))
  return {
    ...{ kind: 'message', number, customer, draft: { content, replyTo } },
    answer: ({ id }) => ({ status: 201, body: { messages: [{ id }], meta } }),
  }
}
