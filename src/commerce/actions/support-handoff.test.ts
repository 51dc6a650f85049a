import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openTestShops, shopKinds, type TenantShop } from '../../../test/support/action-shops.ts'
import { exampleId } from './memory-shop.ts'

let shops: Awaited<ReturnType<typeof openTestShops>>
beforeAll(async () => {
  shops = await openTestShops()
})
afterAll(() => shops.close())

const sellers = [
  { id: exampleId('9', 1), name: 'Luz' },
  { id: exampleId('9', 2), name: 'Off', active: false },
]
const mailOf = async ({ tenantId }: TenantShop) => [
  ...(await shops.admin`select conversation_id, kind, body from inbox where tenant_id = ${tenantId}`),
]

for (const kind of shopKinds)
  test(`${kind}: a person is called, with or without a note and a seller`, async () => {
    const shop = await shops.open(kind, { sellers })
    expect(await shop.value('support.handoff')).toEqual({ seller_id: null })
    expect(await shop.value('support.handoff', { note: 'Invoice', seller_id: sellers[0]?.id })).toEqual({
      seller_id: exampleId('9', 1),
    })
    for (const index of [2, 3])
      expect(await shop.call('support.handoff', { seller_id: exampleId('9', index) })).toEqual({
        ...{ ok: false, code: 'unknown_seller', message: 'There is no such seller, or they are not active.' },
      })
    for (const input of [{ note: 'x'.repeat(1_001) }, { note: 7 }, { seller_id: 'Luz' }])
      expect(await shop.call('support.handoff', input)).toMatchObject({ code: 'invalid_input' })
  })

test('the call waits in the conversation’s mail, and the seller is told at once', async () => {
  const shop = await shops.openTenantShop({ sellers })
  const { conversationId: id, botId: bot_id, customerId: customer_id } = shop
  await shop.value('support.handoff', { note: 'Invoice', seller_id: exampleId('9', 1) })
  expect(await mailOf(shop)).toEqual([
    { conversation_id: id, kind: 'handoff', body: { note: 'Invoice', agent_id: null } },
  ])
  expect(shop.told).toEqual([
    { type: 'conversation.updated', data: { id, bot_id, customer_id, seller_id: exampleId('9', 1) } },
  ])
})

test('a seller who is none calls nobody', async () => {
  const shop = await shops.openTenantShop({ sellers }, 'app')
  await shop.call('support.handoff', { seller_id: exampleId('9', 2) })
  expect([await mailOf(shop), shop.told]).toEqual([[], []])
})
