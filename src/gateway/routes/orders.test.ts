import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

type Shop = { readonly as: Caller; readonly customer_id: string; readonly product_id: string }

async function openShop(stock = 10): Promise<Shop> {
  const as = await gateway.addCaller()
  const product = { sku: 'tea', name: 'Tea', price_minor: 250, currency: 'COP', stock }
  const product_id = textAt(await gateway.call('POST', '/api/products', { as, body: product }), 'id')
  const customer_id = textAt(await gateway.call('POST', '/api/customers', { as, body: { name: 'Ana' } }), 'id')
  return { as, customer_id, product_id }
}

const order = ({ as, customer_id, product_id }: Shop, quantity: number) =>
  gateway.call('POST', '/api/orders', { as, body: { customer_id, items: [{ product_id, quantity }] } })
const stockOf = async ({ as, product_id }: Shop) =>
  at(await gateway.call('GET', `/api/products/${product_id}`, { as }), 'stock')

test('nobody reads or writes orders without logging in', async () => {
  expect((await gateway.call('GET', '/api/orders')).status).toBe(401)
  expect((await gateway.call('POST', '/api/orders', { body: {} })).status).toBe(401)
})

test('agents make orders, viewers read them', async () => {
  const shop = await openShop()
  const agent = await gateway.addCaller('agent', shop.as.tenantId)
  const viewer = await gateway.addCaller('viewer', shop.as.tenantId)
  const made = await order({ ...shop, as: agent }, 1)
  expect(made.status).toBe(201)
  expect((await order({ ...shop, as: viewer }, 1)).status).toBe(403)
  const path = `/api/orders/${textAt(made, 'id')}`
  expect((await gateway.call('GET', path, { as: viewer })).status).toBe(200)
  expect((await gateway.call('PUT', path, { as: viewer, body: { status: 'confirmed' } })).status).toBe(403)
})

test("another tenant's order, product and customer are not there", async () => {
  const [shop, other] = [await openShop(), await openShop()]
  const path = `/api/orders/${textAt(await order(shop, 1), 'id')}`
  expect((await gateway.call('GET', path, { as: other.as })).status).toBe(404)
  expect((await gateway.call('PUT', path, { as: other.as, body: { status: 'cancelled' } })).status).toBe(404)
  const wrongProduct = await order({ ...other, product_id: shop.product_id }, 1)
  expect([wrongProduct.status, at(wrongProduct, 'errors.0.path')]).toEqual([422, 'items.0.product_id'])
  const wrongCustomer = await order({ ...other, customer_id: shop.customer_id }, 1)
  expect([wrongCustomer.status, at(wrongCustomer, 'errors.0.path')]).toEqual([422, 'customer_id'])
  expect([await stockOf(shop), await stockOf(other)]).toEqual([9, 10])
})

test('an order of nothing, of less than one and of a price of its own is refused', async () => {
  const { as, customer_id, product_id } = await openShop()
  const post = (items: unknown) => gateway.call('POST', '/api/orders', { as, body: { customer_id, items } })
  expect((await post([])).status).toBe(422)
  for (const quantity of [0, -1, 1.5, '1']) expect((await post([{ product_id, quantity }])).status).toBe(422)
  const priced = await post([{ product_id, quantity: 1, price_minor: 1 }])
  expect(at(priced, 'errors.0.path')).toBe('items.0.price_minor')
})

test('products in two currencies make no order', async () => {
  const { as, customer_id, product_id } = await openShop()
  const imported = { sku: 'coffee', name: 'Coffee', price_minor: 5, currency: 'USD', stock: 1 }
  const other = textAt(await gateway.call('POST', '/api/products', { as, body: imported }), 'id')
  const items = [product_id, other].map(id => ({ product_id: id, quantity: 1 }))
  const refused = await gateway.call('POST', '/api/orders', { as, body: { customer_id, items } })
  expect([refused.status, at(refused, 'errors.0.path')]).toEqual([422, 'items'])
})

test('an order of more than there is says how much is left, and takes nothing', async () => {
  const shop = await openShop(3)
  const refused = await order(shop, 4)
  expect([refused.status, at(refused, 'detail')]).toEqual([409, 'Tea: 4 wanted, 3 left.'])
  expect(await stockOf(shop)).toBe(3)
})

test('prices and the total are of the server; orders are numbered from 1, in each tenant', async () => {
  const shop = await openShop()
  const first = await order(shop, 2)
  expect(first.json).toMatchObject({
    number: 1,
    status: 'pending',
    total_minor: 500,
    currency: 'COP',
    customer_id: shop.customer_id,
    conversation_id: null,
    items: [{ product_id: shop.product_id, name: 'Tea', quantity: 2, price_minor: 250 }],
  })
  expect(at(await order(shop, 1), 'number')).toBe(2)
  expect(at(await order(await openShop(), 1), 'number')).toBe(1)
  await gateway.call('PUT', `/api/products/${shop.product_id}`, { as: shop.as, body: { price_minor: 9 } })
  const read = await gateway.call('GET', `/api/orders/${textAt(first, 'id')}`, { as: shop.as })
  expect(at(read, 'total_minor')).toBe(500)
})

