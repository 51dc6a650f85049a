import { Hono } from 'hono'
import * as v from 'valibot'
import { createOrder, type OrderCreated, orderItemsMax, orderQuantityMax } from '../../commerce/create-order.ts'
import {
  findOrder,
  listOrders,
  lockOrder,
  movesOf,
  type Order,
  type OrderUpdated,
  orderEvent,
  orderStatuses,
  updateOrder,
} from '../../commerce/orders.ts'
import type { Caller } from '../../identity/callers.ts'
import { invalid } from '../../lib/check-fields.ts'
import { AppError } from '../../lib/errors.ts'
import { answerChange } from '../change.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { type Parts, readInTenant } from '../parts.ts'
import {
  amountMinor,
  currency,
  integer,
  numberText,
  readOnly,
  searchText,
  text,
  time,
  timeText,
  uuid,
} from '../schemas.ts'
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

const fields = {
  status: v.picklist(orderStatuses, `Must be one of ${orderStatuses.join(', ')}`),
  customer_id: uuid,
  seller_id: v.nullable(uuid),
  notes: v.nullable(text(2_000, 0)),
}
const generated = readOnly('id', 'number', 'conversation_id', 'total_minor', 'currency', 'created_at', 'updated_at')

const newOrder = v.strictObject({
  customer_id: fields.customer_id,
  seller_id: v.optional(fields.seller_id),
  items: v.pipe(
    v.array(v.strictObject({ product_id: uuid, quantity: integer(1, orderQuantityMax) })),
    v.minLength(1, 'Must not be empty'),
    v.maxLength(orderItemsMax, `Must have at most ${orderItemsMax}`),
  ),
  notes: v.optional(fields.notes, null),
})
const orderChanges = v.strictObject({
  status: v.optional(fields.status),
  notes: v.optional(fields.notes),
  seller_id: v.optional(fields.seller_id),
  ...readOnly('customer_id', 'items'),
  ...generated,
})
const order = named(
  'Order',
  v.strictObject({
    id: uuid,
    number: integer(1, Number.MAX_SAFE_INTEGER),
    customer_id: fields.customer_id,
    seller_id: fields.seller_id,
    conversation_id: v.nullable(uuid),
    status: fields.status,
    total_minor: integer(0, Number.MAX_SAFE_INTEGER),
    currency,
    notes: fields.notes,
    items: v.array(
      v.strictObject({
        product_id: uuid,
        name: text(200),
        quantity: integer(1, orderItemsMax * orderQuantityMax),
        price_minor: amountMinor,
      }),
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
    describe({
      id: 'listOrders',
      tag,
      summary: 'List orders, newest first',
      description: '`from` is the first moment that counts, `to` the first that does not. Filters are combined.',
      answers: { 200: pageOf(order) },
    }),
    may('orders:read'),
    query(
      v.strictObject({
        ...pageQuery,
        status: v.optional(fields.status),
        customer_id: v.optional(uuid),
        seller_id: v.optional(uuid),
        number: v.optional(numberText),
        from: v.optional(timeText),
        to: v.optional(timeText),
        q: v.optional(searchText("Part of the customer's name or phone")),
      }),
    ),
    async context => {
      const { limit, cursor, ...filter } = context.req.valid('query')
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await readInTenant(parts, context, async (tx, { tenantId, sellerId }) => {
        // Who is tied to a seller finds nothing of another's.
        if (sellerId !== null && ![undefined, sellerId].includes(filter.seller_id)) return []
        return await listOrders(tx, {
          ...{ tenantId, beforeId, limit: limit + 1 },
          customerId: filter.customer_id ?? null,
          sellerId: sellerId ?? filter.seller_id ?? null,
          status: filter.status ?? null,
          number: filter.number ?? null,
          search: filter.q?.trim() || null,
          from: filter.from ?? null,
          to: filter.to ?? null,
        })
      })
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.post(
    '/',
    describe({
      id: 'createOrder',
      tag,
      summary: 'Make an order',
      description: 'Prices and the total are those of the products at this moment; their stock goes down with it.',
      answers: { 201: order },
      errors: ['conflict'],
    }),
    may('orders:write'),
    idempotent,
    body(newOrder),
    async context => {
      const { customer_id: customerId, items, notes, seller_id } = context.req.valid('json')
      return await answerChange(parts, context, 201, async (tx, caller, record) => {
        const wanted = { customerId, sellerId: sellerOf(caller, seller_id), conversationId: null, items, notes }
        const after = accept(await createOrder(tx, parts.ids, { tenantId: caller.tenantId, ...wanted }), items)
        const events = [orderEvent('order.created', after)]
        record({ action: 'order.created', resource: 'orders', id: after.id, before: null, after, events })
        return after
      })
    },
  )
  app.get(
    '/:id',
    describe({ id: 'getOrder', tag, summary: 'One order', answers: { 200: order }, errors: ['not_found'] }),
    may('orders:read'),
    async context => {
      const id = idOf(context)
      const one = await readInTenant(parts, context, async (tx, caller) =>
        ifSeen(caller, await findOrder(tx, caller.tenantId, id)),
      )
      return context.json(found(one, 'order'))
    },
  )
  app.put(
    '/:id',
    describe({
      id: 'updateOrder',
      tag,
      summary: 'Move an order on, or change its notes or its seller',
      description:
        '`status` moves pending → confirmed → paid → shipped → delivered, one step at a time, or from any of them but ' +
        'the last to cancelled, which puts what was ordered back in stock.',
      answers: { 200: order },
      errors: ['not_found', 'conflict'],
    }),
    may('orders:write'),
    conditional,
    body(orderChanges),
    async context => {
      const [id, { status, notes, seller_id }] = [idOf(context), context.req.valid('json')]
      return await answerChange(parts, context, 200, async (tx, caller, record) => {
        const before = found(ifSeen(caller, await lockOrder(tx, caller.tenantId, id)), 'order')
        mustMatch(context, before)
        const changes = { status, notes, seller_id: seller_id === undefined ? undefined : sellerOf(caller, seller_id) }
        const after = moved(await updateOrder(tx, caller.tenantId, id, changes))
        const events = [orderEvent('order.updated', after)]
        record({ action: 'order.updated', resource: 'orders', id, before, after, events })
        return after
      })
    },
  )
  return app
}

/** Who is tied to a seller makes that seller's orders, and no other's. */
function sellerOf(caller: Caller, wanted: string | null | undefined): string | null | undefined {
  if (caller.sellerId === null) return wanted
  if (wanted === undefined || wanted === caller.sellerId) return caller.sellerId
  throw invalid([{ path: 'seller_id', message: 'Must be your own seller' }])
}

/** Who is tied to a seller sees that seller's orders only. */
function ifSeen(caller: Caller, order: Order | undefined): Order | undefined {
  return caller.sellerId === null || order?.seller_id === caller.sellerId ? order : undefined
}

const unknownSeller = { path: 'seller_id', message: 'There is no such seller, or they are not active' }

function accept(created: OrderCreated, items: readonly { readonly product_id: string }[]): Order {
  switch (created.kind) {
    case 'created':
      return created.order
    case 'unknown_customer':
      throw invalid([{ path: 'customer_id', message: 'There is no such customer' }])
    case 'unknown_seller':
      throw invalid([unknownSeller])
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
  switch (updated.kind) {
    case 'updated':
      return updated.order
    case 'unknown':
      throw notFound('order')
    case 'unknown_seller':
      throw invalid([unknownSeller])
    case 'move_refused': {
      const moves = movesOf(updated.from)
      const choice = moves.length === 0 ? 'It stays as it is.' : `It can become ${moves.join(' or ')}.`
      throw new AppError('conflict', `An order that is ${updated.from} cannot become ${updated.to}. ${choice}`)
    }
  }
}
