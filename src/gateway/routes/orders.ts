import { Hono } from 'hono'
import * as v from 'valibot'
import { createOrder, type OrderCreated, orderItemsMax, orderQuantityMax } from '../../commerce/create-order.ts'
import {
  findOrder,
  listOrders,
  type Order,
  type OrderUpdated,
  orderStatuses,
  updateOrder,
} from '../../commerce/orders.ts'
import { AppError } from '../../lib/errors.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { inTenant, type Parts } from '../parts.ts'
import { integer, readOnly, text, time, uuid } from '../schemas.ts'
import { body, describe, found, idOf, invalid, makeGuard, notFound, query } from '../steps.ts'

const status = v.picklist(orderStatuses, `Must be one of ${orderStatuses.join(', ')}`)
const notes = v.nullable(text(2_000, 0))

const newOrder = v.strictObject({
  customer_id: uuid,
  items: v.pipe(
    v.array(v.strictObject({ product_id: uuid, quantity: integer(1, orderQuantityMax) })),
    v.minLength(1, 'Must not be empty'),
    v.maxLength(orderItemsMax, `Must have at most ${orderItemsMax}`),
  ),
  notes: v.optional(notes),
})
const orderChanges = v.strictObject({
  status: v.optional(status),
  notes: v.optional(notes),
  ...readOnly('id', 'number', 'customer_id', 'conversation_id', 'total_minor', 'currency', 'items'),
  ...readOnly('created_at', 'updated_at'),
})
const order = named(
  'Order',
  v.strictObject({
    id: uuid,
    number: v.number(),
    customer_id: uuid,
    conversation_id: v.nullable(uuid),
    status,
    total_minor: v.number(),
    currency: v.string(),
    notes: v.nullable(v.string()),
    items: v.array(
      v.strictObject({ product_id: uuid, name: v.string(), quantity: v.number(), price_minor: v.number() }),
    ),
    created_at: time,
    updated_at: time,
  }),
)

const tag = 'Orders'

export function orderRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({ tag, summary: 'List orders, newest first', answers: { 200: pageOf(order) } }),
    may('orders:read'),
    query(v.object({ ...pageQuery, status: v.optional(status), customer_id: v.optional(uuid) })),
    async context => {
      const { limit, cursor, ...filter } = context.req.valid('query')
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await inTenant(parts, context, (tx, { tenantId }) =>
        listOrders(tx, {
          tenantId,
          beforeId,
          customerId: filter.customer_id ?? null,
          status: filter.status ?? null,
          limit: limit + 1,
        }),
      )
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.post(
    '/',
    describe({
      tag,
      summary: 'Make an order',
      description: 'Prices and the total are those of the products at this moment; their stock goes down with it.',
      answers: { 201: order },
      errors: ['conflict'],
    }),
    may('orders:write'),
    body(newOrder),
    async context => {
      const { customer_id, items, notes } = context.req.valid('json')
      const wanted = { customerId: customer_id, conversationId: null, items, notes: notes ?? undefined }
      const made = await inTenant(parts, context, async (tx, { tenantId }) =>
        accept(await createOrder(tx, parts.ids, { tenantId, ...wanted }), items),
      )
      return context.json(made, 201)
    },
  )
  app.get(
    '/:id',
    describe({ tag, summary: 'One order', answers: { 200: order }, errors: ['not_found'] }),
    may('orders:read'),
    async context => {
      const id = idOf(context)
      const one = await inTenant(parts, context, (tx, { tenantId }) => findOrder(tx, tenantId, id))
      return context.json(found(one, 'order'))
    },
  )
  app.put(
    '/:id',
    describe({
      tag,
      summary: 'Move an order on, or change its notes',
      description:
        '`status` moves pending → confirmed → paid → shipped → delivered, one step at a time, or from any of them but ' +
        'the last to cancelled, which puts what was ordered back in stock.',
      answers: { 200: order },
      errors: ['not_found', 'conflict'],
    }),
    may('orders:write'),
    body(orderChanges),
    async context => {
      const [id, changes] = [idOf(context), context.req.valid('json')]
      const updated = await inTenant(parts, context, (tx, { tenantId }) => updateOrder(tx, tenantId, id, changes))
      return context.json(moved(updated))
    },
  )
  return app
}

function accept(created: OrderCreated, items: readonly { readonly product_id: string }[]): Order {
  switch (created.kind) {
    case 'created':
      return created.order
    case 'unknown_customer':
      throw invalid([{ path: 'customer_id', message: 'There is no such customer' }])
    case 'unknown_product':
      throw invalid(
        items.flatMap(({ product_id }, index) =>
          created.productIds.includes(product_id)
            ? [{ path: `items.${index}.product_id`, message: 'There is no such product, or it is not sold any more' }]
            : [],
        ),
      )
    case 'mixed_currencies':
      throw invalid([{ path: 'items', message: `Have prices in several currencies: ${created.currencies.join(', ')}` }])
    case 'total_too_large':
      throw invalid([{ path: 'items', message: 'The total is too large' }])
    case 'out_of_stock':
      throw new AppError(
        'conflict',
        created.shortages.map(({ name, wanted, stock }) => `${name}: ${wanted} wanted, ${stock} left.`).join(' '),
      )
  }
}

function moved(updated: OrderUpdated): Order {
  if (updated.kind === 'updated') return updated.order
  if (updated.kind === 'unknown') throw notFound('order')
  throw new AppError('conflict', `An order that is ${updated.from} cannot become ${updated.to}.`)
}
