import type { CatalogProduct } from './catalog.ts'
import type { Shortage } from './price-order.ts'

// A cart as it is worked on, whatever it is kept in. Prices, names and stock are always those of the moment.

export const cartLinesMax = 30
export const cartQuantityMax = 10_000

/** A row as it is kept; `product` is null where the tenant has it no more. */
export type CartRow = {
  readonly product_id: string
  /** What the product was called when it was put in. */
  readonly name: string
  readonly quantity: number
  readonly product: CatalogProduct | null
}

export type CartLine = { readonly product: CatalogProduct; readonly quantity: number }

/** What was in the cart and cannot be ordered any more: not sold, or priced in another currency than the first line. */
export type DroppedLine = {
  readonly product_id: string
  readonly name: string
  readonly reason: 'not_sold' | 'other_currency'
}

/** All lines have one currency. */
export type Cart = { readonly lines: readonly CartLine[]; readonly dropped: readonly DroppedLine[] }

/** Why something is not put into a cart. */
export type CartRefused =
  | { readonly kind: 'unknown_product' }
  | { readonly kind: 'mixed_currencies' }
  | { readonly kind: 'cart_full' }
  | { readonly kind: 'too_many'; readonly name: string }
  | { readonly kind: 'out_of_stock'; readonly shortages: readonly Shortage[] }

/** A cart as it can be ordered now. */
export function settleCart(rows: readonly CartRow[]): Cart {
  const lines: CartLine[] = []
  const dropped: DroppedLine[] = []
  for (const { product_id, name, quantity, product } of rows) {
    if (product === null || !product.active)
      dropped.push({ product_id, name: product?.name ?? name, reason: 'not_sold' })
    else if (product.currency !== (lines[0]?.product ?? product).currency)
      dropped.push({ product_id, name: product.name, reason: 'other_currency' })
    else lines.push({ product, quantity })
  }
  return { lines, dropped }
}

/** The cart with so many pieces more of a product. */
export function putIntoCart(
  cart: Cart,
  product: CatalogProduct | undefined,
  quantity: number,
): { readonly kind: 'put'; readonly cart: Cart } | CartRefused {
  if (product === undefined || !product.active) return { kind: 'unknown_product' }
  const { id, name, currency, stock } = product
  if (cart.lines.some(line => line.product.currency !== currency)) return { kind: 'mixed_currencies' }
  const known = cart.lines.find(line => line.product.id === id)
  if (known === undefined && cart.lines.length >= cartLinesMax) return { kind: 'cart_full' }
  const wanted = (known?.quantity ?? 0) + quantity
  if (wanted > cartQuantityMax) return { kind: 'too_many', name }
  if (wanted > stock) return { kind: 'out_of_stock', shortages: [{ product_id: id, name, wanted, stock }] }
  const line = { product, quantity: wanted }
  const lines = known === undefined ? [...cart.lines, line] : cart.lines.map(one => (one === known ? line : one))
  return { kind: 'put', cart: { ...cart, lines } }
}

/** The cart without a product; the same where it is not in it. */
export function takeFromCart(cart: Cart, productId: string): Cart {
  return { ...cart, lines: cart.lines.filter(line => line.product.id !== productId) }
}
