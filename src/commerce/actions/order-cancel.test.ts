import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openTestShops, shopKinds } from '../../../test/support/action-shops.ts'
import { exampleId } from './memory-shop.ts'

let shops: Awaited<ReturnType<typeof openTestShops>>
beforeAll(async () => {
  shops = await openTestShops()
})
afterAll(() => shops.close())

const products = [{ sku: 'Café', name: 'Café', price_minor: 250, currency: 'EUR', stock: 5 }]
const ordering = { items: [{ product_id: exampleId('8', 1), quantity: 2 }] }
const get = { product_id: exampleId('8', 1) }

for (const kind of shopKinds)
  test(`${kind}: an order is cancelled once, and what was ordered is in stock again`, async () => {
    const shop = await shops.open(kind, { products })
    await shop.value('order.create', ordering)
    expect(await shop.value('order.cancel', { number: 1 })).toMatchObject({
      number: 1,
      status: 'cancelled',
      cancellable: false,
    })
    expect(await shop.value('catalog.get', get)).toMatchObject({ stock: 5 })
    expect(await shop.call('order.cancel', { number: 1 })).toEqual({
      ...{ ok: false, code: 'not_cancellable', message: 'Order 1 is cancelled: it cannot be cancelled any more.' },
      data: { status: 'cancelled' },
    })
    expect(await shop.value('catalog.get', get)).toMatchObject({ stock: 5 })
    expect(await shop.value('order.status')).toMatchObject({ status: 'cancelled' })
    expect(await shop.call('order.cancel', { number: 2 })).toMatchObject({ ok: false, code: 'unknown_order' })
    expect(await shop.call('order.cancel')).toMatchObject({ ok: false, code: 'invalid_input' })
  })

test('a confirmed order is cancelled, and the sockets are told; what is paid or on its way stays', async () => {
  const shop = await shops.openTenantShop({ products })
  const setStatus = (status: string) =>
    shops.admin`update orders set status = ${status} where tenant_id = ${shop.tenantId}`
  await shop.value('order.create', ordering)
  for (const status of ['paid', 'shipped', 'delivered']) {
    await setStatus(status)
    expect(await shop.call('order.cancel', { number: 1 })).toMatchObject({ code: 'not_cancellable', data: { status } })
  }
  expect(shop.told.map(event => event.type)).toEqual(['order.created'])
  await setStatus('confirmed')
  await shop.value('order.cancel', { number: 1 })
  expect(shop.told.at(-1)).toMatchObject({ type: 'order.updated', data: { number: 1, status: 'cancelled' } })
})

test('another customer’s order is not there to be cancelled', async () => {
  const shop = await shops.openTenantShop({ products })
  await shop.value('order.create', ordering)
  const stranger = await shop.another('another customer')
  expect(await stranger.call('order.cancel', { number: 1 })).toMatchObject({ ok: false, code: 'unknown_order' })
  expect(await shop.value('order.status')).toMatchObject({ status: 'pending' })
})

test('who pays while the customer cancels has paid', async () => {
  const shop = await shops.openTenantShop({ products })
  await shop.value('order.create', ordering)
  const cancelling = await shops.admin.begin(async sql => {
    await sql`update orders set status = 'paid' where tenant_id = ${shop.tenantId}`
    const asked = shop.call('order.cancel', { number: 1 })
    await waitForLock()
    return { asked }
  })
  expect(await cancelling.asked).toMatchObject({ ok: false, code: 'not_cancellable', data: { status: 'paid' } })
  expect(await shop.value('catalog.get', get)).toMatchObject({ stock: 3 })
})

/** Until a statement of this database waits for another transaction. */
async function waitForLock(): Promise<void> {
  for (;;) {
    const [row] = await shops.admin`select count(*)::int as waiting from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`
    if (row.waiting > 0) return
    await Bun.sleep(5)
  }
}
