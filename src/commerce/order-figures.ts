import { idAt } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'

// What was sold in some time. An order's id tells when it was made.

const span = ['tenant_id', 'from_id', 'to_id'] as const

const selectOrders = statement({
  name: 'order_figures',
  params: span,
  row: { currency: 'text', orders: 'int8', revenue_minor: 'int8', cancelled: 'int8' },
  sql: `select currency, count(*) filter (where status <> 'cancelled') as orders,
      coalesce(sum(total_minor) filter (where status <> 'cancelled'), 0)::bigint as revenue_minor,
      count(*) filter (where status = 'cancelled') as cancelled
    from orders where tenant_id = $1 and id >= $2::uuid and id < $3::uuid
    group by currency order by currency`,
})

// The items of each order, one order after the other: of a span that it does not know PostgreSQL thinks that it is long,
// and would read the items of all tenants.
const selectProducts = statement({
  name: 'order_top_products',
  params: [...span, 'limit'],
  row: { product_id: 'uuid', name: 'text', quantity: 'int8', currency: 'text', revenue_minor: 'int8' },
  sql: `select i.product_id, max(i.name) as name, sum(i.quantity)::bigint as quantity, o.currency,
      sum(i.quantity * i.price_minor)::bigint as revenue_minor
    from (select id, currency from orders
      where tenant_id = $1 and id >= $2::uuid and id < $3::uuid and status <> 'cancelled' offset 0) o
    cross join lateral (select product_id, name, quantity, price_minor from order_items
      where tenant_id = $1 and order_id = o.id offset 0) i
    group by i.product_id, o.currency
    order by quantity desc, revenue_minor desc, i.product_id limit $4`,
})

/** Orders made from a moment on and before another. */
export type OrderSpan = { readonly tenantId: string; readonly from: Date; readonly to: Date }

/** How many orders of each currency stand, and what they come to, as they are now; and how many were cancelled. */
export async function orderFigures(tx: Transaction, orders: OrderSpan) {
  return await tx.run(selectOrders, given(orders))
}

/** The products of which most were sold, with what they brought in each currency. */
export async function topProducts(tx: Transaction, orders: OrderSpan, limit: number) {
  return await tx.run(selectProducts, { ...given(orders), limit })
}

function given({ tenantId, from, to }: OrderSpan) {
  return { tenant_id: tenantId, from_id: idAt(from.getTime()), to_id: idAt(to.getTime()) }
}
