import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openTestShops, shopKinds, type TenantShop } from '../../../test/support/action-shops.ts'
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
const products = [product('Café'), product('Pan'), product('Sal')]

async function filled(): Promise<TenantShop> {
  const shop = await shops.openTenantShop({ products })
  for (const index of [1, 2, 3]) await shop.value('cart.add', adding(index))
  return shop
}
/** Lets days pass. */
const age = ({ tenantId }: TenantShop, days: number) =>
  shops.admin`update carts set seen_at = seen_at - make_interval(days => ${days}) where tenant_id = ${tenantId}`
const rowsOf = async ({ tenantId, customerId }: TenantShop) => {
  const rows = await shops.admin`select 1 from carts where tenant_id = ${tenantId} and customer_id = ${customerId}`
  return rows.length
}

for (const kind of shopKinds) {
  test(`${kind}: an empty cart is a cart`, async () => {
    const shop = await shops.open(kind)
    expect(await shop.value('cart.show')).toEqual({
      ...{ items: [], count: 0, total_minor: 0, currency: null, text: '', dropped: [] },
    })
    expect(await shop.call('cart.show', { all: true })).toMatchObject({ code: 'invalid_input' })
  })

  test(`${kind}: amounts are written in the language of the business`, async () => {
    const shop = await shops.open(kind, { language: 'en', products: [product('Coffee', { price_minor: 125_000 })] })
    expect(await shop.value('cart.add', adding(1))).toMatchObject({ text: '1 × Coffee: EUR 1,250.00' })
  })

  test(`${kind}: the text of a large cart leaves room for words around it, and says how much is left out`, async () => {
    const many = Array.from({ length: 30 }, (_, index) => product(`Something with a rather long name, number ${index}`))
    const shop = await shops.open(kind, { products: many })
    for (let index = 1; index <= 30; index++) await shop.value('cart.add', adding(index))
    const text = String(Reflect.get(Object(await shop.value('cart.show')), 'text'))
    expect(text.length).toBeLessThanOrEqual(800)
    const lines = text.split('\n')
    expect(lines.at(-1)).toBe(`… +${30 - (lines.length - 1)}`)
    expect(lines.length).toBeGreaterThan(10)
  })
}

test('what is not sold any more is taken out once, with its name', async () => {
  const shop = await filled()
  const { tenantId } = shop
  await shops.admin`update products set active = false where tenant_id = ${tenantId} and sku = 'Café'`
  await shops.admin`delete from products where tenant_id = ${tenantId} and sku = 'Pan'`
  expect(await shop.value('cart.show')).toMatchObject({
    items: [{ sku: 'Sal' }],
    dropped: [
      { product_id: exampleId('8', 1), name: 'Café', reason: 'not_sold' },
      { product_id: exampleId('8', 2), name: 'Pan', reason: 'not_sold' },
    ],
  })
  expect(await shop.value('cart.show')).toMatchObject({ items: [{ sku: 'Sal' }], dropped: [] })
})

test('prices are those of the moment; a product in another currency by now is taken out', async () => {
  const shop = await filled()
  await shops.admin`update products set price_minor = 300 where tenant_id = ${shop.tenantId} and sku = 'Café'`
  await shops.admin`update products set currency = 'USD' where tenant_id = ${shop.tenantId} and sku = 'Sal'`
  expect(await shop.value('cart.show')).toMatchObject({
    ...{ total_minor: 550, currency: 'EUR', count: 2 },
    dropped: [{ name: 'Sal', reason: 'other_currency' }],
  })
})

test('a cart that nobody has looked at for a week is empty; until then looking keeps it', async () => {
  const shop = await filled()
  await age(shop, 6)
  expect(await shop.value('cart.show')).toMatchObject({ count: 3 })
  await age(shop, 6)
  expect(await shop.value('cart.show')).toMatchObject({ count: 3 })
  await age(shop, 8)
  expect(await shop.value('cart.show')).toMatchObject({ count: 0, dropped: [] })
  expect(await rowsOf(shop)).toBe(0)
})

test('carts that were given up go when others of the tenant are filled, and no other tenant’s', async () => {
  const [shop, elsewhere] = [await filled(), await filled()]
  const other = await shop.another('another customer')
  await age(shop, 8)
  await age(elsewhere, 8)
  await other.value('cart.add', adding(1))
  expect([await rowsOf(shop), await rowsOf(other), await rowsOf(elsewhere)]).toEqual([0, 1, 3])
})

test('a customer who is removed takes their carts along', async () => {
  const shop = await filled()
  await shops.admin`delete from conversations where tenant_id = ${shop.tenantId}`
  await shops.admin`delete from customers where tenant_id = ${shop.tenantId} and id = ${shop.customerId}`
  expect(await rowsOf(shop)).toBe(0)
})
