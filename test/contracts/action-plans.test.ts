import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { ReservedSQL, SQL } from 'bun'
import { lockCandidatesFor } from '../../src/commerce/assign-seller.ts'
import { readCart } from '../../src/commerce/carts.ts'
import { findInCatalog, listCatalog, nameCatalog } from '../../src/commerce/catalog.ts'
import { findOwnOrder } from '../../src/commerce/own-orders.ts'
import { uuids } from '../../src/lib/ids.ts'
import { connect, type Transaction } from '../../src/stores/postgres/database.ts'
import { cacheModes, explainList } from '../support/explain.ts'
import { createTestDatabase } from '../support/postgres.ts'

// What PostgreSQL does for the actions of a turn, for a tenant with many products, orders and conversations, and for a small
// one beside it; as the worker asks, and as a request does.

const many = 100_000
const few = 20
const buffersMax = 200
const [large, small] = [uuids.next(), uuids.next()]

type Shop = {
  readonly seller: string
  readonly customer: string
  readonly conversation: string
  readonly product: string
}
const shops = new Map<string, Shop>()
let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let connection: ReservedSQL

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 2)
  connection = await admin.reserve()
  await connection`set session_replication_role = replica`
  await fill(large, many)
  await fill(small, few)
  await connection`set session_replication_role = origin`
  await connection`vacuum (analyze) products, orders, conversations, carts, sellers`
}, 60_000)
afterAll(async () => {
  connection.release()
  await admin.close()
  await created.drop()
})

/** All orders are of one customer. One seller has as many closed conversations and one that is open; another, open ones. */
async function fill(tenant: string, rows: number): Promise<void> {
  const [bot, seller, customer, conversation] = Array.from({ length: 4 }, uuids.next) as [
    string,
    string,
    string,
    string,
  ]
  await connection`insert into tenants (id, name) values (${tenant}, 'Shop')`
  await connection`insert into sellers (tenant_id, id, name) values (${tenant}, ${seller}, 'Seller')`
  await connection`insert into customers (tenant_id, id) values (${tenant}, ${customer})`
  await connection`insert into products (tenant_id, id, sku, name, price_minor, currency, stock)
    select ${tenant}, uuidv7(), 'sku-' || i, 'Product ' || i, 100, 'EUR', i % 3 from generate_series(1, ${rows}::int) i`
  await connection`insert into orders (tenant_id, id, number, customer_id, total_minor, currency)
    select ${tenant}, uuidv7(), i, ${customer}, 100, 'EUR' from generate_series(1, ${rows}::int) i`
  await connection`insert into conversations (tenant_id, id, bot_id, customer_id, seller_id, status)
    select ${tenant}, uuidv7(), ${bot}, ${customer}, ${seller}, 'closed' from generate_series(1, ${rows}::int) i`
  await connection`insert into conversations (tenant_id, id, bot_id, customer_id, seller_id)
    select ${tenant}, uuidv7(), ${bot}, uuidv7(), ${uuids.next()} from generate_series(1, ${rows}::int) i`
  await connection`insert into conversations (tenant_id, id, bot_id, customer_id, seller_id)
    values (${tenant}, ${conversation}, ${bot}, ${customer}, ${seller})`
  await connection`insert into carts (tenant_id, bot_id, customer_id, product_id, line, name, quantity)
    select ${tenant}, ${bot}, uuidv7(), id, 1, name, 1 from products where tenant_id = ${tenant}`
  await connection`insert into carts (tenant_id, bot_id, customer_id, product_id, line, name, quantity)
    select ${tenant}, ${bot}, ${customer}, id, 1, name, 1 from products where tenant_id = ${tenant} limit 3`
  const [product] = await connection`select id from products where tenant_id = ${tenant} limit 1`
  shops.set(tenant, { seller, customer, conversation, product: product.id })
}

type Ask = (tx: Transaction, tenantId: string, shop: Shop) => Promise<unknown>
const asked: Readonly<Record<string, Ask>> = {
  'the first page of the catalogue': (tx, tenantId) => listCatalog(tx, { tenantId, search: '', offset: 0, limit: 11 }),
  'a later page': (tx, tenantId) => listCatalog(tx, { tenantId, search: '', offset: 500, limit: 11 }),
  'names of the catalogue': (tx, tenantId) => nameCatalog(tx, tenantId, 500),
  'a product': (tx, tenantId, { product }) => findInCatalog(tx, tenantId, [product]),
  'a cart': (tx, tenantId, { customer: customerId, conversation: conversationId }) =>
    readCart(tx, { tenantId, customerId, conversationId }),
  'the last order of a customer': (tx, tenantId, { customer: customerId }) =>
    findOwnOrder(tx, { tenantId, customerId, number: null }),
  'an order of a customer': (tx, tenantId, { customer: customerId }) =>
    findOwnOrder(tx, { tenantId, customerId, number: 7 }),
}

for (const [name, ask] of Object.entries(asked))
  test(`${name}: by an index, in few pages`, async () => {
    for (const [tenant, shop] of shops)
      for (const cacheMode of cacheModes)
        for (const role of [tenant, null]) {
          const { buffers, scans } = await explainList(connection, role, cacheMode, tx => ask(tx, tenant, shop))
          const place = `${tenant === large ? 'large' : 'small'} ${cacheMode} ${role === null ? 'worker' : 'app'}`
          expect([place, scans.filter(scan => scan.startsWith('Seq'))]).toEqual([place, []])
          expect([place, buffers < buffersMax || buffers]).toEqual([place, true])
        }
  })

test('the open conversations of a seller are counted without a look at any others', async () => {
  for (const cacheMode of cacheModes) {
    const { seller, conversation: conversationId } = shops.get(large) ?? { seller: '', conversation: '' }
    // The second of its statements, which counts.
    const { buffers } = await explainList(connection, null, cacheMode, async tx => {
      await lockCandidatesFor(
        {
          run: async (statement, values) =>
            statement.name === 'seller_count_open'
              ? await tx.run(statement, { ...values, ids: [seller] })
              : // What is locked is not what is measured.
                [],
        },
        { tenantId: large, conversationId },
        null,
      )
    })
    expect(buffers).toBeLessThan(20)
  }
})
