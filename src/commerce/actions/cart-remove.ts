import * as v from 'valibot'
import { takeFromCart } from '../cart.ts'
import { makeAction } from './action.ts'
import { cartShape, keepCart, openCart } from './cart-value.ts'
import { exampleIds, idOf } from './shapes.ts'

/** `cart.remove`: a product less. */
export const cartRemove = makeAction({
  handler: 'cart.remove',
  permission: 'orders:write',
  writes: true,
  input: v.strictObject({ product_id: v.pipe(idOf('product'), v.description('What is to be taken out')) }),
  doc: {
    about:
      'Takes all pieces of a product out of the cart; where it is not in it, nothing happens. The value is the cart, as ' +
      '`cart.show` gives it.',
    value: cartShape,
    errors: {},
    example: { product_id: exampleIds.product },
  },
  async perform(shop, { product_id }) {
    return await keepCart(shop, takeFromCart(await openCart(shop), product_id))
  },
})
