import { Hono } from 'hono'
import * as v from 'valibot'
import { findCustomer } from '../../commerce/customers.ts'
import { sendToCustomer } from '../../messaging/send-to-customer.ts'
import { answerChange } from '../change.ts'
import type { Env } from '../options.ts'
import { outboundContent } from '../outbound.ts'
import type { Parts } from '../parts.ts'
import { identity, phone, uuid } from '../schemas.ts'
import { body, describe, idempotent, idOf, makeGuard } from '../steps.ts'

/** A phone as a text, or any identity. */
const recipient = v.pipe(
  v.union([phone, identity], 'Must be a phone in E.164, or an identity: {kind, value}'),
  v.description('A phone in E.164, or what WhatsApp knows the customer by'),
  v.transform(to => (typeof to === 'string' ? { kind: 'phone' as const, value: to } : to)),
)

export function botMessageRoutes(parts: Parts): Hono<Env> {
  const { bus, clock, ids, sealer } = parts
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
      errors: ['not_found', 'conflict', 'window_closed', 'customer_opted_out'],
    }),
    may('conversations:write'),
    idempotent,
    body(v.strictObject({ to: recipient, content: outboundContent })),
    async context => {
      const [botId, { to, content }] = [idOf(context), context.req.valid('json')]
      const response = await answerChange(parts, context, 202, (tx, caller, record) => {
        const { tenantId, sellerId } = caller
        const message = { tenantId, caller, sellerId, botId, to, content }
        return sendToCustomer(tx, { ids, clock, sealer, findCustomer, record }, message)
      })
      bus.publish('outbox')
      return response
    },
  )
  return app
}
