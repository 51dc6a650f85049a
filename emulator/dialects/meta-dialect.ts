import { Hono } from 'hono'
import * as v from 'valibot'
import { deaf, type WebhookFormat } from '../webhook-event.ts'
import { accountOf } from './accounts.ts'
import type { Dialect, Mounted, Stage } from './dialect.ts'
import { metaJson, metaWebhooks } from './meta-build-webhook.ts'
import { unknownPath } from './meta-errors.ts'
import { graphObjects, mediaFile, newMediaId } from './meta-objects.ts'
import { errorAnswer, refuseAtMeta, sendAtMeta } from './meta-send.ts'
import { verifyWebhook } from './meta-verify-webhook.ts'
import { commonFields, parted, text, wabaId, webhookUrl } from './number-input.ts'

const numberInput = v.pipe(
  v.strictObject({
    ...commonFields,
    webhook_url: webhookUrl,
    access_token: text(2_048),
    app_secret: text(256),
    verify_token: text(256),
    waba_id: wabaId,
  }),
  v.transform(input => {
    const { common, rest } = parted(input)
    return { ...common, account: { dialect: 'meta' as const, ...rest } }
  }),
)

const webhooks: WebhookFormat = {
  isBatched: true,
  timeoutMs: 10_000,
  build(number, events, around) {
    const [first] = events
    if (number.webhook_url === null || first === undefined) return null
    const body = first.kind === 'raw' ? first.body : metaWebhooks(around).build(number, events)
    const headers = { 'Content-Type': 'application/json', 'User-Agent': 'facebookexternalua' }
    return { url: number.webhook_url, headers, body }
  },
  sign: (number, { body }) => metaWebhooks().sign(number, body),
  isRetried: () => true,
  hear: deaf,
  encode: metaJson,
}

/** Meta's Cloud API. */
export const meta: Dialect = {
  name: 'meta',
  prefix: '',
  numberInput: () => numberInput,
  shown: number => ({ waba_id: accountOf(number, 'meta').waba_id }),
  verify: verifyWebhook,
  tellsOfPhone: true,
  hasRates: true,
  hasWindow: true,
  messageId: newWamid,
  mediaId: newMediaId,
  announce: () => [],
  webhooks,
  refuse: refuseAtMeta,
  unknownPath: path => errorAnswer(unknownPath(path)),
  mount,
}

function mount(stage: Stage): Mounted {
  const api = new Hono()
  const version = '/:version{v[0-9]+\\.[0-9]+}'
  api.post(`${version}/:number/messages`, context => sendAtMeta(stage, context.req.param('number'), context.req.raw))
  api.route(version, graphObjects(stage))
  api.get('/media/:id', context => mediaFile(stage, context))
  return { api }
}

export function newWamid(): string {
  return `wamid.${Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString('base64')}`
}
