import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import { inboundContentSchema, outboundContentSchema } from '../../flow/content.ts'
import type { Caller } from '../../identity/callers.ts'
import { AppError } from '../../lib/errors.ts'
import { type InboxKind, postToInbox } from '../../messaging/inbox.ts'
import {
  type Conversation,
  conversationStatuses,
  findConversation,
  listConversations,
  listEvents,
  listMessages,
} from '../../messaging/list-conversations.ts'
import { queueMessage } from '../../messaging/send.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { inTenant, type Parts } from '../parts.ts'
import { json, jsonObject, text, time, uuid } from '../schemas.ts'
import { body, describe, found, idOf, makeGuard, query } from '../steps.ts'

const status = v.picklist(conversationStatuses, `Must be one of ${conversationStatuses.join(', ')}`)
const conversation = named(
  'Conversation',
  v.strictObject({
    id: uuid,
    bot_id: uuid,
    customer_id: uuid,
    status,
    flow_id: v.nullable(uuid),
    flow_version: v.nullable(v.number()),
    current_step: v.nullable(v.string()),
    variables: jsonObject,
    window_expires_at: v.nullable(time),
    last_message_at: time,
    created_at: time,
  }),
)
const outboundContent = named('OutboundContent', outboundContentSchema)
const message = named(
  'Message',
  v.strictObject({
    id: uuid,
    direction: v.picklist(['inbound', 'outbound']),
    content: v.union([outboundContent, named('InboundContent', inboundContentSchema)]),
    status: v.picklist(['received', 'queued', 'sent', 'delivered', 'read', 'failed', 'unknown']),
    error: v.nullable(v.strictObject({ code: v.string(), message: v.string() })),
    provider_message_id: v.nullable(v.string()),
    created_at: time,
  }),
)
const event = named('Event', v.strictObject({ seq: v.number(), type: v.string(), data: json, at: time }))

const position = v.tuple([v.pipe(v.number(), v.safeInteger()), uuid])
const eventPosition = v.tuple([v.pipe(v.number(), v.safeInteger())])

const accepted = named('Accepted', v.strictObject({ conversation_id: uuid }))
const tag = 'Conversations'

