import { Hono } from 'hono'
import * as v from 'valibot'
import { failWaitingDeliveries, queueTest, testEvent } from '../../commerce/webhook-deliveries.ts'
import {
  createWebhook,
  deleteWebhook,
  findWebhook,
  listWebhooks,
  lockWebhook,
  rotateSecret,
  updateWebhook,
  webhooksMax,
} from '../../commerce/webhooks.ts'
import { AppError } from '../../lib/errors.ts'
import { answerChange } from '../change.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { type Parts, readInTenant } from '../parts.ts'
import { booleanText, readOnly, text, time, uuid, webUrl } from '../schemas.ts'
import { body, conditional, describe, found, idempotent, idOf, makeGuard, mustMatch, query } from '../steps.ts'
import { webhookDeliveryRoutes } from './webhook-deliveries.ts'

const eventsMax = 50

const event = v.pipe(
  v.string('Must be the name of an event, or *'),
  v.maxLength(100, 'Must have at most 100 characters'),
  v.regex(
    /^(\*|[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*)$/,
    'Must be a name like shop.thing (letters, digits, _ and full stops), or *',
  ),
)
const fields = {
  url: v.pipe(webUrl, v.description('Where it is told. Redirects are not followed')),
  description: text(500, 0),
  events: v.pipe(
    v.array(event, 'Must be a list'),
    v.minLength(1, 'Must have at least one'),
    v.maxLength(eventsMax, `Must have at most ${eventsMax}`),
    v.description('The names of the events that it is told of, as flows emit them, or report.created; * for all'),
  ),
  active: v.boolean('Must be true or false'),
}
const generated = readOnly(
  ...['id', 'disabled_reason', 'failing_since', 'previous_secret_until', 'created_at', 'updated_at'],
)
const newWebhook = v.strictObject({
  ...fields,
  description: v.optional(fields.description, ''),
  events: v.optional(fields.events, ['*']),
  active: v.optional(fields.active, true),
  ...generated,
})
const webhookChanges = v.strictObject({
  url: v.optional(fields.url),
  description: v.optional(fields.description),
  events: v.optional(fields.events),
  active: v.optional(fields.active),
  ...generated,
})

const shown = {
  id: uuid,
  url: v.string(),
  description: v.string(),
  events: v.array(v.string()),
  active: v.boolean(),
  disabled_reason: v.pipe(
    v.nullable(v.string()),
    v.description('Why it was switched off, where nobody of yours did it'),
  ),
  failing_since: v.pipe(v.nullable(time), v.description('Since when it took nothing; null: it took the last delivery')),
  previous_secret_until: v.pipe(v.nullable(time), v.description('Until when the secret before this one signs too')),
  created_at: time,
  updated_at: time,
}
const webhook = named('Webhook', v.strictObject(shown))
const withSecret = named(
  'WebhookWithSecret',
  v.strictObject({ ...shown, secret: v.pipe(v.string(), v.description('Shown only here')) }),
)

const tag = 'Webhooks'

export function webhookRoutes(parts: Parts): Hono<Env> {
  const { ids, sealer } = parts
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({ id: 'listWebhooks', tag, summary: 'List webhooks, newest first', answers: { 200: pageOf(webhook) } }),
    // What is delivered changes them too.
    may('webhooks:read', { isFresh: true }),
    query(v.strictObject({ ...pageQuery, active: v.optional(booleanText) })),
    async context => {
      const { limit, cursor, active = null } = context.req.valid('query')
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await readInTenant(parts, context, (tx, { tenantId }) =>
        listWebhooks(tx, { tenantId, beforeId, active, limit: limit + 1 }),
      )
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.post(
    '/',
    describe({
      id: 'createWebhook',
      tag,
      summary: 'Add a webhook',
      description:
        'An address of yours that is told of the events which your flows emit. `secret` is shown only here: what it is ' +
        'told is signed by it, as Standard Webhooks says (standardwebhooks.com).',
      answers: { 201: withSecret },
      errors: ['conflict'],
    }),
    may('webhooks:write'),
    idempotent,
    body(newWebhook),
    async context => {
      const { url, description, events, active } = context.req.valid('json')
      const work: Parameters<typeof answerChange>[3] = async (tx, { tenantId }, record) => {
        const made = await createWebhook(tx, ids, sealer, tenantId, { url, description, events, active })
        if (made === undefined)
          throw new AppError('conflict', `There are ${webhooksMax} webhooks already: remove one first.`)
        record({
          action: 'webhook.created',
          resource: 'webhooks',
          id: made.webhook.id,
          before: null,
          after: made.webhook,
        })
        return { ...made.webhook, secret: made.secret }
      }
      return await answerChange(parts, context, 201, work, { isSecret: true })
    },
  )
  app.get(
    '/:id',
    describe({ id: 'getWebhook', tag, summary: 'One webhook', answers: { 200: webhook }, errors: ['not_found'] }),
    may('webhooks:read', { isFresh: true }),
    async context => {
      const id = idOf(context)
      const one = await readInTenant(parts, context, (tx, { tenantId }) => findWebhook(tx, tenantId, id))
      return context.json(found(one, 'webhook'))
    },
  )
  app.put(
    '/:id',
    describe({
      id: 'updateWebhook',
      tag,
      summary: 'Change a webhook',
      description:
        'Fields that are left out stay as they are. What waits for one that is switched off fails, and can be tried again ' +
        'once it is on.',
      answers: { 200: webhook },
      errors: ['not_found'],
    }),
    may('webhooks:write'),
    conditional,
    body(webhookChanges),
    async context => {
      const [id, changes] = [idOf(context), context.req.valid('json')]
      return await answerChange(parts, context, 200, async (tx, { tenantId }, record) => {
        const before = found(await lockWebhook(tx, tenantId, id), 'webhook')
        mustMatch(context, before)
        const after = found(await updateWebhook(tx, tenantId, before, changes), 'webhook')
        if (!after.active) await failWaitingDeliveries(tx, [{ tenantId, id }])
        record({ action: 'webhook.updated', resource: 'webhooks', id, before, after })
        return after
      })
    },
  )
  app.delete(
    '/:id',
    describe({
      id: 'deleteWebhook',
      tag,
      summary: 'Remove a webhook, and its deliveries',
      answers: { 204: null },
      errors: ['not_found'],
    }),
    may('webhooks:write'),
    conditional,
    async context => {
      const id = idOf(context)
      return await answerChange(parts, context, 204, async (tx, { tenantId }, record) => {
        const before = found(await lockWebhook(tx, tenantId, id), 'webhook')
        mustMatch(context, before)
        await deleteWebhook(tx, tenantId, id)
        record({ action: 'webhook.deleted', resource: 'webhooks', id, before, after: null })
        return null
      })
    },
  )
  app.post(
    '/:id/rotate',
    describe({
      id: 'rotateWebhookSecret',
      tag,
      summary: 'Give a webhook another secret',
      description:
        '`secret` is shown only here. For a day what it is told is signed by both, this one and the one before.',
      answers: { 200: withSecret },
      errors: ['not_found'],
    }),
    may('webhooks:write'),
    idempotent,
    body(v.strictObject({}), { mayBeEmpty: true }),
    async context => {
      const id = idOf(context)
      const work: Parameters<typeof answerChange>[3] = async (tx, { tenantId }, record) => {
        const before = found(await lockWebhook(tx, tenantId, id), 'webhook')
        const { webhook: after, secret } = found(await rotateSecret(tx, sealer, tenantId, id), 'webhook')
        record({ action: 'webhook.rotated', resource: 'webhooks', id, before, after })
        return { ...after, secret }
      }
      return await answerChange(parts, context, 200, work, { isSecret: true })
    },
  )
  app.post(
    '/:id/test',
    describe({
      id: 'testWebhook',
      tag,
      summary: 'Tell a webhook of something, to try it',
      description: `An event of the name \`${testEvent}\`, whatever it wants otherwise. Its delivery tells how it went.`,
      answers: { 202: v.strictObject({ delivery_id: uuid }) },
      errors: ['not_found', 'conflict'],
    }),
    may('webhooks:write'),
    idempotent,
    body(v.strictObject({}), { mayBeEmpty: true }),
    async context => {
      const id = idOf(context)
      return await answerChange(parts, context, 202, async (tx, { tenantId }, record) => {
        const one = found(await lockWebhook(tx, tenantId, id), 'webhook')
        if (!one.active) throw new AppError('conflict', 'The webhook is switched off: switch it on first.')
        const delivery_id = await queueTest(tx, ids, tenantId, id)
        record({ action: 'webhook.tested', resource: 'webhooks', id, before: null, after: { delivery_id } })
        return { delivery_id }
      })
    },
  )
  app.route('/', webhookDeliveryRoutes(parts))
  return app
}
