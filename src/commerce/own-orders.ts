import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'
import { type Order, type OrderStatus, orderColumns, orderRow, updateOrder } from './orders.ts'

// What a customer may see and do of their own orders.

/** Null is the last one. */
export type OwnOrder = { readonly tenantId: string; readonly customerId: string; readonly number: number | null }

const selectLast = statement({
  name: 'order_find_last_own',
  params: ['tenant_id', 'customer_id'],
  row: orderRow,
  sql: `select ${orderColumns} from orders o where o.tenant_id = $1 and o.customer_id = $2 order by o.id desc limit 1`,
})

const selectByNumber = statement({
  name: 'order_find_own',
  params: ['tenant_id', 'customer_id', 'number'],
  row: orderRow,
  sql: `select ${orderColumns} from orders o where o.tenant_id = $1 and o.customer_id = $2 and o.number = $3`,
})

const lockByNumber = statement({
  name: 'order_lock_own',
  params: ['tenant_id', 'customer_id', 'number'],
  row: orderRow,
  sql: `select ${orderColumns} from orders o where o.tenant_id = $1 and o.customer_id = $2 and o.number = $3
    for no key update of o`,
})

const cancellable: ReadonlySet<string> = new Set<OrderStatus>(['pending', 'confirmed'])

/** Whether the customer may still cancel an order by themselves: it is not paid yet. */
export function isCancellable(status: string): boolean {
  return cancellable.has(status)
}

/** Undefined where the customer has no such order, whoever else may have it. */
export async function findOwnOrder(tx: Transaction, own: OwnOrder): Promise<Order | undefined> {
  const customer = { tenant_id: own.tenantId, customer_id: own.customerId }
  const [order] =
    own.number === null
      ? await tx.run(selectLast, customer)
      : await tx.run(selectByNumber, { ...customer, number: own.number })
  return order
}

/** What came of cancelling an order; all but `cancelled` have changed nothing. */
export type OrderCancelled =
  | { readonly kind: 'cancelled'; readonly order: Order }
  | { readonly kind: 'unknown_order' }
  | { readonly kind: 'not_cancellable'; readonly status: string }

/** Cancels an order of the customer as long as they may, and puts what was ordered back in stock. */
export async function cancelOwnOrder(
  tx: Transaction,
  own: OwnOrder & { readonly number: number },
): Promise<OrderCancelled> {
  const { tenantId, customerId, number } = own
  const [order] = await tx.run(lockByNumber, { tenant_id: tenantId, customer_id: customerId, number })
  if (order === undefined) return { kind: 'unknown_order' }
  if (!isCancellable(order.status)) return { kind: 'not_cancellable', status: order.status }
  const updated = await updateOrder(tx, tenantId, order.id, { status: 'cancelled' })
  if (updated.kind !== 'updated') throw new Error(`A locked order was not cancelled: ${updated.kind}`)
  return { kind: 'cancelled', order: updated.order }
}
