import { idAt, lastId } from '../lib/ids.ts'
import type { FeedEvent } from '../stores/feed.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { firstRows, ifGiven } from '../stores/postgres/list-sql.ts'
import { json, nullable, type RowOf, statement } from '../stores/postgres/statement.ts'
import { stockMax } from './products.ts'
import { isActiveSeller } from './sellers.ts'

export const orderStatuses = ['pending', 'confirmed', 'paid', 'shipped', 'delivered', 'cancelled'] as const
export type OrderStatus = (typeof orderStatuses)[number]

/** A line of an order, with the name and the price that the product had. */
export type OrderItem = {
  readonly product_id: string
  readonly name: string
  readonly quantity: number
  readonly price_minor: number
}

/** The columns of an order `o`. */
export const orderColumns = `o.id, o.number, o.customer_id, o.seller_id, o.conversation_id, o.status, o.total_minor, o.currency, o.notes,
  (select coalesce(jsonb_agg(jsonb_build_object('product_id', i.product_id, 'name', i.name,
      'quantity', i.quantity, 'price_minor', i.price_minor) order by i.line), '[]')
    from order_items i where i.tenant_id = o.tenant_id and i.order_id = o.id) as items,
  o.created_at, o.updated_at`
export const orderRow = {
  id: 'uuid',
  number: 'int8',
  customer_id: 'uuid',
  seller_id: nullable('uuid'),
  conversation_id: nullable('uuid'),
  status: 'text',
  total_minor: 'int8',
  currency: 'text',
  notes: nullable('text'),
  items: json<readonly OrderItem[]>(),
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
} as const

export type Order = RowOf<typeof orderRow>

/** What the sockets are told of an order, once it is committed. */
export function orderEvent(type: 'order.created' | 'order.updated', order: Order): FeedEvent {
  return { type, data: order }
}

const pageParams = [
  'tenant_id',
  'before_id',
  'from_id',
  'status',
  'customer_id',
  'seller_id',
  'number',
  'search',
  'limit',
] as const

const valuesOf = { status: '$4::text', customer_id: '$5::uuid', seller_id: '$6::uuid' } as const
type Led = keyof typeof valuesOf
// Object.keys loses the keys' names; these are all of them.
const filtered = Object.keys(valuesOf) as readonly Led[]

const ofCustomerLike = `exists (
          select from customers c where c.tenant_id = o.tenant_id and c.id = o.customer_id
            and (position(plain_text($8) in plain_text(c.name)) > 0 or position($8 in c.phone) > 0))`

/**
 * A page of orders that begins where an index on these columns and the id does. They are compared as rows, not one by
 * one: so no other index will do, which could read a million orders to find the few that fit.
 */
function selectPage(name: string, led: readonly Led[], more = 'true') {
  const keys = [...led, 'id'].map(column => `o.${column}`)
  const values = led.map(column => valuesOf[column])
  const others = filtered.filter(column => !led.includes(column))
  const filters = others.map(column => `and ${ifGiven(valuesOf[column], `o.${column} = ${valuesOf[column]}`)}`)
  return statement({
    name,
    params: pageParams,
    row: orderRow,
    sql: firstRows(
      `select ${orderColumns} from orders o
      where o.tenant_id = $1 and ${more}
        and (${keys.join(', ')}) < (${[...values, '$2::uuid'].join(', ')})
        and (${keys.join(', ')}) >= (${[...values, '$3::uuid'].join(', ')})
        ${filters.join(' ')} and ${ifGiven('$7::bigint', 'o.number = $7')} and ${ifGiven('$8::text', ofCustomerLike)}
      order by ${keys.map(key => `${key} desc`).join(', ')}`,
      '$9',
    ),
  })
}

const selectNewest = selectPage('order_list', [])
const selectByNumber = selectPage('order_list_by_number', [], 'o.number = $7::bigint')
// One customer has not so many orders that a status among them would need an index.
const selectOfCustomer = selectPage('order_list_of_customer', ['customer_id'])
const selectByStatus = selectPage('order_list_by_status', ['status'])
const selectOfSeller = selectPage('order_list_of_seller', ['seller_id'], 'o.seller_id is not null')
const selectOfSellerByStatus = selectPage(
  'order_list_of_seller_by_status',
  ['seller_id', 'status'],
  'o.seller_id is not null',
)

const selectOne = statement({
  name: 'order_find',
  params: ['tenant_id', 'id'],
  row: orderRow,
  sql: `select ${orderColumns} from orders o where o.tenant_id = $1 and o.id = $2`,
})

const lockOne = statement({
  name: 'order_lock',
  params: ['tenant_id', 'id'],
  row: orderRow,
  sql: `select ${orderColumns} from orders o where o.tenant_id = $1 and o.id = $2 for no key update of o`,
})

const updateRow = statement({
  name: 'order_update',
  params: ['tenant_id', 'id', 'status', 'notes', 'seller_id'],
  row: {},
  sql: `update orders set status = $3, notes = $4, seller_id = $5, updated_at = now() where tenant_id = $1 and id = $2`,
})

