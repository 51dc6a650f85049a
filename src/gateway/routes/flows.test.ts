import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'
import orderFlow from '../../../test/support/order-flow.json' with { type: 'json' }

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

const hello = {
  name: 'Hello',
  start: 'hi',
  triggers: [{ fallback: true }],
  steps: { hi: { type: 'message', content: { type: 'text', text: 'Hi' }, next: 'end' } },
}
const saying = (text: string) => ({ ...hello, steps: { hi: { ...hello.steps.hi, content: { type: 'text', text } } } })

const add = (as: Caller, document: unknown) => gateway.call('POST', '/api/flows', { as, body: document })
const publish = (as: Caller, id: string) => gateway.call('POST', `/api/flows/${id}/publish`, { as })

test('nobody reads, writes or publishes flows without logging in', async () => {
  expect((await gateway.call('GET', '/api/flows')).status).toBe(401)
  expect((await gateway.call('POST', '/api/flows', { body: hello })).status).toBe(401)
  expect((await gateway.call('POST', `/api/flows/${crypto.randomUUID()}/publish`)).status).toBe(401)
})

test('agents and viewers change and publish no flow', async () => {
  const owner = await gateway.addCaller()
  const id = textAt(await add(owner, hello), 'id')
  for (const role of ['agent', 'viewer'] as const) {
    const as = await gateway.addCaller(role, owner.tenantId)
    expect((await add(as, { ...hello, name: 'Other' })).status).toBe(403)
    expect((await gateway.call('PUT', `/api/flows/${id}`, { as, body: hello })).status).toBe(403)
    expect((await publish(as, id)).status).toBe(403)
    expect((await gateway.call('GET', `/api/flows/${id}`, { as })).status).toBe(200)
  }
})

