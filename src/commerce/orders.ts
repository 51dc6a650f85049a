import type { Transaction } from '../stores/postgres/database.ts'
import { json, nullable, type RowOf, statement } from '../stores/postgres/statement.ts'

export const orderStatuses = ['pending', 'confirmed', 'paid', 'shipped', 'delivered', 'cancelled'] as const
export type OrderStatus = (typeof orderStatuses)[number]

/** The columns of an order, without its items. */
export const orderColumns =
  'id, number, customer_id, conversation_id, status, total_minor, currency, notes, created_at, updated_at'
export const orderRow = {
  id: 'uuid',
  number: 'int8',
  customer_id: 'uuid',
  conversation_id: nullable('uuid'),
  status: 'text',
  total_minor: 'int8',
  currency: 'text',
  notes: nullable('text'),
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
} as const

/** A line of an order, with the name and the price that the product had. */
export type OrderItem = {
  readonly product_id: string
  readonly name: string
  readonly quantity: number
  readonly price_minor: number
}

export type Order = RowOf<typeof orderRow> & { readonly items: readonly OrderItem[] }

const itemsColumn = `(select coalesce(jsonb_agg(jsonb_build_object('product_id', i.product_id, 'name', i.name,
    'quantity', i.quantity, 'price_minor', i.price_minor) order by i.line), '[]')
  from order_items i where i.tenant_id = o.tenant_id and i.order_id = o.id) as items`
const fullColumns = `o.id, o.number, o.customer_id, o.conversation_id, o.status, o.total_minor, o.currency, o.notes,
  o.created_at, o.updated_at, ${itemsColumn}`
const fullRow = { ...orderRow, items: json<readonly OrderItem[]>() } as const

const selectPage = statement({
  name: 'order_list',
  params: ['tenant_id', 'before_id', 'status', 'limit'],
  row: fullRow,
  sql: `select ${fullColumns} from orders o
    where o.tenant_id = $1 and o.id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
      and ($3::text is null or o.status = $3)
    order by o.id desc limit $4`,
})

const selectPageOfCustomer = statement({
  name: 'order_list_of_customer',
  params: ['tenant_id', 'customer_id', 'before_id', 'status', 'limit'],
  row: fullRow,
  sql: `select ${fullColumns} from orders o
    where o.tenant_id = $1 and o.customer_id = $2
      and o.id < coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') and ($4::text is null or o.status = $4)
    order by o.id desc limit $5`,
})

const selectOne = statement({
  name: 'order_find',
  params: ['tenant_id', 'id'],
  row: fullRow,
  sql: `select ${fullColumns} from orders o where o.tenant_id = $1 and o.id = $2`,
})

const lockStatus = statement({
  name: 'order_lock',
  params: ['tenant_id', 'id'],
  row: { status: 'text', notes: nullable('text') },
  sql: 'select status, notes from orders where tenant_id = $1 and id = $2 for no key update',
})

const updateRow = statement({
  name: 'order_update',
  params: ['tenant_id', 'id', 'status', 'notes'],
  row: {},
  sql: 'update orders set status = $3, notes = $4, updated_at = now() where tenant_id = $1 and id = $2',
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
    update products p set stock = p.stock + item.quantity, updated_at = now()
    from item join locked on locked.id = item.product_id
    where p.tenant_id = $1 and p.id = item.product_id`,
})

/** Newest first; `beforeId` is the last one of the page before. */
export async function listOrders(
  tx: Transaction,
  page: {
    readonly tenantId: string
    readonly beforeId: string | null
    readonly customerId: string | null
    readonly status: OrderStatus | null
    readonly limit: number
  },
): Promise<Order[]> {
  const { tenantId, beforeId, customerId, status, limit } = page
  const common = { tenant_id: tenantId, before_id: beforeId, status, limit }
  if (customerId === null) return await tx.run(selectPage, common)
  return await tx.run(selectPageOfCustomer, { ...common, customer_id: customerId })
}

/** Undefined where the tenant has no such order. */
export async function findOrder(tx: Transaction, tenantId: string, id: string): Promise<Order | undefined> {
  const [order] = await tx.run(selectOne, { tenant_id: tenantId, id })
  return order
}

/** What came of changing an order. */
export type OrderUpdated =
  | { readonly kind: 'updated'; readonly order: Order }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'move_refused'; readonly from: string; readonly to: OrderStatus }

/** Changes the notes, or moves the status one step on or to `cancelled`, which puts what was ordered back in stock. */
export async function updateOrder(
  tx: Transaction,
  tenantId: string,
  id: string,
  changes: { readonly status?: OrderStatus | undefined; readonly notes?: string | null | undefined },
): Promise<OrderUpdated> {
  const [before] = await tx.run(lockStatus, { tenant_id: tenantId, id })
  if (before === undefined) return { kind: 'unknown' }
  const status = changes.status ?? before.status
  if (changes.status !== undefined && !isMoveAllowed(before.status, changes.status))
    return { kind: 'move_refused', from: before.status, to: changes.status }
  if (status === 'cancelled' && before.status !== 'cancelled') await tx.run(restoreStock, { tenant_id: tenantId, id })
  const notes = changes.notes === undefined ? before.notes : changes.notes
  await tx.run(updateRow, { tenant_id: tenantId, id, status, notes })
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

/** Whether an order may go from one status to another. Staying where it is is allowed and changes nothing. */
export function isMoveAllowed(from: string, to: OrderStatus): boolean {
  return from === to || (movesFrom[from] ?? []).includes(to)
}
