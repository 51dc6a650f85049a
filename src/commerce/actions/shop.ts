import type { Json } from '../../lib/json.ts'
import type { AssignStrategy, Candidate } from '../assign-seller.ts'
import type { CartLine, CartRow } from '../cart.ts'
import type { CatalogProduct } from '../catalog.ts'
import type { OrderCreated } from '../create-order.ts'
import type { CustomerProfile } from '../customer-profile.ts'
import type { SearchWords } from '../match-products.ts'
import type { Order } from '../orders.ts'
import type { OrderCancelled } from '../own-orders.ts'
import type { EventQueued } from '../webhook-deliveries.ts'

/** What a flow can be told of an order. */
export type ShopOrder = Pick<
  Order,
  'id' | 'number' | 'total_minor' | 'currency' | 'status' | 'notes' | 'items' | 'created_at'
>

export type ShopOrderCreated =
  | { readonly kind: 'created'; readonly order: ShopOrder }
  | Exclude<OrderCreated, { readonly kind: 'created' }>

export type ShopOrderCancelled =
  | { readonly kind: 'cancelled'; readonly order: ShopOrder }
  | Exclude<OrderCancelled, { readonly kind: 'cancelled' }>

export type WantedItem = { readonly product_id: string; readonly quantity: number }

/**
 * What the actions on the database work on, for one conversation of one customer: the tenant's own, in the turn's
 * transaction, or an example in memory. Both answer the same. What is asked to be written is written, and seen by what
 * is asked next; where a method says that it refuses, it has written nothing. No method is called while another one that
 * writes is under way. They fail only for defects and lost connections.
 */
export type Shop = {
  /** The language that the customer is written to in: `es`, `en`, `pt`. */
  readLanguage(): Promise<string>

  /** Active products, those in stock first, by name. `search` is part of a name or SKU; empty takes all. */
  listProducts(page: {
    readonly search: string
    readonly offset: number
    readonly limit: number
  }): Promise<readonly CatalogProduct[]>
  /** Active products that have all of the words, best first: by `fitOf`, then in the order of the list. */
  searchProducts(wanted: SearchWords, limit: number): Promise<readonly CatalogProduct[]>
  /** What active products are called, in the order of the list. */
  nameProducts(limit: number): Promise<readonly { readonly id: string; readonly name: string }[]>
  /** Some products, active or not, in no order; those that there are not are left out. */
  findProducts(ids: readonly string[]): Promise<readonly CatalogProduct[]>

  /** What is in the customer's cart, in the order in which it was put in. */
  readCart(): Promise<readonly CartRow[]>
  /** Makes this the cart. */
  writeCart(lines: readonly CartLine[]): Promise<void>

  /** An order of the customer, of what is in stock at the prices of the moment. */
  createOrder(items: readonly WantedItem[], notes: string | undefined): Promise<ShopOrderCreated>
  /** An order of the customer, the last one where no number is given. */
  findOrder(number: number | null): Promise<ShopOrder | undefined>
  /** Cancels an order of the customer as long as they may, and puts what was ordered back in stock. */
  cancelOrder(number: number): Promise<ShopOrderCancelled>

  /** The customer, held against other changes; undefined where they are gone. */
  readCustomer(): Promise<CustomerProfile | undefined>
  /** Writes all but the phone. */
  writeCustomer(profile: CustomerProfile): Promise<void>

  /** The active seller whose the conversation is. */
  sellerOfConversation(): Promise<{ readonly id: string; readonly name: string } | undefined>
  /** Gives the conversation to the active seller whose turn it is, of `only` where that is not null; null: there is none. */
  assignSeller(strategy: AssignStrategy, only: readonly string[] | null): Promise<Pick<Candidate, 'id' | 'name'> | null>
  /** Gives the conversation to this seller; false refuses: there is none, or they are not active. */
  giveToSeller(sellerId: string): Promise<boolean>
  /** Calls a person to the conversation, in its next turn. */
  callPerson(note: string): Promise<void>

  /** Queues an event for the webhooks that want it. */
  tellWebhooks(event: string, data: Json): Promise<EventQueued>
}
