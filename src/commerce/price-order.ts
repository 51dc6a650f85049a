import type { OrderItem } from './orders.ts'

/** What an order needs to know of a product. */
export type PricedProduct = {
  readonly id: string
  readonly name: string
  readonly price_minor: number
  readonly currency: string
  readonly stock: number
  readonly active: boolean
}

export type Shortage = {
  readonly product_id: string
  readonly name: string
  readonly wanted: number
  readonly stock: number
}

/** Why an order cannot be made of the products that there are. */
export type OrderRefused =
  /** Not among the products, or not sold any more. */
  | { readonly kind: 'unknown_product'; readonly productIds: readonly string[] }
  | { readonly kind: 'out_of_stock'; readonly shortages: readonly Shortage[] }
  | { readonly kind: 'mixed_currencies'; readonly currencies: readonly string[] }
  | { readonly kind: 'total_too_large' }

export type OrderPriced = {
  readonly kind: 'priced'
  readonly items: readonly OrderItem[]
  readonly totalMinor: number
  readonly currency: string
}

/** The lines of an order with names and prices, and their total. The same product twice becomes one line. */
export function priceOrder(
  wanted: readonly { readonly product_id: string; readonly quantity: number }[],
  products: readonly PricedProduct[],
): OrderPriced | OrderRefused {
  const quantities = quantitiesByProduct(wanted)
  const asked = products.filter(product => product.active && quantities.has(product.id))
  const sold = new Map(asked.map(product => [product.id, product]))
  const unknown = [...quantities.keys()].filter(id => !sold.has(id))
  if (unknown.length > 0) return { kind: 'unknown_product', productIds: unknown }

  const currencies = [...new Set(asked.map(product => product.currency))]
  const [currency] = currencies
  if (currency === undefined || currencies.length > 1) return { kind: 'mixed_currencies', currencies }

  const lines = [...quantities].flatMap(([id, quantity]) => {
    const product = sold.get(id)
    return product === undefined ? [] : [{ product, quantity }]
  })
  const shortages = lines.filter(({ product, quantity }) => product.stock < quantity).map(shortageOf)
  if (shortages.length > 0) return { kind: 'out_of_stock', shortages }

  const items = lines.map(({ product, quantity }) => ({
    product_id: product.id,
    name: product.name,
    quantity,
    price_minor: product.price_minor,
  }))
  const totalMinor = items.reduce((total, item) => total + item.price_minor * item.quantity, 0)
  return Number.isSafeInteger(totalMinor)
    ? { kind: 'priced', items, totalMinor, currency }
    : { kind: 'total_too_large' }
}

function quantitiesByProduct(
  items: readonly { readonly product_id: string; readonly quantity: number }[],
): Map<string, number> {
  const quantities = new Map<string, number>()
  for (const { product_id, quantity } of items) {
    quantities.set(product_id, (quantities.get(product_id) ?? 0) + quantity)
  }
  return quantities
}

function shortageOf(line: { product: PricedProduct; quantity: number }): Shortage {
  return { product_id: line.product.id, name: line.product.name, wanted: line.quantity, stock: line.product.stock }
}
