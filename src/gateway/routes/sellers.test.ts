import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'
import { receiveMessages } from '../../messaging/receive-messages.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

const luz = { name: 'Luz Peña', email: 'luz@example.com', phone: '+573001112233' }
const add = (as: Caller, body: unknown) => gateway.call('POST', '/api/sellers', { as, body })
const read = (as: Caller, id: string) => gateway.call('GET', `/api/sellers/${id}`, { as })
const remove = async (as: Caller, id: string) => (await gateway.call('DELETE', `/api/sellers/${id}`, { as })).status

test('nobody reads or writes sellers without logging in', async () => {
  expect((await gateway.call('GET', '/api/sellers')).status).toBe(401)
  expect((await gateway.call('POST', '/api/sellers', { body: luz })).status).toBe(401)
})

test('agents and viewers read sellers, and change none', async () => {
  const owner = await gateway.addCaller()
  const id = textAt(await add(owner, luz), 'id')
  for (const role of ['agent', 'viewer'] as const) {
    const as = await gateway.addCaller(role, owner.tenantId)
    expect((await read(as, id)).status).toBe(200)
    expect((await add(as, luz)).status).toBe(403)
    expect((await gateway.call('PUT', `/api/sellers/${id}`, { as, body: luz })).status).toBe(403)
    expect(await remove(as, id)).toBe(403)
  }
})

