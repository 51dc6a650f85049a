import { Hono } from 'hono'
import * as v from 'valibot'
import { findBot } from '../../messaging/bots.ts'
import { listIgnored } from '../../messaging/ignored-webhooks.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { inTenant, type Parts } from '../parts.ts'
import { json, time, uuid } from '../schemas.ts'
import { describe, found, idOf, makeGuard, query } from '../steps.ts'

const ignored = named('IgnoredWebhook', v.strictObject({ id: uuid, reason: v.string(), raw: json, received_at: time }))

export function botWebhookRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/:id/ignored-webhooks',
    describe({
      id: 'listIgnoredWebhooks',
      tag: 'Bots',
      summary: "Parts of the provider's webhooks that could not be taken, newest first",
      description:
        'As they came (`raw`; of a long one its beginning, as a text), with the reason: `malformed`, `unknown_event` ' +
        '(of a kind that this version does not know) or `other_number`. The last 1000 are kept. They may hold what any ' +
        'customer wrote, so they take the permission to change bots.',
      answers: { 200: pageOf(ignored) },
      errors: ['not_found'],
    }),
    may('bots:write', { isFresh: true }),
    query(v.strictObject(pageQuery)),
    async context => {
      const [botId, { limit, cursor }] = [idOf(context), context.req.valid('query')]
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await inTenant(parts, context, async (tx, { tenantId }) => {
        found(await findBot(tx, tenantId, botId), 'bot')
        return await listIgnored(tx, { tenantId, botId, beforeId, limit: limit + 1 })
      })
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  return app
}
