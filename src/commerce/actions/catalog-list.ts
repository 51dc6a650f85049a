import * as v from 'valibot'
import { listCatalog, type Product } from '../products.ts'
import { makeAction } from './action.ts'

/** As many as a WhatsApp list can show. */
const limitMax = 10

export const catalogListInput = v.strictObject({
  limit: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(limitMax)), limitMax),
  search: v.optional(v.pipe(v.string(), v.maxLength(100)), ''),
})

/** `catalog.list`: active products to choose from, those in stock first. */
export const catalogList = makeAction({
  handler: 'catalog.list',
  input: catalogListInput,
  writes: false,
  async run(tx, _ids, { tenantId, input: { limit, search } }) {
    const products = await listCatalog(tx, { tenantId, limit, search: search.trim() })
    return { ok: true, value: catalogValue(products) }
  },
})

type Shown = Pick<Product, 'id' | 'sku' | 'name' | 'description' | 'price_minor' | 'currency' | 'stock'>

/** What a flow sees of products. */
export function catalogValue(products: readonly Shown[]) {
  return {
    products: products.map(({ id, sku, name, description, price_minor, currency, stock }) => {
      return { id, sku, name, description, price_minor, currency, stock }
    }),
  }
}
