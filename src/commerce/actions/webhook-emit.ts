import * as v from 'valibot'
import { isBoundedJson } from '../../flow/json.ts'
import { VALUE_JSON_LENGTH_MAX } from '../../flow/limits.ts'
import type { Json } from '../../lib/json.ts'
import { waitingMax } from '../webhook-deliveries.ts'
import { makeAction } from './action.ts'
import { refusal } from './refusals.ts'

const eventLengthMax = 100

/** What an event is called (Standard Webhooks, "Event types"). */
export const eventName = v.pipe(
  v.string('Must be the name of an event'),
  v.maxLength(eventLengthMax, `Must have at most ${eventLengthMax} characters`),
  v.regex(/^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$/, 'Must be a name like shop.thing: letters, digits, _ and full stops'),
)

export const webhookEmitInput = v.strictObject({
  event: v.pipe(
    eventName,
    v.check(name => !name.startsWith('webhook.'), 'Names that begin with "webhook." are ours'),
    v.description('What happened, in words of yours'),
  ),
  data: v.optional(
    v.pipe(
      v.custom<Readonly<Record<string, Json>>>(isObject, 'Must be an object'),
      v.description('What there is to say of it'),
    ),
    {},
  ),
})

function isObject(value: unknown): boolean {
  return (
    isBoundedJson(value, VALUE_JSON_LENGTH_MAX) && typeof value === 'object' && value !== null && !Array.isArray(value)
  )
}

/** `webhook.emit`: tells the tenant's webhooks that want this event, later. See `docs/guides/webhooks.md`. */
export const webhookEmit = makeAction({
  handler: 'webhook.emit',
  permission: 'webhooks:write',
  writes: true,
  input: webhookEmitInput,
  doc: {
    about:
      'Tells your webhooks that want this event. It waits for nobody: the value says how many there are, and each is told ' +
      'as soon as it takes it, for about a day.',
    value: v.strictObject({ deliveries: v.number() }),
    errors: { too_much_waiting: `A webhook has ${waitingMax} deliveries waiting already.` },
    example: { event: 'quote.requested', data: { quantity: 12 } },
  },
  async perform(shop, { event, data }) {
    const queued = await shop.tellWebhooks(event, data)
    return queued.kind === 'queued'
      ? { ok: true, value: { deliveries: queued.deliveries } }
      : refusal(
          'too_much_waiting',
          `A webhook has ${waitingMax} deliveries waiting already: see what is wrong with it.`,
        )
  },
})
