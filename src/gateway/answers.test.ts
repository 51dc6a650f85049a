import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, openTestGateway, type TestGateway, textAt } from '../../test/support/gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

const product = (sku: string) => ({ sku, name: `Product ${sku}`, price_minor: 100, currency: 'EUR' })

async function addProduct(as: Caller, sku: string): Promise<string> {
  return textAt(await gateway.call('POST', '/api/products', { as, body: product(sku) }), 'id')
}

async function cacheFigures(): Promise<{ hits: number; misses: number }> {
  const text = await (await gateway.fetch('/metrics')).text()
  const read = (name: string) => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1] ?? 0)
  return { hits: read('cache_hits_total'), misses: read('cache_misses_total') }
}

test('the second of two equal reads comes from the cache, and is the same', async () => {
  const as = await gateway.addCaller()
  await addProduct(as, 'a')
  const first = await gateway.call('GET', '/api/products', { as })
  const before = await cacheFigures()
  const second = await gateway.call('GET', '/api/products', { as })
  expect(await cacheFigures()).toEqual({ hits: before.hits + 1, misses: before.misses })
  expect(second.text).toBe(first.text)
  for (const name of ['etag', 'content-type', 'cache-control', 'x-content-type-options', 'content-security-policy'])
    expect([name, second.headers.get(name)]).toEqual([name, first.headers.get(name)])
  expect(second.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'))
})

test('the answer after a write is never from before it', async () => {
  const as = await gateway.addCaller()
  const id = await addProduct(as, 'a')
  for (let round = 1; round <= 20; round++) {
    await gateway.call('GET', `/api/products/${id}`, { as })
    await gateway.call('GET', '/api/products', { as })
    await gateway.call('PUT', `/api/products/${id}`, { as, body: { stock: round } })
    expect(at(await gateway.call('GET', `/api/products/${id}`, { as }), 'stock')).toBe(round)
    expect(at(await gateway.call('GET', '/api/products', { as }), 'data.0.stock')).toBe(round)
  }
})

test('nor while many others read at the same time', async () => {
  const as = await gateway.addCaller()
  const id = await addProduct(as, 'a')
  let isDone = false
  const readers = Array.from({ length: 16 }, async () => {
    while (!isDone) await Promise.all([gateway.call('GET', `/api/products/${id}`, { as }), Bun.sleep(0)])
  })
  for (let round = 1; round <= 50; round++) {
    await gateway.call('PUT', `/api/products/${id}`, { as, body: { stock: round } })
    expect(at(await gateway.call('GET', `/api/products/${id}`, { as }), 'stock')).toBe(round)
  }
  isDone = true
  await Promise.all(readers)
})

test('an order changes what products show', async () => {
  const as = await gateway.addCaller()
  const id = await addProduct(as, 'a')
  await gateway.call('PUT', `/api/products/${id}`, { as, body: { stock: 5 } })
  const customer = textAt(
    await gateway.call('POST', '/api/customers', { as, body: { name: 'C', phone: '+573001234567' } }),
    'id',
  )
  await gateway.call('GET', `/api/products/${id}`, { as })
  const body = { customer_id: customer, items: [{ product_id: id, quantity: 2 }] }
  expect((await gateway.call('POST', '/api/orders', { as, body })).status).toBe(201)
  expect(at(await gateway.call('GET', `/api/products/${id}`, { as }), 'stock')).toBe(3)
})

test("no tenant is answered another's list, though the query is the same", async () => {
  const [one, other] = [await gateway.addCaller(), await gateway.addCaller()]
  await addProduct(one, 'mine')
  expect(at(await gateway.call('GET', '/api/products', { as: one }), 'data.0.sku')).toBe('mine')
  expect(at(await gateway.call('GET', '/api/products', { as: other }), 'data')).toEqual([])
})

test('who knows the answer is told that it is still so, with or without the cache', async () => {
  const as = await gateway.addCaller()
  const id = await addProduct(as, 'a')
  const etag = (await gateway.call('GET', `/api/products/${id}`, { as })).headers.get('etag') ?? ''
  expect(etag).toMatch(/^"[\w-]{22}"$/)
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
    const same = await gateway.call('GET', `/api/products/${id}`, { as, headers: { 'if-none-match': known } })
    expect([same.status, same.text, same.headers.get('etag')]).toEqual([304, '', etag])
  }
  await gateway.call('PUT', `/api/products/${id}`, { as, body: { stock: 9 } })
  const changed = await gateway.call('GET', `/api/products/${id}`, { as, headers: { 'if-none-match': etag } })
  expect(changed.status).toBe(200)
  expect(changed.headers.get('etag')).not.toBe(etag)
})

test('who may not read is not answered from the cache', async () => {
  const as = await gateway.addCaller()
  await gateway.call('GET', '/api/products', { as })
  expect((await gateway.call('GET', '/api/products')).status).toBe(401)
})

test('what many miss at once is read once', async () => {
  const as = await gateway.addCaller()
  await addProduct(as, 'a')
  await gateway.call('GET', '/api/products?limit=99', { as })
  const before = await cacheFigures()
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => gateway.call('GET', '/api/products?limit=50', { as })),
  )
  expect(new Set(answers.map(answer => answer.text)).size).toBe(1)
  expect((await cacheFigures()).misses).toBe(before.misses + 1)
})

test('an error is not kept', async () => {
  const as = await gateway.addCaller()
  for (let tries = 0; tries < 2; tries++)
    expect((await gateway.call('GET', '/api/products?limit=0', { as })).status).toBe(422)
})

test('what no database can store is taken out of a query, as out of a body', async () => {
  const as = await gateway.addCaller()
  for (const path of ['/api/products?q=%00', '/api/sellers?q=a%00b', '/api/customers?q=%00%FF', '/api/orders?q=%00'])
    expect([path, (await gateway.call('GET', path, { as })).status]).toEqual([path, 200])
})