test('an order moves one step at a time, and never back', async () => {
  const shop = await openShop()
  const path = `/api/orders/${textAt(await order(shop, 1), 'id')}`
  const move = async (status: string) => (await gateway.call('PUT', path, { as: shop.as, body: { status } })).status
  expect(await move('paid')).toBe(409)
  expect(await move('sold')).toBe(422)
  for (const status of ['confirmed', 'confirmed', 'paid', 'shipped', 'delivered']) expect(await move(status)).toBe(200)
  expect(await move('confirmed')).toBe(409)
  expect(await move('cancelled')).toBe(409)
})

test('a cancelled order puts its items back in stock, once', async () => {
  const shop = await openShop(5)
  const path = `/api/orders/${textAt(await order(shop, 4), 'id')}`
  const cancel = () =>
    gateway.call('PUT', path, { as: shop.as, body: { status: 'cancelled', notes: 'changed their mind' } })
  const answers = await Promise.all([cancel(), cancel(), cancel()])
  expect(answers.map(answer => answer.status)).toEqual([200, 200, 200])
  expect(at(answers[0], 'notes')).toBe('changed their mind')
  expect(await stockOf(shop)).toBe(5)
})

test('an unknown product is named by its place among the items, also one that is not sold any more', async () => {
  const { as, customer_id, product_id } = await openShop()
  await gateway.call('PUT', `/api/products/${product_id}`, { as, body: { active: false } })
  const items = [crypto.randomUUID(), product_id].map(id => ({ product_id: id, quantity: 1 }))
  const refused = await gateway.call('POST', '/api/orders', { as, body: { customer_id, items } })
  expect(refused.status).toBe(422)
  expect([0, 1].map(index => at(refused, `errors.${index}.path`))).toEqual(['items.0.product_id', 'items.1.product_id'])
})

test('a move that is refused says which are allowed', async () => {
  const shop = await openShop()
  const path = `/api/orders/${textAt(await order(shop, 1), 'id')}`
  const move = async (status: string) =>
    at(await gateway.call('PUT', path, { as: shop.as, body: { status } }), 'detail')
  expect(await move('shipped')).toBe(
    'An order that is pending cannot become shipped. It can become confirmed or cancelled.',
  )
  await move('cancelled')
  expect(await move('pending')).toBe('An order that is cancelled cannot become pending. It stays as it is.')
})

test('each move is in the audit log, and what was refused is not', async () => {
  const shop = await openShop()
  const path = `/api/orders/${textAt(await order(shop, 1), 'id')}`
  for (const status of ['confirmed', 'shipped', 'paid', 'cancelled'])
    await gateway.call('PUT', path, { as: shop.as, body: { status } })
  const log = await gateway.call('GET', '/api/audit?resource=orders', { as: shop.as })
  const moves = [0, 1, 2, 3].map(index => [
    at(log, `data.${index}.before.status`),
    at(log, `data.${index}.after.status`),
  ])
  expect(column(log, 'action')).toEqual(['order.updated', 'order.updated', 'order.updated', 'order.created'])
  expect(moves).toEqual([
    ['paid', 'cancelled'],
    ['confirmed', 'paid'],
    ['pending', 'confirmed'],
    [undefined, 'pending'],
  ])
})

test('the sockets are told of each order that is made or changed, as the API shows it', async () => {
  const shop = await openShop()
  const told: unknown[] = []
  const unsubscribe = gateway.bus.subscribe(`events:${shop.as.tenantId}`, text => told.push(...JSON.parse(text)))
  const made = await order(shop, 1)
  await order(shop, 1_000)
  const path = `/api/orders/${textAt(made, 'id')}`
  const changed = await gateway.call('PUT', path, { as: shop.as, body: { status: 'confirmed' } })
  await gateway.call('PUT', path, { as: shop.as, body: { status: 'pending' } })
  unsubscribe()
  expect(told).toMatchObject([
    { type: 'order.created', data: made.json },
    { type: 'order.updated', data: changed.json },
  ])
})

test('what making and changing an order answers is what reading it does, with the same ETag', async () => {
  const shop = await openShop()
  const made = await order(shop, 2)
  const path = `/api/orders/${textAt(made, 'id')}`
  const read = await gateway.call('GET', path, { as: shop.as })
  expect([read.text, read.headers.get('etag')]).toEqual([made.text, made.headers.get('etag')])
  const match = { 'if-match': made.headers.get('etag') ?? '' }
  const put = (body: unknown) => gateway.call('PUT', path, { as: shop.as, body, headers: match })
  const changed = await put({ status: 'confirmed', notes: 'at the door' })
  expect(changed.status).toBe(200)
  expect((await put({ status: 'cancelled' })).status).toBe(412)
  expect((await gateway.call('GET', path, { as: shop.as })).text).toBe(changed.text)
  expect(await stockOf(shop)).toBe(8)
})

