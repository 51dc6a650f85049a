import { afterAll, beforeAll, expect, test } from 'bun:test'
import fc from 'fast-check'
import * as v from 'valibot'
import { openTestShops, type ShopGiven } from '../../../test/support/action-shops.ts'
import { permissionsOf } from '../../identity/permissions.ts'
import { uuids } from '../../lib/ids.ts'
import type { Json } from '../../lib/json.ts'
import { actions, permissionOf } from './actions.ts'
import { openExampleShop } from './example-shop.ts'
import { exampleId } from './memory-shop.ts'
import { exampleIds } from './shapes.ts'

// What holds for every action: a tenant's shop and one in memory answer the same, whatever is asked in whatever order;
// the answers are what the page of actions says of them.

let shops: Awaited<ReturnType<typeof openTestShops>>
beforeAll(async () => {
  shops = await openTestShops()
})
afterAll(() => shops.close())

const given: ShopGiven = {
  products: [
    { sku: 'coffee', name: 'Café', price_minor: 250, currency: 'EUR', stock: 4 },
    { sku: 'latte', name: 'Café con leche', price_minor: 300, currency: 'EUR', stock: 9, description: 'Caliente' },
    { sku: 'tea', name: 'Té', price_minor: 200, currency: 'EUR', stock: 0 },
    { sku: 'pie', name: 'Pie', price_minor: 400, currency: 'USD' },
    { sku: 'old', name: 'Old cake', price_minor: 100, currency: 'EUR', active: false },
  ],
  sellers: [
    { id: exampleId('9', 1), name: 'Luz' },
    { id: exampleId('9', 2), name: 'Iván' },
    { id: exampleId('9', 3), name: 'Off', active: false },
  ],
}

const productId = fc.integer({ min: 1, max: 6 }).map(index => exampleId('8', index))
const sellerId = fc.integer({ min: 1, max: 4 }).map(index => exampleId('9', index))
const quantity = fc.integer({ min: 0, max: 4 })
const item = fc.record({ product_id: productId, quantity })
const optional = <T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(model, { requiredKeys: [] })

/** Inputs of each action, right and wrong ones. */
const inputs: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  'catalog.list': optional({
    ...{ limit: fc.integer({ min: 0, max: 4 }), offset: fc.integer({ min: 0, max: 4 }) },
    search: fc.constantFrom('', 'caf', 'É', 'pie', '%'),
  }),
  'catalog.get': fc.record({ product_id: productId }),
  'catalog.search': fc.record({
    text: fc.constantFrom('cafe', 'Té', 'leche café', 'caliente', 'cafee', 'quiero pie', 'cake', '?', ''),
    limit: fc.integer({ min: 1, max: 3 }),
  }),
  'cart.add': item,
  'cart.remove': fc.record({ product_id: productId }),
  'cart.show': fc.constant({}),
  'cart.clear': fc.constant({}),
  'order.create': fc.oneof(
    fc.constant({ from_cart: true, notes: 'soon' }),
    fc.record({ items: fc.array(item, { maxLength: 3 }) }),
  ),
  'order.status': optional({ number: fc.integer({ min: 0, max: 4 }) }),
  'order.cancel': fc.record({ number: fc.integer({ min: 0, max: 4 }) }),
  'customer.update': optional({
    name: fc.constantFrom('Ana', ' Eva ', ''),
    email: fc.constantFrom('ana@example.com', 'ana', null),
    variables: fc.dictionary(fc.constantFrom('a', 'b'), fc.constantFrom(1, 'x', null)),
  }),
  'tag.add': fc.record({ tag: fc.constantFrom('VIP', 'vip', 'new', ' ') }),
  'tag.remove': fc.record({ tag: fc.constantFrom('Vip', 'new') }),
  'seller.assign': fc.record(
    {
      strategy: fc.constantFrom('round_robin', 'least_loaded', 'random'),
      only: fc.uniqueArray(sellerId, { maxLength: 3 }),
      keep: fc.boolean(),
    },
    { requiredKeys: ['strategy'] },
  ),
  'support.handoff': optional({ note: fc.constantFrom('', 'Invoice'), seller_id: sellerId }),
  'webhook.emit': fc.record({
    event: fc.constantFrom('quote.requested', 'webhook.test', 'é'),
    data: fc.constant({ a: 1 }),
  }),
}
const calls = fc.array(
  fc.oneof(...Object.entries(inputs).map(([handler, input]) => fc.tuple(fc.constant(handler), input))),
  { minLength: 5, maxLength: 25 },
)

const [coffee, latte, pie] = [1, 2, 4].map(index => ({ product_id: exampleId('8', index), quantity: 3 }))
/** What scripts made by chance may not come to. */
const wholeScript: [string, unknown][] = [
  ['cart.add', coffee],
  ['cart.add', latte],
  ['cart.add', pie],
  ['order.create', { from_cart: true, notes: 'soon' }],
  ['cart.show', {}],
  ['order.create', { items: [coffee] }],
  ['order.status', {}],
  ['order.cancel', { number: 1 }],
  ['order.cancel', { number: 1 }],
  ['order.create', { items: [coffee] }],
  ['order.status', { number: 2 }],
]

/** An answer without what is new each time. */
function plain(answer: unknown): unknown {
  return JSON.parse(
    JSON.stringify(answer, (key, value) => (key === 'id' || key === 'created_at' ? typeof value : value)),
  )
}

test('every action on the database is asked here', () => {
  const onDatabase = [...actions.values()].filter(action => action.kind === 'database').map(action => action.handler)
  expect(Object.keys(inputs).sort()).toEqual(onDatabase.sort())
})

