import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openTestShops, shopKinds } from '../../../test/support/action-shops.ts'
import { searchCatalog } from '../catalog.ts'

let shops: Awaited<ReturnType<typeof openTestShops>>
beforeAll(async () => {
  shops = await openTestShops()
})
afterAll(() => shops.close())

const named = (name: string, changes: object = {}) => ({
  sku: name,
  name,
  price_minor: 100,
  currency: 'EUR',
  ...changes,
})
const names = (value: unknown): string[] => JSON.stringify(value).match(/(?<="name":")[^"]+/g) ?? []

const products = [
  named('Pan con café', { sku: 'p1' }),
  named('Café', { sku: 'p2' }),
  named('Café con leche', { sku: 'p3' }),
  named('Pastel', { sku: 'p4', description: 'Sabe a café con leche' }),
  named('Descafeinado', { sku: 'p5' }),
  named('Taza', { sku: 'CAFÉ' }),
  named('Café viejo', { sku: 'p6', active: false }),
  named('Café frío', { sku: 'p7', stock: 0 }),
]

for (const kind of shopKinds) {
  test(`${kind}: the SKU comes first, then the name, its beginning, its words, and words anywhere`, async () => {
    const shop = await shops.open(kind, { products })
    const best = ['Taza', 'Café', 'Café con leche', 'Café frío', 'Pan con café', 'Descafeinado', 'Pastel']
    expect(names(await shop.value('catalog.search', { text: '¿Café?' }))).toEqual(
      // Neither SKU nor name is written with question marks: what is equally good comes in stock first, by name.
      ['Café', 'Café con leche', 'Pan con café', 'Café frío', 'Descafeinado', 'Pastel', 'Taza'],
    )
    expect(names(await shop.value('catalog.search', { text: 'CAFE' }))).toEqual(best)
    expect(await shop.value('catalog.search', { text: 'cafe', limit: 3 })).toMatchObject({ more: true, guessed: false })
    expect(names(await shop.value('catalog.search', { text: 'leche cafe' }))).toEqual(['Café con leche', 'Pastel'])
  })

  test(`${kind}: what is called just so comes before what begins so, in stock or not`, async () => {
    const shop = await shops.open(kind, { products: [named('Mate', { sku: 's', stock: 0 }), named('Mate cocido')] })
    expect(names(await shop.value('catalog.search', { text: 'mate' }))).toEqual(['Mate', 'Mate cocido'])
  })

  test(`${kind}: a typing error, or words that nothing has, lead to a guess that says so`, async () => {
    const shop = await shops.open(kind, {
      products: ['Cappuccino', 'Té verde', 'Café con leche', 'Pan con tomate'].map(name => named(name)),
    })
    const guess = async (text: string) => {
      const value = await shop.value('catalog.search', { text })
      return [String(Reflect.get(Object(value), 'guessed')), ...names(value)]
    }
    expect(await guess('capuccino')).toEqual(['true', 'Cappuccino'])
    expect(await guess('cafetera')).toEqual(['false'])
    expect(await guess('cefa')).toEqual(['false'])
    expect(await guess('acfe')).toEqual(['true', 'Café con leche'])
    expect(await guess('quiero café con azúcar')).toEqual(['true', 'Café con leche'])
    expect(await guess('verde')).toEqual(['false', 'Té verde'])
    expect(await guess('verda')).toEqual(['true', 'Té verde'])
    expect(await guess('???')).toEqual(['false'])
    expect(await guess('%')).toEqual(['false'])
  })

  test(`${kind}: what is looked for must be something, and not a book`, async () => {
    const shop = await shops.open(kind)
    for (const input of [{}, { text: ' ' }, { text: 'x'.repeat(201) }, { text: 'x', limit: 11 }])
      expect([input, await shop.call('catalog.search', input)]).toMatchObject([input, { code: 'invalid_input' }])
    expect(await shop.value('catalog.search', { text: 'x'.repeat(200) })).toMatchObject({ products: [] })
  })
}

test('signs that mean something to the database are letters like others', async () => {
  const { tenantId } = await shops.openTenantShop({ products: ['50% a_b c\\d', '500 axb cd'].map(name => named(name)) })
  for (const word of ['50%', 'a_b', 'c\\d']) {
    const query = { tenantId, wanted: { whole: word, words: [word] }, limit: 5 }
    const found = await shops.database.transaction({ role: 'worker' }, tx => searchCatalog(tx, query))
    expect([word, found.map(product => product.name)]).toEqual([word, ['50% a_b c\\d']])
  }
})

test("another tenant's products are not found", async () => {
  const [ours] = [await shops.openTenantShop(), await shops.openTenantShop({ products })]
  expect(await ours.value('catalog.search', { text: 'café' })).toMatchObject({ products: [] })
})
