import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

const ana = { name: 'Ana', phone: '+573001234567' }
const config = { access_token: 'token', app_secret: 'secret', verify_token: 'verify' }

async function addBot(as: Caller, number: string): Promise<string> {
  const body = { name: number, provider: 'meta', config: { ...config, phone_number_id: number } }
  return textAt(await gateway.call('POST', '/api/bots', { as, body }), 'id')
}
const add = (as: Caller, body: unknown) => gateway.call('POST', '/api/customers', { as, body })

test('nobody reads or writes customers without logging in', async () => {
  expect((await gateway.call('GET', '/api/customers')).status).toBe(401)
  expect((await gateway.call('POST', '/api/customers', { body: ana })).status).toBe(401)
})

test('agents write customers, viewers do not', async () => {
  const owner = await gateway.addCaller()
  expect((await add(await gateway.addCaller('agent', owner.tenantId), ana)).status).toBe(201)
  expect((await add(await gateway.addCaller('viewer', owner.tenantId), ana)).status).toBe(403)
})

test("another tenant's customer is not there", async () => {
  const [owner, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
  const path = `/api/customers/${textAt(await add(owner, ana), 'id')}`
  expect((await gateway.call('GET', path, { as: stranger })).status).toBe(404)
  expect((await gateway.call('PUT', path, { as: stranger, body: { name: 'Eve' } })).status).toBe(404)
  expect((await gateway.call('DELETE', path, { as: stranger })).status).toBe(404)
  expect(column(await gateway.call('GET', '/api/customers', { as: stranger }), 'id')).toEqual([])
})

test('a phone that is not E.164, an e-mail address that is none and an unknown kind of identity are refused', async () => {
  const as = await gateway.addCaller()
  const wrong = { phone: '3001234567', email: 'ana', identities: [{ kind: 'fax', value: '1' }] }
  const answer = await add(as, wrong)
  expect(answer.status).toBe(422)
  expect(at(answer, 'errors.0.path')).toBe('phone')
  expect(at(answer, 'errors.1.path')).toBe('email')
  expect(at(answer, 'errors.2.path')).toBe('identities.0.kind')
  expect((await add(as, { variables: 'x' })).status).toBe(422)
  const noPhone = await add(as, { identities: [{ kind: 'phone', value: '300' }] })
  expect([noPhone.status, at(noPhone, 'errors.0.path')]).toEqual([422, 'identities.0.value'])
})

test('an identity is one customer of a tenant', async () => {
  const [as, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
  await addBot(as, '1')
  await addBot(stranger, '1')
  expect((await add(as, ana)).status).toBe(201)
  expect((await add(as, { ...ana, name: 'Another' })).status).toBe(409)
  expect((await add(stranger, ana)).status).toBe(201)
  const other = textAt(await add(as, { name: 'Other' }), 'id')
  expect((await gateway.call('PUT', `/api/customers/${other}`, { as, body: { phone: ana.phone } })).status).toBe(409)
  expect(at(await gateway.call('GET', `/api/customers/${other}`, { as }), 'phone')).toBeNull()
})

test('an identity of a bot needs a bot', async () => {
  const as = await gateway.addCaller()
  const identities = [{ kind: 'bsuid', value: 'CO.abc' }]
  const refused = await add(as, { identities })
  expect([refused.status, at(refused, 'errors.0.path')]).toEqual([422, 'identities'])
  await addBot(as, '2')
  const made = await add(as, { ...ana, identities })
  expect(at(made, 'identities')).toEqual([...identities, { kind: 'phone', value: ana.phone }])
})

test('a customer with a phone is known to each bot, those that come later too', async () => {
  const as = await gateway.addCaller()
  const id = textAt(await add(as, ana), 'id')
  await addBot(as, '3')
  expect((await add(as, { ...ana, name: 'Another' })).status).toBe(409)
  expect(at(await gateway.call('GET', `/api/customers/${id}`, { as }), 'identities')).toEqual([
    { kind: 'phone', value: ana.phone },
  ])
})

test('a customer is added, changed in part or sent back whole, and removed', async () => {
  const as = await gateway.addCaller()
  const made = await add(as, { ...ana, variables: { size: 'M' } })
  expect(made.json).toMatchObject({ ...ana, email: null, variables: { size: 'M' } })
  const path = `/api/customers/${textAt(made, 'id')}`
  const changed = await gateway.call('PUT', path, { as, body: { email: 'ana@example.com' } })
  expect(changed.json).toMatchObject({ ...ana, email: 'ana@example.com', variables: { size: 'M' } })
  const sentBack = await gateway.call('PUT', path, { as, body: { ...JSON.parse(changed.text), phone: null } })
  expect(sentBack.json).toMatchObject({ phone: null, email: 'ana@example.com' })
  expect((await gateway.call('DELETE', path, { as })).status).toBe(204)
  expect((await gateway.call('GET', path, { as })).status).toBe(404)
})

test('a customer who ordered is not removed', async () => {
  const as = await gateway.addCaller()
  const customer_id = textAt(await add(as, ana), 'id')
  const product = { sku: 'tea', name: 'Tea', price_minor: 100, currency: 'COP', stock: 1 }
  const product_id = textAt(await gateway.call('POST', '/api/products', { as, body: product }), 'id')
  const order = { customer_id, items: [{ product_id, quantity: 1 }] }
  expect((await gateway.call('POST', '/api/orders', { as, body: order })).status).toBe(201)
  const refused = await gateway.call('DELETE', `/api/customers/${customer_id}`, { as })
  expect([refused.status, at(refused, 'detail')]).toEqual([409, 'The customer has orders, which name them.'])
})

test('a request sent again under its key adds no second customer', async () => {
  const as = await gateway.addCaller()
  const post = () =>
    gateway.call('POST', '/api/customers', { as, body: { name: 'Ana' }, headers: { 'idempotency-key': 'key-1' } })
  const [first, again] = [await post(), await post()]
  expect([first.status, again.status, again.text]).toEqual([201, 201, first.text])
  expect(column(await gateway.call('GET', '/api/customers', { as }), 'id')).toEqual([at(first, 'id')])
})

test('a customer whom somebody else changed meanwhile is neither changed nor removed', async () => {
  const as = await gateway.addCaller()
  const made = await add(as, ana)
  const path = `/api/customers/${textAt(made, 'id')}`
  const headers = { 'if-match': made.headers.get('etag') ?? '' }
  expect((await gateway.call('GET', path, { as })).headers.get('etag')).toBe(headers['if-match'])
  expect((await gateway.call('PUT', path, { as, body: { name: 'Anita' }, headers })).status).toBe(200)
  expect((await gateway.call('PUT', path, { as, body: { name: 'Ana María' }, headers })).status).toBe(412)
  expect((await gateway.call('DELETE', path, { as, headers })).status).toBe(412)
  expect(at(await gateway.call('GET', path, { as }), 'name')).toBe('Anita')
})

test('who added, changed and removed a customer is in the audit log', async () => {
  const as = await gateway.addCaller()
  const path = `/api/customers/${textAt(await add(as, ana), 'id')}`
  await gateway.call('PUT', path, { as, body: { name: 'Anita' } })
  await gateway.call('DELETE', path, { as })
  const log = await gateway.call('GET', '/api/audit?resource=customers', { as })
  expect(column(log, 'action')).toEqual(['customer.deleted', 'customer.updated', 'customer.created'])
  expect([at(log, 'data.1.before.name'), at(log, 'data.1.after.name')]).toEqual(['Ana', 'Anita'])
})

test('customers are found by part of their name, phone or address, by phone, and by what a bot knows them by', async () => {
  const as = await gateway.addCaller()
  const shared = { kind: 'bsuid', value: 'CO.shared' }
  const [firstBot, first] = [
    await addBot(as, '10'),
    textAt(await add(as, { ...ana, name: 'Ána', identities: [shared] }), 'id'),
  ]
  const secondBot = await addBot(as, '11')
  const email = 'LUZ@example.com'
  const luz = textAt(await add(as, { name: 'Luz', email, identities: [{ kind: 'lid', value: '777' }] }), 'id')
  const list = async (query: string) => column(await gateway.call('GET', `/api/customers${query}`, { as }), 'id')
  expect(await list('?q=ANA')).toEqual([first])
  expect(await list('?q=luz@')).toEqual([luz])
  expect(await list('?q=00123')).toEqual([first])
  expect(await list('?phone=%2B573001234567')).toEqual([first])
  expect(await list('?phone=%2B573001234567&q=luz')).toEqual([])
  expect(await list('?identity=CO.shared')).toEqual([first])
  expect(await list('?identity=%2B573001234567')).toEqual([first])
  expect(await list('?identity=777&phone=%2B573001234567')).toEqual([])
  expect(await list(`?bot_id=${firstBot}`)).toEqual([luz, first])
  expect(await list(`?bot_id=${firstBot}&limit=1`)).toEqual([luz])
  expect(await list(`?bot_id=${firstBot}&identity=CO.shared`)).toEqual([first])
  // The second bot came later: it was told the phones there were, not what the first knows people by.
  expect(await list(`?bot_id=${secondBot}&identity=CO.shared`)).toEqual([])
  expect(await list(`?bot_id=${secondBot}&identity=777&q=luz`)).toEqual([luz])
  expect(await list(`?bot_id=${crypto.randomUUID()}`)).toEqual([])
  expect((await gateway.call('GET', '/api/customers?phone=300', { as })).status).toBe(422)
})

test('a customer of a bot is on one page only, however many identities they have', async () => {
  const as = await gateway.addCaller()
  const bot = await addBot(as, '12')
  const ids: string[] = []
  for (let number = 0; number < 5; number++) {
    const identities = ['bsuid', 'lid'].map(kind => ({ kind, value: `${kind}-${number}` }))
    ids.unshift(textAt(await add(as, { name: 'Ana', phone: `+57300000000${number}`, identities }), 'id'))
  }
  const seen: unknown[] = []
  for (let cursor: unknown = ''; cursor !== null; ) {
    const page = await gateway.call('GET', `/api/customers?bot_id=${bot}&limit=2${cursor && `&cursor=${cursor}`}`, {
      as,
    })
    seen.push(...column(page, 'id'))
    cursor = at(page, 'next_cursor')
  }
  expect(seen).toEqual(ids)
})
