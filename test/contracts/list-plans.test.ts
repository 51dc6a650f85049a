import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { ReservedSQL, SQL } from 'bun'
import { listCustomers } from '../../src/commerce/list-customers.ts'
import { listOrders } from '../../src/commerce/orders.ts'
import { listProducts } from '../../src/commerce/products.ts'
import { listSellers } from '../../src/commerce/sellers.ts'
import { idAt, uuids } from '../../src/lib/ids.ts'
import { connect, type Transaction } from '../../src/stores/postgres/database.ts'
import { statements } from '../../src/stores/postgres/statement.ts'
import { cacheModes, explainList } from '../support/explain.ts'
import { createTestDatabase } from '../support/postgres.ts'

// What PostgreSQL does for a page of a list, by each filter and without a search, for a tenant that has a million products
// and a million orders, and for one beside it that has fifty: with the plan it makes for the values, and with the one it may
// keep for any. What a filter looks for is rare and old: the worst there is.

const rowsMany = 1_000_000
const customersMany = 200_000
/** One of so many rows is what a filter looks for. */
const rareEvery = 100_000
const buffersMax = 200
const limit = 21

const [large, small] = [uuids.next(), uuids.next()]
const [bot, newBot] = [uuids.next(), uuids.next()]
const [seller, newSeller] = [uuids.next(), uuids.next()]
const nowMs = Date.now()
const oldCustomer = idAt(nowMs - (customersMany - 1) * 1000)

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let connection: ReservedSQL

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 2)
  connection = await openLoader()
  const second = await openLoader()
  for (const [tenant, rows, customers] of [
    [large, rowsMany, customersMany],
    [small, 50, 50],
  ] as const) {
    await connection`insert into tenants (id, name) values (${tenant}, 'Shop')`
    await Promise.all([addThings(connection, tenant, rows, customers), addOrders(second, tenant, rows, customers)])
  }
  second.release()
  await connection`set session_replication_role = origin`
  await connection`vacuum (analyze) products, customers, customer_tags, customer_identities, sellers, orders, order_items`
}, 120_000)
afterAll(async () => {
  connection.release()
  await admin.close()
  await created.drop()
})

/** Without the checks of foreign keys, which would take most of the time. */
async function openLoader(): Promise<ReservedSQL> {
  const sql = await admin.reserve()
  await sql`set session_replication_role = replica`
  // The id of what was made so many seconds ago.
  await sql.unsafe(`create function pg_temp.id_ago(seconds int) returns uuid language sql immutable return
    (overlay(lpad(to_hex(${nowMs} - seconds * 1000::bigint), 12, '0') placing '-' from 9 for 0)
      || '-7000-8000-000000000000')::uuid`)
  return sql
}

/** One a second, the last of them now; the first few of every `rareEvery` differ from the others. */
async function addThings(sql: SQL, tenant: string, rows: number, customers: number): Promise<void> {
  await sql`insert into sellers (tenant_id, id, name, active)
    values (${tenant}, ${seller}, 'Seller', true), (${tenant}, ${newSeller}, 'New', false)`
  await sql`insert into products (tenant_id, id, sku, name, price_minor, currency, stock, active)
    select ${tenant}, pg_temp.id_ago(${rows}::int - i), 'sku-' || i, 'Product ' || i, 100, 'EUR',
      case when i % ${rareEvery}::int = 2 then 0 else 5 end, i % ${rareEvery}::int <> 1
    from generate_series(1, ${rows}::int) i`
  await sql`insert into customers (tenant_id, id, name, phone, tags, opted_out_at)
    select ${tenant}, pg_temp.id_ago(${customersMany}::int - i), 'Customer ' || i, '+57' || (3000000000 + i),
      case when i % ${rareEvery}::int = 1 then array['rare', 'common'] else array['common'] end,
      case when i % ${rareEvery}::int = 1 then now() end
    from generate_series(1, ${customers}::int) i`
  // The triggers that write these are off here.
  await sql`insert into customer_tags (tenant_id, tag, customer_id)
    select tenant_id, tag, id from customers cross join unnest(tags) as tag where tenant_id = ${tenant}`
  await sql`insert into customer_identities (tenant_id, bot_id, kind, value, customer_id)
    select tenant_id, case when id = ${oldCustomer} then ${newBot}::uuid else ${bot}::uuid end, 'phone', phone, id
    from customers where tenant_id = ${tenant}`
  await sql`insert into order_items (tenant_id, order_id, line, product_id, name, quantity, price_minor)
    select tenant_id, id, 1, id, 'Product', 1, 100 from products where tenant_id = ${tenant}`
}

async function addOrders(sql: SQL, tenant: string, rows: number, customers: number): Promise<void> {
  await sql`insert into orders (tenant_id, id, number, customer_id, seller_id, status, total_minor, currency)
    select ${tenant}, pg_temp.id_ago(${rows}::int - i), i,
      pg_temp.id_ago(${customersMany}::int - case when i % ${rareEvery}::int = 4 then 1 else 2 + i % (${customers}::int - 1) end),
      case when i % ${rareEvery}::int = 3 then ${newSeller}::uuid when i % 2 = 0 then ${seller}::uuid end,
      case when i % ${rareEvery}::int < 3 then 'pending' else 'delivered' end, 100, 'EUR'
    from generate_series(1, ${rows}::int) i`
}

