import { Hono } from 'hono'
import * as v from 'valibot'
import { AppError } from '../../lib/errors.ts'
import { listFailedMessages, lockFailedMessage, retryFailedMessage } from '../../messaging/failed-messages.ts'
import { refuseUnsendable } from '../../messaging/refuse-unsendable.ts'
import { reachOf } from '../../messaging/send.ts'
import { answerChange } from '../change.ts'
import { seenConversation } from '../conversation-access.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { outboundContent } from '../outbound.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { type Parts, readInTenant } from '../parts.ts'
import { uuid } from '../schemas.ts'
import { body, describe, found, idempotent, idOf, makeGuard, query } from '../steps.ts'
import { messageFields } from './conversations.ts'

const failed = named('FailedMessage', v.strictObject({ ...messageFields, conversation_id: uuid }))
const tag = 'Conversations'

export function failedMessageRoutes(parts: Parts): Hono<Env> {
  const { bus } = parts
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({
      id: 'listFailedMessages',
      tag,
      summary: 'Messages that did not go out, newest first, each with its reason',
      description:
        '`failed`: it did not arrive, for the reason in `error`. `unknown`: the provider gave no answer, and no status ' +
        'came: it may have arrived or not.',
      answers: { 200: pageOf(failed) },
    }),
    may('conversations:read', { isFresh: true }),
    query(
      v.strictObject({
        ...pageQuery,
        status: v.optional(v.picklist(['failed', 'unknown'])),
        bot_id: v.optional(uuid),
      }),
    ),
    async context => {
      const { limit, cursor, status = null, bot_id = null } = context.req.valid('query')
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await readInTenant(parts, context, (tx, { tenantId, sellerId }) =>
        listFailedMessages(tx, { tenantId, beforeId, status, botId: bot_id, sellerId, limit: limit + 1 }),
      )
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.post(
    '/:id/retry',
    describe({
      id: 'retryFailedMessage',
      tag,
      summary: 'Send a message once more',
      description:
        'One that is `unknown` may have arrived already: the customer then gets it twice. What would fail for certain, ' +
        'as a text after the 24-hour window, is refused.',
      answers: { 202: v.strictObject({ message_id: uuid }) },
      errors: ['not_found', 'conflict', 'window_closed', 'customer_opted_out'],
    }),
    may('conversations:write'),
    idempotent,
    body(v.strictObject({}), { mayBeEmpty: true }),
    async context => {
      const id = idOf(context)
      const response = await answerChange(parts, context, 202, async (tx, caller, record) => {
        const before = found(await lockFailedMessage(tx, caller.tenantId, id), 'failed message')
        const conversation = await seenConversation(tx, caller, before.conversation_id)
        if (before.source === 'phone')
          throw new AppError('conflict', 'It was written on the phone: send it from there, or write another one.')
        const reach = await reachOf(tx, caller.tenantId, conversation.id)
        refuseUnsendable(reach, v.parse(outboundContent, before.content), parts.clock.now())
        await retryFailedMessage(tx, caller.tenantId, before)
        record({
          ...{ action: 'message.retried', resource: 'conversations', id: conversation.id },
          before: { message_id: id, status: before.status, error: before.error },
          after: { message_id: id, status: 'queued', error: null },
          events: [
            {
              type: 'message.status',
              data: { conversation_id: conversation.id, message_id: id, status: 'queued', error: null },
            },
          ],
        })
        return { message_id: id }
      })
      bus.publish('outbox')
      return response
    },
  )
  return app
}
