import { Hono } from 'hono'
import * as v from 'valibot'
import type { OutboundContent } from '../../flow/content.ts'
import type { Caller } from '../../identity/callers.ts'
import { postToInbox } from '../../messaging/inbox.ts'
import type { Conversation, Message } from '../../messaging/list-conversations.ts'
import { messageEvent } from '../../messaging/news.ts'
import { refuseUnsendable } from '../../messaging/refuse-unsendable.ts'
import { refuseUnsendableMedia } from '../../messaging/refuse-unsendable-media.ts'
import { queueMessage, reachOf } from '../../messaging/send.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { answerChange } from '../change.ts'
import { refuseHeld } from '../claim-conversation.ts'
import { openConversation } from '../conversation-access.ts'
import type { Env } from '../options.ts'
import { outboundContent } from '../outbound.ts'
import type { Parts } from '../parts.ts'
import { uuid } from '../schemas.ts'
import { body, describe, idempotent, idOf, makeGuard } from '../steps.ts'

const messageBody = v.strictObject({
  content: outboundContent,
  take_over: v.pipe(
    v.optional(v.boolean(), false),
    v.description('Whether whoever sends it has the conversation from now on, and the bot is silent'),
  ),
})

/** What people and programs write into a conversation. */
export function conversationMessageRoutes(parts: Parts): Hono<Env> {
  const { bus, clock, ids } = parts
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.post(
    '/:id/messages',
    describe({
      id: 'sendConversationMessage',
      tag: 'Conversations',
      summary: 'Write to the customer',
      description:
        'The bot goes on as it was, unless `take_over` is true. In a conversation that waits for a person, whoever writes ' +
        'first has it.',
      answers: { 202: v.strictObject({ message_id: uuid }) },
      errors: ['not_found', 'conflict', 'window_closed', 'customer_opted_out'],
    }),
    may('conversations:write'),
    idempotent,
    body(messageBody),
    async context => {
      const [conversationId, { content, take_over }] = [idOf(context), context.req.valid('json')]
      const response = await answerChange(parts, context, 202, async (tx, caller, record) => {
        const conversation = await openConversation(tx, caller, conversationId)
        if (take_over) await refuseHeld(tx, caller, conversation)
        await refuseUnsendableMedia(tx, caller, content)
        const queued = await queue(tx, caller, conversation, content)
        await tellTurn(tx, caller, conversation, { messageId: queued.id, takesOver: take_over })
        record({
          ...{ action: 'message.queued', resource: 'conversations', id: conversationId, before: null },
          after: { message_id: queued.id, content, take_over },
          events: [messageEvent(conversationId, queued)],
        })
        return { message_id: queued.id }
      })
      bus.publish('outbox')
      bus.publish('inbox')
      return response
    },
  )

  async function queue(
    tx: Transaction,
    { tenantId, kind }: Caller,
    { id: conversationId, bot_id: botId }: Conversation,
    content: OutboundContent,
  ): Promise<Message> {
    const reach = await reachOf(tx, tenantId, conversationId)
    const nowMs = clock.now()
    refuseUnsendable(reach, content, nowMs)
    return await queueMessage(tx, ids, {
      ...{ tenantId, conversationId, botId, content, nowMs },
      source: kind === 'user' ? 'agent' : 'api',
      windowExpiresAt: reach.windowExpiresAt,
    })
  }

  /** What a program sends is nobody's answer, unless it takes the conversation over. */
  async function tellTurn(
    tx: Transaction,
    caller: Caller,
    { id: conversationId }: Conversation,
    { messageId, takesOver }: { readonly messageId: string; readonly takesOver: boolean },
  ): Promise<void> {
    if (caller.kind === 'api_key' && !takesOver) return
    const body = { message_id: messageId, agent_id: caller.id, source: 'api', takes_over: takesOver }
    await postToInbox(tx, ids, { tenantId: caller.tenantId, conversationId, kind: 'agent_message', body })
  }

  return app
}
