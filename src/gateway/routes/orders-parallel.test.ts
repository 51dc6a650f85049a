import { afterAll, beforeAll, expect, test } from 'bun:test'
import {
  type Answer,
  at,
  type Caller,
  column,
  openTestGateway,
  type TestGateway,
  textAt,
} from '../../../test/support/gateway.ts'
import { listAudit } from '../../identity/audit.ts'

// What many requests at the same moment come to.

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

type Shop = { readonly as: Caller; readonly customer_id: string; readonly products: readonly string[] }

async function openShop(...stocks: readonly number[]): Promise<Shop> {
  const as = await gateway.addCaller()
  const products: string[] = []
  for (const [index, stock] of stocks.entries()) {
    const body = { sku: `sku-${index}`, name: `Product ${index}`, price_minor: 100, currency: 'COP', stock }
    products.push(textAt(await gateway.call('POST', '/api/products', { as, body }), 'id'))
  }
  const customer_id = textAt(await gateway.call('POST', '/api/customers', { as, body: { name: 'Ana' } }), 'id')
  return { as, customer_id, products }
}

function order({ as, customer_id }: Shop, product_ids: readonly string[], headers: Record<string, string> = {}) {
  const items = product_ids.map(product_id => ({ product_id, quantity: 1 }))
  return gateway.call('POST', '/api/orders', { as, headers, body: { customer_id, items } })
}

const times = <T>(count: number, make: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, i) => make(i)))
const withStatus = (answers: readonly Answer[], status: number) => answers.filter(answer => answer.status === status)
const stockOf = async ({ as }: Shop, id: string | undefined) =>
  at(await gateway.call('GET', `/api/products/${id}`, { as }), 'stock')

async function auditOf({ as: { tenantId } }: Shop, action: string) {
  const page = { tenantId, beforeId: null, limit: 100, actorId: null, resource: null, resourceId: null }
  return await gateway.database.read({ role: 'app', tenantId }, tx =>
    listAudit(tx, { ...page, action, from: null, to: null }),
  )
}

test('of a hundred orders for ten pieces ten are made, numbered without a gap, and the stock ends at zero', async () => {
  const shop = await openShop(10)
  const answers = await times(100, () => order(shop, shop.products))
  const made = withStatus(answers, 201)
  expect(made.map(answer => at(answer, 'number')).sort((a, b) => Number(a) - Number(b))).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
  ])
  expect(withStatus(answers, 409).map(answer => at(answer, 'detail'))).toEqual(
    Array.from({ length: 90 }, () => 'Product 0: 1 wanted, 0 left.'),
  )
  expect(await stockOf(shop, shop.products[0])).toBe(0)
  expect(column(await gateway.call('GET', '/api/orders?limit=100', { as: shop.as }), 'id')).toHaveLength(10)
  expect(await auditOf(shop, 'order.created')).toHaveLength(10)
})

test('of a hundred orders for two products in either order, each takes both or neither', async () => {
  const shop = await openShop(30, 50)
  const reversed = [...shop.products].reverse()
  const answers = await times(100, index => order(shop, index % 2 === 0 ? shop.products : reversed))
  expect(withStatus(answers, 201)).toHaveLength(30)
  expect(withStatus(answers, 409)).toHaveLength(70)
  expect([await stockOf(shop, shop.products[0]), await stockOf(shop, shop.products[1])]).toEqual([0, 20])
})

test('one Idempotency-Key used fifty times at once makes one order, and everybody is answered it', async () => {
  const shop = await openShop(100)
  const answers = await times(50, () => order(shop, shop.products, { 'idempotency-key': 'checkout-1' }))
  expect(withStatus(answers, 201)).toHaveLength(50)
  expect(new Set(answers.map(answer => answer.text)).size).toBe(1)
  expect(await stockOf(shop, shop.products[0])).toBe(99)
  const ids = column(await gateway.call('GET', '/api/orders', { as: shop.as }), 'id')
  expect(ids).toEqual([...new Set(answers.map(answer => at(answer, 'id')))])
})

test('an order that is cancelled by twenty at once gives its pieces back once, and is in the audit log as cancelled once', async () => {
  const shop = await openShop(5)
  const made = await order(shop, shop.products)
  const path = `/api/orders/${textAt(made, 'id')}`
  expect(await stockOf(shop, shop.products[0])).toBe(4)
  const answers = await times(20, () =>
    gateway.call('PUT', path, { as: shop.as, body: { status: 'cancelled' }, headers: { 'if-match': '*' } }),
  )
  expect(withStatus(answers, 200)).toHaveLength(20)
  expect(await stockOf(shop, shop.products[0])).toBe(5)
  const moves = (await auditOf(shop, 'order.updated')).map(entry => [entry.before?.status, entry.after?.status])
  expect(moves.filter(([before, after]) => before !== after)).toEqual([['pending', 'cancelled']])
})

test('of a move and a cancellation at the same moment both are done in turn, or the later is refused', async () => {
  const shop = await openShop(20)
  for (let round = 0; round < 10; round++) {
    const path = `/api/orders/${textAt(await order(shop, shop.products), 'id')}`
    const move = (status: string) => gateway.call('PUT', path, { as: shop.as, body: { status } })
    const [confirmed, cancelled] = await Promise.all([move('confirmed'), move('cancelled')])
    expect([200, 409]).toContain(confirmed.status)
    expect(cancelled.status).toBe(200)
    expect(at(await gateway.call('GET', path, { as: shop.as }), 'status')).toBe('cancelled')
  }
  expect(await stockOf(shop, shop.products[0])).toBe(20)
})

test('orders and cancellations of the same products at once leave in stock what no order holds', async () => {
  const shop = await openShop(40, 40)
  const answers = await times(60, async index => {
    const made = await order(shop, index % 2 === 0 ? shop.products : [...shop.products].reverse())
    if (made.status === 201 && index % 3 === 0)
      await gateway.call('PUT', `/api/orders/${textAt(made, 'id')}`, { as: shop.as, body: { status: 'cancelled' } })
    return made
  })
  expect(answers.length).toBe(withStatus(answers, 201).length + withStatus(answers, 409).length)
  const orders = await gateway.call('GET', '/api/orders?limit=100', { as: shop.as })
  const held = column(orders, 'status').filter(status => status !== 'cancelled').length
  expect([await stockOf(shop, shop.products[0]), await stockOf(shop, shop.products[1])]).toEqual([40 - held, 40 - held])
})
