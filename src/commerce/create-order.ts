import { type Ids, timeOf } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'
import { findOrder, type Order } from './orders.ts'
import { type OrderPriced, type OrderRefused, priceOrder } from './price-order.ts'
import { isActiveSeller } from './sellers.ts'

export const orderItemsMax = 100
export const orderQuantityMax = 1_000_000

/** What a customer asks for. The same product twice becomes one line. */
export type NewOrder = {
  readonly tenantId: string
  readonly customerId: string
  /** Whose order it is; undefined: the conversation's seller, where it has one. */
  readonly sellerId?: string | null | undefined
  readonly conversationId: string | null
  readonly items: readonly { readonly product_id: string; readonly quantity: number }[]
  readonly notes?: string | null | undefined
}

/** What came of it. All but `created` have written nothing: the transaction may go on. */
export type OrderCreated =
  | { readonly kind: 'created'; readonly order: Order }
  | { readonly kind: 'unknown_customer' }
  | { readonly kind: 'unknown_seller' }
  | OrderRefused

const findCustomer = statement({
  name: 'order_find_customer',
  params: ['tenant_id', 'id'],
  row: { id: 'uuid' },
  sql: 'select id from customers where tenant_id = $1 and id = $2 for key share',
})

// In id order, so that two orders of the same products wait for each other instead of deadlocking.
const lockProducts = statement({
  name: 'order_lock_products',
  params: ['tenant_id', 'ids'],
  row: { id: 'uuid', name: 'text', price_minor: 'int8', currency: 'text', stock: 'int4', active: 'bool' },
  sql: `select id, name, price_minor, currency, stock, active from products
    where tenant_id = $1 and id = any($2::uuid[]) order by id for no key update`,
})

const takeStock = statement({
  name: 'order_take_stock',
  params: ['tenant_id', 'ids', 'quantities'],
  row: { id: 'uuid' },
  sql: `update products p set stock = p.stock - g.quantity, updated_at = now()
    from unnest($2::uuid[], $3::int[]) as g (id, quantity)
    where p.tenant_id = $1 and p.id = g.id and p.stock >= g.quantity
    returning p.id`,
})

const takeNumber = statement({
  name: 'order_take_number',
  params: ['tenant_id'],
  row: { number: 'int8' },
  sql: `update tenants set next_order_number = next_order_number + 1 where id = $1
    returning next_order_number - 1 as number`,
})

const insertOrder = statement({
  name: 'order_insert',
  params: [
    'tenant_id',
    'id',
    'number',
    'customer_id',
    'conversation_id',
    'total_minor',
    'currency',
    'notes',
    'seller_id',
    'created_at',
  ],
  row: {},
  sql: `insert into orders (tenant_id, id, number, customer_id, conversation_id, total_minor, currency, notes, seller_id,
      created_at, updated_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8,
      coalesce($9::uuid, (select seller_id from conversations where tenant_id = $1 and id = $5::uuid)), $10, $10)`,
})

const insertItems = statement({
  name: 'order_insert_items',
  params: ['tenant_id', 'order_id', 'product_ids', 'names', 'quantities', 'prices_minor'],
  row: {},
  sql: `insert into order_items (tenant_id, order_id, line, product_id, name, quantity, price_minor)
    select $1, $2, line, product_id, name, quantity, price_minor
    from unnest($3::uuid[], $4::text[], $5::int[], $6::bigint[])
      with ordinality as g (product_id, name, quantity, price_minor, line)`,
})

/**
 * Makes an order: prices, names, currency and total are the server's, the stock goes down with it and never below
 * zero. The number is taken last, since its lock makes the tenant's other orders wait. One order a transaction, or a
 * retry on deadlock: a second one would lock products after the number.
 */
export async function createOrder(tx: Transaction, ids: Ids, wanted: NewOrder): Promise<OrderCreated> {
  const productIds = [...new Set(wanted.items.map(item => item.product_id))]
  const [customers, products] = await Promise.all([
    tx.run(findCustomer, { tenant_id: wanted.tenantId, id: wanted.customerId }),
    tx.run(lockProducts, { tenant_id: wanted.tenantId, ids: productIds }),
  ])
  if (customers.length === 0) return { kind: 'unknown_customer' }
  const sellerId = wanted.sellerId ?? null
  if (sellerId !== null && !(await isActiveSeller(tx, wanted.tenantId, sellerId))) return { kind: 'unknown_seller' }

  const priced = priceOrder(wanted.items, products)
  if (priced.kind !== 'priced') return priced
  return { kind: 'created', order: await write(tx, ids, wanted, priced) }
}

async function write(tx: Transaction, ids: Ids, wanted: NewOrder, priced: OrderPriced): Promise<Order> {
  const { items, totalMinor, currency } = priced
  const quantities = items.map(item => item.quantity)
  const productIds = items.map(item => item.product_id)
  const taken = await tx.run(takeStock, { tenant_id: wanted.tenantId, ids: productIds, quantities })
  if (taken.length !== items.length) throw new Error('The stock of a locked product changed')
  const [next] = await tx.run(takeNumber, { tenant_id: wanted.tenantId })
  if (next === undefined) throw new Error('An order of a tenant that does not exist')
  const id = ids.next()
  const [, , order] = await Promise.all([
    tx.run(insertOrder, {
      tenant_id: wanted.tenantId,
      id,
      number: next.number,
      customer_id: wanted.customerId,
      conversation_id: wanted.conversationId,
      total_minor: totalMinor,
      currency,
      notes: wanted.notes ?? null,
      seller_id: wanted.sellerId ?? null,
      created_at: timeOf(id),
    }),
    tx.run(insertItems, {
      tenant_id: wanted.tenantId,
      order_id: id,
      product_ids: productIds,
      names: items.map(item => item.name),
      quantities,
      prices_minor: items.map(item => item.price_minor),
    }),
    findOrder(tx, wanted.tenantId, id),
  ])
  if (order === undefined) throw new Error('An order was not written')
  return order
}
