import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import { isActiveSeller } from '../../commerce/sellers.ts'
import { inboundContentSchema } from '../../flow/content.ts'
import type { Caller } from '../../identity/callers.ts'
import { AppError } from '../../lib/errors.ts'
import { assignConversation } from '../../messaging/assign.ts'
import { type InboxKind, postToInbox } from '../../messaging/inbox.ts'
import {
  type Conversation,
  conversationStatuses,
  findConversation,
  listConversations,
  listEvents,
  listMessages,
} from '../../messaging/list-conversations.ts'
import { listMailProblems, retryMail } from '../../messaging/mail-trouble.ts'
import { queueMessage, reachOf } from '../../messaging/send.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { answerChange } from '../change.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { outboundContent, queuedEvent, refuseUnsendable } from '../outbound.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { inTenant, type Parts, readInTenant } from '../parts.ts'
import { json, jsonObject, searchText, text, time, uuid } from '../schemas.ts'
import { body, describe, found, idempotent, idOf, invalid, makeGuard, notFound, query } from '../steps.ts'

const status = v.picklist(conversationStatuses, `Must be one of ${conversationStatuses.join(', ')}`)
const conversation = named(
  'Conversation',
  v.strictObject({
    id: uuid,
    bot_id: uuid,
    customer_id: uuid,
    customer: v.strictObject({ id: uuid, name: v.string(), phone: v.nullable(v.string()) }),
    seller_id: v.nullable(uuid),
    status,
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
const problem = named(
  'ConversationProblem',
  v.strictObject({ id: uuid, kind: v.string(), reason: v.string(), attempts: v.number(), received_at: time }),
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
    describe({ tag, summary: 'One conversation', answers: { 200: conversation }, errors: ['not_found'] }),
    may('conversations:read'),
    async context => {
      const id = idOf(context)
      return context.json(await readInTenant(parts, context, (tx, caller) => seen(tx, caller, id)))
    },
  )
  app.get(
    '/:id/messages',
    describe({ tag, summary: 'Its messages, newest first', answers: { 200: pageOf(message) }, errors: ['not_found'] }),
    may('conversations:read'),
    query(v.strictObject(pageQuery)),
    async context => {
      const [conversationId, { limit, cursor }] = [idOf(context), context.req.valid('query')]
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await inTenant(parts, context, async (tx, caller) => {
        const { tenantId } = caller
        await seen(tx, caller, conversationId)
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
    query(v.strictObject(pageQuery)),
    async context => {
      const [conversationId, { limit, cursor }] = [idOf(context), context.req.valid('query')]
      const [afterSeq] = readCursor(cursor, eventPosition) ?? [0]
      const rows = await inTenant(parts, context, async (tx, caller) => {
        const { tenantId } = caller
        await seen(tx, caller, conversationId)
        return await listEvents(tx, { tenantId, conversationId, afterSeq, limit: limit + 1 })
      })
      return context.json(toPage(rows, limit, row => [row.seq]))
    },
  )
  app.get(
    '/:id/problems',
    describe({
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
        await seen(tx, caller, conversationId)
        return await listMailProblems(tx, { tenantId: caller.tenantId, conversationId, afterId, limit: limit + 1 })
      })
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.post(
    '/:id/retry',
    describe({
      tag,
      summary: 'Try again what could not be processed',
      answers: { 202: v.strictObject({ retried: v.number() }) },
      errors: ['not_found'],
    }),
    may('conversations:write'),
    idempotent,
    async context => {
      const conversationId = idOf(context)
      const response = await answerChange(parts, context, 202, async (tx, caller, record) => {
        await seen(tx, caller, conversationId)
        const retried = await retryMail(tx, caller.tenantId, conversationId)
        record({ action: 'conversation.retried', ...changeOf(conversationId, { retried }) })
        return { retried }
      })
      bus.publish('inbox')
      return response
    },
  )
  app.post(
    '/:id/messages',
    describe({
      tag,
      summary: 'Write to the customer',
      description: 'The bot goes on as it was: take the conversation over first where it should be silent.',
      answers: { 202: v.strictObject({ message_id: uuid }) },
      errors: ['not_found', 'conflict', 'window_closed'],
    }),
    may('conversations:write'),
    idempotent,
    body(v.strictObject({ content: outboundContent })),
    async context => {
      const [conversationId, { content }] = [idOf(context), context.req.valid('json')]
      const response = await answerChange(parts, context, 202, async (tx, caller, record) => {
        const { bot_id: botId } = await openConversation(tx, caller, conversationId)
        const reach = await reachOf(tx, caller.tenantId, conversationId)
        refuseUnsendable(reach, content, parts.clock.now())
        const message = {
          ...{ tenantId: caller.tenantId, conversationId, botId, content },
          windowExpiresAt: reach.windowExpiresAt,
        }
        const messageId = await queueMessage(tx, ids, message)
        record({
          action: 'message.queued',
          ...changeOf(conversationId, { message_id: messageId, content }),
          events: [queuedEvent(message, messageId, parts.clock.now())],
        })
        return { message_id: messageId }
      })
      bus.publish('outbox')
      return response
    },
  )
  app.post(
    '/:id/handoff',
    describe(command('Take the conversation over from the bot')),
    may('conversations:write'),
    idempotent,
    body(v.strictObject({ note: v.optional(text(1_000, 0), ''), seller_id: v.optional(v.nullable(uuid)) }), {
      mayBeEmpty: true,
    }),
    async context => {
      const { note, seller_id } = context.req.valid('json')
      return await post(context, 'handoff', async (tx, caller, id) => {
        const sellerId = caller.sellerId ?? seller_id
        if (seller_id && seller_id !== sellerId)
          throw invalid([{ path: 'seller_id', message: 'Must be your own seller' }])
        if (sellerId && !(await isActiveSeller(tx, caller.tenantId, sellerId)))
          throw invalid([{ path: 'seller_id', message: 'There is no such seller, or they are not active' }])
        if (sellerId !== undefined) await assignConversation(tx, { tenantId: caller.tenantId, id }, sellerId)
        return { note, agent_id: caller.id }
      })
    },
  )
  app.post(
    '/:id/resume',
    describe(command('Give the conversation back to the bot')),
    may('conversations:write'),
    idempotent,
    body(v.strictObject({}), { mayBeEmpty: true }),
    async context => await post(context, 'resume', async (_tx, caller) => ({ agent_id: caller.id })),
  )
  app.post(
    '/:id/close',
    describe(command('End the conversation: the next message begins another')),
    may('conversations:write'),
    idempotent,
    body(v.strictObject({ reason: v.optional(text(500), 'agent') }), { mayBeEmpty: true }),
    async context => {
      const { reason } = context.req.valid('json')
      return await post(context, 'close', async () => ({ reason }))
    },
  )

  /** Leaves what an agent wants in the conversation's mailbox: its next turn does it. */
  async function post(
    context: Context<Env>,
    kind: InboxKind,
    bodyOf: (tx: Transaction, caller: Caller, id: string) => Promise<object>,
  ): Promise<Response> {
    const conversationId = idOf(context)
    const response = await answerChange(parts, context, 202, async (tx, caller, record) => {
      const { tenantId } = caller
      await openConversation(tx, caller, conversationId)
      const body = await bodyOf(tx, caller, conversationId)
      await postToInbox(tx, ids, { tenantId, conversationId, kind, body })
      record({ action: `conversation.${kind}`, ...changeOf(conversationId, body) })
      return { conversation_id: conversationId }
    })
    bus.publish('inbox')
    return response
  }

  return app
}

function changeOf(id: string, after: object) {
  return { resource: 'conversations' as const, id, before: null, after }
}

function command(summary: string) {
  const description = 'Done by the next turn of the conversation, a moment later.'
  return { tag, summary, description, answers: { 202: accepted }, errors: ['not_found', 'conflict'] as const }
}

/** The conversation, where the caller may see it: who is tied to a seller sees that seller's only. */
async function seen(tx: Transaction, caller: Caller, id: string): Promise<Conversation> {
  const conversation = found(await findConversation(tx, caller.tenantId, id), 'conversation')
  if (caller.sellerId !== null && conversation.seller_id !== caller.sellerId) throw notFound('conversation')
  return conversation
}

async function openConversation(tx: Transaction, caller: Caller, id: string): Promise<Conversation> {
  const conversation = await seen(tx, caller, id)
  if (conversation.status === 'closed') throw new AppError('conflict', 'The conversation is closed.')
  return conversation
}
