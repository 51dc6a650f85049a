import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openTestShops, shopKinds } from '../../../test/support/action-shops.ts'
import { exampleId } from './memory-shop.ts'

let shops: Awaited<ReturnType<typeof openTestShops>>
beforeAll(async () => {
  shops = await openTestShops()
})
afterAll(() => shops.close())

const product = (sku: string, changes: object = {}) => ({
  sku,
  name: sku,
  price_minor: 100,
  currency: 'EUR',
  ...changes,
})
const skus = (value: unknown) => JSON.stringify(value).match(/(?<="sku":")[^"]+/g) ?? []

for (const kind of shopKinds) {
  test(`${kind}: what is sold comes in pages, in stock first, by name, until there is no more`, async () => {
    const products = [
      product('c'),
      product('a', { stock: 0 }),
      product('b'),
      product('d'),
      product('x', { active: false }),
    ]
    const shop = await shops.open(kind, { products })
    const pages: unknown[] = []
    for (let offset: unknown = 0; offset !== null; offset = Reflect.get(Object(pages.at(-1)), 'next_offset'))
      pages.push(await shop.value('catalog.list', { limit: 2, offset }))
    expect(pages.map(skus)).toEqual([
      ['b', 'c'],
      ['d', 'a'],
    ])
    expect(pages).toMatchObject([
      { more: true, next_offset: 2 },
      { more: false, next_offset: null },
    ])
    expect(await shop.value('catalog.list', { offset: 4 })).toEqual({ products: [], more: false, next_offset: null })
  })

  test(`${kind}: a product is shown with all that a customer may know of it`, async () => {
    const shop = await shops.open(kind, { products: [product('tea', { name: 'Té', description: 'Green', stock: 3 })] })
    expect(await shop.value('catalog.list')).toMatchObject({
      products: [
        {
          ...{ id: exampleId('8', 1), sku: 'tea', name: 'Té', description: 'Green' },
          ...{ price_minor: 100, currency: 'EUR', stock: 3 },
        },
      ],
    })
  })

  test(`${kind}: the list is narrowed by a part of the name or the SKU, whatever stands in it`, async () => {
    const products = [
      product('100%', { name: 'Café' }),
      product('b_1', { name: 'Cacao' }),
      product('b1', { name: 'Pan' }),
    ]
    const shop = await shops.open(kind, { products })
    const found = async (search: string) => skus(await shop.value('catalog.list', { search }))
    expect(await found(' CAFE ')).toEqual(['100%'])
    expect(await found('ca')).toEqual(['b_1', '100%'])
    expect(await found('%')).toEqual(['100%'])
    expect(await found('b_')).toEqual(['b_1'])
  })

  test(`${kind}: a page that is too large, or begins nowhere, is refused`, async () => {
    const shop = await shops.open(kind)
    for (const input of [{ limit: 0 }, { limit: 11 }, { offset: -1 }, { offset: 1.5 }, { size: 1 }])
      expect([input, await shop.call('catalog.list', input)]).toMatchObject([
        input,
        { ok: false, code: 'invalid_input' },
      ])
  })
}
