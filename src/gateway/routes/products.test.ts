import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

const coffee = { sku: 'coffee', name: 'Café', price_minor: 9_500, currency: 'COP', stock: 3 }

test('nobody reads or writes products without logging in', async () => {
  expect((await gateway.call('GET', '/api/products')).status).toBe(401)
  expect((await gateway.call('POST', '/api/products', { body: coffee })).status).toBe(401)
})

test('agents and viewers read products, and change none', async () => {
  const owner = await gateway.addCaller()
  const id = textAt(await gateway.call('POST', '/api/products', { as: owner, body: coffee }), 'id')
  for (const role of ['agent', 'viewer'] as const) {
    const as = await gateway.addCaller(role, owner.tenantId)
    expect((await gateway.call('GET', `/api/products/${id}`, { as })).status).toBe(200)
    for (const [method, path] of [
      ['POST', ''],
      ['PUT', `/${id}`],
      ['DELETE', `/${id}`],
    ] as const)
      expect((await gateway.call(method, `/api/products${path}`, { as, body: coffee })).status).toBe(403)
  }
})

test("another tenant's product is not there", async () => {
  const [owner, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
  const id = textAt(await gateway.call('POST', '/api/products', { as: owner, body: coffee }), 'id')
  for (const method of ['GET', 'PUT', 'DELETE'])
    expect(
      (await gateway.call(method, `/api/products/${id}`, { as: stranger, body: method === 'GET' ? undefined : {} }))
        .status,
    ).toBe(404)
  expect((await gateway.call('GET', '/api/products/not-an-id', { as: owner })).status).toBe(404)
  expect(column(await gateway.call('GET', '/api/products', { as: stranger }), 'id')).toEqual([])
  expect((await gateway.call('GET', `/api/products/${id}`, { as: owner })).status).toBe(200)
})

test('every field that is wrong is named', async () => {
  const as = await gateway.addCaller()
  const wrong = { sku: '', name: 5, price_minor: 1.5, currency: 'pesos', stock: -1, image_url: 'javascript:alert(1)' }
  const answer = await gateway.call('POST', '/api/products', { as, body: { ...wrong, prize: 1 } })
  expect(answer.status).toBe(422)
  expect(
    JSON.parse(answer.text)
      .errors.map((error: { path: string }) => error.path)
      .sort(),
  ).toEqual(['currency', 'image_url', 'name', 'price_minor', 'prize', 'sku', 'stock'])
})

test('an SKU is one product of a tenant, and another of another tenant', async () => {
  const [owner, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
  expect((await gateway.call('POST', '/api/products', { as: owner, body: coffee })).status).toBe(201)
  const again = await gateway.call('POST', '/api/products', { as: owner, body: coffee })
  expect([again.status, at(again, 'errors.0.path')]).toEqual([409, 'sku'])
  expect((await gateway.call('POST', '/api/products', { as: stranger, body: coffee })).status).toBe(201)
  const tea = await gateway.call('POST', '/api/products', { as: owner, body: { ...coffee, sku: 'tea' } })
  const renamed = await gateway.call('PUT', `/api/products/${textAt(tea, 'id')}`, {
    as: owner,
    body: { sku: 'coffee' },
  })
  expect(renamed.status).toBe(409)
})

test('a product is added, read, changed in part or sent back whole, and removed', async () => {
  const as = await gateway.addCaller()
  const made = await gateway.call('POST', '/api/products', { as, body: coffee })
  expect(made.status).toBe(201)
  expect(made.json).toMatchObject({ ...coffee, description: '', active: true, image_url: null })
  const path = `/api/products/${textAt(made, 'id')}`
  const changed = await gateway.call('PUT', path, {
    as,
    body: { price_minor: 10_000, image_url: 'https://x.example/a.png' },
  })
  expect(changed.json).toMatchObject({ ...coffee, price_minor: 10_000, image_url: 'https://x.example/a.png' })
  const read = await gateway.call('GET', path, { as })
  const sentBack = await gateway.call('PUT', path, { as, body: { ...JSON.parse(read.text), image_url: null } })
  expect(sentBack.json).toMatchObject({ price_minor: 10_000, image_url: null })
  expect((await gateway.call('DELETE', path, { as })).status).toBe(204)
  expect((await gateway.call('GET', path, { as })).status).toBe(404)
})

test('a product that was ordered stays when it is removed, inactive', async () => {
  const as = await gateway.addCaller()
  const id = textAt(await gateway.call('POST', '/api/products', { as, body: coffee }), 'id')
  const customer_id = textAt(await gateway.call('POST', '/api/customers', { as, body: { name: 'Ana' } }), 'id')
  const items = [{ product_id: id, quantity: 1 }]
  expect((await gateway.call('POST', '/api/orders', { as, body: { customer_id, items } })).status).toBe(201)
  expect((await gateway.call('DELETE', `/api/products/${id}`, { as })).status).toBe(204)
  expect(at(await gateway.call('GET', `/api/products/${id}`, { as }), 'active')).toBe(false)
  expect((await gateway.call('POST', '/api/orders', { as, body: { customer_id, items } })).status).toBe(422)
})

test('a list is read page by page, each product once, while others are added', async () => {
  const as = await gateway.addCaller()
  const add = async (sku: string) =>
    textAt(await gateway.call('POST', '/api/products', { as, body: { ...coffee, sku } }), 'id')
  const ids: string[] = []
  for (let number = 0; number < 7; number++) ids.unshift(await add(`sku-${number}`))
  const seen: unknown[] = []
  let cursor: unknown = ''
  for (let page = 0; cursor !== null; page++) {
    const query = cursor === '' ? '' : `&cursor=${cursor}`
    const answer = await gateway.call('GET', `/api/products?limit=3${query}`, { as })
    seen.push(...column(answer, 'id'))
    cursor = at(answer, 'next_cursor')
    await add(`late-${page}`)
  }
  expect(seen).toEqual(ids)
})

test('products are found by SKU, by part of their name or SKU, and by whether they are sold and in stock', async () => {
  const as = await gateway.addCaller()
  const add = async (body: object) =>
    textAt(await gateway.call('POST', '/api/products', { as, body: { ...coffee, ...body } }), 'id')
  const first = await add({ sku: 'CAFÉ-1', stock: 0 })
  const tea = await add({ sku: 'tea', name: 'Té verde' })
  const old = await add({ sku: 'tea-old', name: 'Té viejo', active: false })
  const gone = await add({ sku: 'gone', name: 'Yerba', active: false, stock: 0 })
  const list = async (query: string) => column(await gateway.call('GET', `/api/products${query}`, { as }), 'id')
  expect(await list('?active=true')).toEqual([tea, first])
  expect(await list('?active=false')).toEqual([gone, old])
  expect(await list('?in_stock=true')).toEqual([old, tea])
  expect(await list('?in_stock=false')).toEqual([gone, first])
  expect(await list('?active=true&in_stock=false')).toEqual([first])
  expect(await list('?active=false&in_stock=true&limit=1')).toEqual([old])
  expect(await list('?sku=tea')).toEqual([tea])
  expect(await list('?sku=TEA')).toEqual([])
  expect(await list('?sku=tea&active=false')).toEqual([])
  expect(await list('?q=TE')).toEqual([old, tea])
  expect(await list('?q=te&active=true')).toEqual([tea])
  expect(await list('?q=cafe-1')).toEqual([first])
  expect(await list('?q=%25')).toEqual([])
  expect((await gateway.call('GET', '/api/products?in_stock=1', { as })).status).toBe(422)
})

test('what is in stock follows each sale and each change', async () => {
  const as = await gateway.addCaller()
  const id = textAt(await gateway.call('POST', '/api/products', { as, body: coffee }), 'id')
  const customer_id = textAt(await gateway.call('POST', '/api/customers', { as, body: { name: 'Ana' } }), 'id')
  const inStock = async () => column(await gateway.call('GET', '/api/products?in_stock=true', { as }), 'id')
  expect(await inStock()).toEqual([id])
  const order = { customer_id, items: [{ product_id: id, quantity: coffee.stock }] }
  const made = await gateway.call('POST', '/api/orders', { as, body: order })
  expect(await inStock()).toEqual([])
  await gateway.call('PUT', `/api/orders/${textAt(made, 'id')}`, { as, body: { status: 'cancelled' } })
  expect(await inStock()).toEqual([id])
  await gateway.call('PUT', `/api/products/${id}`, { as, body: { stock: 0 } })
  expect(await inStock()).toEqual([])
})

test('a cancelled order gives back no more pieces than a product can have', async () => {
  const as = await gateway.addCaller()
  const id = textAt(await gateway.call('POST', '/api/products', { as, body: coffee }), 'id')
  const customer_id = textAt(await gateway.call('POST', '/api/customers', { as, body: { name: 'Ana' } }), 'id')
  const order = { customer_id, items: [{ product_id: id, quantity: 1 }] }
  const made = await gateway.call('POST', '/api/orders', { as, body: order })
  await gateway.call('PUT', `/api/products/${id}`, { as, body: { stock: 1_000_000_000 } })
  const cancelled = { as, body: { status: 'cancelled' } }
  expect((await gateway.call('PUT', `/api/orders/${textAt(made, 'id')}`, cancelled)).status).toBe(200)
  expect(at(await gateway.call('GET', `/api/products/${id}`, { as }), 'stock')).toBe(1_000_000_000)
})
