import { Hono } from 'hono'
import * as v from 'valibot'
import { inboundContentSchema } from '../../flow/content.ts'
import {
  conversationStatuses,
  listConversations,
  listEvents,
  listMessages,
} from '../../messaging/list-conversations.ts'
import { listMailProblems } from '../../messaging/mail-trouble.ts'
import { seenConversation } from '../conversation-access.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { outboundContent } from '../outbound.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { inTenant, type Parts, readInTenant } from '../parts.ts'
import { json, jsonObject, searchText, time, uuid } from '../schemas.ts'
import { describe, idOf, makeGuard, query } from '../steps.ts'
import { conversationCommandRoutes } from './conversation-commands.ts'
import { conversationMessageRoutes } from './conversation-messages.ts'

const status = v.picklist(conversationStatuses, `Must be one of ${conversationStatuses.join(', ')}`)
const conversation = named(
  'Conversation',
  v.strictObject({
    id: uuid,
    bot_id: uuid,
    via_bot_id: v.pipe(v.nullable(uuid), v.description('The bot that its messages go by while its own cannot send')),
    customer_id: uuid,
    customer: v.strictObject({ id: uuid, name: v.string(), phone: v.nullable(v.string()) }),
    seller_id: v.nullable(uuid),
    status,
    waiting_since: v.pipe(v.nullable(time), v.description('Since when it waits for a person')),
    problems: v.pipe(v.number(), v.description('Messages and commands that could not be processed')),
    flow_id: v.nullable(uuid),
    flow_version: v.nullable(v.number()),
    current_step: v.nullable(v.string()),
    variables: jsonObject,
    window_expires_at: v.nullable(time),
    last_message_at: time,
    created_at: time,
  }),
)
/** A message, wherever it is shown. */
export const messageFields = {
  id: uuid,
  bot_id: v.pipe(uuid, v.description('The bot that it came or goes by')),
  direction: v.picklist(['inbound', 'outbound']),
  source: v.pipe(
    v.nullable(v.picklist(['bot', 'agent', 'api', 'phone'])),
    v.description(
      'Who wrote one that goes out: the bot, an agent, a program over the API, or somebody on the phone of the business',
    ),
  ),
  content: v.union([outboundContent, named('InboundContent', inboundContentSchema)]),
  status: v.picklist(['received', 'queued', 'sent', 'delivered', 'read', 'failed', 'unknown']),
  error: v.nullable(v.strictObject({ code: v.string(), message: v.string() })),
  provider_message_id: v.nullable(v.string()),
  created_at: time,
}
const message = named('Message', v.strictObject(messageFields))
const problem = named(
  'ConversationProblem',
  v.strictObject({ id: uuid, kind: v.string(), reason: v.string(), attempts: v.number(), received_at: time }),
)
const event = named('Event', v.strictObject({ seq: v.number(), type: v.string(), data: json, at: time }))

const position = v.tuple([v.pipe(v.number(), v.safeInteger()), uuid])
const eventPosition = v.tuple([v.pipe(v.number(), v.safeInteger())])

const tag = 'Conversations'

export function conversationRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({
      id: 'listConversations',
      tag,
      summary: 'List conversations, those written in last first',
      answers: { 200: pageOf(conversation) },
    }),
    may('conversations:read'),
    query(
      v.strictObject({
        ...pageQuery,
        status: v.optional(status),
        bot_id: v.optional(uuid),
        customer_id: v.optional(uuid),
        seller_id: v.optional(uuid),
        q: v.optional(searchText("Part of the customer's name or phone")),
      }),
    ),
    async context => {
      const { limit, cursor, ...filter } = context.req.valid('query')
      const [lastMessageMicros, id] = readCursor(cursor, position) ?? []
      const after = lastMessageMicros === undefined || id === undefined ? null : { lastMessageMicros, id }
      const rows = await readInTenant(parts, context, (tx, { tenantId, sellerId }) =>
        listConversations(tx, {
          ...{ tenantId, after, limit: limit + 1 },
          status: filter.status ?? null,
          botId: filter.bot_id ?? null,
          customerId: filter.customer_id ?? null,
          sellerId: sellerId ?? filter.seller_id ?? null,
          search: filter.q?.trim() || null,
        }),
      )
      const asked = rows.filter(row => [undefined, row.conversation.seller_id].includes(filter.seller_id))
      const page = toPage(asked, limit, row => [row.position.lastMessageMicros, row.position.id])
      return context.json({ ...page, data: page.data.map(row => row.conversation) })
    },
  )
  app.get(
    '/:id',
    describe({
      id: 'getConversation',
      tag,
      summary: 'One conversation',
      answers: { 200: conversation },
      errors: ['not_found'],
    }),
    may('conversations:read'),
    async context => {
      const id = idOf(context)
      return context.json(await readInTenant(parts, context, (tx, caller) => seenConversation(tx, caller, id)))
    },
  )
  app.get(
    '/:id/messages',
    describe({
      id: 'listConversationMessages',
      tag,
      summary: 'Its messages, newest first',
      answers: { 200: pageOf(message) },
      errors: ['not_found'],
    }),
    may('conversations:read'),
    query(v.strictObject(pageQuery)),
    async context => {
      const [conversationId, { limit, cursor }] = [idOf(context), context.req.valid('query')]
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await inTenant(parts, context, async (tx, caller) => {
        const { tenantId } = caller
        await seenConversation(tx, caller, conversationId)
        return await listMessages(tx, { tenantId, conversationId, beforeId, limit: limit + 1 })
      })
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.get(
    '/:id/events',
    describe({
      id: 'listConversationEvents',
      tag,
      summary: 'What happened in it, from the first event on',
      answers: { 200: pageOf(event) },
      errors: ['not_found'],
    }),
    may('conversations:read'),
    query(v.strictObject(pageQuery)),
    async context => {
      const [conversationId, { limit, cursor }] = [idOf(context), context.req.valid('query')]
      const [afterSeq] = readCursor(cursor, eventPosition) ?? [0]
      const rows = await inTenant(parts, context, async (tx, caller) => {
        const { tenantId } = caller
        await seenConversation(tx, caller, conversationId)
        return await listEvents(tx, { tenantId, conversationId, afterSeq, limit: limit + 1 })
      })
      return context.json(toPage(rows, limit, row => [row.seq]))
    },
  )
  app.get(
    '/:id/problems',
    describe({
      id: 'listConversationProblems',
      tag,
      summary: 'What could not be processed, with its reason, oldest first',
      answers: { 200: pageOf(problem) },
      errors: ['not_found'],
    }),
    may('conversations:read'),
    query(v.strictObject(pageQuery)),
    async context => {
      const [conversationId, { limit, cursor }] = [idOf(context), context.req.valid('query')]
      const [afterId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await inTenant(parts, context, async (tx, caller) => {
        await seenConversation(tx, caller, conversationId)
        return await listMailProblems(tx, { tenantId: caller.tenantId, conversationId, afterId, limit: limit + 1 })
      })
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.route('/', conversationCommandRoutes(parts))
  app.route('/', conversationMessageRoutes(parts))
  return app
}