// The lock in id order first, as when the order was made; the update then meets no one.
const restoreStock = statement({
  name: 'order_restore_stock',
  params: ['tenant_id', 'id'],
  row: {},
  sql: `with item as (
      select product_id, sum(quantity)::int as quantity from order_items
      where tenant_id = $1 and order_id = $2 group by product_id
    ), locked as materialized (
      select p.id from products p where p.tenant_id = $1 and p.id in (select product_id from item)
      order by p.id for no key update
    )
    update products p set stock = least(p.stock::bigint + item.quantity, ${stockMax}), updated_at = now()
    from item join locked on locked.id = item.product_id
    where p.tenant_id = $1 and p.id = item.product_id`,
})

/** What a list of orders is narrowed by; null takes everything. */
export type OrderFilter = {
  readonly status: OrderStatus | null
  readonly customerId: string | null
  readonly sellerId: string | null
  readonly number: number | null
  /** Part of the customer's name or phone. */
  readonly search: string | null
  /** Made at this time or later: an order is as old as its id. */
  readonly from: Date | null
  /** Made before. */
  readonly to: Date | null
}

/** Newest first; `beforeId` is the last one of the page before. */
export async function listOrders(
  tx: Transaction,
  page: { readonly tenantId: string; readonly beforeId: string | null; readonly limit: number } & OrderFilter,
): Promise<Order[]> {
  const { tenantId, beforeId, limit, status, customerId, sellerId, number, search, from, to } = page
  const toId = to === null ? lastId : idAt(to.getTime())
  return await tx.run(byBestIndex(page), {
    tenant_id: tenantId,
    before_id: beforeId !== null && beforeId < toId ? beforeId : toId,
    from_id: idAt(from?.getTime() ?? 0),
    ...{ status, customer_id: customerId, seller_id: sellerId, number, search, limit },
  })
}

function byBestIndex(filter: OrderFilter) {
  if (filter.number !== null) return selectByNumber
  if (filter.customerId !== null) return selectOfCustomer
  if (filter.sellerId !== null) return filter.status === null ? selectOfSeller : selectOfSellerByStatus
  return filter.status === null ? selectNewest : selectByStatus
}

/** Undefined where the tenant has no such order. */
export async function findOrder(tx: Transaction, tenantId: string, id: string): Promise<Order | undefined> {
  const [order] = await tx.run(selectOne, { tenant_id: tenantId, id })
  return order
}

/** The same, held against every other change until the transaction ends. */
export async function lockOrder(tx: Transaction, tenantId: string, id: string): Promise<Order | undefined> {
  const [order] = await tx.run(lockOne, { tenant_id: tenantId, id })
  return order
}

/** What came of changing an order. */
export type OrderUpdated =
  | { readonly kind: 'updated'; readonly order: Order }
  | { readonly kind: 'unknown' }
  /** Not the tenant's, or not active. */
  | { readonly kind: 'unknown_seller' }
  | { readonly kind: 'move_refused'; readonly from: string; readonly to: OrderStatus }

/**
 * Changes the notes or the seller, or moves the status one step on or to `cancelled`, which puts what was ordered back
 * in stock.
 */
export async function updateOrder(
  tx: Transaction,
  tenantId: string,
  id: string,
  changes: {
    readonly status?: OrderStatus | undefined
    readonly notes?: string | null | undefined
    readonly seller_id?: string | null | undefined
  },
): Promise<OrderUpdated> {
  const before = await lockOrder(tx, tenantId, id)
  if (before === undefined) return { kind: 'unknown' }
  const status = changes.status ?? before.status
  if (changes.status !== undefined && !isMoveAllowed(before.status, changes.status))
    return { kind: 'move_refused', from: before.status, to: changes.status }
  const sellerId = changes.seller_id === undefined ? before.seller_id : changes.seller_id
  if (sellerId !== null && sellerId !== before.seller_id && !(await isActiveSeller(tx, tenantId, sellerId)))
    return { kind: 'unknown_seller' }
  if (status === 'cancelled' && before.status !== 'cancelled') await tx.run(restoreStock, { tenant_id: tenantId, id })
  const notes = changes.notes === undefined ? before.notes : changes.notes
  await tx.run(updateRow, { tenant_id: tenantId, id, status, notes, seller_id: sellerId })
  const order = await findOrder(tx, tenantId, id)
  return order === undefined ? { kind: 'unknown' } : { kind: 'updated', order }
}

const movesFrom: Readonly<Record<string, readonly OrderStatus[]>> = {
  pending: ['confirmed', 'cancelled'],
  confirmed: ['paid', 'cancelled'],
  paid: ['shipped', 'cancelled'],
  shipped: ['delivered', 'cancelled'],
  delivered: [],
  cancelled: [],
}

/** Where an order may go from a status. */
export function movesOf(from: string): readonly OrderStatus[] {
  return movesFrom[from] ?? []
}

/** Whether an order may go from one status to another. Staying where it is is allowed and changes nothing. */
export function isMoveAllowed(from: string, to: OrderStatus): boolean {
  return from === to || movesOf(from).includes(to)
}