test("another tenant's flow is not there", async () => {
  const [owner, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
  const id = textAt(await add(owner, hello), 'id')
  const calls = [
    ['GET', ''],
    ['GET', '/versions'],
    ['PUT', ''],
    ['POST', '/publish'],
    ['DELETE', ''],
  ] as const
  for (const [method, rest] of calls) {
    const body = method === 'PUT' ? hello : undefined
    expect((await gateway.call(method, `/api/flows/${id}${rest}`, { as: stranger, body })).status).toBe(404)
  }
  expect((await gateway.call('GET', `/api/flows/${id}`, { as: owner })).status).toBe(200)
})

test('a draft needs a name only, which is no other flow’s', async () => {
  const as = await gateway.addCaller()
  expect((await add(as, {})).status).toBe(422)
  expect((await add(as, { name: 'Hello', steps: 'later' })).status).toBe(201)
  const again = await add(as, hello)
  expect([again.status, at(again, 'errors.0.path')]).toEqual([409, 'name'])
  const other = textAt(await add(as, { name: 'Other' }), 'id')
  expect((await gateway.call('PUT', `/api/flows/${other}`, { as, body: hello })).status).toBe(409)
})

test('a flow with faults is not published, and each fault is named with its place', async () => {
  const as = await gateway.addCaller()
  const faulty = { ...hello, steps: { ...hello.steps, hi: { ...hello.steps.hi, next: 'gone' }, lost: { type: 'end' } } }
  const id = textAt(await add(as, faulty), 'id')
  const refused = await publish(as, id)
  expect(refused.status).toBe(422)
  expect(refused.json).toMatchObject({ type: '/problems/flow_refused' })
  expect(
    JSON.parse(refused.text)
      .errors.map((error: { path: string }) => error.path)
      .sort(),
  ).toEqual(['steps.hi.next', 'steps.lost'])
  expect(at(await gateway.call('GET', `/api/flows/${id}`, { as }), 'published_version')).toBeNull()
  const unknown = { ...hello, name: 'A', steps: { hi: { type: 'action', handler: 'order.creat', next: 'end' } } }
  expect((await publish(as, textAt(await add(as, unknown), 'id'))).status).toBe(422)
  expect((await publish(as, textAt(await add(as, { name: 'Empty' }), 'id'))).status).toBe(422)
})

test('a published version never changes, whatever becomes of the draft', async () => {
  const as = await gateway.addCaller()
  const id = textAt(await add(as, saying('one')), 'id')
  expect(at(await publish(as, id), 'version')).toBe(1)
  const changed = await gateway.call('PUT', `/api/flows/${id}`, { as, body: saying('two') })
  expect(changed.json).toMatchObject({ published_version: 1, document: saying('two') })
  expect(at(await publish(as, id), 'version')).toBe(2)
  const versions = await gateway.call('GET', `/api/flows/${id}/versions`, { as })
  expect(column(versions, 'version')).toEqual([2, 1])
  expect(at(versions, 'data.1.document.steps.hi.content.text')).toBe('one')
  expect(at(versions, 'data.0.published_by')).toBe(as.userId)
  const page = await gateway.call('GET', `/api/flows/${id}/versions?limit=1`, { as })
  const next = await gateway.call('GET', `/api/flows/${id}/versions?limit=1&cursor=${textAt(page, 'next_cursor')}`, {
    as,
  })
  expect(column(next, 'version')).toEqual([1])
})

test('of parallel publishings each makes a version of its own', async () => {
  const as = await gateway.addCaller()
  const id = textAt(await add(as, hello), 'id')
  const versions = (await Promise.all([publish(as, id), publish(as, id), publish(as, id)])).map(a => at(a, 'version'))
  expect(versions.sort()).toEqual([1, 2, 3])
})

test('a flow may call one that is published, and itself', async () => {
  const as = await gateway.addCaller()
  const calling = (name: string, flow: string) => ({
    ...hello,
    name,
    steps: { hi: { type: 'flow', flow, next: 'end' } },
  })
  const main = textAt(await add(as, calling('Main', 'Hello')), 'id')
  expect((await publish(as, main)).status).toBe(422)
  await publish(as, textAt(await add(as, hello), 'id'))
  expect((await publish(as, main)).status).toBe(200)
})

test('a flow is removed unless a bot answers with it', async () => {
  const as = await gateway.addCaller()
  const id = textAt(await add(as, hello), 'id')
  await publish(as, id)
  const config = { phone_number_id: '1', access_token: 'a', app_secret: 'b', verify_token: 'c' }
  const bot = { name: 'Shop', provider: 'meta', config, flow_id: id }
  const botId = textAt(await gateway.call('POST', '/api/bots', { as, body: bot }), 'id')
  const refused = await gateway.call('DELETE', `/api/flows/${id}`, { as })
  expect(refused.status).toBe(409)
  expect(at(refused, 'detail')).toContain('"Shop"')
  await gateway.call('PUT', `/api/bots/${botId}`, { as, body: { flow_id: null } })
  expect((await gateway.call('DELETE', `/api/flows/${id}`, { as })).status).toBe(204)
  expect((await gateway.call('GET', `/api/flows/${id}`, { as })).status).toBe(404)
})

test('the flow of the demo is published', async () => {
  const as = await gateway.addCaller()
  const published = await publish(as, textAt(await add(as, orderFlow), 'id'))
  expect(published.json).toEqual({ version: 1, warnings: expect.any(Array) })
})

test('flows are found by a part of the name, and by whether they are published', async () => {
  const as = await gateway.addCaller()
  const named = async (name: string) => textAt(await add(as, { ...hello, name }), 'id')
  const [order, menu] = [await named('Pedido rápido'), await named('Menú 100%')]
  await publish(as, menu)
  const list = async (query: string) => column(await gateway.call('GET', `/api/flows?${query}`, { as }), 'id')
  expect(await list('')).toEqual([menu, order])
  expect(await list('published=true')).toEqual([menu])
  expect(await list('published=false')).toEqual([order])
  expect(await list('q=RAPIDO')).toEqual([order])
  expect(await list('q=%25')).toEqual([menu])
  expect(await list('q=menu&published=false')).toEqual([])
  expect((await gateway.call('GET', '/api/flows?published=maybe', { as })).status).toBe(422)
})

test('one published version is read by its number, with its document', async () => {
  const as = await gateway.addCaller()
  const id = textAt(await add(as, saying('one')), 'id')
  await publish(as, id)
  await gateway.call('PUT', `/api/flows/${id}`, { as, body: saying('two') })
  const read = (version: string, who = as) => gateway.call('GET', `/api/flows/${id}/versions/${version}`, { as: who })
  expect(at(await read('1'), 'document')).toMatchObject(saying('one'))
  for (const version of ['0', '2', '-1', '1.0', '01', 'draft', '99999999999'])
    expect([version, (await read(version)).status]).toEqual([version, 404])
  expect((await read('1', await gateway.addCaller())).status).toBe(404)
})

test('a draft that somebody else has changed since it was read is neither replaced nor removed', async () => {
  const as = await gateway.addCaller()
  const made = await add(as, saying('one'))
  const path = `/api/flows/${textAt(made, 'id')}`
  const headers = { 'if-match': made.headers.get('etag') ?? '' }
  const put = (text: string) => gateway.call('PUT', path, { as, headers, body: saying(text) })
  const answers = await Promise.all([put('two'), put('three')])
  expect(answers.map(answer => answer.status).sort()).toEqual([200, 412])
  expect((await gateway.call('DELETE', path, { as, headers })).status).toBe(412)
  const current = { 'if-match': (await gateway.call('GET', path, { as })).headers.get('etag') ?? '' }
  expect((await gateway.call('DELETE', path, { as, headers: current })).status).toBe(204)
})

test('under one Idempotency-Key a flow is made, and published, once; both stand in the audit log', async () => {
  const as = await gateway.addCaller()
  const headers = { 'idempotency-key': 'flow-1' }
  const make = () => gateway.call('POST', '/api/flows', { as, headers, body: hello })
  const made = await Promise.all([make(), make(), make()])
  expect(made.map(answer => [answer.status, answer.text])).toEqual(made.map(() => [201, made[0]?.text ?? '']))
  const path = `/api/flows/${made[0] && textAt(made[0], 'id')}`
  const publishing = { as, headers: { 'idempotency-key': 'publish-1' } }
  for (let time = 0; time < 2; time++)
    expect(at(await gateway.call('POST', `${path}/publish`, publishing), 'version')).toBe(1)
  const log = await gateway.call('GET', '/api/audit?resource=flows', { as })
  expect(column(log, 'action')).toEqual(['flow.published', 'flow.created'])
  expect(at(log, 'data.1')).toMatchObject({ before: null, after: { name: 'Hello', document: hello } })
})

test('free text after days is refused for bots that have a window, and told of for those that have none', async () => {
  const as = await gateway.addCaller()
  const late = {
    name: 'Late',
    start: 'wait',
    triggers: [{ fallback: true }],
    steps: {
      wait: { type: 'wait', for: '3d', next: 'say' },
      say: { type: 'message', content: { type: 'text', text: 'Still there?' }, next: 'end' },
    },
  }
  const flow = await gateway.call('POST', '/api/flows', { as, body: late })
  const publish = () => gateway.call('POST', `/api/flows/${at(flow, 'id')}/publish`, { as })
  expect(at(await publish(), 'errors.0.path')).toBe('steps.say.content')
  const bot = { name: 'Web', provider: 'baileys', config: {}, flow_id: at(flow, 'id') }
  expect((await gateway.call('POST', '/api/bots', { as, body: bot })).status).toBe(201)
  const published = await publish()
  expect(published.status).toBe(200)
  expect(at(published, 'warnings')).toContainEqual(expect.objectContaining({ path: 'steps.say.content' }))
})