test("another tenant's seller is not there", async () => {
  const [owner, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
  const id = textAt(await add(owner, luz), 'id')
  expect((await read(stranger, id)).status).toBe(404)
  expect((await gateway.call('PUT', `/api/sellers/${id}`, { as: stranger, body: { name: 'Eve' } })).status).toBe(404)
  expect(await remove(stranger, id)).toBe(404)
  expect(column(await gateway.call('GET', '/api/sellers', { as: stranger }), 'id')).toEqual([])
  expect((await read(owner, id)).status).toBe(200)
})

test('every field that is wrong is named', async () => {
  const as = await gateway.addCaller()
  const refused = await add(as, { name: ' ', email: 'luz', phone: '300', active: 1, commission: 5 })
  expect(refused.status).toBe(422)
  const paths = [0, 1, 2, 3, 4].map(index => at(refused, `errors.${index}.path`))
  expect(paths.sort()).toEqual(['active', 'commission', 'email', 'name', 'phone'])
  expect((await add(as, {})).status).toBe(422)
})

test('a seller is added, changed in part or sent back whole, and removed', async () => {
  const as = await gateway.addCaller()
  const made = await add(as, luz)
  expect(made.status).toBe(201)
  expect(made.json).toMatchObject({ ...luz, active: true })
  expect(made.json).toEqual((await read(as, textAt(made, 'id'))).json)
  const path = `/api/sellers/${textAt(made, 'id')}`
  const changed = await gateway.call('PUT', path, { as, body: { phone: null } })
  expect(changed.json).toMatchObject({ ...luz, phone: null })
  const sentBack = await gateway.call('PUT', path, { as, body: { ...JSON.parse(changed.text), active: false } })
  expect(sentBack.json).toMatchObject({ ...luz, phone: null, active: false })
  expect((await gateway.call('DELETE', path, { as })).status).toBe(204)
  expect((await gateway.call('GET', path, { as })).status).toBe(404)
})

test('one who has an order, a conversation or a user stays when removed, inactive', async () => {
  const as = await gateway.addCaller()
  const [ofOrder, ofConversation, ofUser] = [
    textAt(await add(as, luz), 'id'),
    textAt(await add(as, luz), 'id'),
    textAt(await add(as, luz), 'id'),
  ]
  await addOrder(as, ofOrder)
  const conversation = await addConversation(as)
  const handoff = { as, body: { seller_id: ofConversation } }
  expect((await gateway.call('POST', `/api/conversations/${conversation}/handoff`, handoff)).status).toBe(202)
  const user = { name: 'Agent', email: `${ofUser}@example.com`, role: 'agent', seller_id: ofUser }
  expect((await gateway.call('POST', '/api/users', { as, body: user })).status).toBe(201)
  for (const id of [ofOrder, ofConversation, ofUser]) {
    expect(await remove(as, id)).toBe(204)
    expect(at(await read(as, id), 'active')).toBe(false)
  }
})

async function addOrder(as: Caller, seller_id: string): Promise<void> {
  const product = { sku: 'tea', name: 'Tea', price_minor: 250, currency: 'COP', stock: 1 }
  const product_id = textAt(await gateway.call('POST', '/api/products', { as, body: product }), 'id')
  const customer_id = textAt(await gateway.call('POST', '/api/customers', { as, body: { name: 'Ana' } }), 'id')
  const order = { customer_id, seller_id, items: [{ product_id, quantity: 1 }] }
  expect((await gateway.call('POST', '/api/orders', { as, body: order })).status).toBe(201)
}

async function addConversation(as: Caller): Promise<string> {
  const config = { phone_number_id: '900100', access_token: 'a', app_secret: 'b', verify_token: 'c' }
  const bot = await gateway.call('POST', '/api/bots', { as, body: { name: 'Bot', provider: 'meta', config } })
  await receiveMessages(
    gateway.database,
    gateway.ids,
    [
      {
        ...{ tenantId: as.tenantId, botId: textAt(bot, 'id'), providerMessageId: 'wamid-1', at: new Date() },
        sender: { identities: [{ kind: 'phone', value: '+573009998877' }], name: 'Eva' },
        content: { type: 'text', text: 'hola' },
      },
    ],
    gateway.sealer,
  )
  return textAt(await gateway.call('GET', '/api/conversations', { as }), 'data.0.id')
}

test('an order that is made while its seller is removed either has the seller, or is refused', async () => {
  const as = await gateway.addCaller()
  const product = { sku: 'tea', name: 'Tea', price_minor: 250, currency: 'COP', stock: 100 }
  const product_id = textAt(await gateway.call('POST', '/api/products', { as, body: product }), 'id')
  const customer_id = textAt(await gateway.call('POST', '/api/customers', { as, body: { name: 'Ana' } }), 'id')
  for (let round = 0; round < 10; round++) {
    const seller_id = textAt(await add(as, luz), 'id')
    const body = { customer_id, seller_id, items: [{ product_id, quantity: 1 }] }
    const order = () => gateway.call('POST', '/api/orders', { as, body })
    const [first, removed, second] = await Promise.all([order(), remove(as, seller_id), order()])
    expect(removed).toBe(204)
    const made = [first, second].filter(({ status }) => status === 201)
    expect([first, second].filter(({ status }) => status === 422)).toHaveLength(2 - made.length)
    expect((await read(as, seller_id)).status).toBe(made.length > 0 ? 200 : 404)
  }
})

test('sellers are listed newest first, by whether they are active, and by part of what they are called', async () => {
  const as = await gateway.addCaller()
  const ids: string[] = []
  for (const body of [luz, { name: 'Öscar', active: false }, { name: 'Ana', email: 'ANA@example.com' }])
    ids.unshift(textAt(await add(as, body), 'id'))
  const [ana, oscar, first] = ids
  const list = async (query: string) => column(await gateway.call('GET', `/api/sellers${query}`, { as }), 'id')
  expect(await list('')).toEqual(ids)
  expect(await list('?active=true')).toEqual([ana, first])
  expect(await list('?active=false')).toEqual([oscar])
  expect(await list('?q=PENA')).toEqual([first])
  expect(await list('?q=oscar')).toEqual([oscar])
  expect(await list('?q=ana@')).toEqual([ana])
  expect(await list('?q=3001112')).toEqual([first])
  expect(await list('?q=pena&active=false')).toEqual([])
  expect((await gateway.call('GET', '/api/sellers?active=yes', { as })).status).toBe(422)
  expect((await gateway.call('GET', '/api/sellers?activ=true', { as })).status).toBe(422)
})
