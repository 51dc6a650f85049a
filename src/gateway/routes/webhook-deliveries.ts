import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import { deliveryStates, findDelivery, listDeliveries, retryDelivery } from '../../commerce/webhook-deliveries.ts'
import { findWebhook, lockWebhook } from '../../commerce/webhooks.ts'
import { AppError } from '../../lib/errors.ts'
import { isUuid } from '../../lib/ids.ts'
import { answerChange } from '../change.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { inTenant, type Parts, readInTenant } from '../parts.ts'
import { time, uuid } from '../schemas.ts'
import { body, describe, found, idempotent, idOf, makeGuard, notFound, query } from '../steps.ts'

const state = v.picklist(deliveryStates, `Must be one of ${deliveryStates.join(', ')}`)
const shown = {
  id: uuid,
  webhook_id: uuid,
  event_id: v.pipe(uuid, v.description('The `webhook-id` that goes with every try')),
  event: v.string(),
  state: v.pipe(
    state,
    v.description(
      '`delivered`: the last try was answered with a status of 200 to 299; `failed`: there will be no other',
    ),
  ),
  attempts: v.pipe(v.number(), v.integer()),
  response_status: v.pipe(v.nullable(v.number()), v.description('Of the last try; null: there was no answer')),
  latency_ms: v.pipe(v.nullable(v.number()), v.description('How long the last try took')),
  error: v.nullable(v.strictObject({ code: v.string(), message: v.string() })),
  next_attempt_at: v.nullable(time),
  created_at: time,
  ended_at: v.nullable(time),
}
const delivery = named('WebhookDelivery', v.strictObject(shown))
const wholeDelivery = named(
  'WebhookDeliveryWithPayload',
  v.strictObject({ ...shown, payload: v.pipe(v.string(), v.description('Byte for byte what is signed and sent')) }),
)

const tag = 'Webhooks'

export function webhookDeliveryRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/:id/deliveries',
    describe({
      id: 'listWebhookDeliveries',
      tag,
      summary: 'What a webhook was told, newest first',
      description: 'One that has ended is kept as long as logs are.',
      answers: { 200: pageOf(delivery) },
      errors: ['not_found'],
    }),
    may('webhooks:read', { isFresh: true }),
    query(v.strictObject({ ...pageQuery, state: v.optional(state) })),
    async context => {
      const webhookId = idOf(context)
      const { limit, cursor, state = null } = context.req.valid('query')
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await inTenant(parts, context, async (tx, { tenantId }) => {
        found(await findWebhook(tx, tenantId, webhookId), 'webhook')
        return await listDeliveries(tx, { tenantId, webhookId, beforeId, state, limit: limit + 1 })
      })
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.get(
    '/:id/deliveries/:delivery_id',
    describe({
      id: 'getWebhookDelivery',
      tag,
      summary: 'One delivery, with what it says',
      answers: { 200: wholeDelivery },
      errors: ['not_found'],
    }),
    may('webhooks:read', { isFresh: true }),
    async context => {
      const key = { webhookId: idOf(context), id: deliveryIdOf(context) }
      const one = await readInTenant(parts, context, (tx, { tenantId }) => findDelivery(tx, { tenantId, ...key }))
      return context.json(found(one, 'delivery'))
    },
  )
  app.post(
    '/:id/deliveries/:delivery_id/retry',
    describe({
      id: 'retryWebhookDelivery',
      tag,
      summary: 'Deliver once more',
      description: 'One that was delivered too: whoever is told knows it by its `webhook-id`, which is the same.',
      answers: { 202: delivery },
      errors: ['not_found', 'conflict'],
    }),
    may('webhooks:write'),
    idempotent,
    body(v.strictObject({}), { mayBeEmpty: true }),
    async context => {
      const [webhookId, id] = [idOf(context), deliveryIdOf(context)]
      return await answerChange(parts, context, 202, async (tx, { tenantId }, record) => {
        const { active } = found(await lockWebhook(tx, tenantId, webhookId), 'webhook')
        const before = found(await findDelivery(tx, { tenantId, webhookId, id }), 'delivery')
        if (!active) throw new AppError('conflict', 'The webhook is switched off: switch it on first.')
        const after = await retryDelivery(tx, { tenantId, webhookId, id })
        if (after === undefined) throw new AppError('conflict', 'It has not ended: it is tried again by itself.')
        const of = (one: { state: string; attempts: number }) => ({
          ...{ delivery_id: id, state: one.state, attempts: one.attempts },
        })
        record({
          ...{ action: 'webhook.retried', resource: 'webhooks', id: webhookId },
          ...{ before: of(before), after: of(after) },
        })
        return after
      })
    },
  )
  return app
}

function deliveryIdOf(context: Context): string {
  const id = context.req.param('delivery_id') ?? ''
  if (!isUuid(id)) throw notFound('delivery')
  return id
}
