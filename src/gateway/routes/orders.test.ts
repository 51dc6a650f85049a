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

test('orders are listed newest first, by status and by customer', async () => {
  const shop = await openShop()
  const ids = [textAt(await order(shop, 1), 'id'), textAt(await order(shop, 1), 'id')].reverse()
  const list = async (query: string) => column(await gateway.call('GET', `/api/orders${query}`, { as: shop.as }), 'id')
  expect(await list('')).toEqual(ids)
  expect(await list('?status=confirmed')).toEqual([])
  expect(await list(`?status=pending&customer_id=${shop.customer_id}`)).toEqual(ids)
  expect(await list(`?customer_id=${crypto.randomUUID()}`)).toEqual([])
})
