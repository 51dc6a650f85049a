import { expect, test } from 'bun:test'
import * as v from 'valibot'
import { exampleProductsSchema, openExampleShop } from './example-shop.ts'

const products = v.parse(exampleProductsSchema, [
  { sku: 'tea', name: 'Té', price_minor: 200, currency: 'EUR', stock: 0 },
  { sku: 'coffee', name: 'Café', price_minor: 250, currency: 'EUR', stock: 3 },
  { sku: 'bread', name: 'Bread', price_minor: 100, currency: 'EUR' },
  { sku: 'pie', name: 'Pie', price_minor: 300, currency: 'USD' },
  { sku: 'old', name: 'Old cake', price_minor: 100, currency: 'EUR', active: false },
])
const idOf = (sku: string) => products.find(product => product.sku === sku)?.id ?? ''
const order = (...items: (readonly [string, number])[]) => ({
  items: items.map(([sku, quantity]) => ({ product_id: idOf(sku), quantity })),
})

test('the catalog has what is sold, in stock first, and is searched without regard to accents', async () => {
  const perform = openExampleShop(products)
  const list = async (input: object) => {
    const result = await perform('catalog.list', JSON.parse(JSON.stringify(input)))
    return JSON.stringify(result).match(/(?<="sku":")[a-z]+/g)
  }
  expect(await list({})).toEqual(['bread', 'coffee', 'pie', 'tea'])
  expect(await list({ limit: 1 })).toEqual(['bread'])
  expect(await list({ search: ' CAFE ' })).toEqual(['coffee'])
  expect(await list({ search: 'cake' })).toBeNull()
})

test('orders are numbered, take stock, and are refused as real ones are', async () => {
  const perform = openExampleShop(products)
  const first = await perform('order.create', order(['coffee', 1], ['bread', 2], ['coffee', 1]))
  expect(first).toMatchObject({ ok: true, value: { number: 1, total_minor: 700, currency: 'EUR', status: 'pending' } })
  const short = await perform('order.create', order(['coffee', 2]))
  expect(short).toMatchObject({ ok: false, code: 'out_of_stock', message: 'Café: 1 left.' })
  for (const [input, code] of [
    [order(['old', 1]), 'unknown_product'],
    [order(['bread', 1], ['pie', 1]), 'mixed_currencies'],
    [{ items: [] }, 'invalid_input'],
  ] as const)
    expect(await perform('order.create', input)).toMatchObject({ ok: false, code })
  expect(await perform('order.create', order(['coffee', 1]))).toMatchObject({ ok: true, value: { number: 2 } })
})

test('an action that there is not is refused as in a turn', async () => {
  expect(await openExampleShop([])('order.crate', {})).toMatchObject({ ok: false, code: 'unknown_handler' })
})
