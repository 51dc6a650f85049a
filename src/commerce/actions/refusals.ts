import type { CartRefused } from '../cart.ts'
import { cartLinesMax, cartQuantityMax } from '../cart.ts'
import type { Shortage } from '../price-order.ts'
import type { ActionRefused } from './action.ts'
import type { ShopOrderCancelled, ShopOrderCreated } from './shop.ts'

// What flows are told where something cannot be done: a code to branch by, and a sentence to show.

export const unknownProduct = refusal('unknown_product', 'A product does not exist, or is not sold any more.')
export const unknownCustomer = refusal('unknown_customer', 'The customer does not exist any more.')

export function refusal(code: string, message: string): ActionRefused {
  return { ok: false, code, message }
}

/** `data.shortages`: what is wanted of each product, and how many are left. */
export function outOfStock(shortages: readonly Shortage[]): ActionRefused {
  const message = shortages.map(({ name, stock }) => `${name}: ${stock} left.`).join(' ')
  return { ...refusal('out_of_stock', message), data: { shortages: shortages.map(one => ({ ...one })) } }
}

export function refusedOrder(refused: Exclude<ShopOrderCreated, { kind: 'created' }>): ActionRefused {
  switch (refused.kind) {
    case 'unknown_customer':
      return unknownCustomer
    case 'unknown_seller':
      return refusal(refused.kind, 'The seller does not exist any more.')
    case 'unknown_product':
      return unknownProduct
    case 'out_of_stock':
      return outOfStock(refused.shortages)
    case 'mixed_currencies':
      return refusal(refused.kind, 'One order cannot have prices in several currencies.')
    case 'total_too_large':
      return refusal(refused.kind, 'The total is too large.')
  }
}

export function refusedForCart(refused: CartRefused): ActionRefused {
  switch (refused.kind) {
    case 'unknown_product':
      return unknownProduct
    case 'mixed_currencies':
      return refusal(refused.kind, 'One cart cannot have prices in several currencies.')
    case 'cart_full':
      return refusal(refused.kind, `The cart is full: it holds ${cartLinesMax} different products.`)
    case 'too_many':
      return refusal(refused.kind, `${refused.name}: a cart holds at most ${cartQuantityMax}.`)
    case 'out_of_stock':
      return outOfStock(refused.shortages)
  }
}

export function refusedCancelling(
  refused: Exclude<ShopOrderCancelled, { kind: 'cancelled' }>,
  number: number,
): ActionRefused {
  if (refused.kind === 'unknown_order') return unknownOrder(number)
  const message = `Order ${number} is ${refused.status}: it cannot be cancelled any more.`
  return { ...refusal(refused.kind, message), data: { status: refused.status } }
}

export function unknownOrder(number: number | null): ActionRefused {
  return refusal(
    'unknown_order',
    number === null ? 'The customer has no order yet.' : `The customer has no order ${number}.`,
  )
}
