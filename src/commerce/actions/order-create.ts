import * as v from 'valibot'
import { isUuid } from '../../lib/ids.ts'
import { createOrder, type OrderCreated, orderItemsMax, orderQuantityMax } from '../create-order.ts'
import { type Order, orderEvent } from '../orders.ts'
import { type ActionResult, makeAction } from './action.ts'

export const orderCreateInput = v.strictObject({
  items: v.pipe(
    v.array(
      v.strictObject({
        product_id: v.pipe(v.string(), v.check(isUuid, 'Must be the id of a product')),
        quantity: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(orderQuantityMax)),
      }),
    ),
    v.minLength(1),
    v.maxLength(orderItemsMax),
  ),
  notes: v.optional(v.pipe(v.string(), v.maxLength(2_000))),
})

/** `order.create`: an order of the customer who talks, in the turn's transaction. */
export const orderCreate = makeAction({
  handler: 'order.create',
  input: orderCreateInput,
  writes: true,
  async run(tx, ids, call) {
    const { tenantId, customerId, conversationId } = call
    const { items, notes } = call.input
    const created = await createOrder(tx, ids, { tenantId, customerId, conversationId, items, notes })
    if (created.kind === 'created') call.tell?.(orderEvent('order.created', created.order))
    return resultOf(created)
  },
})

type Shown = Pick<Order, 'id' | 'number' | 'total_minor' | 'currency' | 'status' | 'items'>

/** What a flow is told of an order, or of why there is none. */
export function resultOf(created: { readonly kind: 'created'; readonly order: Shown } | Refused): ActionResult {
  return created.kind === 'created'
    ? { ok: true, value: orderValue(created.order) }
    : { ok: false, code: created.kind, message: sentence(created) }
}

function orderValue({ id, number, total_minor, currency, status, items }: Shown) {
  return { id, number, total_minor, currency, status, items: items.map(item => ({ ...item })) }
}

type Refused = Exclude<OrderCreated, { kind: 'created' }>

function sentence(refused: Refused): string {
  switch (refused.kind) {
    case 'unknown_customer':
      return 'The customer does not exist any more.'
    case 'unknown_seller':
      return 'The seller does not exist any more.'
    case 'unknown_product':
      return 'A product does not exist, or is not sold any more.'
    case 'out_of_stock':
      return refused.shortages.map(({ name, stock }) => `${name}: ${stock} left.`).join(' ')
    case 'mixed_currencies':
      return 'One order cannot have prices in several currencies.'
    case 'total_too_large':
      return 'The total is too large.'
  }
}
