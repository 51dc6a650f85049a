import * as v from 'valibot'
import { makeAction } from './action.ts'
import { wholeProductShape, wholeProductValue } from './product-value.ts'
import { unknownProduct } from './refusals.ts'
import { exampleIds, idOf } from './shapes.ts'

/** `catalog.get`: one product, with its image. */
export const catalogGet = makeAction({
  handler: 'catalog.get',
  permission: 'products:read',
  writes: false,
  input: v.strictObject({ product_id: v.pipe(idOf('product'), v.description('`id` of a product of the catalog')) }),
  doc: {
    about: 'One product that is sold, with the address of its image where it has one.',
    value: wholeProductShape,
    errors: { unknown_product: 'There is no such product, or it is not sold any more.' },
    example: { product_id: exampleIds.product },
  },
  async perform(shop, { product_id }) {
    const [product] = await shop.findProducts([product_id])
    return product?.active ? { ok: true, value: wholeProductValue(product) } : unknownProduct
  },
})
