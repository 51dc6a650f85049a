import { Hono } from 'hono'
import * as v from 'valibot'
import type { Caller } from '../../identity/callers.ts'
import { AppError } from '../../lib/errors.ts'
import { assignUnassigned } from '../../messaging/assign.ts'
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
import { findConversation } from '../../messaging/list-conversations.ts'
import { queueMessage, reachCustomer, windowEndOf } from '../../messaging/send.ts'
import type { FeedEvent } from '../../stores/feed.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { answerChange } from '../change.ts'
import { named, shownAs } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { outboundContent, queuedEvent, refuseAfterWindow } from '../outbound.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { type Parts, readInTenant } from '../parts.ts'
import { identity, jsonObject, phone, readOnly, searchText, text, time, uuid } from '../schemas.ts'
import {
  body,
  conditional,
  describe,
  found,
  idempotent,
  idOf,
  invalid,
  makeGuard,
  mustMatch,
  notFound,
  query,
} from '../steps.ts'

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

const newBotFields = { name: text(100), flow_id: v.optional(v.nullable(uuid), null), ...generated }
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

/** A phone as a text, or any identity. */
const recipient = v.pipe(
  v.union([phone, identity], 'Must be a phone in E.164, or an identity: {kind, value}'),
  v.transform(to => (typeof to === 'string' ? { kind: 'phone' as const, value: to } : to)),
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
    query(
      v.strictObject({
        ...pageQuery,
        provider: v.optional(provider),
        status: v.optional(status.status),
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
    describe({ tag, summary: 'Add a bot', answers: { 201: bot }, errors: ['conflict'] }),
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
    describe({ tag, summary: 'One bot', answers: { 200: bot }, errors: ['not_found'] }),
    may('bots:read'),
    async context => {
      const id = idOf(context)
      const one = await readInTenant(parts, context, (tx, { tenantId }) => findBot(tx, tenantId, id))
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
      const one = found(await readInTenant(parts, context, (tx, { tenantId }) => findBot(tx, tenantId, id)), 'bot')
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
      // What was held while the settings were wrong may go.
      bus.publish('outbox')
      return response
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
  app.post(
    '/:id/messages',
    describe({
      tag,
      summary: 'Write to anybody who has a phone or another identity',
      description:
        'The customer, and the conversation, are made where there are none. Who has not written in the last 24 hours ' +
        'can be sent a template only.',
      answers: { 202: v.strictObject({ message_id: uuid, conversation_id: uuid }) },
      errors: ['not_found', 'conflict', 'window_closed'],
    }),
    may('conversations:write'),
    idempotent,
    body(v.strictObject({ to: recipient, content: outboundContent })),
    async context => {
      const [botId, { to, content }] = [idOf(context), context.req.valid('json')]
      const response = await answerChange(parts, context, 202, async (tx, caller, record) => {
        const { tenantId } = caller
        found(await findBot(tx, tenantId, botId), 'bot')
        const conversationId = await reachCustomer(tx, ids, { tenantId, botId, identity: to })
        await takeForSeller(tx, caller, conversationId)
        const windowExpiresAt = await windowEndOf(tx, tenantId, conversationId)
        refuseAfterWindow(windowExpiresAt, content, parts.clock.now())
        const message = { tenantId, conversationId, botId, content, windowExpiresAt }
        const messageId = await queueMessage(tx, ids, message)
        record({
          ...{ action: 'message.queued', resource: 'conversations', id: conversationId, before: null },
          after: { message_id: messageId, content },
          events: [queuedEvent(message, messageId, parts.clock.now())],
        })
        return { message_id: messageId, conversation_id: conversationId }
      })
      bus.publish('outbox')
      return response
    },
  )
  return app
}

/** Who is tied to a seller writes to nobody who talks with another one. */
async function takeForSeller(tx: Transaction, { tenantId, sellerId }: Caller, conversationId: string): Promise<void> {
  if (sellerId === null) return
  await assignUnassigned(tx, { tenantId, id: conversationId }, sellerId)
  const conversation = await findConversation(tx, tenantId, conversationId)
  if (conversation?.seller_id !== sellerId)
    throw new AppError('conflict', 'This customer talks with another seller of yours.')
}

function statusEvents(before: Bot, { id, status, status_reason }: Bot): FeedEvent[] {
  return status === before.status ? [] : [{ type: 'bot.status', data: { id, status, status_reason } }]
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
