import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import { isActiveSeller } from '../../commerce/sellers.ts'
import type { Caller } from '../../identity/callers.ts'
import { invalid } from '../../lib/check-fields.ts'
import { assignConversation } from '../../messaging/assign.ts'
import { type InboxKind, postToInbox } from '../../messaging/inbox.ts'
import type { Conversation } from '../../messaging/list-conversations.ts'
import { retryMail } from '../../messaging/mail-trouble.ts'
import { messageEvent } from '../../messaging/news.ts'
import { refuseUnsendable } from '../../messaging/refuse-unsendable.ts'
import { refuseUnsendableMedia } from '../../messaging/refuse-unsendable-media.ts'
import { queueMessage, reachOf } from '../../messaging/send.ts'
import type { FeedEvent } from '../../stores/feed.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { answerChange } from '../change.ts'
import { openConversation, seenConversation } from '../conversation-access.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { outboundContent } from '../outbound.ts'
import type { Parts } from '../parts.ts'
import { text, uuid } from '../schemas.ts'
import { body, describe, idempotent, idOf, makeGuard } from '../steps.ts'

const accepted = named('Accepted', v.strictObject({ conversation_id: uuid }))
const tag = 'Conversations'

/** What is left in a conversation's mailbox, and what that has changed already. */
type Command = {
  readonly body: object
  readonly before?: object
  readonly after?: object
  readonly events?: readonly FeedEvent[]
}

export function conversationCommandRoutes(parts: Parts): Hono<Env> {
  const { bus, ids } = parts
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.post(
    '/:id/retry',
    describe({
      id: 'retryConversation',
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
        await seenConversation(tx, caller, conversationId)
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
      id: 'sendConversationMessage',
      tag,
      summary: 'Write to the customer',
      description: 'The bot goes on as it was: take the conversation over first where it should be silent.',
      answers: { 202: v.strictObject({ message_id: uuid }) },
      errors: ['not_found', 'conflict', 'window_closed', 'customer_opted_out'],
    }),
    may('conversations:write'),
    idempotent,
    body(v.strictObject({ content: outboundContent })),
    async context => {
      const [conversationId, { content }] = [idOf(context), context.req.valid('json')]
      const response = await answerChange(parts, context, 202, async (tx, caller, record) => {
        const { bot_id: botId } = await openConversation(tx, caller, conversationId)
        await refuseUnsendableMedia(tx, caller, content)
        const reach = await reachOf(tx, caller.tenantId, conversationId)
        refuseUnsendable(reach, content, parts.clock.now())
        const message = {
          ...{ tenantId: caller.tenantId, conversationId, botId, content },
          source: caller.kind === 'user' ? ('agent' as const) : ('api' as const),
          windowExpiresAt: reach.windowExpiresAt,
          nowMs: parts.clock.now(),
        }
        const queued = await queueMessage(tx, ids, message)
        record({
          action: 'message.queued',
          ...changeOf(conversationId, { message_id: queued.id, content }),
          events: [messageEvent(conversationId, queued)],
        })
        return { message_id: queued.id }
      })
      bus.publish('outbox')
      return response
    },
  )
  app.post(
    '/:id/handoff',
    describe(command('handOffConversation', 'Take the conversation over from the bot')),
    may('conversations:write'),
    idempotent,
    body(v.strictObject({ note: v.optional(text(1_000, 0), ''), seller_id: v.optional(v.nullable(uuid)) }), {
      mayBeEmpty: true,
    }),
    async context => {
      const { note, seller_id } = context.req.valid('json')
      return await post(context, 'handoff', async (tx, caller, conversation) => ({
        body: { note, agent_id: caller.id },
        ...(await assign(tx, caller, conversation, seller_id)),
      }))
    },
  )
  app.post(
    '/:id/resume',
    describe(command('resumeConversation', 'Give the conversation back to the bot')),
    may('conversations:write'),
    idempotent,
    body(v.strictObject({}), { mayBeEmpty: true }),
    async context => await post(context, 'resume', async (_tx, caller) => ({ body: { agent_id: caller.id } })),
  )
  app.post(
    '/:id/close',
    describe(command('closeConversation', 'End the conversation: the next message begins another')),
    may('conversations:write'),
    idempotent,
    body(v.strictObject({ reason: v.optional(text(500), 'agent') }), { mayBeEmpty: true }),
    async context => {
      const { reason } = context.req.valid('json')
      return await post(context, 'close', async (_tx, caller) => ({ body: { reason, agent_id: caller.id } }))
    },
  )

  /** Leaves what an agent wants in the conversation's mailbox: its next turn does it. */
  async function post(
    context: Context<Env>,
    kind: InboxKind,
    work: (tx: Transaction, caller: Caller, conversation: Conversation) => Promise<Command>,
  ): Promise<Response> {
    const conversationId = idOf(context)
    const response = await answerChange(parts, context, 202, async (tx, caller, record) => {
      const { tenantId } = caller
      const conversation = await openConversation(tx, caller, conversationId)
      const { body, before = null, after, events = [] } = await work(tx, caller, conversation)
      await postToInbox(tx, ids, { tenantId, conversationId, kind, body })
      const change = { ...changeOf(conversationId, { ...body, ...after }), before, events }
      record({ action: `conversation.${kind}`, ...change })
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

function command(id: string, summary: string) {
  const description = 'Done by the next turn of the conversation, a moment later.'
  return { id, tag, summary, description, answers: { 202: accepted }, errors: ['not_found', 'conflict'] as const }
}

/**
 * Gives the conversation to a seller: to the caller's own where they are tied to one, else to the one that is asked for;
 * null is nobody in particular, undefined leaves it whose it is.
 */
async function assign(
  tx: Transaction,
  caller: Caller,
  conversation: Conversation,
  wanted: string | null | undefined,
): Promise<Omit<Command, 'body'>> {
  const seller_id = caller.sellerId ?? wanted
  if (wanted && wanted !== seller_id) throw invalid([{ path: 'seller_id', message: 'Must be your own seller' }])
  if (seller_id && !(await isActiveSeller(tx, caller.tenantId, seller_id)))
    throw invalid([{ path: 'seller_id', message: 'There is no such seller, or they are not active' }])
  if (seller_id === undefined || seller_id === conversation.seller_id) return {}
  const { id, status, bot_id, customer_id } = conversation
  await assignConversation(tx, { tenantId: caller.tenantId, id }, seller_id)
  return {
    before: { seller_id: conversation.seller_id },
    after: { seller_id },
    events: [{ type: 'conversation.updated', data: { id, status, bot_id, customer_id, seller_id } }],
  }
}
