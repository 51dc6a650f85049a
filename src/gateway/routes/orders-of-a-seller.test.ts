import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'

// An agent who is tied to a seller makes, sees and changes that seller's orders, and no other's.

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

type Shop = {
  readonly owner: Caller
  readonly agent: Caller
  readonly own: string
  readonly other: string
  order(as: Caller, seller_id?: string | null): ReturnType<TestGateway['call']>
}

async function openShop(): Promise<Shop> {
  const owner = await gateway.addCaller()
  const add = async (path: string, body: unknown) => textAt(await gateway.call('POST', path, { as: owner, body }), 'id')
  const product_id = await add('/api/products', { sku: 'tea', name: 'Tea', price_minor: 1, currency: 'COP', stock: 99 })
  const customer_id = await add('/api/customers', { name: 'Ana' })
  const [own, other] = [await add('/api/sellers', { name: 'Own' }), await add('/api/sellers', { name: 'Other' })]
  const agent = await gateway.addCaller('agent', owner.tenantId)
  const tied = await gateway.call('PUT', `/api/users/${agent.userId}`, { as: owner, body: { seller_id: own } })
  expect(tied.status).toBe(200)
  return {
    ...{ owner, agent, own, other },
    order: (as, seller_id) =>
      gateway.call('POST', '/api/orders', {
        as,
        body: { customer_id, items: [{ product_id, quantity: 1 }], ...(seller_id !== undefined && { seller_id }) },
      }),
  }
}

const put = (as: Caller, id: string, body: unknown) => gateway.call('PUT', `/api/orders/${id}`, { as, body })

test("another's order, and one that is nobody's, is not there", async () => {
  const shop = await openShop()
  for (const seller of [shop.other, null]) {
    const id = textAt(await shop.order(shop.owner, seller), 'id')
    expect((await gateway.call('GET', `/api/orders/${id}`, { as: shop.agent })).status).toBe(404)
    expect((await put(shop.agent, id, { status: 'confirmed' })).status).toBe(404)
    expect(at(await gateway.call('GET', `/api/orders/${id}`, { as: shop.owner }), 'status')).toBe('pending')
  }
})

test('the list has their own only, whatever it is filtered by', async () => {
  const shop = await openShop()
  const own = textAt(await shop.order(shop.owner, shop.own), 'id')
  const other = textAt(await shop.order(shop.owner, shop.other), 'id')
  const nobodys = textAt(await shop.order(shop.owner), 'id')
  const list = async (as: Caller, query = '') => column(await gateway.call('GET', `/api/orders${query}`, { as }), 'id')
  expect(await list(shop.owner)).toEqual([nobodys, other, own])
  expect(await list(shop.agent)).toEqual([own])
  for (const query of [
    '?status=pending',
    '?q=ana',
    `?seller_id=${shop.own}`,
    '?number=1',
    '?from=2020-01-01T00:00:00Z',
  ])
    expect([query, await list(shop.agent, query)]).toEqual([query, [own]])
  for (const query of [`?seller_id=${shop.other}`, '?number=2', '?status=paid'])
    expect([query, await list(shop.agent, query)]).toEqual([query, []])
})

test('what one agent was answered is not the answer of another', async () => {
  const shop = await openShop()
  const colleague = await gateway.addCaller('agent', shop.owner.tenantId)
  const tied = { as: shop.owner, body: { seller_id: shop.other } }
  expect((await gateway.call('PUT', `/api/users/${colleague.userId}`, tied)).status).toBe(200)
  const [own, other] = [
    textAt(await shop.order(shop.owner, shop.own), 'id'),
    textAt(await shop.order(shop.owner, shop.other), 'id'),
  ]
  for (let round = 0; round < 2; round++) {
    expect(column(await gateway.call('GET', '/api/orders', { as: shop.agent }), 'id')).toEqual([own])
    expect(column(await gateway.call('GET', '/api/orders', { as: colleague }), 'id')).toEqual([other])
  }
  expect((await gateway.call('GET', `/api/orders/${own}`, { as: shop.agent })).status).toBe(200)
  expect((await gateway.call('GET', `/api/orders/${own}`, { as: colleague })).status).toBe(404)
})

test('they make orders of their own seller, said or not, and of no other', async () => {
  const shop = await openShop()
  expect(at(await shop.order(shop.agent), 'seller_id')).toBe(shop.own)
  expect(at(await shop.order(shop.agent, shop.own), 'seller_id')).toBe(shop.own)
  for (const seller of [shop.other, null]) {
    const refused = await shop.order(shop.agent, seller)
    expect([refused.status, at(refused, 'errors.0.path')]).toEqual([422, 'seller_id'])
  }
})

test('they move their own orders on, and give none away', async () => {
  const shop = await openShop()
  const made = await shop.order(shop.agent)
  const id = textAt(made, 'id')
  const moved = await put(shop.agent, id, { ...JSON.parse(made.text), status: 'confirmed' })
  expect([moved.status, at(moved, 'status'), at(moved, 'seller_id')]).toEqual([200, 'confirmed', shop.own])
  for (const seller_id of [shop.other, null]) expect((await put(shop.agent, id, { seller_id })).status).toBe(422)
  expect((await put(shop.owner, id, { seller_id: shop.other })).status).toBe(200)
  expect((await gateway.call('GET', `/api/orders/${id}`, { as: shop.agent })).status).toBe(404)
})

test('an inactive seller gets no new orders, and keeps those there are', async () => {
  const shop = await openShop()
  const made = await shop.order(shop.owner, shop.own)
  const off = { as: shop.owner, body: { active: false } }
  expect((await gateway.call('PUT', `/api/sellers/${shop.own}`, off)).status).toBe(200)
  for (const as of [shop.owner, shop.agent]) {
    const refused = await shop.order(as, shop.own)
    expect([refused.status, at(refused, 'errors.0.path')]).toEqual([422, 'seller_id'])
  }
  const moved = await put(shop.agent, textAt(made, 'id'), { ...JSON.parse(made.text), status: 'confirmed' })
  expect([moved.status, at(moved, 'seller_id')]).toEqual([200, shop.own])
})

test("another tenant's seller, and one that is none, gets no order", async () => {
  const [shop, stranger] = [await openShop(), await openShop()]
  const id = textAt(await shop.order(shop.owner), 'id')
  for (const seller_id of [stranger.own, crypto.randomUUID()]) {
    const refused = [await shop.order(shop.owner, seller_id), await put(shop.owner, id, { seller_id })]
    for (const answer of refused) expect([answer.status, at(answer, 'errors.0.path')]).toEqual([422, 'seller_id'])
  }
})
