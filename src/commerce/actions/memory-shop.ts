import { type Candidate, chooseSeller } from '../assign-seller.ts'
import type { CartRow } from '../cart.ts'
import { type CatalogProduct, searchedMax } from '../catalog.ts'
import type { CustomerProfile } from '../customer-profile.ts'
import { fitOf, plainText } from '../match-products.ts'
import { isCancellable } from '../own-orders.ts'
import { priceOrder } from '../price-order.ts'
import type { Shop, ShopOrder } from './shop.ts'

/** What a shop in memory begins with: a customer without orders and cart, in a conversation that is nobody's. */
export type MemoryShopStart = {
  readonly language: string
  readonly products: readonly CatalogProduct[]
  readonly sellers: readonly (Candidate & { readonly active: boolean })[]
  readonly customer: CustomerProfile
  readonly nextOrderNumber: number
  readonly now: () => Date
  /** Takes what a person who is called is told; without it nobody is there to come. */
  readonly callPerson?: ((note: string) => void) | undefined
}

/**
 * A shop that is gone with the process, for simulations and examples: it answers as a tenant's own does
 * (`shops.test.ts` holds them together), takes nothing of anybody, and is of one customer.
 */
export function openMemoryShop(start: MemoryShopStart): Shop {
  const stocks = new Map(start.products.map(product => [product.id, product.stock]))
  const turns = new Map(start.sellers.map(seller => [seller.id, seller.turn]))
  const orders: ShopOrder[] = []
  let cart: readonly Omit<CartRow, 'product'>[] = []
  let customer = start.customer
  let seller: Candidate | undefined
  let lastTurn = Math.max(0, ...turns.values())

  const current = () => start.products.map(product => ({ ...product, stock: stocks.get(product.id) ?? 0 }))
  const catalog = () =>
    current()
      .filter(product => product.active)
      .sort(inOrder)
  const candidates = () =>
    start.sellers.filter(({ active }) => active).map(one => ({ ...one, turn: turns.get(one.id) ?? 0 }))

  function addStock(items: ShopOrder['items'], sign: 1 | -1): void {
    for (const { product_id, quantity } of items)
      stocks.set(product_id, (stocks.get(product_id) ?? 0) + sign * quantity)
  }

  return {
    readLanguage: async () => start.language,

    async listProducts({ search, offset, limit }) {
      const wanted = plainText(search)
      const isWanted = ({ name, sku }: CatalogProduct) =>
        plainText(name).includes(wanted) || sku.toLowerCase().includes(search.toLowerCase())
      return catalog()
        .filter(isWanted)
        .slice(offset, offset + limit)
    },
    async searchProducts(wanted, limit) {
      const fitting = catalog().flatMap(product => {
        const fit = fitOf(product, wanted)
        return fit === null ? [] : [{ product, fit }]
      })
      const best = fitting.slice(0, searchedMax).sort((a, b) => a.fit - b.fit)
      return best.slice(0, limit).map(({ product }) => product)
    },
    nameProducts: async limit => catalog().slice(0, limit),
    findProducts: async ids => current().filter(product => ids.includes(product.id)),

    async readCart() {
      const products = new Map(current().map(product => [product.id, product]))
      return cart.map(row => ({ ...row, product: products.get(row.product_id) ?? null }))
    },
    async writeCart(lines) {
      cart = lines.map(({ product, quantity }) => ({ product_id: product.id, name: product.name, quantity }))
    },

    async createOrder(items, notes) {
      const priced = priceOrder(items, current())
      if (priced.kind !== 'priced') return priced
      addStock(priced.items, -1)
      const number = start.nextOrderNumber + orders.length
      const order: ShopOrder = {
        ...{ id: exampleId('8', number), number, total_minor: priced.totalMinor, currency: priced.currency },
        ...{ status: 'pending', notes: notes ?? null, items: priced.items, created_at: start.now() },
      }
      orders.push(order)
      return { kind: 'created', order }
    },
    findOrder: async number => (number === null ? orders.at(-1) : orders.find(order => order.number === number)),
    async cancelOrder(number) {
      const index = orders.findIndex(order => order.number === number)
      const order = orders[index]
      if (order === undefined) return { kind: 'unknown_order' }
      if (!isCancellable(order.status)) return { kind: 'not_cancellable', status: order.status }
      addStock(order.items, 1)
      const cancelled = { ...order, status: 'cancelled' }
      orders[index] = cancelled
      return { kind: 'cancelled', order: cancelled }
    },

    readCustomer: async () => customer,
    async writeCustomer(profile) {
      customer = { ...profile, phone: customer.phone }
    },

    sellerOfConversation: async () => seller,
    async assignSeller(strategy, only) {
      const chosen = chooseSeller(
        candidates().filter(({ id }) => only === null || only.includes(id)),
        strategy,
      )
      if (chosen === null) return null
      turns.set(chosen.id, ++lastTurn)
      seller = chosen
      return chosen
    },
    async giveToSeller(sellerId) {
      const found = candidates().find(({ id }) => id === sellerId)
      if (found === undefined) return false
      seller = found
      return true
    },
    callPerson: async note => start.callPerson?.(note),
    // Nobody is told.
    tellWebhooks: async () => ({ kind: 'queued', deliveries: 0 }),
  }
}

/** As the index products_catalog: in stock first, by name. Texts as the embedded PostgreSQL compares them. */
function inOrder(a: CatalogProduct, b: CatalogProduct): number {
  return Number(b.stock > 0) - Number(a.stock > 0) || compare(a.name, b.name) || compare(a.id, b.id)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}

/** An id of its own for each thing of a kind, the same at each start. */
export function exampleId(kind: '8' | '9', index: number): string {
  return `00000000-0000-7000-${kind}000-${String(index).padStart(12, '0')}`
}
