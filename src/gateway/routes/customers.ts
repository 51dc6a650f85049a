import { Hono } from 'hono'
import * as v from 'valibot'
import {
  type Customer,
  type CustomerDeleted,
  type CustomerWritten,
  createCustomer,
  deleteCustomer,
  findCustomer,
  identityKinds,
  lockCustomer,
  updateCustomer,
} from '../../commerce/customers.ts'
import { listCustomers } from '../../commerce/list-customers.ts'
import { invalid } from '../../lib/check-fields.ts'
import { AppError } from '../../lib/errors.ts'
import { answerChange } from '../change.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { type Parts, readInTenant } from '../parts.ts'
import { email, jsonObject, phone, readOnly, searchText, text, time, uuid } from '../schemas.ts'
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

const identitiesMax = 20
const variablesBytesMax = 64 * 1024

const identityValue = text(256)
const identity = v.variant(
  'kind',
  [
    v.strictObject({ kind: v.literal('phone'), value: phone }),
    v.strictObject({ kind: v.picklist(['bsuid', 'lid']), value: identityValue }),
  ],
  `Must be one of ${identityKinds.join(', ')}`,
)
const fields = {
  name: text(200, 0),
  phone: v.nullable(phone),
  email: v.nullable(email),
  identities: v.pipe(v.array(identity), v.maxLength(identitiesMax, `Must have at most ${identitiesMax}`)),
  variables: v.pipe(
    jsonObject,
    v.check(variables => JSON.stringify(variables).length <= variablesBytesMax, 'Must have at most 64 KB of JSON'),
  ),
}

const newCustomer = v.strictObject({
  name: v.optional(fields.name, ''),
  phone: v.optional(fields.phone, null),
  email: v.optional(fields.email, null),
  identities: v.optional(fields.identities, []),
  variables: v.optional(fields.variables, {}),
  ...readOnly('id', 'created_at', 'updated_at'),
})
const customerChanges = v.strictObject({
  ...v.partial(v.object(fields)).entries,
  ...readOnly('id', 'created_at', 'updated_at'),
})
const customer = named(
  'Customer',
  v.strictObject({
    id: uuid,
    ...fields,
    // Two customers who turned out to be one have the identities and the variables of both.
    identities: v.array(identity),
    variables: jsonObject,
    created_at: time,
    updated_at: time,
  }),
)

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
        const after = accept(await createCustomer(tx, parts.ids, tenantId, given))
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
      description: 'Fields that are left out stay as they are; `identities` and `variables` are replaced as a whole.',
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
        const after = accept(await updateCustomer(tx, tenantId, id, changes))
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
  return app
}

/** Throws in the transaction, so that what was refused rolls back. */
function accept(written: CustomerWritten): Customer {
  if (written.kind === 'written') return written.customer
  if (written.kind === 'unknown') throw notFound('customer')
  if (written.kind === 'no_bot')
    throw invalid([{ path: 'identities', message: 'Are known to bots, of which there is none yet: add a bot first' }])
  throw new AppError('conflict', 'The phone or another identity is of another customer.')
}

function refuse(deleted: CustomerDeleted): void {
  if (deleted === 'unknown') throw notFound('customer')
  if (deleted === 'has_orders') throw new AppError('conflict', 'The customer has orders, which name them.')
  if (deleted === 'has_conversations') throw new AppError('conflict', 'The customer has conversations.')
}
