import * as v from 'valibot'
import { isCancellable } from '../own-orders.ts'
import { makeAction } from './action.ts'
import { orderShape, orderValue } from './order-value.ts'
import { unknownOrder } from './refusals.ts'
import { wholeNumber } from './shapes.ts'

/** `order.status`: how an order of the customer stands. */
export const orderStatus = makeAction({
  handler: 'order.status',
  permission: 'orders:read',
  writes: false,
  input: v.strictObject({
    number: v.optional(
      v.nullable(
        v.pipe(
          wholeNumber(1, Number.MAX_SAFE_INTEGER),
          v.description('The number of the order; without one, the last one of the customer'),
        ),
      ),
      null,
    ),
  }),
  doc: {
    about:
      'An order of the customer who talks; the orders of others are not there. `status` is pending, confirmed, paid, ' +
      'shipped, delivered or cancelled, and `cancellable` whether `order.cancel` takes it.',
    value: orderShape,
    errors: { unknown_order: 'The customer has no such order, or none at all.' },
    example: { number: 1 },
  },
  async perform(shop, { number }) {
    const order = await shop.findOrder(number)
    return order === undefined
      ? unknownOrder(number)
      : { ok: true, value: orderValue(order, isCancellable(order.status)) }
  },
})
