import * as v from 'valibot'
import { makeAction } from './action.ts'
import { cartAbout, cartShape, keepCart, openCart } from './cart-value.ts'

/** `cart.show`: what is in the cart, with the prices of the moment. */
export const cartShow = makeAction({
  handler: 'cart.show',
  permission: 'orders:read',
  // What is not sold any more is taken out, and the cart counts as seen.
  writes: true,
  input: v.strictObject({}),
  doc: {
    about: `The cart that the customer has at this bot, with the prices of the moment. ${cartAbout}`,
    value: cartShape,
    errors: {},
    example: {},
  },
  async perform(shop) {
    return await keepCart(shop, await openCart(shop))
  },
})
