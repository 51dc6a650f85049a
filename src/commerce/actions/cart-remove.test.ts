import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openTestShops, shopKinds } from '../../../test/support/action-shops.ts'
import { exampleId } from './memory-shop.ts'

let shops: Awaited<ReturnType<typeof openTestShops>>
beforeAll(async () => {
  shops = await openTestShops()
})
afterAll(() => shops.close())

const products = ['Café', 'Pan'].map(name => ({ sku: name, name, price_minor: 250, currency: 'EUR' }))
const [first, second] = [exampleId('8', 1), exampleId('8', 2)]

for (const kind of shopKinds)
  test(`${kind}: a product goes with all its pieces; one that is not in the cart is no error`, async () => {
    const shop = await shops.open(kind, { products })
    await shop.value('cart.add', { product_id: first, quantity: 3 })
    await shop.value('cart.add', { product_id: second, quantity: 1 })
    expect(await shop.value('cart.remove', { product_id: first })).toMatchObject({
      ...{ items: [{ product_id: second }], count: 1, total_minor: 250 },
    })
    expect(await shop.value('cart.remove', { product_id: first })).toMatchObject({ count: 1 })
    expect(await shop.value('cart.remove', { product_id: second })).toMatchObject({ count: 0, currency: null })
    expect(await shop.value('cart.show')).toMatchObject({ count: 0 })
    expect(await shop.call('cart.remove', { product_id: 'Café' })).toMatchObject({ code: 'invalid_input' })
  })
