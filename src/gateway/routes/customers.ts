import { Hono } from 'hono'
import * as v from 'valibot'
import {
  type Customer,
  type CustomerDeleted,
  type CustomerFilter,
  type CustomerWritten,
  createCustomer,
  deleteCustomer,
  findCustomer,
  identityKinds,
  listCustomers,
  lockCustomer,
  updateCustomer,
} from '../../commerce/customers.ts'
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
  invalid,
  makeGuard,
  mustMatch,
  notFound,
  query,
} from '../steps.ts'

const identitiesMax = 20
const variablesBytesMax = 64 * 1024

const identity = v.pipe(
  v.strictObject({ kind: v.picklist(identityKinds, `Must be one of ${identityKinds.join(', ')}`), value: text(256) }),
  v.check(({ kind, value }) => kind !== 'phone' || v.is(phone, value), 'A phone must be in E.164, like +573001234567'),
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
    name: v.string(),
    phone: v.nullable(v.string()),
    email: v.nullable(v.string()),
    identities: v.array(v.strictObject({ kind: v.picklist(identityKinds), value: v.string() })),
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
    describe({ tag, summary: 'List customers, newest first', answers: { 200: pageOf(customer) } }),
    may('customers:read'),
    query(
      v.strictObject({
        ...pageQuery,
        q: v.optional(searchText('Part of the name, the phone or the e-mail address')),
        phone: v.optional(phone),
        bsuid: v.optional(text(256)),
        lid: v.optional(text(256)),
      }),
    ),
    async context => {
      const { limit, cursor, ...filter } = context.req.valid('query')
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await readInTenant(parts, context, (tx, { tenantId }) =>
        listCustomers(tx, { tenantId, beforeId, limit: limit + 1 }, filterOf(filter)),
      )
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.post(
    '/',
    describe({
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
    describe({ tag, summary: 'One customer', answers: { 200: customer }, errors: ['not_found'] }),
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

/** One filter at a time: each has its own index, or reads through all. */
function filterOf(
  filter: {
    readonly [K in 'q' | (typeof identityKinds)[number]]?: string | undefined
  },
): CustomerFilter {
  const given = (['q', ...identityKinds] as const).filter(name => filter[name] !== undefined)
  const [first, second] = given
  if (second !== undefined) throw invalid([{ path: second, message: `Cannot be combined with ${first}` }])
  if (first === undefined) return null
  const value = filter[first] ?? ''
  if (first !== 'q') return { identity: { kind: first, value } }
  return value.trim() === '' ? null : { search: value.trim() }
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
