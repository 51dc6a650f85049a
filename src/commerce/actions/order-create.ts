import * as v from 'valibot'
import type { DroppedLine } from '../cart.ts'
import { orderItemsMax, orderQuantityMax } from '../create-order.ts'
import { type ActionRefused, makeAction } from './action.ts'
import { openCart } from './cart-value.ts'
import { newOrderShape, newOrderValue } from './order-value.ts'
import { refusal, refusedOrder } from './refusals.ts'
import { exampleIds, idOf, wholeNumber } from './shapes.ts'
import type { Shop, WantedItem } from './shop.ts'

const items = v.pipe(
  v.array(
    v.strictObject({ product_id: idOf('product'), quantity: wholeNumber(1, orderQuantityMax) }),
    'Must be a list of products with quantities',
  ),
  v.minLength(1, 'Must not be empty'),
  v.maxLength(orderItemsMax, `Must have at most ${orderItemsMax}`),
)

const input = v.pipe(
  v.strictObject({
    items: v.optional(v.pipe(items, v.description('What is ordered, unless it is the cart'))),
    from_cart: v.optional(
      v.pipe(v.boolean('Must be true or false'), v.description('Whether the cart is ordered')),
      false,
    ),
    notes: v.optional(v.pipe(v.string(), v.maxLength(2_000), v.description('For whoever prepares the order'))),
  }),
  v.check(given => given.from_cart === (given.items === undefined), 'Must have either items or from_cart: true'),
)

/** `order.create`: an order of the customer who talks, in the turn's transaction. */
export const orderCreate = makeAction({
  handler: 'order.create',
  permission: 'orders:write',
  writes: true,
  input,
  doc: {
    about:
      'Makes an order of the customer, of `items` or of the cart, which is empty then. Prices, names, currency and total ' +
      'are those of the moment, and the stock goes down with it. The order is `pending`.',
    value: newOrderShape,
    errors: {
      unknown_product: 'A product does not exist, or is not sold any more.',
      out_of_stock: 'There are not so many. `error.data.shortages` says of each product how many are wanted and left.',
      mixed_currencies: 'The products are priced in several currencies.',
      total_too_large: 'The total is beyond what can be counted exactly.',
      cart_empty: 'There is nothing in the cart.',
      unknown_customer: 'The customer was removed in the meantime.',
    },
    example: { items: [{ product_id: exampleIds.product, quantity: 2 }], notes: 'Without sugar' },
  },
  async perform(shop, { items = [], from_cart, notes }) {
    const wanted = from_cart ? await itemsOfCart(shop) : items
    if ('ok' in wanted) return wanted
    const created = await shop.createOrder(wanted, notes)
    if (created.kind !== 'created') return refusedOrder(created)
    if (from_cart) await shop.writeCart([])
    return { ok: true, value: newOrderValue(created.order) }
  },
})

async function itemsOfCart(shop: Shop): Promise<readonly WantedItem[] | ActionRefused> {
  const { lines, dropped } = await openCart(shop)
  if (dropped.length > 0) return refusedDropped(dropped)
  if (lines.length === 0) return refusal('cart_empty', 'The cart is empty.')
  return lines.map(({ product, quantity }) => ({ product_id: product.id, quantity }))
}

/** What was to be ordered is not all there any more: the customer is to see the cart again first. */
function refusedDropped(dropped: readonly DroppedLine[]): ActionRefused {
  const isSold = dropped.every(line => line.reason !== 'not_sold')
  const names = dropped.map(line => line.name).join(', ')
  const refused = isSold
    ? refusal('mixed_currencies', `Priced in another currency by now: ${names}.`)
    : refusal('unknown_product', `Not sold any more: ${names}.`)
  return { ...refused, data: { dropped: dropped.map(line => ({ ...line })) } }
}
