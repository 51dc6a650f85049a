import * as v from 'valibot'
import type { CatalogProduct } from '../catalog.ts'

const fields = {
  id: v.string(),
  sku: v.string(),
  name: v.string(),
  description: v.string(),
  price_minor: v.pipe(v.number(), v.integer()),
  currency: v.string(),
  stock: v.pipe(v.number(), v.integer()),
}

export const productShape = v.strictObject(fields)
export const wholeProductShape = v.strictObject({ ...fields, image_url: v.nullable(v.string()) })

/** What a flow sees of a product among others. */
export function productValue({ id, sku, name, description, price_minor, currency, stock }: CatalogProduct) {
  return { id, sku, name, description, price_minor, currency, stock }
}

/** What a flow sees of one product. */
export function wholeProductValue(product: CatalogProduct) {
  return { ...productValue(product), image_url: product.image_url }
}
