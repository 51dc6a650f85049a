import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import { findCustomer, lockCustomer } from '../../commerce/customers.ts'
import { listConsents, optIn, optOut } from '../../messaging/consent.ts'
import { answerChange } from '../change.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { inTenant, type Parts } from '../parts.ts'
import { text, time, uuid } from '../schemas.ts'
import { body, describe, found, idempotent, idOf, makeGuard, query } from '../steps.ts'
import { customer } from './customer-fields.ts'

const consent = named(
  'Consent',
  v.strictObject({
    id: uuid,
    kind: v.picklist(['opted_out', 'opted_in']),
    source: v.pipe(
      v.picklist(['customer', 'agent', 'api', 'erasure']),
      v.description(
        'Who said it: the customer themselves, a user, or a program with an API key; `erasure`: it was said before what ' +
          'was known of the customer was erased',
      ),
    ),
    word: v.pipe(v.nullable(v.string()), v.description('What the customer wrote')),
    message_id: v.nullable(uuid),
    conversation_id: v.nullable(uuid),
    user_id: v.pipe(v.nullable(uuid), v.description('The user, or the API key')),
    note: v.nullable(v.string()),
    at: time,
  }),
)
const said = v.strictObject({
  note: v.pipe(text(1_000), v.description('How the customer said so: it is kept as evidence')),
})

const tag = 'Customers'

/** Whether a customer wants messages, and who said so. */
export function customerConsentRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.post(
    '/:id/opt-out',
    describe({
      id: 'optOutCustomer',
      tag,
      summary: 'Note that a customer wants no messages',
      description:
        'From then on each message to them is refused with `customer_opted_out`, whoever sends it, and what waits to be ' +
        'sent fails with the same code.',
      answers: { 200: customer },
      errors: ['not_found'],
    }),
    may('customers:write'),
    idempotent,
    body(said),
    context => note(context, context.req.valid('json').note, 'customer.opted_out'),
  )
  app.post(
    '/:id/opt-in',
    describe({
      id: 'optInCustomer',
      tag,
      summary: 'Note that a customer wants messages again',
      description: 'The note says by what you know: it may have to be shown.',
      answers: { 200: customer },
      errors: ['not_found'],
    }),
    may('customers:write'),
    idempotent,
    body(said),
    context => note(context, context.req.valid('json').note, 'customer.opted_in'),
  )
  app.get(
    '/:id/consents',
    describe({
      id: 'listCustomerConsents',
      tag,
      summary: 'Who said when, and by what, that they want messages or none, newest first',
      answers: { 200: pageOf(consent) },
      errors: ['not_found'],
    }),
    may('customers:read'),
    query(v.strictObject(pageQuery)),
    async context => {
      const [customerId, { limit, cursor }] = [idOf(context), context.req.valid('query')]
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await inTenant(parts, context, async (tx, { tenantId }) => {
        found(await findCustomer(tx, tenantId, customerId), 'customer')
        return await listConsents(tx, { tenantId, customerId, beforeId, limit: limit + 1 })
      })
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )

  function note(
    context: Context<Env>,
    words: string,
    action: 'customer.opted_out' | 'customer.opted_in',
  ): Promise<Response> {
    const customerId = idOf(context)
    return answerChange(parts, context, 200, async (tx, caller, record) => {
      const { tenantId } = caller
      const before = found(await lockCustomer(tx, tenantId, customerId), 'customer')
      const save = action === 'customer.opted_out' ? optOut : optIn
      await save(tx, parts.ids, { tenantId, customerId, caller, note: words, at: new Date(parts.clock.now()) })
      const after = found(await findCustomer(tx, tenantId, customerId), 'customer')
      record({ action, resource: 'customers', id: customerId, before, after: { ...after, note: words } })
      return after
    })
  }

  return app
}
