import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openTestShops, shopKinds } from '../../../test/support/action-shops.ts'

let shops: Awaited<ReturnType<typeof openTestShops>>
beforeAll(async () => {
  shops = await openTestShops()
})
afterAll(() => shops.close())

for (const kind of shopKinds) {
  test(`${kind}: what is given is written, the rest stays; variables are put together`, async () => {
    const shop = await shops.open(kind, { customer: { tags: ['vip'] } })
    const first = { name: ' Ana María ', email: 'ana@example.com', variables: { size: 'M', notes: { a: 1 } } }
    await shop.value('customer.update', first)
    expect(await shop.value('customer.update', { variables: { size: null, shoe: 38, notes: { b: 2 } } })).toEqual({
      ...{ name: 'Ana María', phone: null, email: 'ana@example.com', tags: ['vip'] },
      variables: { shoe: 38, notes: { b: 2 } },
    })
    expect(await shop.value('customer.update', { email: null })).toMatchObject({ name: 'Ana María', email: null })
    expect(await shop.value('customer.update')).toMatchObject({ name: 'Ana María', variables: { shoe: 38 } })
  })

  test(`${kind}: a bad address, a phone, a name that is none and what has no place are refused, and nothing is kept`, async () => {
    const shop = await shops.open(kind)
    const long = 'x'.repeat(65)
    for (const wrong of [
      { email: 'ana' },
      { email: `${'x'.repeat(250)}@example.com` },
      { phone: '+573001234567' },
      { name: ' ' },
      { name: 'x'.repeat(201) },
      { variables: [1] },
      { variables: 'x' },
      { variables: { [long]: 1 } },
      { tags: ['vip'] },
    ])
      expect([wrong, await shop.call('customer.update', { name: 'Eva', ...wrong })]).toMatchObject([
        wrong,
        { ok: false, code: 'invalid_input' },
      ])
    expect(await shop.value('customer.update')).toEqual({
      name: null,
      phone: null,
      email: null,
      variables: {},
      tags: [],
    })
    expect(await shop.call('customer.update', { email: 'ana' })).toMatchObject({
      message: 'email: Must be an e-mail address',
    })
  })

  test(`${kind}: the variables of a customer have a limit together`, async () => {
    const shop = await shops.open(kind)
    await shop.value('customer.update', { variables: { a: 'x'.repeat(40_000) } })
    expect(await shop.call('customer.update', { variables: { b: 'x'.repeat(30_000) } })).toMatchObject({
      code: 'too_many_variables',
    })
    expect(await shop.value('customer.update', { variables: { a: 'x'.repeat(60_000) } })).toMatchObject({
      variables: { a: expect.any(String) },
    })
  })
}

test('it is the customer of the conversation who changes, the API is told, and a text that cannot be stored is mended', async () => {
  const shop = await shops.openTenantShop()
  const other = await shop.another('another customer')
  await shop.value('customer.update', { name: 'Ana\0', variables: { note: '\ud800' } })
  const read = ({ customerId }: typeof shop) =>
    shops.admin`select name, variables from customers where id = ${customerId}`
  expect([...(await read(shop))]).toEqual([{ name: 'Ana\ufffd', variables: { note: '\ufffd' } }])
  expect([...(await read(other))]).toEqual([{ name: '', variables: {} }])
  expect(shop.changed).toEqual(['customers', 'orders', 'conversations'])
})

test('two turns that write variables at the same moment keep both', async () => {
  const shop = await shops.openTenantShop()
  const names = Array.from({ length: 20 }, (_, index) => `v${index}`)
  await Promise.all(names.map(name => shop.value('customer.update', { variables: { [name]: 1 } })))
  expect(await shop.value('customer.update')).toMatchObject({
    variables: Object.fromEntries(names.map(name => [name, 1])),
  })
})
