import * as v from 'valibot'
import type { Json } from '../../lib/json.ts'
import { priceOrder } from '../price-order.ts'
import { type ActionResult, withInput } from './action.ts'
import { catalogList, catalogListInput, catalogValue } from './catalog-list.ts'
import { orderCreate, orderCreateInput, resultOf } from './order-create.ts'

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
    }),
  ),
  v.maxLength(productsMax),
  v.transform(products => products.map((product, index) => ({ ...product, id: product.id ?? exampleId(index) }))),
)

export type ExampleProduct = v.InferOutput<typeof exampleProductsSchema>[number]

/** An id of its own for each product, the same at each start. */
function exampleId(index: number): string {
  return `00000000-0000-7000-8000-${String(index + 1).padStart(12, '0')}`
}

/** Performs the actions of the catalog on an example list in memory, as they would be on a tenant's products. */
export function openExampleShop(
  products: readonly ExampleProduct[],
): (handler: string, input: Json) => Promise<ActionResult> {
  const stocks = new Map(products.map(product => [product.id, product.stock]))
  const orders = { next: 1 }
  const current = () => products.map(product => ({ ...product, stock: stocks.get(product.id) ?? 0 }))

  function list({ limit, search }: v.InferOutput<typeof catalogListInput>): ActionResult {
    const wanted = plain(search.trim())
    const found = current().filter(({ active, name, sku }) => active && plain(`${name}\n${sku}`).includes(wanted))
    found.sort((a, b) => Number(b.stock > 0) - Number(a.stock > 0) || compare(a.name, b.name) || compare(a.id, b.id))
    return { ok: true, value: catalogValue(found.slice(0, limit)) }
  }

  function order({ items }: v.InferOutput<typeof orderCreateInput>): ActionResult {
    const priced = priceOrder(items, current())
    if (priced.kind !== 'priced') return resultOf(priced)
    for (const { product_id, quantity } of priced.items)
      stocks.set(product_id, (stocks.get(product_id) ?? 0) - quantity)
    const { totalMinor: total_minor, currency } = priced
    const number = orders.next++
    const made = { id: exampleId(number), number, total_minor, currency, status: 'pending', items: priced.items }
    return resultOf({ kind: 'created', order: made })
  }

  return async (handler, input) => {
    if (handler === catalogList.handler) return await withInput(catalogListInput, input, list)
    if (handler === orderCreate.handler) return await withInput(orderCreateInput, input, order)
    return { ok: false, code: 'not_simulated', message: `The action "${handler}" cannot be simulated here.` }
  }
}

/** As the database compares texts in a search. */
function plain(given: string): string {
  return given
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/g, '')
    .toLowerCase()
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}
