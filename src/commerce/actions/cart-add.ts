import * as v from 'valibot'
import { cartLinesMax, cartQuantityMax, putIntoCart } from '../cart.ts'
import { makeAction } from './action.ts'
import { cartAbout, cartShape, keepCart, openCart } from './cart-value.ts'
import { refusedForCart } from './refusals.ts'
import { cartQuantity, exampleIds, idOf } from './shapes.ts'

/** `cart.add`: so many pieces more of a product. */
export const cartAdd = makeAction({
  handler: 'cart.add',
  permission: 'orders:write',
  writes: true,
  input: v.strictObject({
    product_id: v.pipe(idOf('product'), v.description('`id` of a product of the catalog')),
    quantity: v.pipe(cartQuantity, v.description('How many more of it')),
  }),
  doc: {
    about:
      'Puts pieces of a product into the cart that the customer has at this bot, besides those that are in it. Nothing ' +
      'is held back by that: stock is taken by `order.create`. A cart that nobody looks at for a week is empty then. ' +
      `The value is the cart, as \`cart.show\` gives it. ${cartAbout}`,
    value: cartShape,
    errors: {
      unknown_product: 'There is no such product, or it is not sold any more.',
      out_of_stock: 'There are not so many. `error.data.shortages` says how many are wanted and left.',
      mixed_currencies: 'What is in the cart is priced in another currency.',
      cart_full: `The cart has ${cartLinesMax} different products already.`,
      too_many: `There would be more than ${cartQuantityMax} pieces of it.`,
    },
    example: { product_id: exampleIds.product, quantity: 2 },
  },
  async perform(shop, { product_id, quantity }) {
    const [cart, [product]] = await Promise.all([openCart(shop), shop.findProducts([product_id])])
    const put = putIntoCart(cart, product, quantity)
    return put.kind === 'put' ? await keepCart(shop, put.cart) : refusedForCart(put)
  },
})
