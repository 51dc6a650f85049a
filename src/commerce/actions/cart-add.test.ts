import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openTestShops, shopKinds } from '../../../test/support/action-shops.ts'
import { cartLinesMax, cartQuantityMax } from '../cart.ts'
import { exampleId } from './memory-shop.ts'

let shops: Awaited<ReturnType<typeof openTestShops>>
beforeAll(async () => {
  shops = await openTestShops()
})
afterAll(() => shops.close())

const product = (sku: string, changes: object = {}) => ({
  sku,
  name: sku,
  price_minor: 250,
  currency: 'EUR',
  ...changes,
})
const adding = (index: number, quantity = 1) => ({ product_id: exampleId('8', index), quantity })

for (const kind of shopKinds) {
  test(`${kind}: pieces are added to those that are there, and the cart is shown`, async () => {
    const shop = await shops.open(kind, {
      products: [product('Café', { stock: 9 }), product('Pan', { price_minor: 100 })],
    })
    await shop.value('cart.add', adding(1, 2))
    await shop.value('cart.add', adding(2))
    expect(await shop.value('cart.add', adding(1))).toEqual({
      items: [
        {
          ...{ product_id: exampleId('8', 1), sku: 'Café', name: 'Café', quantity: 3 },
          ...{ price_minor: 250, line_minor: 750, stock: 9 },
        },
        {
          ...{ product_id: exampleId('8', 2), sku: 'Pan', name: 'Pan', quantity: 1 },
          ...{ price_minor: 100, line_minor: 100, stock: 1_000 },
        },
      ],
      count: 4,
      total_minor: 850,
      currency: 'EUR',
      text: '3 × Café: 7,50 EUR\n1 × Pan: 1,00 EUR',
      dropped: [],
    })
  })

  test(`${kind}: what cannot be ordered is refused with its reason, and the cart stays as it is`, async () => {
    const shop = await shops.open(kind, {
      products: [
        product('Café', { stock: 3 }),
        product('Old', { active: false }),
        product('Pie', { currency: 'USD' }),
        product('Much', { stock: 1_000_000 }),
      ],
    })
    const before = await shop.value('cart.add', adding(1, 2))
    expect(await shop.call('cart.add', adding(1, 2))).toEqual({
      ...{ ok: false, code: 'out_of_stock', message: 'Café: 3 left.' },
      data: { shortages: [{ product_id: exampleId('8', 1), name: 'Café', wanted: 4, stock: 3 }] },
    })
    await shop.value('cart.add', adding(4, cartQuantityMax))
    await shop.value('cart.remove', { product_id: exampleId('8', 4) })
    for (const [input, code] of [
      [adding(2), 'unknown_product'],
      [adding(5), 'unknown_product'],
      [adding(3), 'mixed_currencies'],
      [adding(4, cartQuantityMax + 1), 'invalid_input'],
      [adding(1, 0), 'invalid_input'],
      [{ product_id: exampleId('8', 1) }, 'invalid_input'],
    ] as const)
      expect([input, await shop.call('cart.add', input)]).toMatchObject([input, { ok: false, code }])
    expect(await shop.value('cart.show')).toEqual(before)
  })

  test(`${kind}: a cart has a limit for each product, and for products`, async () => {
    const many = Array.from({ length: cartLinesMax + 1 }, (_, index) => product(`p${index}`, { stock: 1_000_000 }))
    const shop = await shops.open(kind, { products: many })
    for (let index = 1; index <= cartLinesMax; index++) await shop.value('cart.add', adding(index, cartQuantityMax))
    expect(await shop.call('cart.add', adding(cartLinesMax + 1))).toMatchObject({ ok: false, code: 'cart_full' })
    expect(await shop.call('cart.add', adding(1))).toMatchObject({ ok: false, code: 'too_many' })
    expect(await shop.value('cart.show')).toMatchObject({ count: cartLinesMax * cartQuantityMax })
  })
}

test('a cart is of one customer at one bot', async () => {
  const shop = await shops.openTenantShop({ products: [product('Café')] })
  await shop.value('cart.add', adding(1))
  for (const whose of ['same customer', 'another customer'] as const)
    expect(await (await shop.another(whose)).value('cart.show')).toMatchObject({ count: 0 })
  expect(await shop.value('cart.show')).toMatchObject({ count: 1 })
})

test('a cart is filled under the role of a request too', async () => {
  const shop = await shops.openTenantShop({ products: [product('Café')] }, 'app')
  await shop.value('cart.add', adding(1))
  expect(await shop.value('cart.show')).toMatchObject({ count: 1 })
})
