import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openTestShops, shopKinds } from '../../../test/support/action-shops.ts'
import { exampleId } from './memory-shop.ts'

let shops: Awaited<ReturnType<typeof openTestShops>>
beforeAll(async () => {
  shops = await openTestShops()
})
afterAll(() => shops.close())

const products = [
  { sku: 'Café', name: 'Café', price_minor: 250, currency: 'EUR' },
  { sku: 'Pie', name: 'Pie', price_minor: 300, currency: 'USD' },
]
const adding = (index: number) => ({ product_id: exampleId('8', index), quantity: 1 })

for (const kind of shopKinds)
  test(`${kind}: the cart is empty, and takes any currency again`, async () => {
    const shop = await shops.open(kind, { products })
    await shop.value('cart.add', adding(1))
    expect(await shop.value('cart.clear')).toEqual({
      ...{ items: [], count: 0, total_minor: 0, currency: null, text: '', dropped: [] },
    })
    expect(await shop.value('cart.add', adding(2))).toMatchObject({ currency: 'USD', count: 1 })
  })

test('no other cart is touched', async () => {
  const shop = await shops.openTenantShop({ products })
  const others = [await shop.another('same customer'), await shop.another('another customer')]
  for (const one of [shop, ...others]) await one.value('cart.add', adding(1))
  await shop.value('cart.clear')
  for (const other of others) expect(await other.value('cart.show')).toMatchObject({ count: 1 })
})
