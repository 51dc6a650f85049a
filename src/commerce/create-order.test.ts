import { afterAll, beforeAll, expect, test } from 'bun:test'
import { createTestDatabase } from '../../test/support/postgres.ts'
import { addTenant } from '../identity/tenants.ts'
import { uuids } from '../lib/ids.ts'
import { makeMetrics } from '../lib/metrics.ts'
import type { FeedEvent } from '../stores/feed.ts'
import { type Database, openDatabase, type Scope } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'
import { catalogList } from './actions/catalog-list.ts'
import { orderCreate } from './actions/order-create.ts'
import { createOrder } from './create-order.ts'
import { createCustomer } from './customers.ts'
import { updateOrder } from './orders.ts'
import { createProduct, findProduct } from './products.ts'

let created: Awaited<ReturnType<typeof createTestDatabase>>
let database: Database
beforeAll(async () => {
  created = await createTestDatabase()
  database = openDatabase(created.connection, makeMetrics())
})
afterAll(async () => {
  await database.close()
  await created.drop()
})

type Shop = { readonly tenantId: string; readonly customerId: string; readonly productIds: readonly string[] }

async function openShop(...stocks: readonly number[]): Promise<Shop> {
  const tenantId = uuids.next()
  return await database.transaction({ role: 'app', tenantId }, async tx => {
    await addTenant(tx, { id: tenantId, name: 'Shop' })
    const fields = { name: '', phone: null, email: null, identities: [], variables: {} }
    const customer = await createCustomer(tx, uuids, tenantId, fields)
    if (customer.kind !== 'written') throw new Error(customer.kind)
    const productIds: string[] = []
    for (const [index, stock] of stocks.entries()) {
      const product = { sku: `sku-${index}`, name: `Product ${index}`, description: '', price_minor: 100 * (index + 1) }
      const written = await createProduct(tx, uuids, tenantId, {
        ...product,
        currency: 'COP',
        stock,
        active: true,
        image_url: null,
      })
      if (written.kind === 'written') productIds.push(written.product.id)
    }
    return { tenantId, customerId: customer.customer.id, productIds }
  })
}

const worker: Scope = { role: 'worker' }

function order({ tenantId, customerId }: Shop, scope: Scope, ...lines: readonly [string, number][]) {
  const items = lines.map(([product_id, quantity]) => ({ product_id, quantity }))
  return database.transaction(scope, tx =>
    createOrder(tx, uuids, { tenantId, customerId, conversationId: null, items }),
  )
}

const stockOf = ({ tenantId }: Shop, id: string) =>
  database.transaction(worker, async tx => (await findProduct(tx, tenantId, id))?.stock)

