import * as v from 'valibot'
import { makeAction } from './action.ts'
import { productShape, productValue } from './product-value.ts'
import { wholeNumber } from './shapes.ts'

/** As many as a WhatsApp list can show. */
const limitMax = 10
const offsetMax = 10_000

/** `catalog.list`: active products to choose from, those in stock first. */
export const catalogList = makeAction({
  handler: 'catalog.list',
  permission: 'products:read',
  writes: false,
  input: v.strictObject({
    limit: v.optional(
      v.pipe(wholeNumber(1, limitMax), v.description('How many; a list of WhatsApp shows 10 rows')),
      limitMax,
    ),
    offset: v.optional(
      v.pipe(wholeNumber(0, offsetMax), v.description('How many to leave out: `next_offset` of the page before')),
      0,
    ),
    search: v.optional(v.pipe(v.string(), v.maxLength(100), v.description('A part of the name or the SKU')), ''),
  }),
  doc: {
    about:
      'The products that are sold, those in stock first, by name, a page at a time. `next_offset` is where the next page ' +
      'begins; null on the last one.',
    value: v.strictObject({
      products: v.array(productShape),
      more: v.boolean(),
      next_offset: v.nullable(v.pipe(v.number(), v.integer())),
    }),
    errors: {},
    example: { limit: 9, offset: 0 },
  },
  async perform(shop, { limit, offset, search }) {
    const products = await shop.listProducts({ search: search.trim(), offset, limit: limit + 1 })
    const more = products.length > limit && offset + limit <= offsetMax
    const value = {
      products: products.slice(0, limit).map(productValue),
      more,
      next_offset: more ? offset + limit : null,
    }
    return { ok: true, value }
  },
})