const at = { beforeId: null, limit }
/** Half an hour ago, then half an hour before that. */
const middle = { from: new Date(nowMs - 3_600_000), to: new Date(nowMs - 1_800_000) }
const allOrders = {
  ...{ status: null, customerId: null, sellerId: null, number: null, search: null, from: null, to: null },
}
const allProducts = { active: null, inStock: null, search: null, sku: null }

const allCustomers = { search: null, phone: null, identity: null, botId: null, isOptedOut: null, tag: null }

type List = (tx: Transaction, tenantId: string) => Promise<unknown>

const orders = (filter: Partial<Parameters<typeof listOrders>[1]>): List => {
  return (tx, tenantId) => listOrders(tx, { tenantId, ...at, ...allOrders, ...filter })
}
const products = (filter: Partial<Parameters<typeof listProducts>[1]>): List => {
  return (tx, tenantId) => listProducts(tx, { tenantId, ...at, ...allProducts, ...filter })
}

const customers = (filter: Partial<Parameters<typeof listCustomers>[1]>): List => {
  return (tx, tenantId) => listCustomers(tx, { tenantId, ...at, ...allCustomers, ...filter })
}
const sellers = (filter: Partial<Parameters<typeof listSellers>[1]>): List => {
  return (tx, tenantId) => listSellers(tx, { tenantId, ...at, active: null, search: null, ...filter })
}

const lists: Readonly<Record<string, List>> = {
  'the newest orders': orders({}),
  'a later page of orders': orders({ beforeId: idAt(nowMs - 1_800_000) }),
  'pending orders': orders({ status: 'pending' }),
  'delivered orders': orders({ status: 'delivered' }),
  'orders of a customer': orders({ customerId: oldCustomer }),
  'orders of a seller with many': orders({ sellerId: seller }),
  'orders of a seller with few': orders({ sellerId: newSeller }),
  'pending orders of a seller': orders({ sellerId: seller, status: 'pending' }),
  'an order by its number': orders({ number: 7 }),
  'orders of half an hour': orders(middle),
  'pending orders of half an hour': orders({ ...middle, status: 'pending' }),
  'the newest products': products({}),
  'a later page of products': products({ beforeId: idAt(nowMs - 1_800_000) }),
  'active products': products({ active: true }),
  'inactive products': products({ active: false }),
  'products in stock': products({ inStock: true }),
  'products out of stock': products({ inStock: false }),
  'active products out of stock': products({ active: true, inStock: false }),
  'inactive products in stock': products({ active: false, inStock: true }),
  'a product by its SKU': products({ sku: 'sku-7' }),
  'the newest customers': customers({}),
  'a later page of customers': customers({ beforeId: idAt(nowMs - 1_800_000) }),
  'a customer by phone': customers({ phone: '+573000000007' }),
  'a customer by identity': customers({ identity: '+573000000007' }),
  'customers of a bot that knows many': customers({ botId: bot }),
  'customers of a bot that knows few': customers({ botId: newBot }),
  'a customer by what a bot knows them by': customers({ botId: newBot, identity: '+573000000001' }),
  'customers with a tag that many have': customers({ tag: 'common' }),
  'customers with a tag that few have': customers({ tag: 'rare' }),
  'customers with a tag that nobody has': customers({ tag: 'none' }),
  'customers who are opted out': customers({ isOptedOut: true }),
  'customers who are not': customers({ isOptedOut: false }),
  'customers with a tag who are opted out': customers({ tag: 'rare', isOptedOut: true }),
  sellers: sellers({}),
  'inactive sellers': sellers({ active: false }),
}

const largeTables = /(products|orders|order_items|customers|customer_tags|customer_identities)$/
for (const [name, list] of Object.entries(lists))
  test(`${name}: by an index, in few pages`, async () => {
    for (const tenant of [large, small])
      for (const cacheMode of cacheModes) {
        const { buffers, scans } = await explainList(connection, tenant, cacheMode, tx => list(tx, tenant))
        expect(scans.filter(scan => scan.startsWith('Seq') && largeTables.test(scan))).toEqual([])
        expect(buffers).toBeLessThan(buffersMax)
      }
  })

test('these are all the statements that read a list of products, orders, customers or sellers', async () => {
  const known = statements.map(({ name }) => name).filter(name => /^(product|order|customer|seller)_list/.test(name))
  expect(known.length).toBeGreaterThan(10)
  const explained = new Set<string>()
  for (const list of Object.values(lists))
    explained.add((await explainList(connection, small, 'force_custom_plan', tx => list(tx, small))).name)
  expect(known.filter(name => !explained.has(name))).toEqual([])
})
