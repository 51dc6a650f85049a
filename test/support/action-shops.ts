import type { SQL } from 'bun'
import * as v from 'valibot'
import type { ActionResult } from '../../src/commerce/actions/action.ts'
import { actions } from '../../src/commerce/actions/actions.ts'
import { exampleProductsSchema, performOn } from '../../src/commerce/actions/example-shop.ts'
import { openMemoryShop } from '../../src/commerce/actions/memory-shop.ts'
import { uuids } from '../../src/lib/ids.ts'
import type { Json } from '../../src/lib/json.ts'
import { makeMetrics } from '../../src/lib/metrics.ts'
import type { FeedEvent } from '../../src/stores/feed.ts'
import { connect, type Database, openDatabase, type Scope } from '../../src/stores/postgres/database.ts'
import { createTestDatabase } from './postgres.ts'

// The same shop twice: a tenant's in the database, and one in memory. Tests of actions run on both.

export const shopKinds = ['tenant', 'memory'] as const
export type ShopKind = (typeof shopKinds)[number]

/** What a shop has; an id that is left out is one of its own, the same in both kinds. */
export type ShopGiven = {
  readonly language?: string
  readonly products?: readonly v.InferInput<typeof exampleProductsSchema>[number][]
  readonly sellers?: readonly { readonly id: string; readonly name: string; readonly active?: boolean }[]
  readonly customer?: { readonly name?: string; readonly tags?: readonly string[] }
}

/** One customer's conversation with a shop. */
export type TestShop = {
  /** Does one action, as a turn of its own. */
  call(handler: string, input?: unknown): Promise<ActionResult>
  /** The value of an action that must go well. */
  value(handler: string, input?: unknown): Promise<Json>
}

/** What there is of a shop in the database besides. */
export type TenantShop = TestShop & {
  readonly tenantId: string
  readonly customerId: string
  readonly botId: string
  readonly conversationId: string
  /** What was told to the sockets, and which resources were named as changed. */
  readonly told: FeedEvent[]
  readonly changed: string[]
  /** Another conversation with the same shop: of the same customer at another bot, or of another customer. */
  another(whose: 'same customer' | 'another customer'): Promise<TenantShop>
}

const customerDefault = { name: '', phone: null, email: null, variables: {}, tags: [] }

export async function openTestShops() {
  const created = await createTestDatabase()
  const database = openDatabase(created.connection, makeMetrics())
  const admin = connect(created.connection, 2)
  return {
    database,
    admin,
    openTenantShop: (given: ShopGiven = {}, role: 'worker' | 'app' = 'worker') =>
      addTenantShop(database, admin, given, role),
    open: async (kind: ShopKind, given: ShopGiven = {}): Promise<TestShop> =>
      kind === 'memory' ? openInMemory(given) : await addTenantShop(database, admin, given, 'worker'),
    async close() {
      await database.close()
      await admin.close()
      await created.drop()
    },
  }
}

function openInMemory(given: ShopGiven): TestShop {
  const { language = 'es', sellers = [], customer } = given
  const shop = openMemoryShop({
    ...{ language, nextOrderNumber: 1, now: () => new Date() },
    products: productsOf(given),
    sellers: sellers.map(seller => ({ active: true, turn: 0, openConversations: 0, ...seller })),
    customer: { ...customerDefault, ...customer },
  })
  return withValue((handler, input) => performOn(shop, handler, input))
}

function withValue(call: (handler: string, input: Json) => Promise<ActionResult>): TestShop {
  const asJson = (input: unknown): Json => JSON.parse(JSON.stringify(input ?? {}))
  return {
    call: (handler, input) => call(handler, asJson(input)),
    async value(handler, input) {
      const result = await call(handler, asJson(input))
      if (!result.ok) throw new Error(`${handler} was refused: ${result.code}: ${result.message}`)
      return result.value
    },
  }
}

function productsOf({ products = [] }: ShopGiven) {
  return v.parse(exampleProductsSchema, products)
}

async function addTenantShop(
  database: Database,
  admin: SQL,
  given: ShopGiven,
  role: 'worker' | 'app',
): Promise<TenantShop> {
  const tenantId = uuids.next()
  const settings = JSON.stringify(given.language === undefined ? {} : { language: given.language })
  await admin`insert into tenants (id, name, settings) values (${tenantId}, 'Shop', ${settings}::text::jsonb)`
  for (const one of productsOf(given))
    await admin`insert into products (tenant_id, id, sku, name, description, price_minor, currency, stock, active, image_url)
      values (${tenantId}, ${one.id}, ${one.sku}, ${one.name}, ${one.description}, ${one.price_minor}, ${one.currency},
        ${one.stock}, ${one.active}, ${one.image_url})`
  for (const { id, name, active = true } of given.sellers ?? [])
    await admin`insert into sellers (tenant_id, id, name, active) values (${tenantId}, ${id}, ${name}, ${active})`
  const scope: Scope = role === 'app' ? { role, tenantId } : { role }
  const addCustomer = async () => {
    const id = uuids.next()
    const { name, tags } = { ...customerDefault, ...given.customer }
    await admin`insert into customers (tenant_id, id, name, tags)
      values (${tenantId}, ${id}, ${name}, array(select jsonb_array_elements_text(${JSON.stringify(tags)}::text::jsonb)))`
    return id
  }
  const addConversation = async (customerId: string): Promise<TenantShop> => {
    const [botId, conversationId] = [uuids.next(), uuids.next()]
    await admin`insert into conversations (tenant_id, id, bot_id, customer_id)
      values (${tenantId}, ${conversationId}, ${botId}, ${customerId})`
    const [told, changed]: [FeedEvent[], string[]] = [[], []]
    const caller = {
      ...{ tenantId, customerId, conversationId },
      tell: (event: FeedEvent) => void told.push(event),
      changed: (resources: readonly string[]) => void changed.push(...resources),
    }
    const shop = withValue(async (handler, input) => {
      const action = actions.get(handler)
      if (action?.kind !== 'database') throw new Error(`There is no action "${handler}" on the database`)
      return await database.transaction(scope, tx => action.run(tx, uuids, { ...caller, input }))
    })
    return {
      ...shop,
      ...{ tenantId, customerId, botId, conversationId, told, changed },
      another: async whose => await addConversation(whose === 'same customer' ? customerId : await addCustomer()),
    }
  }
  return await addConversation(await addCustomer())
}
