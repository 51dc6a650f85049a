import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openTestShops, shopKinds } from '../../../test/support/action-shops.ts'
import { uuids } from '../../lib/ids.ts'
import { exampleId } from './memory-shop.ts'
import { orderCreate } from './order-create.ts'

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
const wanting = (index: number, quantity = 1) => ({ product_id: exampleId('8', index), quantity })

for (const kind of shopKinds) {
  test(`${kind}: the cart becomes a pending order and is empty then`, async () => {
    const shop = await shops.open(kind, { products: [product('Café', { stock: 5 }), product('Pan')] })
    await shop.value('cart.add', wanting(1, 2))
    await shop.value('cart.add', wanting(2))
    expect(await shop.value('order.create', { from_cart: true, notes: 'soon' })).toEqual({
      ...{ id: expect.any(String), number: 1, total_minor: 750, currency: 'EUR', status: 'pending' },
      items: [
        { product_id: exampleId('8', 1), name: 'Café', quantity: 2, price_minor: 250 },
        { product_id: exampleId('8', 2), name: 'Pan', quantity: 1, price_minor: 250 },
      ],
    })
    expect(await shop.value('cart.show')).toMatchObject({ count: 0 })
    expect(await shop.value('catalog.get', { product_id: exampleId('8', 1) })).toMatchObject({ stock: 3 })
    expect(await shop.call('order.create', { from_cart: true })).toEqual({
      ...{ ok: false, code: 'cart_empty', message: 'The cart is empty.' },
    })
  })

  test(`${kind}: where the stock went in the meantime, each product and how many are left is said; the cart stays`, async () => {
    const shop = await shops.open(kind, { products: [product('Café', { stock: 5 }), product('Pan', { stock: 2 })] })
    await shop.value('cart.add', wanting(1, 5))
    await shop.value('cart.add', wanting(2, 2))
    await shop.value('order.create', { items: [wanting(1, 2), wanting(2, 2)] })
    expect(await shop.call('order.create', { from_cart: true })).toEqual({
      ...{ ok: false, code: 'out_of_stock', message: 'Café: 3 left. Pan: 0 left.' },
      data: {
        shortages: [
          { product_id: exampleId('8', 1), name: 'Café', wanted: 5, stock: 3 },
          { product_id: exampleId('8', 2), name: 'Pan', wanted: 2, stock: 0 },
        ],
      },
    })
    expect(await shop.value('cart.show')).toMatchObject({ count: 7 })
  })

  test(`${kind}: either products or the cart is ordered`, async () => {
    const shop = await shops.open(kind, { products: [product('Café')] })
    const items = [wanting(1)]
    for (const input of [{}, { from_cart: false }, { from_cart: true, items }, { items: [] }, { items: 'all' }])
      expect([input, await shop.call('order.create', input)]).toMatchObject([input, { code: 'invalid_input' }])
    expect(await shop.call('order.create', { items, from_cart: false })).toMatchObject({ ok: true })
  })
}

test('what left the catalogue while it was in the cart is named, and nothing is ordered', async () => {
  const shop = await shops.openTenantShop({ products: [product('Café'), product('Pan'), product('Sal')] })
  for (const index of [1, 2, 3]) await shop.value('cart.add', wanting(index))
  await shops.admin`update products set active = false where tenant_id = ${shop.tenantId} and sku in ('Pan', 'Sal')`
  expect(await shop.call('order.create', { from_cart: true })).toMatchObject({
    ...{ ok: false, code: 'unknown_product', message: 'Not sold any more: Pan, Sal.' },
    data: { dropped: [{ name: 'Pan' }, { name: 'Sal' }] },
  })
  expect(shop.told).toEqual([])
  expect(await shop.value('cart.show')).toMatchObject({ count: 1 })
  expect(await shop.value('order.create', { from_cart: true })).toMatchObject({ number: 1, total_minor: 250 })
})

test('the order is the customer’s, of the conversation and its seller, and the sockets are told', async () => {
  const seller = { id: uuids.next(), name: 'Luz' }
  const shop = await shops.openTenantShop({ products: [product('Café')], sellers: [seller] })
  await shop.value('seller.assign', { strategy: 'round_robin' })
  await shop.value('cart.add', wanting(1))
  await shop.value('order.create', { from_cart: true, notes: 'soon' })
  const { customerId: customer_id, conversationId: conversation_id } = shop
  expect(shop.told.filter(event => event.type === 'order.created')).toMatchObject([
    { data: { number: 1, customer_id, conversation_id, seller_id: seller.id, status: 'pending', notes: 'soon' } },
  ])
})

test('an order that is rolled back leaves the cart full', async () => {
  const shop = await shops.openTenantShop({ products: [product('Café')] })
  await shop.value('cart.add', wanting(1))
  const failing = shops.database.transaction({ role: 'worker' }, async tx => {
    const { tenantId, customerId, conversationId } = shop
    const call = { tenantId, customerId, conversationId, input: { from_cart: true } }
    expect(await orderCreate.run(tx, uuids, call)).toMatchObject({ ok: true })
    throw new Error('the turn failed')
  })
  expect(failing).rejects.toThrow('the turn failed')
  await failing.catch(() => undefined)
  expect(await shop.value('cart.show')).toMatchObject({ count: 1 })
  expect(await shop.value('order.create', { from_cart: true })).toMatchObject({ number: 1 })
})
