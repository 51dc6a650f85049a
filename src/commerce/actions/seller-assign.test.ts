import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openTestShops, shopKinds, type TenantShop } from '../../../test/support/action-shops.ts'
import { exampleId } from './memory-shop.ts'

let shops: Awaited<ReturnType<typeof openTestShops>>
beforeAll(async () => {
  shops = await openTestShops()
})
afterAll(() => shops.close())

const idOf = (index: number) => exampleId('9', index)
const sellers = ['Luz', 'Iván', 'Mar'].map((name, index) => ({ id: idOf(index + 1), name }))
const inTurn = { strategy: 'round_robin', keep: false }
const byLoad = { strategy: 'least_loaded', keep: false }
const nameOf = (value: unknown) => Reflect.get(Object(value), 'name')

async function crowd(shop: TenantShop, count: number): Promise<TenantShop[]> {
  return await Promise.all(Array.from({ length: count }, () => shop.another('another customer')))
}
async function loads({ tenantId }: TenantShop): Promise<number[]> {
  const rows: { open: number }[] = await shops.admin`select count(c.id)::int as open from sellers s
    left join conversations c on c.tenant_id = s.tenant_id and c.seller_id = s.id and c.status <> 'closed'
    where s.tenant_id = ${tenantId} group by s.id order by s.id`
  return rows.map(row => row.open)
}

for (const kind of shopKinds) {
  test(`${kind}: everybody has their turn before anybody has a second, and who is inactive has none`, async () => {
    const shop = await shops.open(kind, { sellers: [...sellers, { id: idOf(4), name: 'Off', active: false }] })
    const names: unknown[] = []
    for (let turn = 0; turn < 7; turn++) names.push(nameOf(await shop.value('seller.assign', inTurn)))
    expect(names).toEqual(['Luz', 'Iván', 'Mar', 'Luz', 'Iván', 'Mar', 'Luz'])
  })

  test(`${kind}: turns count among some sellers only, too`, async () => {
    const shop = await shops.open(kind, { sellers })
    const only = [idOf(2), idOf(3), idOf(9)]
    const names: unknown[] = []
    for (const input of [inTurn, { ...inTurn, only }, inTurn, { ...inTurn, only }, inTurn])
      names.push(nameOf(await shop.value('seller.assign', input)))
    expect(names).toEqual(['Luz', 'Iván', 'Mar', 'Iván', 'Luz'])
    expect(await shop.call('seller.assign', { ...inTurn, only: [idOf(9)] })).toEqual({
      ...{ ok: false, code: 'no_seller', message: 'There is no active seller to give the conversation to.' },
    })
  })

  test(`${kind}: a conversation stays with its seller, unless it is to go to others`, async () => {
    const shop = await shops.open(kind, { sellers })
    const [first, again, other] = [
      await shop.value('seller.assign', { strategy: 'round_robin' }),
      await shop.value('seller.assign', { strategy: 'round_robin' }),
      await shop.value('seller.assign', { strategy: 'round_robin', only: [idOf(3)] }),
    ]
    expect(first).toEqual({ seller_id: idOf(1), name: 'Luz', kept: false })
    expect(again).toEqual({ seller_id: idOf(1), name: 'Luz', kept: true })
    expect(other).toEqual({ seller_id: idOf(3), name: 'Mar', kept: false })
  })

  test(`${kind}: without sellers, or with a strategy that is none, it is refused`, async () => {
    const shop = await shops.open(kind, { sellers: [{ id: idOf(1), name: 'Off', active: false }] })
    expect(await shop.call('seller.assign', inTurn)).toMatchObject({ ok: false, code: 'no_seller' })
    for (const input of [{}, { strategy: 'random' }, { ...inTurn, only: [] }, { ...inTurn, only: ['Luz'] }])
      expect([input, await shop.call('seller.assign', input)]).toMatchObject([input, { code: 'invalid_input' }])
  })
}

test('fifty conversations at the same moment are dealt out exactly, by turns', async () => {
  const shop = await shops.openTenantShop({ sellers })
  const talks = await crowd(shop, 50)
  const values = await Promise.all(talks.map(talk => talk.value('seller.assign', inTurn)))
  const counts = sellers.map(({ name }) => values.filter(value => nameOf(value) === name).length)
  expect(counts.toSorted()).toEqual([16, 17, 17])
  expect(await loads(shop)).toEqual(counts)
})

test('fifty conversations at the same moment are dealt out exactly, by load', async () => {
  const shop = await shops.openTenantShop({ sellers })
  const [busy, ...talks] = await crowd(shop, 51)
  for (const talk of [busy, ...talks.slice(0, 8)])
    await talk?.value('seller.assign', { strategy: 'round_robin', only: [idOf(1)], keep: false })
  await Promise.all(talks.slice(8).map(talk => talk.value('seller.assign', byLoad)))
  expect(await loads(shop)).toEqual([17, 17, 17])
})

test('who begins later, or comes back, has one turn like the others, not all that they missed', async () => {
  const shop = await shops.openTenantShop({ sellers: sellers.slice(0, 2) })
  const setActive = (index: number, active: boolean) =>
    shops.admin`update sellers set active = ${active} where tenant_id = ${shop.tenantId} and id = ${idOf(index)}`
  const assign = async () => nameOf(await shop.value('seller.assign', inTurn))
  for (const name of ['Luz', 'Iván', 'Luz', 'Iván']) expect(await assign()).toBe(name)
  await shops.admin`insert into sellers (tenant_id, id, name) values (${shop.tenantId}, ${idOf(3)}, 'Mar')`
  for (const name of ['Mar', 'Luz', 'Iván', 'Mar']) expect(await assign()).toBe(name)
  await setActive(2, false)
  for (const name of ['Luz', 'Mar', 'Luz', 'Mar']) expect(await assign()).toBe(name)
  await setActive(2, true)
  for (const name of ['Iván', 'Luz', 'Mar', 'Iván']) expect(await assign()).toBe(name)
})

test('a conversation is no load of its own', async () => {
  const shop = await shops.openTenantShop({ sellers: sellers.slice(0, 2) })
  await (await shop.another('another customer')).value('seller.assign', { ...inTurn, only: [idOf(2)] })
  await shop.value('seller.assign', { ...inTurn, only: [idOf(1)] })
  expect(nameOf(await shop.value('seller.assign', byLoad))).toBe('Luz')
})

test('closed conversations are no load', async () => {
  const shop = await shops.openTenantShop({ sellers: sellers.slice(0, 2) })
  const [a, b, c] = await crowd(shop, 3)
  await a?.value('seller.assign', inTurn)
  await b?.value('seller.assign', inTurn)
  await shops.admin`update conversations set status = 'closed' where id = ${b?.conversationId ?? ''}`
  expect(nameOf(await c?.value('seller.assign', byLoad))).toBe('Iván')
})

test('the sockets are told whose the conversation is; a turn that rolls back has had none', async () => {
  const shop = await shops.openTenantShop({ sellers }, 'app')
  await shop.value('seller.assign', inTurn)
  const { conversationId: id, botId: bot_id, customerId: customer_id } = shop
  expect(shop.told).toEqual([{ type: 'conversation.updated', data: { id, bot_id, customer_id, seller_id: idOf(1) } }])
})

test("another tenant's sellers are nobody's choice", async () => {
  const [ours] = [await shops.openTenantShop(), await shops.openTenantShop({ sellers })]
  expect(await ours.call('seller.assign', { ...inTurn, only: [idOf(1)] })).toMatchObject({ code: 'no_seller' })
})
