import * as v from 'valibot'
import { identityLengthMax, phoneShape } from '../../commerce/customers.ts'
import { type OutboundContent, outboundContentSchema } from '../../flow/content.ts'
import { isBoundedJson } from '../../flow/json.ts'
import { idempotencyKeyShape } from '../../identity/idempotency.ts'
import { checkFields, invalid } from '../../lib/check-fields.ts'
import { isUuid } from '../../lib/ids.ts'
import { type Json, storableJson } from '../../lib/json.ts'
import type { Identity } from '../../messaging/resolve-customers.ts'

// Requests as they are decoded: each field by its name in proto/, with its default where it was left out.

const uuid = v.pipe(v.string(), v.check(isUuid, 'Must be an id, in lower case'))
const phone = v.pipe(v.string(), v.regex(phoneShape, 'Must be a phone in E.164, like +573001234567'))

const identityKinds = {
  IDENTITY_KIND_PHONE: 'phone',
  IDENTITY_KIND_BSUID: 'bsuid',
  IDENTITY_KIND_LID: 'lid',
} as const satisfies Record<string, Identity['kind']>

const identity = v.variant(
  'kind',
  [
    v.object({ kind: v.literal('IDENTITY_KIND_PHONE'), value: phone }),
    v.object({
      kind: v.picklist(['IDENTITY_KIND_BSUID', 'IDENTITY_KIND_LID']),
      value: v.pipe(
        v.string(),
        v.regex(/\S/, 'Must not be empty'),
        v.check(value => [...value].length <= identityLengthMax, `Must have at most ${identityLengthMax} characters`),
      ),
    }),
  ],
  `Must be one of ${Object.keys(identityKinds).join(', ')}`,
)

/** Of a message, before it is known which of its fields was given. */
const givenMessage = v.object({
  bot_id: v.string(),
  phone: v.optional(v.string()),
  identity: v.nullish(v.record(v.string(), v.unknown())),
  content: v.nullish(v.record(v.string(), v.record(v.string(), v.unknown()))),
  idempotency_key: v.string(),
})

const message = v.object({
  bot_id: uuid,
  to: v.union([phone, identity]),
  content: outboundContentSchema,
  idempotency_key: v.union(
    [v.literal(''), v.pipe(v.string(), v.regex(idempotencyKeyShape))],
    'Must have 1 to 255 visible ASCII characters',
  ),
})

export type SendMessage = {
  readonly botId: string
  readonly to: Identity
  readonly content: OutboundContent
  readonly idempotencyKey: string | null
  /** What a field of that body is called in the request. */
  readonly nameOf: (path: string) => string
  /** The same message as the body of `POST /api/bots/{id}/messages`. */
  readonly body: Json
}

/** Throws `invalid`, naming the fields as they are in proto/. */
export function readSendMessage(request: unknown): SendMessage {
  const given = v.parse(givenMessage, request)
  const [toField, toValue] = given.identity ? ['identity', given.identity] : ['phone', given.phone]
  const [[kind, fields] = []] = Object.entries(given.content ?? {})
  const flat = storable({
    ...{ bot_id: given.bot_id, idempotency_key: given.idempotency_key },
    ...(toValue !== undefined && { to: toValue }),
    ...(kind !== undefined && { content: { type: kind, ...fields } }),
  })
  const nameOf = (path: string): string =>
    path.replace(/^content\.(?=.)/, `content.${kind}.`).replace(/^to\b/, toValue === undefined ? 'to' : toField)
  const read = checkFields(message, flat, nameOf)
  const { content } = read
  const to = typeof read.to === 'string' ? read.to : { ...read.to, kind: identityKinds[read.to.kind] }
  return {
    ...{ botId: read.bot_id, content, idempotencyKey: read.idempotency_key || null },
    to: typeof to === 'string' ? { kind: 'phone', value: to } : to,
    nameOf,
    // It was JSON before it was checked.
    body: { to, content: content as Json },
  }
}

/** What PostgreSQL cannot store is replaced at the door, so that no text can break a statement later. */
function storable(given: unknown): Json {
  if (isBoundedJson(given, Number.POSITIVE_INFINITY)) return storableJson(given)
  throw invalid([{ path: 'content', message: 'Has a number that is not finite' }])
}

const ofBot = v.object({ bot_id: uuid })

/** The bot that a request is about. */
export function readBotId(request: unknown): string {
  return checkFields(ofBot, request).bot_id
}

const headersMax = 200
const urlLengthMax = 8_192

const webhook = v.object({
  provider: v.string(),
  bot_id: v.string(),
  headers: v.pipe(
    v.array(v.object({ name: v.string(), value: v.string() })),
    v.maxLength(headersMax, `Must be at most ${headersMax}`),
  ),
  url: v.pipe(
    v.string(),
    v.maxLength(urlLengthMax, `Must have at most ${urlLengthMax} characters`),
    v.check(url => url === '' || URL.canParse(url), 'Must be a URL'),
  ),
  body: v.instance(Uint8Array),
})

export type HandleWebhook = {
  readonly provider: string
  readonly botId: string
  readonly headers: Headers
  /** Null where it is not given. */
  readonly url: string | null
  readonly body: Uint8Array
}

export function readHandleWebhook(request: unknown): HandleWebhook {
  const { provider, bot_id, headers, url, body } = checkFields(webhook, request)
  return { provider, botId: bot_id, headers: readHeaders(headers), url: url || null, body }
}

function readHeaders(given: readonly { readonly name: string; readonly value: string }[]): Headers {
  const headers = new Headers()
  given.forEach(({ name, value }, index) => {
    try {
      headers.append(name, value)
    } catch {
      throw invalid([{ path: `headers.${index}`, message: 'Is no header of HTTP' }])
    }
  })
  return headers
}
