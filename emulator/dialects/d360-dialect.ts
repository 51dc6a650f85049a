import { Hono } from 'hono'
import * as v from 'valibot'
import type { Refusal, RefusedAs } from '../read-send.ts'
import { parseJson } from '../send-api.ts'
import { deaf, type WebhookFormat } from '../webhook-event.ts'
import { accountOf } from './accounts.ts'
import { answered, badGateway, invalidKey, overEndpointRate, unknownEndpoint } from './d360-errors.ts'
import { numberOfKey } from './d360-key.ts'
import { attachmentUrl, d360Media } from './d360-media.ts'
import { webhookConfig } from './d360-webhook-config.ts'
import type { Dialect, Mounted, Stage } from './dialect.ts'
import { cloudWebhook } from './meta-build-webhook.ts'
import { newWamid } from './meta-dialect.ts'
import { newMediaId } from './meta-objects.ts'
import { readCloudSend, refuseAtMeta } from './meta-send.ts'
import { commonFields, headers, key, parted, wabaId, webhookUrl } from './number-input.ts'

const numberInput = v.pipe(
  v.strictObject({
    ...commonFields,
    webhook_url: v.optional(v.nullable(webhookUrl), null),
    api_key: key,
    webhook_secret: v.optional(v.nullable(key), null),
    webhook_headers: v.optional(headers, {}),
    waba_id: wabaId,
  }),
  v.transform(input => {
    const { common, rest } = parted(input)
    return { ...common, account: { dialect: 'd360' as const, ...rest } }
  }),
)

const webhooks: WebhookFormat = {
  isBatched: true,
  timeoutMs: 10_000,
  build(number, events, around) {
    const [first] = events
    const { waba_id } = accountOf(number, 'd360')
    if (number.webhook_url === null || first === undefined) return null
    const media = (id: string, mimeType: string) => ({
      url: attachmentUrl(number, id, Date.now(), 'webhook'),
      bytes: around.media(id, mimeType).bytes,
    })
    const body =
      first.kind === 'raw' ? first.body : JSON.stringify(cloudWebhook(number, waba_id, events, { ...around, media }))
    return { url: number.webhook_url, headers: { 'Content-Type': 'application/json' }, body }
  },
  sign(number, { body }) {
    const { webhook_secret: secret, webhook_headers } = accountOf(number, 'd360')
    return { ...webhook_headers, ...(secret === null ? {} : { 'x-360dialog-signature': d360Signature(body, secret) }) }
  },
  isRetried: () => true,
  hear: deaf,
  encode: body => JSON.stringify(body),
}

/** 360dialog today: Meta's Cloud API behind its own host and keys. A number is known by its key, never by the path. */
export const d360: Dialect = {
  name: 'd360',
  prefix: '/d360',
  numberInput: () => numberInput,
  shown: number => ({ dialect: 'd360', waba_id: accountOf(number, 'd360').waba_id }),
  verify: null,
  tellsOfPhone: true,
  hasRates: true,
  hasWindow: true,
  messageId: newWamid,
  mediaId: newMediaId,
  announce: () => [],
  webhooks,
  refuse,
  unknownPath: unknownEndpoint,
  mount,
}

/** The value of `x-360dialog-signature` for these bytes: lower-case hex. */
export function d360Signature(body: string, secret: string): string {
  return new Bun.CryptoHasher('sha256', secret).update(body).digest('hex')
}

function refuse(refusal: Refusal): RefusedAs {
  switch (refusal) {
    case 'throttled':
      return { kind: 'answered', answer: overEndpointRate() }
    case 'unavailable':
      return { kind: 'answered', answer: badGateway() }
    case 'unauthorized':
      return { kind: 'answered', answer: invalidKey() }
    default:
      return refuseAtMeta(refusal)
  }
}

function mount(stage: Stage): Mounted {
  const media = d360Media(stage)
  const api = new Hono()
  api.post('/messages', context => send(stage, context.req.raw))
  api.route('/', webhookConfig(stage.world))
  api.route('/', media.api)
  return { api, clear: media.clear }
}

async function send(stage: Stage, request: Request): Promise<Response> {
  const text = await request.text()
  const body = parseJson(text)
  const number = numberOfKey(stage.world, request, 'd360')
  return await stage.send(request, { number: number?.id ?? '', body: body ?? text }, () =>
    number === null ? answered(invalidKey()) : readCloudSend(stage, number, body),
  )
}