test('a tenant’s shop and one in memory answer the same, and as each action says', async () => {
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(calls, async script => {
      const [tenant, memory] = [await shops.openTenantShop(given), await shops.open('memory', given)]
      for (const [handler, input] of script) {
        const answer = await tenant.call(handler, input)
        expect([handler, input, plain(answer)]).toEqual([handler, input, plain(await memory.call(handler, input))])
        const doc = actions.get(handler)?.doc
        if (doc === undefined) throw new Error(`${handler} has no doc`)
        if (answer.ok) expect([handler, v.safeParse(doc.value, answer.value).issues]).toEqual([handler, undefined])
        else expect(['invalid_input', ...Object.keys(doc.errors)]).toContain(answer.code)
        seen.add(`${handler} ${answer.ok ? 'ok' : answer.code}`)
      }
    }),
    { numRuns: 60, examples: [[wholeScript]] },
  )
  // The scripts have met what matters.
  for (const met of ['order.create ok', 'order.create out_of_stock', 'cart.add mixed_currencies'])
    expect([...seen]).toContain(met)
  for (const met of ['order.status ok', 'order.cancel ok', 'order.cancel not_cancellable'])
    expect([...seen]).toContain(met)
}, 60_000)

test('an action that refuses has written nothing', async () => {
  const shop = await shops.openTenantShop(given)
  await shop.value('cart.add', { product_id: exampleId('8', 2), quantity: 3 })
  await shop.value('order.create', { items: [{ product_id: exampleId('8', 1), quantity: 1 }] })
  const tables = [
    'carts',
    'orders',
    'order_items',
    'products',
    'customers',
    'sellers',
    'conversations',
    'inbox',
    'tenants',
  ]
  const dump = async () =>
    await Promise.all(
      tables.map(async table => {
        const column = table === 'tenants' ? 'id' : 'tenant_id'
        return [
          ...(await shops.admin.unsafe(
            `select t::text from ${table} t where ${column} = '${shop.tenantId}' order by 1`,
          )),
        ]
      }),
    )
  const before = await dump()
  for (const [handler, input] of [
    ['cart.add', { product_id: exampleId('8', 1), quantity: 9 }],
    ['cart.add', { product_id: exampleId('8', 4), quantity: 1 }],
    ['order.create', { items: [{ product_id: exampleId('8', 2), quantity: 10 }] }],
    ['order.cancel', { number: 2 }],
    ['customer.update', { name: 'Eva', variables: { big: 'x'.repeat(65_000), more: 'x'.repeat(1_000) } }],
    ['seller.assign', { strategy: 'round_robin', only: [exampleId('9', 3)] }],
    ['support.handoff', { seller_id: exampleId('9', 3) }],
  ] as const)
    expect([handler, await shop.call(handler, input)]).toMatchObject([handler, { ok: false }])
  expect(await dump()).toEqual(before)
})

test('the example of each action is taken, and answered as it says', async () => {
  const perform = openExampleShop(
    [
      {
        ...{ id: exampleIds.product, sku: 'cafe', name: 'Café', description: '', price_minor: 250, currency: 'EUR' },
        ...{ stock: 100, active: true, image_url: null },
      },
    ],
    { sellers: [{ id: exampleIds.seller, name: 'Luz', turn: 0, openConversations: 0, active: true }] },
  )
  await perform('order.create', { items: [{ product_id: exampleIds.product, quantity: 1 }] })
  for (const { handler, kind, doc } of actions.values()) {
    const answer = await perform(handler, doc.example)
    if (kind === 'outside') expect([handler, answer]).toMatchObject([handler, { code: 'not_simulated' }])
    else
      expect([handler, v.safeParse(doc.value, answer.ok ? answer.value : answer).issues]).toEqual([handler, undefined])
  }
})

test('each action names a permission that there is', () => {
  const all: readonly string[] = permissionsOf('owner')
  for (const handler of actions.keys())
    expect([handler, all.includes(permissionOf(handler) ?? '')]).toEqual([handler, true])
  expect(permissionOf('order.create')).toBe('orders:write')
  expect(permissionOf('catalog.list')).toBe('products:read')
  expect(permissionOf('seller.assign')).toBe('conversations:write')
  expect(permissionOf('order.crate')).toBeUndefined()
})

test('an action sees its own tenant only, under the role that sees all', async () => {
  const [ours, theirs] = [await shops.openTenantShop(given), await shops.openTenantShop(given)]
  await theirs.value('cart.add', { product_id: exampleId('8', 1), quantity: 1 })
  await theirs.value('order.create', { from_cart: true })
  const stolen = { ...ours, customerId: theirs.customerId, conversationId: theirs.conversationId }
  const ask = async (handler: string, input: Json) => {
    const action = actions.get(handler)
    if (action?.kind !== 'database') throw new Error(handler)
    const { tenantId, customerId, conversationId } = stolen
    const call = { tenantId, customerId, conversationId, input }
    return await shops.database.transaction({ role: 'worker' }, tx => action.run(tx, uuids, call))
  }
  expect(await ask('cart.show', {})).toMatchObject({ value: { count: 0 } })
  expect(await ask('order.status', {})).toMatchObject({ code: 'unknown_order' })
  for (const handler of ['customer.update', 'tag.remove'])
    expect(await ask(handler, handler === 'tag.remove' ? { tag: 'x' } : { name: 'X' })).toMatchObject({
      code: 'unknown_customer',
    })
  const order = { items: [{ product_id: exampleId('8', 2), quantity: 1 }] }
  expect(await ask('order.create', order)).toMatchObject({ code: 'unknown_customer' })
})
