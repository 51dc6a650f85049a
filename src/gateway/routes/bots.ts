import { Hono } from 'hono'
import * as v from 'valibot'
import { invalid } from '../../lib/check-fields.ts'
import { AppError } from '../../lib/errors.ts'
import { configSchemas, maskedSecret, providerNames } from '../../messaging/bot-config.ts'
import {
  type Bot,
  type BotWritten,
  createBot,
  deleteBot,
  findBot,
  listBots,
  lockBot,
  updateBot,
} from '../../messaging/bots.ts'
import { answerChange } from '../change.ts'
import { named, shownAs } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { type Parts, readInTenant } from '../parts.ts'
import { jsonObject, readOnly, searchText, text, time, uuid } from '../schemas.ts'
import {
  body,
  conditional,
  describe,
  found,
  idempotent,
  idOf,
  makeGuard,
  mustMatch,
  notFound,
  query,
} from '../steps.ts'
import { botConnectionRoutes, botStatusFields, statusEvents } from './bot-connection.ts'
import { botMessageRoutes } from './bot-messages.ts'
import { botWebhookRoutes } from './bot-webhooks.ts'

const provider = v.picklist(providerNames, `Must be one of ${providerNames.join(', ')}`)
const config = shownAs(
  v.pipe(
    v.union(configSchemas.map(one => one.changes)),
    v.description(
      `Secrets can be written, not read: they come back as "${maskedSecret}", which sent back means the one there is.`,
    ),
  ),
  jsonObject,
)
const generated = readOnly('id', 'status', 'status_reason', 'created_at', 'updated_at')

const fallbackBotId = v.pipe(
  v.nullable(uuid),
  v.description('The bot that messages go by while this one cannot send: logged out, refused, or its provider down'),
)
const readReceipts = v.pipe(
  v.boolean(),
  v.description('Whether customers see that what they write was read, and that an answer is being written'),
)
const flowIdsMax = 20
const flowIds = v.pipe(
  v.array(uuid),
  v.maxLength(flowIdsMax, `Must have at most ${flowIdsMax}`),
  v.description('Flows beside the main one, `flow_id`: their triggers are tried after its own, in this order'),
)
const newBotFields = {
  name: text(100),
  flow_id: v.optional(v.nullable(uuid), null),
  flow_ids: v.optional(flowIds, []),
  fallback_bot_id: v.optional(fallbackBotId, null),
  read_receipts: v.optional(readReceipts, false),
  ...generated,
}
const newBot = shownAs(
  v.union(
    configSchemas.map(one =>
      v.strictObject({ provider: v.literal(one.provider), config: one.config, ...newBotFields }),
    ),
  ),
  v.strictObject({ provider, config: jsonObject, ...newBotFields }),
)
const botChanges = v.strictObject({
  name: v.optional(text(100)),
  provider: v.optional(provider),
  config: v.optional(config),
  flow_id: v.optional(v.nullable(uuid)),
  flow_ids: v.optional(flowIds),
  fallback_bot_id: v.optional(fallbackBotId),
  read_receipts: v.optional(readReceipts),
  ...generated,
})

const bot = named(
  'Bot',
  v.strictObject({
    id: uuid,
    name: v.string(),
    provider,
    config: v.record(v.string(), v.string()),
    flow_id: v.nullable(uuid),
    flow_ids: v.array(uuid),
    fallback_bot_id: fallbackBotId,
    read_receipts: readReceipts,
    ...botStatusFields,
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
    describe({ id: 'listBots', tag, summary: 'List bots, newest first', answers: { 200: pageOf(bot) } }),
    may('bots:read'),
    query(
      v.strictObject({
        ...pageQuery,
        provider: v.optional(provider),
        status: v.optional(botStatusFields.status),
        q: v.optional(searchText('Part of the name')),
      }),
    ),
    async context => {
      const { limit, cursor, ...filter } = context.req.valid('query')
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await readInTenant(parts, context, (tx, { tenantId }) =>
        listBots(tx, {
          ...{ tenantId, beforeId, limit: limit + 1 },
          provider: filter.provider ?? null,
          status: filter.status ?? null,
          search: filter.q?.trim() || null,
        }),
      )
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.post(
    '/',
    describe({ id: 'createBot', tag, summary: 'Add a bot', answers: { 201: bot }, errors: ['conflict'] }),
    may('bots:write'),
    idempotent,
    body(newBot),
    async context => {
      const fields = context.req.valid('json')
      let madeId: string | undefined
      const response = await answerChange(parts, context, 201, async (tx, { tenantId }, record) => {
        const after = accept(await createBot(tx, ids, sealer, tenantId, fields))
        madeId = after.id
        record({ action: 'bot.created', resource: 'bots', id: after.id, before: null, after })
        return after
      })
      if (madeId !== undefined) bus.publish('bot.changed', madeId)
      return response
    },
  )
  app.get(
    '/:id',
    describe({ id: 'getBot', tag, summary: 'One bot', answers: { 200: bot }, errors: ['not_found'] }),
    may('bots:read'),
    async context => {
      const id = idOf(context)
      const one = await readInTenant(parts, context, (tx, { tenantId }) => findBot(tx, tenantId, id))
      return context.json(found(one, 'bot'))
    },
  )
  app.put(
    '/:id',
    describe({
      id: 'updateBot',
      tag,
      summary: 'Change a bot',
      description: 'Fields, and settings in `config`, that are left out stay as they are.',
      answers: { 200: bot },
      errors: ['not_found', 'conflict'],
    }),
    may('bots:write'),
    conditional,
    body(botChanges),
    async context => {
      const [id, changes] = [idOf(context), context.req.valid('json')]
      const response = await answerChange(parts, context, 200, async (tx, { tenantId }, record) => {
        const before = found(await lockBot(tx, tenantId, id), 'bot')
        mustMatch(context, before)
        const after = accept(await updateBot(tx, sealer, tenantId, id, changes))
        record({ action: 'bot.updated', resource: 'bots', id, before, after, events: statusEvents(before, after) })
        return after
      })
      bus.publish('bot.changed', id)
      return response
    },
  )
  app.delete(
    '/:id',
    describe({
      id: 'deleteBot',
      tag,
      summary: 'Remove a bot',
      description: 'Its conversations stay, to be read. What waits to be sent fails.',
      answers: { 204: null },
      errors: ['not_found'],
    }),
    may('bots:write'),
    conditional,
    async context => {
      const id = idOf(context)
      const response = await answerChange(parts, context, 204, async (tx, { tenantId }, record) => {
        const before = found(await lockBot(tx, tenantId, id), 'bot')
        mustMatch(context, before)
        await deleteBot(tx, tenantId, id)
        record({ action: 'bot.deleted', resource: 'bots', id, before, after: null })
        return null
      })
      bus.publish('bot.changed', id)
      return response
    },
  )
  app.route('/', botConnectionRoutes(parts))
  app.route('/', botMessageRoutes(parts))
  app.route('/', botWebhookRoutes(parts))
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
