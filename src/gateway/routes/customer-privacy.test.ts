import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'
import { receiveMessages } from '../../messaging/receive-messages.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

const config = { access_token: 'a', app_secret: 'b', verify_token: 'c' }
let numbers = 100_000_000_000

async function addBot(as: Caller): Promise<string> {
  const body = { name: 'Bot', provider: 'meta', config: { ...config, phone_number_id: String(numbers++) } }
  return textAt(await gateway.call('POST', '/api/bots', { as, body }), 'id')
}

/** A customer who wrote so many messages. */
async function addWriter(as: Caller, messages: number, phone = `+57300${numbers++}`.slice(0, 15)): Promise<string> {
  const botId = await addBot(as)
  const sender = { identities: [{ kind: 'phone', value: phone } as const], name: 'Ana' }
  await receiveMessages(
    gateway.database,
    gateway.ids,
    Array.from({ length: messages }, (_, index) => ({
      ...{ tenantId: as.tenantId, botId, providerMessageId: `${botId} ${index}`, at: new Date(), sender },
      content: { type: 'text', text: `message ${index}` } as const,
    })),
    gateway.sealer,
  )
  await gateway.feed.announce(as.tenantId, { changed: ['customers', 'conversations'] })
  const found = await gateway.call('GET', `/api/customers?phone=${encodeURIComponent(phone)}`, { as })
  return textAt(found, 'data.0.id')
}

test('all that is known of a customer is in one file, however much it is, and who got it is noted', async () => {
  const as = await gateway.addCaller('admin')
  const id = await addWriter(as, 450)
  await gateway.call('POST', `/api/customers/${id}/opt-out`, { as, body: { note: 'Said so' } })
  const answer = await gateway.call('GET', `/api/customers/${id}/export`, { as })
  expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="customer-${id}.json"`)
  expect(answer.headers.get('cache-control')).toBe('no-store')
  expect(at(answer, 'customer.name')).toBe('Ana')
  const texts = at(answer, 'conversations.0.messages') as { content: { text: string } }[]
  expect(texts.map(one => one.content.text)).toEqual(Array.from({ length: 450 }, (_, index) => `message ${index}`))
  expect(at(answer, 'consents.0')).toMatchObject({ kind: 'opted_out', note: 'Said so' })
  const audit = await gateway.call('GET', '/api/audit?action=customer.exported', { as })
  expect(at(audit, 'data.0')).toMatchObject({ resource: 'customers', resource_id: id, before: null, after: null })
  expect((await gateway.call('GET', `/api/customers/${gateway.ids.next()}/export`, { as })).status).toBe(404)
})

test('a customer who is erased is gone at once; the audit log says who did it, and no more', async () => {
  const as = await gateway.addCaller()
  const id = await addWriter(as, 2)
  await gateway.call('PUT', `/api/customers/${id}`, { as, body: { email: 'ana@example.com' } })
  const reason = 'Wrote from ana@example.com'
  const erased = await gateway.call('POST', `/api/customers/${id}/erase`, { as, body: { reason } })
  expect([erased.status, erased.json]).toMatchObject([
    202,
    { customer_id: id, state: 'running', reason: 'Wrote from …' },
  ])
  expect((await gateway.call('GET', `/api/customers/${id}`, { as })).status).toBe(404)
  expect(column(await gateway.call('GET', '/api/conversations', { as }), 'id')).toEqual([])
  const again = await gateway.call('POST', `/api/customers/${id}/erase`, { as })
  expect([again.status, again.json]).toEqual([202, erased.json])
  const audit = await gateway.call('GET', `/api/audit?resource_id=${id}`, { as })
  expect(column(audit, 'action')).toEqual(['customer.erased', 'customer.updated'])
  expect(column(audit, 'before')).toEqual([null, null])
  expect(column(audit, 'after')).toEqual([{ erasure_id: textAt(erased, 'id'), reason: 'Wrote from …' }, null])
})

test('erasures are listed, the latest first, to whoever may erase', async () => {
  const as = await gateway.addCaller()
  const ids: string[] = []
  for (let count = 0; count < 3; count++) {
    const id = await addWriter(as, 1)
    ids.unshift(textAt(await gateway.call('POST', `/api/customers/${id}/erase`, { as }), 'id'))
  }
  const first = await gateway.call('GET', '/api/erasures?limit=2', { as })
  const cursor = textAt(first, 'next_cursor')
  const second = await gateway.call('GET', `/api/erasures?limit=2&cursor=${cursor}`, { as })
  expect([...column(first, 'id'), ...column(second, 'id')]).toEqual(ids)
  expect(textAt(await gateway.call('GET', `/api/erasures/${ids[0]}`, { as }), 'id')).toBe(ids[0] ?? '')
  const agent = await gateway.addCaller('agent', as.tenantId)
  expect((await gateway.call('GET', '/api/erasures', { as: agent })).status).toBe(403)
  expect((await gateway.call('GET', `/api/erasures/${ids[0]}`, { as: await gateway.addCaller() })).status).toBe(404)
})

test('the customer of erased orders is nobody: they are neither changed nor erased, nor handed out', async () => {
  const as = await gateway.addCaller()
  const id = await addWriter(as, 1)
  const product = { sku: 's', name: 'P', price_minor: 100, currency: 'EUR', stock: 5 }
  const product_id = textAt(await gateway.call('POST', '/api/products', { as, body: product }), 'id')
  const order = { customer_id: id, items: [{ product_id, quantity: 1 }], notes: 'For Ana' }
  const orderId = textAt(await gateway.call('POST', '/api/orders', { as, body: order }), 'id')
  await gateway.call('POST', `/api/customers/${id}/erase`, { as })
  const left = await gateway.call('GET', `/api/orders/${orderId}`, { as })
  expect(left.json).toMatchObject({ notes: null, total_minor: 100, number: 1 })
  const nobody = `/api/customers/${textAt(left, 'customer_id')}`
  const changed = await gateway.call('PUT', nobody, { as, body: { phone: '+573009999999' } })
  const erased = await gateway.call('POST', `${nobody}/erase`, { as })
  const exported = await gateway.call('GET', `${nobody}/export`, { as })
  const removed = await gateway.call('DELETE', nobody, { as })
  expect([changed.status, erased.status, exported.status, removed.status]).toEqual([409, 409, 404, 409])
  // What became of the order is still told, of whom it was is not.
  const audit = await gateway.call('GET', `/api/audit?resource_id=${orderId}`, { as })
  expect(at(audit, 'data.0.after')).toMatchObject({ status: 'pending', total_minor: 100 })
  expect(audit.text).not.toContain('For Ana')
  expect(audit.text).not.toContain(id)
})
