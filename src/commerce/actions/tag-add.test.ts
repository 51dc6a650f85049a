import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openTestShops, shopKinds } from '../../../test/support/action-shops.ts'
import { customerTagsMax, tagLengthMax } from '../customers.ts'

let shops: Awaited<ReturnType<typeof openTestShops>>
beforeAll(async () => {
  shops = await openTestShops()
})
afterAll(() => shops.close())

for (const kind of shopKinds) {
  test(`${kind}: a tag is kept once, in lower case, however it is written`, async () => {
    const shop = await shops.open(kind, { customer: { tags: ['VIP'] } })
    expect(await shop.value('tag.add', { tag: ' Al  por MAYOR ' })).toEqual({ tags: ['VIP', 'al por mayor'] })
    expect(await shop.value('tag.add', { tag: 'al por mayor' })).toEqual({ tags: ['VIP', 'al por mayor'] })
    expect(await shop.value('tag.add', { tag: 'vip' })).toEqual({ tags: ['VIP', 'al por mayor'] })
  })

  test(`${kind}: tags have a length, and a customer a number of them`, async () => {
    const tags = Array.from({ length: customerTagsMax - 1 }, (_, index) => `t${index}`)
    const shop = await shops.open(kind, { customer: { tags } })
    for (const tag of ['', ' ', 'x'.repeat(tagLengthMax + 1), 7])
      expect([tag, await shop.call('tag.add', { tag })]).toMatchObject([tag, { code: 'invalid_input' }])
    await shop.value('tag.add', { tag: 'x'.repeat(tagLengthMax) })
    expect(await shop.call('tag.add', { tag: 'one more' })).toMatchObject({ ok: false, code: 'too_many_tags' })
    expect(await shop.call('tag.add', { tag: 't0' })).toMatchObject({ ok: true })
  })
}

test('tags that are added at the same moment are all kept, and the API is told', async () => {
  const shop = await shops.openTenantShop()
  const tags = Array.from({ length: 20 }, (_, index) => `t${index}`)
  await Promise.all(tags.map(tag => shop.value('tag.add', { tag })))
  const [row] = await shops.admin`select to_jsonb(tags) as tags from customers where id = ${shop.customerId}`
  expect(row.tags.sort()).toEqual(tags.sort())
  expect(shop.changed).toContain('customers')
  expect(await (await shop.another('another customer')).value('tag.remove', { tag: 't0' })).toEqual({ tags: [] })
})