export function conversationRoutes(parts: Parts): Hono<Env> {
  const { bus, ids } = parts
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({
      tag,
      summary: 'List conversations, those written in last first',
      answers: { 200: pageOf(conversation) },
    }),
    may('conversations:read'),
    query(
      v.object({
        ...pageQuery,
        status: v.optional(status),
        bot_id: v.optional(uuid),
        q: v.optional(v.pipe(text(100, 0), v.description("Part of the customer's name or phone"))),
      }),
    ),
    async context => {
      const { limit, cursor, ...filter } = context.req.valid('query')
      const [lastMessageMicros, id] = readCursor(cursor, position) ?? []
      const after = lastMessageMicros === undefined || id === undefined ? null : { lastMessageMicros, id }
      const rows = await inTenant(parts, context, (tx, { tenantId }) =>
        listConversations(tx, {
          tenantId,
          status: filter.status ?? null,
          botId: filter.bot_id ?? null,
          search: filter.q?.trim() || null,
          after,
          limit: limit + 1,
        }),
      )
      const page = toPage(rows, limit, row => [row.position.lastMessageMicros, row.position.id])
      return context.json({ ...page, data: page.data.map(row => row.conversation) })
    },
  )
  app.get(
    '/:id',
    describe({ tag, summary: 'One conversation', answers: { 200: conversation }, errors: ['not_found'] }),
    may('conversations:read'),
    async context => {
      const id = idOf(context)
      const one = await inTenant(parts, context, (tx, { tenantId }) => findConversation(tx, tenantId, id))
      return context.json(found(one, 'conversation'))
    },
  )
  app.get(
    '/:id/messages',
    describe({ tag, summary: 'Its messages, newest first', answers: { 200: pageOf(message) }, errors: ['not_found'] }),
    may('conversations:read'),
    query(v.object(pageQuery)),
    async context => {
      const [conversationId, { limit, cursor }] = [idOf(context), context.req.valid('query')]
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await inTenant(parts, context, async (tx, { tenantId }) => {
        found(await findConversation(tx, tenantId, conversationId), 'conversation')
        return await listMessages(tx, { tenantId, conversationId, beforeId, limit: limit + 1 })
      })
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.get(
    '/:id/events',
    describe({
      tag,
      summary: 'What happened in it, from the first event on',
      answers: { 200: pageOf(event) },
      errors: ['not_found'],
    }),
    may('conversations:read'),
    query(v.object(pageQuery)),
    async context => {
      const [conversationId, { limit, cursor }] = [idOf(context), context.req.valid('query')]
      const [afterSeq] = readCursor(cursor, eventPosition) ?? [0]
      const rows = await inTenant(parts, context, async (tx, { tenantId }) => {
        found(await findConversation(tx, tenantId, conversationId), 'conversation')
        return await listEvents(tx, { tenantId, conversationId, afterSeq, limit: limit + 1 })
      })
      return context.json(toPage(rows, limit, row => [row.seq]))
    },
  )
  app.post(
    '/:id/messages',
    describe({
      tag,
      summary: 'Write to the customer',
      answers: { 202: v.strictObject({ message_id: uuid }) },
      errors: ['not_found', 'conflict'],
    }),
    may('conversations:write'),
    body(v.strictObject({ content: outboundContent })),
    async context => {
      const [conversationId, { content }] = [idOf(context), context.req.valid('json')]
      const messageId = await inTenant(parts, context, async (tx, { tenantId }) => {
        const { bot_id: botId } = await openConversation(tx, tenantId, conversationId)
        return await queueMessage(tx, ids, { tenantId, conversationId, botId, content })
      })
      bus.publish('outbox')
      return context.json({ message_id: messageId }, 202)
    },
  )
  app.post(
    '/:id/handoff',
    describe(command('Take the conversation over from the bot')),
    may('conversations:write'),
    body(v.strictObject({ note: v.optional(text(1_000, 0), '') }), { mayBeEmpty: true }),
    async context => {
      const { note } = context.req.valid('json')
      return await post(context, 'handoff', ({ id }) => ({ note, agent_id: id }))
    },
  )
  app.post(
    '/:id/resume',
    describe(command('Give the conversation back to the bot')),
    may('conversations:write'),
    body(v.strictObject({}), { mayBeEmpty: true }),
    async context => await post(context, 'resume', ({ id }) => ({ agent_id: id })),
  )
  app.post(
    '/:id/close',
    describe(command('End the conversation: the next message begins another')),
    may('conversations:write'),
    body(v.strictObject({ reason: v.optional(text(500), 'agent') }), { mayBeEmpty: true }),
    async context => {
      const { reason } = context.req.valid('json')
      return await post(context, 'close', () => ({ reason }))
    },
  )

  /** Leaves what an agent wants in the conversation's mailbox: its next turn does it. */
  async function post(context: Context<Env>, kind: InboxKind, bodyOf: (caller: Caller) => unknown) {
    const conversationId = idOf(context)
    await inTenant(parts, context, async (tx, caller) => {
      const { tenantId } = caller
      await openConversation(tx, tenantId, conversationId)
      await postToInbox(tx, ids, { tenantId, conversationId, kind, body: bodyOf(caller) })
    })
    bus.publish('inbox')
    return context.json({ conversation_id: conversationId }, 202)
  }

  return app
}

function command(summary: string) {
  const description = 'Done by the next turn of the conversation, a moment later.'
  return { tag, summary, description, answers: { 202: accepted }, errors: ['not_found', 'conflict'] as const }
}

async function openConversation(tx: Transaction, tenantId: string, id: string): Promise<Conversation> {
  const conversation = found(await findConversation(tx, tenantId, id), 'conversation')
  if (conversation.status === 'closed') throw new AppError('conflict', 'The conversation is closed.')
  return conversation
}
