import * as v from 'valibot'
import { makeAction } from './action.ts'
import { orderShape, orderValue } from './order-value.ts'
import { refusedCancelling } from './refusals.ts'
import { wholeNumber } from './shapes.ts'

/** `order.cancel`: the customer's own order, as long as it is not paid. */
export const orderCancel = makeAction({
  handler: 'order.cancel',
  permission: 'orders:write',
  writes: true,
  input: v.strictObject({
    number: v.pipe(wholeNumber(1, Number.MAX_SAFE_INTEGER), v.description('The number of the order')),
  }),
  doc: {
    about:
      'Cancels an order of the customer who talks while it is pending or confirmed, and puts what was ordered back in ' +
      'stock. The value is the order, as `order.status` gives it.',
    value: orderShape,
    errors: {
      unknown_order: 'The customer has no such order.',
      not_cancellable: 'It is paid, on its way, or cancelled already. `error.data.status` says which.',
    },
    example: { number: 1 },
  },
  async perform(shop, { number }) {
    const cancelled = await shop.cancelOrder(number)
    return cancelled.kind === 'cancelled'
      ? { ok: true, value: orderValue(cancelled.order, false) }
      : refusedCancelling(cancelled, number)
  },
})