test('an order is sent back whole, and its notes are taken away', async () => {
  const shop = await openShop()
  const made = await gateway.call('POST', '/api/orders', {
    as: shop.as,
    body: { customer_id: shop.customer_id, items: [{ product_id: shop.product_id, quantity: 1 }], notes: 'quick' },
  })
  expect(at(made, 'notes')).toBe('quick')
  const body = { ...JSON.parse(made.text), notes: null, total_minor: 1 }
  const sentBack = await gateway.call('PUT', `/api/orders/${textAt(made, 'id')}`, { as: shop.as, body })
  expect([at(sentBack, 'notes'), at(sentBack, 'total_minor')]).toEqual([null, 250])
})

const list = async (as: Caller, query = '') => column(await gateway.call('GET', `/api/orders${query}`, { as }), 'id')

test('orders are listed newest first, by status, customer, number and seller, and by several of them', async () => {
  const shop = await openShop()
  const { as } = shop
  const seller = textAt(await gateway.call('POST', '/api/sellers', { as, body: { name: 'Luz' } }), 'id')
  const [first, second, third] = [
    textAt(await order(shop, 1), 'id'),
    textAt(await order(shop, 1), 'id'),
    textAt(await order(shop, 1), 'id'),
  ]
  const put = (id: string, body: unknown) => gateway.call('PUT', `/api/orders/${id}`, { as, body })
  await put(first, { seller_id: seller })
  await put(third, { seller_id: seller, status: 'confirmed' })
  expect(await list(as)).toEqual([third, second, first])
  expect(await list(as, '?status=confirmed')).toEqual([third])
  expect(await list(as, '?status=paid')).toEqual([])
  expect(await list(as, `?status=pending&customer_id=${shop.customer_id}`)).toEqual([second, first])
  expect(await list(as, `?customer_id=${crypto.randomUUID()}`)).toEqual([])
  expect(await list(as, '?number=2')).toEqual([second])
  expect(await list(as, '?number=2&status=confirmed')).toEqual([])
  expect(await list(as, `?seller_id=${seller}`)).toEqual([third, first])
  expect(await list(as, `?seller_id=${seller}&status=pending`)).toEqual([first])
  expect(await list(as, `?seller_id=${seller}&status=pending&number=3`)).toEqual([])
  await put(first, { seller_id: null })
  expect(await list(as, `?seller_id=${seller}`)).toEqual([third])
})

test('orders are found by part of the name or the phone of their customer, as it is now', async () => {
  const shop = await openShop()
  const body = { name: 'Sofía Núñez', phone: '+573005550199' }
  const customer_id = textAt(await gateway.call('POST', '/api/customers', { as: shop.as, body }), 'id')
  const id = textAt(await order({ ...shop, customer_id }, 1), 'id')
  await order(shop, 1)
  for (const q of ['SOFIA', 'núñ', 'nun', '5550199', '%2B5730055'])
    expect([q, await list(shop.as, `?q=${q}`)]).toEqual([q, [id]])
  for (const q of ['sofia ana', '%25', '_']) expect([q, await list(shop.as, `?q=${q}`)]).toEqual([q, []])
  await gateway.call('PUT', `/api/customers/${customer_id}`, { as: shop.as, body: { name: 'Carla' } })
  expect(await list(shop.as, '?q=SOFIA')).toEqual([])
  expect(await list(shop.as, '?q=carla')).toEqual([id])
})

test('orders of a time begin with its first moment, and end before its last', async () => {
  const shop = await openShop(40)
  await Promise.all(Array.from({ length: 40 }, () => order(shop, 1)))
  const all = await gateway.call('GET', '/api/orders?limit=100', { as: shop.as })
  const [ids, times] = [column(all, 'id'), column(all, 'created_at')]
  for (const time of new Set(times)) {
    const since = ids.filter((_, index) => String(times[index]) >= String(time))
    expect(await list(shop.as, `?limit=100&from=${time}`)).toEqual(since)
    expect(await list(shop.as, `?limit=100&to=${time}`)).toEqual(ids.slice(since.length))
    expect(await list(shop.as, `?limit=100&from=${time}&to=${time}`)).toEqual([])
  }
  expect(await list(shop.as, '?limit=100&from=1960-01-01T00:00:00Z&to=9999-12-31T23:59:59Z')).toEqual(ids)
})

test('a time that is none is refused', async () => {
  const { as } = await openShop()
  for (const time of ['yesterday', '2026-01-01', '2026-13-01T00:00:00Z']) {
    const refused = await gateway.call('GET', `/api/orders?from=${time}`, { as })
    expect([refused.status, at(refused, 'errors.0.path')]).toEqual([422, 'from'])
  }
})
