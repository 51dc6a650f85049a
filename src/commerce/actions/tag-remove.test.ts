import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openTestShops, shopKinds } from '../../../test/support/action-shops.ts'

let shops: Awaited<ReturnType<typeof openTestShops>>
beforeAll(async () => {
  shops = await openTestShops()
})
afterAll(() => shops.close())

for (const kind of shopKinds)
  test(`${kind}: a tag is taken away however it is written; one that is not there is no error`, async () => {
    const shop = await shops.open(kind, { customer: { tags: ['VIP', 'new'] } })
    expect(await shop.value('tag.remove', { tag: 'Vip' })).toEqual({ tags: ['new'] })
    expect(await shop.value('tag.remove', { tag: 'vip' })).toEqual({ tags: ['new'] })
    expect(await shop.call('tag.remove')).toMatchObject({ ok: false, code: 'invalid_input' })
  })

test('where nothing changes, the customer is not written', async () => {
  const shop = await shops.openTenantShop({ customer: { tags: ['new'] } })
  await shop.value('tag.remove', { tag: 'old' })
  expect(shop.changed).toEqual([])
  await shop.value('tag.remove', { tag: 'new' })
  expect(shop.changed).toContain('customers')
})
