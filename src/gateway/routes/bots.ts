import { Hono } from 'hono'
import * as v from 'valibot'
import { AppError } from '../../lib/errors.ts'
import { maskedSecret, providerNames } from '../../messaging/bot-config.ts'
import { type Bot, type BotWritten, createBot, deleteBot, findBot, listBots, updateBot } from '../../messaging/bots.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { inTenant, type Parts } from '../parts.ts'
import { jsonObject, readOnly, text, time, uuid } from '../schemas.ts'
import { body, describe, found, idOf, invalid, makeGuard, notFound, query } from '../steps.ts'

const provider = v.picklist(providerNames, `Must be one of ${providerNames.join(', ')}`)
const config = v.pipe(
  jsonObject,
  v.description(
    'For `meta`: phone_number_id, access_token, app_secret, verify_token. Secrets can be written, not read: they come ' +
      `back as "${maskedSecret}", which sent back means the one there is.`,
  ),
)
const generated = readOnly('id', 'status', 'status_reason', 'created_at', 'updated_at')

const newBot = v.strictObject({
  name: text(100),
  provider,
  config,
  flow_id: v.optional(v.nullable(uuid), null),
  ...generated,
})
const botChanges = v.strictObject({
  name: v.optional(text(100)),
  provider: v.optional(provider),
  config: v.optional(config),
  flow_id: v.optional(v.nullable(uuid)),
  ...generated,
})

const status = {
  status: v.picklist(['disconnected', 'connecting', 'qr', 'connected', 'logged_out', 'error']),
  status_reason: v.nullable(v.string()),
}
const bot = named(
  'Bot',
  v.strictObject({
    id: uuid,
    name: v.string(),
    provider,
    config: v.record(v.string(), v.string()),
    flow_id: v.nullable(uuid),
    ...status,
    created_at: time,
    updated_at: time,
  }),
)

const tag = 'Bots'

export function botRoutes(parts: Parts): Hono<Env> {
  const { bus, ids, sealer } = parts
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({ tag, summary: 'List bots, newest first', answers: { 200: pageOf(bot) } }),
    may('bots:read'),
    query(v.object(pageQuery)),
    async context => {
      const { limit, cursor } = context.req.valid('query')
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await inTenant(parts, context, (tx, { tenantId }) =>
        listBots(tx, { tenantId, beforeId, limit: limit + 1 }),
      )
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.post(
    '/',
    describe({ tag, summary: 'Add a bot', answers: { 201: bot }, errors: ['conflict'] }),
    may('bots:write'),
    body(newBot),
    async context => {
      const fields = context.req.valid('json')
      const made = await inTenant(parts, context, async (tx, { tenantId }) =>
        accept(await createBot(tx, ids, sealer, tenantId, fields)),
      )
      bus.publish('bot.changed', made.id)
      return context.json(made, 201)
    },
  )
  app.get(
    '/:id',
    describe({ tag, summary: 'One bot', answers: { 200: bot }, errors: ['not_found'] }),
    may('bots:read'),
    async context => {
      const id = idOf(context)
      const one = await inTenant(parts, context, (tx, { tenantId }) => findBot(tx, tenantId, id))
      return context.json(found(one, 'bot'))
    },
  )
  app.get(
    '/:id/status',
    describe({
      tag,
      summary: 'How a bot is connected',
      answers: { 200: named('BotStatus', v.strictObject(status)) },
      errors: ['not_found'],
    }),
    may('bots:read'),
    async context => {
      const id = idOf(context)
      const one = found(await inTenant(parts, context, (tx, { tenantId }) => findBot(tx, tenantId, id)), 'bot')
      return context.json({ status: one.status, status_reason: one.status_reason })
    },
  )
  app.put(
    '/:id',
    describe({
      tag,
      summary: 'Change a bot',
      description: 'Fields, and settings in `config`, that are left out stay as they are.',
      answers: { 200: bot },
      errors: ['not_found', 'conflict'],
    }),
    may('bots:write'),
    body(botChanges),
    async context => {
      const [id, changes] = [idOf(context), context.req.valid('json')]
      const changed = await inTenant(parts, context, async (tx, { tenantId }) =>
        accept(await updateBot(tx, sealer, tenantId, id, changes)),
      )
      bus.publish('bot.changed', id)
      // What was held while the settings were wrong may go.
      bus.publish('outbox')
      return context.json(changed)
    },
  )
  app.delete(
    '/:id',
    describe({
      tag,
      summary: 'Remove a bot',
      description: 'Its conversations stay, to be read. What waits to be sent fails.',
      answers: { 204: null },
      errors: ['not_found'],
    }),
    may('bots:write'),
    async context => {
      const id = idOf(context)
      const isDeleted = await inTenant(parts, context, (tx, { tenantId }) => deleteBot(tx, tenantId, id))
      if (!isDeleted) throw notFound('bot')
      bus.publish('bot.changed', id)
      return context.body(null, 204)
    },
  )
  return app
}

/** Throws in the transaction, so that what was refused rolls back. */
function accept(written: BotWritten): Bot {
  switch (written.kind) {
    case 'written':
      return written.bot
    case 'unknown':
      throw notFound('bot')
    case 'invalid':
      throw invalid(written.errors)
    case 'account_taken':
      throw new AppError('conflict', `Another bot has this ${written.setting}.`, [
        { path: `config.${written.setting}`, message: 'Is taken' },
      ])
  }
}
