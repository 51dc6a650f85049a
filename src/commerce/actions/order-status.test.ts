import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openTestShops, shopKinds } from '../../../test/support/action-shops.ts'
import { exampleId } from './memory-shop.ts'

let shops: Awaited<ReturnType<typeof openTestShops>>
beforeAll(async () => {
  shops = await openTestShops()
})
afterAll(() => shops.close())

const products = [{ sku: 'Café', name: 'Café', price_minor: 250, currency: 'EUR' }]
const ordering = (quantity: number, notes?: string) => ({ items: [{ product_id: exampleId('8', 1), quantity }], notes })

for (const kind of shopKinds)
  test(`${kind}: without a number it is the last order, with one that one`, async () => {
    const shop = await shops.open(kind, { products })
    expect(await shop.call('order.status')).toEqual({
      ...{ ok: false, code: 'unknown_order', message: 'The customer has no order yet.' },
    })
    await shop.value('order.create', ordering(1, 'soon'))
    await shop.value('order.create', ordering(2))
    expect(await shop.value('order.status')).toMatchObject({ number: 2, total_minor: 500 })
    expect(await shop.value('order.status', { number: null })).toMatchObject({ number: 2 })
    expect(await shop.value('order.status', { number: 1 })).toEqual({
      ...{ id: expect.any(String), number: 1, total_minor: 250, currency: 'EUR', status: 'pending', notes: 'soon' },
      items: [{ product_id: exampleId('8', 1), name: 'Café', quantity: 1, price_minor: 250 }],
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      cancellable: true,
    })
    expect(await shop.call('order.status', { number: 3 })).toEqual({
      ...{ ok: false, code: 'unknown_order', message: 'The customer has no order 3.' },
    })
    for (const number of [0, 1.5, '1'])
      expect([number, await shop.call('order.status', { number })]).toMatchObject([number, { code: 'invalid_input' }])
  })

test('an order that the shop has moved on says so; other customers’ orders are not there', async () => {
  const shop = await shops.openTenantShop({ products })
  const [atAnotherBot, stranger] = [await shop.another('same customer'), await shop.another('another customer')]
  await shop.value('order.create', ordering(1))
  await shops.admin`update orders set status = 'shipped' where tenant_id = ${shop.tenantId}`
  for (const own of [shop, atAnotherBot])
    expect(await own.value('order.status')).toMatchObject({ status: 'shipped', cancellable: false })
  for (const input of [{}, { number: 1 }])
    expect(await stranger.call('order.status', input)).toMatchObject({ ok: false, code: 'unknown_order' })
})
