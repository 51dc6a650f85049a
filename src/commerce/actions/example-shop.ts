import * as v from 'valibot'
import type { Json } from '../../lib/json.ts'
import type { ActionResult } from './action.ts'
import { actions } from './actions.ts'
import { exampleId, type MemoryShopStart, openMemoryShop } from './memory-shop.ts'
import type { Shop } from './shop.ts'

const stockDefault = 1_000
const productsMax = 10_000
const text = (max: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(max))
const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

/** Products as the API takes and answers them; what a shop that is only an example does not need may be left out. */
export const exampleProductsSchema = v.pipe(
  v.array(
    v.object({
      id: v.optional(v.pipe(v.string(), v.uuid())),
      sku: text(100),
      name: text(200),
      description: v.optional(v.string(), ''),
      price_minor: whole,
      currency: v.pipe(v.string(), v.regex(/^[A-Z]{3}$/, 'Must be a currency of ISO 4217, like USD')),
      stock: v.optional(whole, stockDefault),
      active: v.optional(v.boolean(), true),
      image_url: v.optional(v.nullable(v.string()), null),
    }),
  ),
  v.maxLength(productsMax),
  v.transform(products =>
    products.map((product, index) => ({ ...product, id: product.id ?? exampleId('8', index + 1) })),
  ),
)

export type ExampleProduct = v.InferOutput<typeof exampleProductsSchema>[number]

const customer = { name: 'Ana', phone: '+12025550143', email: null, variables: {}, tags: [] }
const sellers = ['Luz', 'Iván'].map((name, index) => ({
  ...{ id: exampleId('9', index + 1), name, turn: 0, openConversations: 0, active: true },
}))

/** Performs actions on an example list of products in memory, as they would be on a tenant's; see `performOn`. */
export function openExampleShop(
  products: readonly ExampleProduct[],
  changes: Partial<MemoryShopStart> = {},
): (handler: string, input: Json) => Promise<ActionResult> {
  const shop = makeExampleShop(products, changes)
  return (handler, input) => performOn(shop, handler, input)
}

/** A shop in memory that sells these products. */
export function makeExampleShop(products: readonly ExampleProduct[], changes: Partial<MemoryShopStart> = {}): Shop {
  const start = { language: 'es', products, sellers, customer, nextOrderNumber: 1, now: () => new Date(), ...changes }
  return openMemoryShop(start)
}

/**
 * Calls an action where nothing may leave: one that asks somebody outside gets what `answer` gives, if its input is right.
 * Without that it is refused.
 */
export async function performOn(
  shop: Shop,
  handler: string,
  input: Json,
  answer: () => ActionResult | undefined = () => undefined,
): Promise<ActionResult> {
  const action = actions.get(handler)
  if (action === undefined) return refused('unknown_handler', `There is no action "${handler}"`)
  if (action.kind === 'database') return await action.perform(shop, input)
  const prepared = action.prepare(input)
  if (!prepared.ok) return prepared
  return (
    answer() ?? refused('not_simulated', `The action "${handler}" is not performed in a simulation: give its answer.`)
  )
}

function refused(code: string, message: string): ActionResult {
  return { ok: false, code, message }
}
