import { Hono } from 'hono'
import * as v from 'valibot'
import { findCustomer } from '../../commerce/customers.ts'
import type { Caller } from '../../identity/callers.ts'
import { AppError } from '../../lib/errors.ts'
import { assignNew } from '../../messaging/assign.ts'
import { findBot } from '../../messaging/bots.ts'
import { findConversation } from '../../messaging/list-conversations.ts'
import { messageEvent } from '../../messaging/news.ts'
import { queueMessage, type Reached, reachCustomer, reachOf } from '../../messaging/send.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { answerChange, type Work } from '../change.ts'
import type { Env } from '../options.ts'
import { outboundContent, refuseUnsendable } from '../outbound.ts'
import type { Parts } from '../parts.ts'
import { identity, phone, uuid } from '../schemas.ts'
import { body, describe, found, idempotent, idOf, makeGuard } from '../steps.ts'

type Recorder = Parameters<Work<unknown>>[2]

/** A phone as a text, or any identity. */
const recipient = v.pipe(
  v.union([phone, identity], 'Must be a phone in E.164, or an identity: {kind, value}'),
  v.description('A phone in E.164, or what WhatsApp knows the customer by'),
  v.transform(to => (typeof to === 'string' ? { kind: 'phone' as const, value: to } : to)),
)

export function botMessageRoutes(parts: Parts): Hono<Env> {
  const { bus, ids } = parts
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.post(
    '/:id/messages',
    describe({
      id: 'sendBotMessage',
      tag: 'Bots',
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
        const reached = await reachCustomer(tx, ids, { tenantId, botId, identity: to })
        const { conversationId } = reached
        await takeForSeller(tx, caller, conversationId)
        const reach = await reachOf(tx, tenantId, conversationId)
        refuseUnsendable(reach, content, parts.clock.now())
        const { windowExpiresAt } = reach
        const nowMs = parts.clock.now()
        const message = { tenantId, conversationId, botId, content, windowExpiresAt, nowMs }
        const queued = await queueMessage(tx, ids, message)
        await recordCustomer(tx, tenantId, reached, record)
        record({
          ...{ action: 'message.queued', resource: 'conversations', id: conversationId, before: null },
          after: { message_id: queued.id, content },
          events: [messageEvent(conversationId, queued)],
        })
        return { message_id: queued.id, conversation_id: conversationId }
      })
      bus.publish('outbox')
      return response
    },
  )
  return app
}

async function recordCustomer(tx: Transaction, tenantId: string, reached: Reached, record: Recorder): Promise<void> {
  if (reached.customer === 'known') return
  const after = found(await findCustomer(tx, tenantId, reached.customerId), 'customer')
  const [action, before] =
    reached.customer === 'made' ? ['customer.created', null] : ['customer.updated', { ...after, phone: null }]
  record({ action, resource: 'customers', id: after.id, before, after })
}

/** Who is tied to a seller writes to customers who talk with that seller, and to those who talk with nobody yet. */
async function takeForSeller(tx: Transaction, { tenantId, sellerId }: Caller, conversationId: string): Promise<void> {
  if (sellerId === null) return
  await assignNew(tx, { tenantId, id: conversationId }, sellerId)
  const conversation = await findConversation(tx, tenantId, conversationId)
  if (conversation?.seller_id !== sellerId)
    throw new AppError(
      'conflict',
      'There is a conversation with this customer that is not your seller’s: have it given to them first.',
    )
}
