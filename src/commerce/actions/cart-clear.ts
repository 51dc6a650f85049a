import * as v from 'valibot'
import { makeAction } from './action.ts'
import { cartShape, keepCart } from './cart-value.ts'

/** `cart.clear`: everything out. */
export const cartClear = makeAction({
  handler: 'cart.clear',
  permission: 'orders:write',
  writes: true,
  input: v.strictObject({}),
  doc: {
    about: 'Empties the cart that the customer has at this bot. The value is the empty cart, as `cart.show` gives it.',
    value: cartShape,
    errors: {},
    example: {},
  },
  async perform(shop) {
    return await keepCart(shop, { lines: [], dropped: [] })
  },
})
