import * as v from 'valibot'
import type { ShopOrder } from './shop.ts'

const whole = v.pipe(v.number(), v.integer())
const fields = {
  id: v.string(),
  number: whole,
  total_minor: whole,
  currency: v.string(),
  status: v.string(),
  items: v.array(v.strictObject({ product_id: v.string(), name: v.string(), quantity: whole, price_minor: whole })),
}

export const newOrderShape = v.strictObject(fields)
export const orderShape = v.strictObject({
  ...fields,
  notes: v.nullable(v.string()),
  created_at: v.string(),
  cancellable: v.boolean(),
})

/** What a flow is told of an order that it has made. */
export function newOrderValue({ id, number, total_minor, currency, status, items }: ShopOrder) {
  return { id, number, total_minor, currency, status, items: items.map(item => ({ ...item })) }
}

/** What a flow is told of an order of its customer. */
export function orderValue(order: ShopOrder, cancellable: boolean) {
  return { ...newOrderValue(order), notes: order.notes, created_at: order.created_at.toISOString(), cancellable }
}
