import { afterAll, beforeAll, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../test/support/gateway.ts'

// Whoever reads a list page by page sees every row that was there when they began, once and in order, whatever is added
// meanwhile: before a page is read, and while it is.

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

type Row = Readonly<Record<string, unknown>>
/** What rows are made with, in one tenant. */
type World = { readonly as: Caller; readonly product: string; readonly customer: string; readonly seller: string }
type List = {
  readonly path: string
  /** The body of one row: `kind` is any number. */
  readonly body: (world: World, kind: number) => object
  /** Filters, each with what it lets through. */
  readonly filters: (world: World) => readonly (readonly [query: string, fits: (row: Row) => boolean])[]
}

let made = 0
const all = ['', () => true] as const

const lists: readonly List[] = [
  {
    path: '/api/products',
    body: (_world, kind) => ({
      ...{ sku: `sku-${made++}`, name: 'Product', price_minor: 1, currency: 'EUR' },
      ...{ active: kind % 2 === 0, stock: kind % 3 },
    }),
    filters: () => [
      all,
      ['active=true', row => row.active === true],
      ['in_stock=false', row => row.stock === 0],
      ['active=false&in_stock=true', row => row.active === false && row.stock !== 0],
      ['q=SKU', row => String(row.sku).includes('sku')],
    ],
  },
  {
    path: '/api/orders',
    body: ({ customer, product, seller }, kind) => ({
      customer_id: customer,
      seller_id: kind % 2 === 0 ? seller : null,
      items: [{ product_id: product, quantity: 1 }],
    }),
    filters: ({ customer, seller }) => [
      all,
      ['status=pending', () => true],
      [`customer_id=${customer}`, () => true],
      [`seller_id=${seller}`, row => row.seller_id === seller],
      [`seller_id=${seller}&status=pending`, row => row.seller_id === seller],
      ['q=customer&from=2020-01-01T00:00:00Z', () => true],
    ],
  },
  {
    path: '/api/customers',
    body: (_world, kind) => ({ name: kind % 2 === 0 ? 'Ana' : 'Luz' }),
    filters: () => [all, ['q=ana', row => row.name === 'Ana']],
  },
  {
    path: '/api/sellers',
    body: (_world, kind) => ({ name: 'Seller', active: kind % 2 === 0 }),
    filters: () => [all, ['active=true', row => row.active === true]],
  },
]

async function makeWorld(): Promise<World> {
  const as = await gateway.addCaller()
  const add = async (path: string, body: object) => textAt(await gateway.call('POST', path, { as, body }), 'id')
  const product = { sku: 'first', name: 'Product', price_minor: 1, currency: 'EUR', stock: 1_000 }
  return {
    as,
    product: await add('/api/products', product),
    customer: await add('/api/customers', { name: 'Customer' }),
    seller: await add('/api/sellers', { name: 'Seller' }),
  }
}

const run = fc.record({
  before: fc.array(fc.nat(5), { maxLength: 20 }),
  limit: fc.integer({ min: 1, max: 6 }),
  filter: fc.nat(),
  /** What is added at each page: first before it is read, then while it is. */
  meanwhile: fc.array(fc.tuple(fc.array(fc.nat(5), { maxLength: 2 }), fc.array(fc.nat(5), { maxLength: 2 })), {
    maxLength: 12,
  }),
})

for (const list of lists)
  test(`${list.path} is read page by page with each row once, while others are added`, async () => {
    await fc.assert(
      fc.asyncProperty(run, async ({ before, limit, filter, meanwhile }) => {
        const world = await makeWorld()
        const { as } = world
        const add = (kind: number) => gateway.call('POST', list.path, { as, body: list.body(world, kind) })
        for (const kind of before) expect((await add(kind)).status).toBe(201)
        const filters = list.filters(world)
        const [query, fits] = filters[filter % filters.length] ?? all
        const old = (await readAll(list.path, as)).filter(fits).map(row => row.id)

        const seen: unknown[] = []
        let cursor: unknown = null
        for (let page = 0; page === 0 || cursor !== null; page++) {
          const [first, second] = meanwhile[page] ?? [[], []]
          for (const kind of first) await add(kind)
          const path = `${list.path}?limit=${limit}&${query}${cursor === null ? '' : `&cursor=${cursor}`}`
          const [answer] = await Promise.all([gateway.call('GET', path, { as }), ...second.map(add)])
          expect(column(answer, 'id').length).toBeLessThanOrEqual(limit)
          seen.push(...column(answer, 'id'))
          cursor = at(answer, 'next_cursor')
        }
        expect(seen.filter(id => old.includes(id))).toEqual(old)
        expect(new Set(seen).size).toBe(seen.length)
      }),
      { numRuns: 25 },
    )
  })

async function readAll(path: string, as: Caller): Promise<readonly Row[]> {
  const answer = await gateway.call('GET', `${path}?limit=100`, { as })
  expect(at(answer, 'next_cursor')).toBeNull()
  return JSON.parse(answer.text).data
}
