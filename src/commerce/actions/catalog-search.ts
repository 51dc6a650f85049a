import * as v from 'valibot'
import type { CatalogProduct } from '../catalog.ts'
import { guessProducts, type SearchWords, searchWords } from '../match-products.ts'
import { makeAction } from './action.ts'
import { productShape, productValue } from './product-value.ts'
import { wholeNumber, words } from './shapes.ts'
import type { Shop } from './shop.ts'

const limitMax = 10
/** Of so many products, the first of the catalogue, the names are compared where nothing fits as it is written. */
const guessedAmongMax = 2_000

/** `catalog.search`: what a customer looks for, best match first. */
export const catalogSearch = makeAction({
  handler: 'catalog.search',
  permission: 'products:read',
  writes: false,
  input: v.strictObject({
    text: v.pipe(words(1, 200), v.description('What the customer looks for')),
    limit: v.optional(v.pipe(wholeNumber(1, limitMax), v.description('How many at most')), limitMax),
  }),
  doc: {
    about:
      'The products that fit a text best: by SKU, by name, by the beginning of the name, by words of the name, by words ' +
      'anywhere. Accents and case do not count. Where no product has all of the words, those whose names have some of ' +
      'them, or nearly, are a guess: `guessed` is true then.',
    value: v.strictObject({ products: v.array(productShape), more: v.boolean(), guessed: v.boolean() }),
    errors: {},
    example: { text: 'café', limit: 9 },
  },
  async perform(shop, { text, limit }) {
    const wanted = searchWords(text)
    const found = wanted.words.length === 0 ? [] : await shop.searchProducts(wanted, limit + 1)
    const guessed = found.length === 0 ? await guess(shop, wanted, limit + 1) : []
    const products = [...found, ...guessed]
    const value = {
      products: products.slice(0, limit).map(productValue),
      more: products.length > limit,
      guessed: guessed.length > 0,
    }
    return { ok: true, value }
  },
})

async function guess(shop: Shop, wanted: SearchWords, limit: number): Promise<readonly CatalogProduct[]> {
  if (wanted.words.length === 0) return []
  const ids = guessProducts(await shop.nameProducts(guessedAmongMax), wanted, limit).map(product => product.id)
  if (ids.length === 0) return []
  const products = new Map((await shop.findProducts(ids)).map(product => [product.id, product]))
  return ids.flatMap(id => products.get(id) ?? [])
}
