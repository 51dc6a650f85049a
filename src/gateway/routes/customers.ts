import { Hono } from 'hono'
import * as v from 'valibot'
import {
  type Customer,
  type CustomerDeleted,
  type CustomerWritten,
  createCustomer,
  deleteCustomer,
  findCustomer,
  lockCustomer,
  updateCustomer,
} from '../../commerce/customers.ts'
import { listCustomers } from '../../commerce/list-customers.ts'
import { invalid } from '../../lib/check-fields.ts'
import { AppError } from '../../lib/errors.ts'
import { releaseSuppressions } from '../../messaging/privacy/suppressions.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { answerChange } from '../change.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { type Parts, readInTenant } from '../parts.ts'
import { booleanText, phone, searchText, uuid } from '../schemas.ts'
import {
  body,
  conditional,
  describe,
  found,
  idempotent,
  idOf,
  makeGuard,
  mustMatch,
  notFound,
  query,
} from '../steps.ts'
import { customerConsentRoutes } from './customer-consents.ts'
import { customer, customerChanges, identityValue, newCustomer, tagText } from './customer-fields.ts'

const tag = 'Customers'

export function customerRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({
      id: 'listCustomers',
      tag,
      summary: 'List customers, newest first',
      description:
        'With `bot_id` those whom the bot knows: by this `identity`, where one is given. Filters are combined.',
      answers: { 200: pageOf(customer) },
    }),
    may('customers:read'),
    query(
      v.strictObject({
        ...pageQuery,
        q: v.optional(searchText('Part of the name, the phone or the e-mail address')),
        phone: v.optional(phone),
        identity: v.optional(v.pipe(identityValue, v.description('What WhatsApp knows them by, of any kind'))),
        bot_id: v.optional(uuid),
        opted_out: v.optional(booleanText),
        tag: v.optional(tagText),
      }),
    ),
    async context => {
      const { limit, cursor, ...filter } = context.req.valid('query')
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await readInTenant(parts, context, (tx, { tenantId }) =>
        listCustomers(tx, {
          ...{ tenantId, beforeId, limit: limit + 1 },
          search: filter.q?.trim() || null,
          phone: filter.phone ?? null,
          identity: filter.identity ?? null,
          botId: filter.bot_id ?? null,
          isOptedOut: filter.opted_out ?? null,
          tag: filter.tag ?? null,
        }),
      )
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.post(
    '/',
    describe({
      id: 'createCustomer',
      tag,
      summary: 'Add a customer',
      description: 'The phone and the identities are made known to each bot there is, which then know who writes.',
      answers: { 201: customer },
      errors: ['conflict'],
    }),
    may('customers:write'),
    idempotent,
    body(newCustomer),
    async context => {
      const given = context.req.valid('json')
      return await answerChange(parts, context, 201, async (tx, { tenantId }, record) => {
        const made = accept(await createCustomer(tx, parts.ids, tenantId, given))
        const after = await optedOutAsBefore(tx, tenantId, made)
        record({ action: 'customer.created', resource: 'customers', id: after.id, before: null, after })
        return after
      })
    },
  )
  app.get(
    '/:id',
    describe({ id: 'getCustomer', tag, summary: 'One customer', answers: { 200: customer }, errors: ['not_found'] }),
    may('customers:read'),
    async context => {
      const id = idOf(context)
      const one = await readInTenant(parts, context, (tx, { tenantId }) => findCustomer(tx, tenantId, id))
      return context.json(found(one, 'customer'))
    },
  )
  app.put(
    '/:id',
    describe({
      id: 'updateCustomer',
      tag,
      summary: 'Change a customer',
      description:
        'Fields that are left out stay as they are; `identities`, `variables` and `tags` are replaced as a whole.',
      answers: { 200: customer },
      errors: ['not_found', 'conflict'],
    }),
    may('customers:write'),
    conditional,
    body(customerChanges),
    async context => {
      const [id, changes] = [idOf(context), context.req.valid('json')]
      return await answerChange(parts, context, 200, async (tx, { tenantId }, record) => {
        const before = found(await lockCustomer(tx, tenantId, id), 'customer')
        mustMatch(context, before)
        const changed = accept(await updateCustomer(tx, tenantId, id, changes))
        const after = await optedOutAsBefore(tx, tenantId, changed)
        record({ action: 'customer.updated', resource: 'customers', id, before, after })
        return after
      })
    },
  )
  app.delete(
    '/:id',
    describe({
      id: 'deleteCustomer',
      tag,
      summary: 'Remove a customer who has neither orders nor conversations',
      answers: { 204: null },
      errors: ['not_found', 'conflict'],
    }),
    may('customers:write'),
    conditional,
    async context => {
      const id = idOf(context)
      return await answerChange(parts, context, 204, async (tx, { tenantId }, record) => {
        const before = found(await lockCustomer(tx, tenantId, id), 'customer')
        mustMatch(context, before)
        refuse(await deleteCustomer(tx, tenantId, id))
        record({ action: 'customer.deleted', resource: 'customers', id, before, after: null })
        return null
      })
    },
  )
  app.route('/', customerConsentRoutes(parts))

  /** Who wanted no messages before they were erased wants none, whoever enters them again. */
  async function optedOutAsBefore(tx: Transaction, tenantId: string, customer: Customer): Promise<Customer> {
    const { id, identities } = customer
    const introduced = [{ tenantId, customerId: id, identities }]
    const released = await releaseSuppressions(tx, parts.ids, parts.sealer, introduced)
    return released.has(id) ? found(await findCustomer(tx, tenantId, id), 'customer') : customer
  }

  return app
}

/** Throws in the transaction, so that what was refused rolls back. */
function accept(written: CustomerWritten): Customer {
  if (written.kind === 'written') return written.customer
  if (written.kind === 'unknown') throw notFound('customer')
  if (written.kind === 'no_bot')
    throw invalid([{ path: 'identities', message: 'Are known to bots, of which there is none yet: add a bot first' }])
  if (written.kind === 'is_opted_out')
    throw new AppError(
      'conflict',
      'The customer wants no messages. Without this phone or identity that would be forgotten: leave it, or opt them in first if they asked for it.',
    )
  if (written.kind === 'nobody')
    throw new AppError('conflict', 'This is whom the orders of erased people are of: nothing can be known of them.')
  throw new AppError('conflict', 'The phone or another identity is of another customer.')
}

function refuse(deleted: CustomerDeleted): void {
  if (deleted === 'unknown') throw notFound('customer')
  if (deleted === 'has_orders') throw new AppError('conflict', 'The customer has orders, which name them.')
  if (deleted === 'has_conversations') throw new AppError('conflict', 'The customer has conversations.')
  if (deleted === 'is_opted_out')
    throw new AppError('conflict', 'The customer wants no messages. Removed, that would be forgotten: they stay.')
}