test('forty parallel orders of ten pieces sell ten, under both roles, with numbers that have no gap', async () => {
  const shop = await openShop(10)
  const [product = ''] = shop.productIds
  const scopes: Scope[] = [worker, { role: 'app', tenantId: shop.tenantId }]
  const results = await Promise.all(
    Array.from({ length: 40 }, (_, index) => order(shop, scopes[index % 2] ?? worker, [product, 1])),
  )
  const made = results.flatMap(result => (result.kind === 'created' ? [result.order.number] : []))
  expect(made.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  expect(results.filter(result => result.kind === 'out_of_stock')).toHaveLength(30)
  expect(await stockOf(shop, product)).toBe(0)
})

test('parallel orders and cancellations of the same products in any order end without a deadlock, and balanced', async () => {
  const shop = await openShop(100, 100, 100)
  const pairs = shop.productIds.flatMap(a => shop.productIds.filter(b => b !== a).map(b => [a, b] as const))
  await Promise.all(
    Array.from({ length: 48 }, async (_, index) => {
      const [a = '', b = ''] = pairs[index % pairs.length] ?? []
      const made = await order(shop, worker, [a, 1], [b, 2])
      if (made.kind !== 'created' || index % 2 === 0) return
      await database.transaction(worker, tx => updateOrder(tx, shop.tenantId, made.order.id, { status: 'cancelled' }))
    }),
  )
  const stocks = await Promise.all(shop.productIds.map(id => stockOf(shop, id)))
  expect(stocks.reduce<number>((sum, stock) => sum + (stock ?? 0), 0)).toBe(300 - 24 * 3)
})

test('the same product twice is one line, whose sum must be in stock', async () => {
  const shop = await openShop(3)
  const [product = ''] = shop.productIds
  expect((await order(shop, worker, [product, 2], [product, 2])).kind).toBe('out_of_stock')
  const made = await order(shop, worker, [product, 1], [product, 2])
  expect(made).toMatchObject({ kind: 'created', order: { total_minor: 300, items: [{ quantity: 3 }] } })
})

test('what is refused has written nothing, and the transaction goes on', async () => {
  const shop = await openShop(1, 5)
  const [scarce = '', plenty = ''] = shop.productIds
  const kinds = await database.transaction(worker, async tx => {
    const ask = async (items: { product_id: string; quantity: number }[], changes: Partial<Shop> = {}) =>
      (await createOrder(tx, uuids, { ...shop, ...changes, conversationId: null, items })).kind
    return [
      await ask([
        { product_id: plenty, quantity: 1 },
        { product_id: scarce, quantity: 2 },
      ]),
      await ask([
        { product_id: plenty, quantity: 1 },
        { product_id: uuids.next(), quantity: 1 },
      ]),
      await ask([{ product_id: plenty, quantity: 1 }], { customerId: uuids.next() }),
      await ask([{ product_id: plenty, quantity: 1 }]),
    ]
  })
  expect(kinds).toEqual(['out_of_stock', 'unknown_product', 'unknown_customer', 'created'])
  expect(await stockOf(shop, plenty)).toBe(4)
  expect(await stockOf(shop, scarce)).toBe(1)
})

test("a worker's order takes nothing of another tenant", async () => {
  const [shop, other] = [await openShop(5), await openShop(5)]
  const [theirs = ''] = other.productIds
  expect((await order(shop, worker, [theirs, 1])).kind).toBe('unknown_product')
  expect((await order({ ...shop, customerId: other.customerId }, worker, [shop.productIds[0] ?? '', 1])).kind).toBe(
    'unknown_customer',
  )
  expect(await stockOf(other, theirs)).toBe(5)
})

test('a transaction that fails later leaves neither order nor a used number', async () => {
  const shop = await openShop(5)
  const [product = ''] = shop.productIds
  const failing = database.transaction(worker, async tx => {
    await createOrder(tx, uuids, { ...shop, conversationId: null, items: [{ product_id: product, quantity: 5 }] })
    throw new Error('the turn failed')
  })
  expect(failing).rejects.toThrow('the turn failed')
  await failing.catch(() => undefined)
  expect(await stockOf(shop, product)).toBe(5)
  expect(await order(shop, worker, [product, 1])).toMatchObject({ kind: 'created', order: { number: 1 } })
})

test('an order of a flow names its conversation, and its value is what the flow may read', async () => {
  const shop = await openShop(5)
  const [product = ''] = shop.productIds
  const conversationId = uuids.next()
  const told: FeedEvent[] = []
  const tell = (event: FeedEvent) => told.push(event)
  const run = (input: unknown, action = orderCreate) =>
    database.transaction(worker, async tx =>
      action.run(tx, uuids, { ...shop, conversationId, tell, input: input as never }),
    )
  const made = await run({ items: [{ product_id: product, quantity: 2 }], notes: 'soon' })
  expect(made).toEqual({
    ok: true,
    value: {
      ...{ id: expect.any(String), number: 1, total_minor: 200, currency: 'COP', status: 'pending' },
      items: [{ product_id: product, name: 'Product 0', quantity: 2, price_minor: 100 }],
    },
  })
  const read = statement({
    name: 'test_order_conversation',
    params: ['conversation_id'],
    row: { notes: 'text' },
    sql: 'select notes from orders where conversation_id = $1',
  })
  const rows = await database.transaction(worker, tx => tx.run(read, { conversation_id: conversationId }))
  expect(rows).toEqual([{ notes: 'soon' }])
  expect(await run({ items: [{ product_id: product, quantity: 9 }] })).toEqual({
    ...{ ok: false, code: 'out_of_stock', message: 'Product 0: 3 left.' },
    data: { shortages: [{ product_id: product, name: 'Product 0', wanted: 9, stock: 3 }] },
  })
  expect(await run({ items: 'all' })).toMatchObject({ ok: false, code: 'invalid_input' })
  expect(told).toMatchObject([
    {
      type: 'order.created',
      data: { number: 1, conversation_id: conversationId, customer_id: shop.customerId, notes: 'soon' },
    },
  ])
  expect(await run({}, catalogList)).toMatchObject({ ok: true, value: { products: [{ id: product, stock: 3 }] } })
})

test('the catalogue shows active products, those in stock first, by a part of their name', async () => {
  const shop = await openShop(0, 5, 1)
  const list = async (input: { search?: string; limit?: number }) => {
    const result = await database.transaction(worker, async tx =>
      catalogList.run(tx, uuids, { ...shop, conversationId: '', input }),
    )
    return JSON.stringify(result).match(/Product \d/g)
  }
  expect(await list({})).toEqual(['Product 1', 'Product 2', 'Product 0'])
  expect(await list({ limit: 1 })).toEqual(['Product 1'])
  expect(await list({ search: 'product 2' })).toEqual(['Product 2'])
  expect(await list({ search: '%' })).toBeNull()
})
