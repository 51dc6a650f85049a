import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openTestShops, shopKinds } from '../../../test/support/action-shops.ts'
import { exampleId } from './memory-shop.ts'

let shops: Awaited<ReturnType<typeof openTestShops>>
beforeAll(async () => {
  shops = await openTestShops()
})
afterAll(() => shops.close())

const tea = {
  sku: 'tea',
  name: 'Té',
  price_minor: 100,
  currency: 'EUR',
  stock: 0,
  image_url: 'https://shop.test/t.jpg',
}
const old = { sku: 'old', name: 'Old', price_minor: 100, currency: 'EUR', active: false }

for (const kind of shopKinds) {
  test(`${kind}: one product comes with its image, in stock or not`, async () => {
    const shop = await shops.open(kind, { products: [tea, { ...tea, sku: 'bare', image_url: null }] })
    expect(await shop.value('catalog.get', { product_id: exampleId('8', 1) })).toEqual({
      ...{ id: exampleId('8', 1), description: '' },
      ...tea,
    })
    expect(await shop.value('catalog.get', { product_id: exampleId('8', 2) })).toMatchObject({ image_url: null })
  })

  test(`${kind}: a product that is not sold, or is none, is refused`, async () => {
    const shop = await shops.open(kind, { products: [tea, old] })
    for (const index of [2, 3])
      expect(await shop.call('catalog.get', { product_id: exampleId('8', index) })).toEqual({
        ...{ ok: false, code: 'unknown_product', message: 'A product does not exist, or is not sold any more.' },
      })
    expect(await shop.call('catalog.get', { product_id: 'tea' })).toMatchObject({
      code: 'invalid_input',
      message: 'product_id: Must be the id of a product',
    })
  })
}

test("another tenant's product is not there", async () => {
  const [ours, theirs] = [await shops.openTenantShop(), await shops.openTenantShop({ products: [tea] })]
  const input = { product_id: exampleId('8', 1) }
  expect(await ours.call('catalog.get', input)).toMatchObject({ ok: false, code: 'unknown_product' })
  expect(await theirs.call('catalog.get', input)).toMatchObject({ ok: true })
})
