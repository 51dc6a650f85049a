import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'
import { queueEvent } from '../../commerce/webhook-deliveries.ts'
import { webhooksMax } from '../../commerce/webhooks.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

const url = 'https://shop.test/hook'
const add = (as: Caller, body: object = {}) => gateway.call('POST', '/api/webhooks', { as, body: { url, ...body } })
const get = (as: Caller, path: string) => gateway.call('GET', `/api/webhooks${path}`, { as })
const post = (as: Caller, path: string, headers = {}) => gateway.call('POST', `/api/webhooks${path}`, { as, headers })
const put = (as: Caller, path: string, body: object) => gateway.call('PUT', `/api/webhooks${path}`, { as, body })
const emit = ({ tenantId }: Caller, type: string) =>
  gateway.database.transaction({ role: 'app', tenantId }, tx =>
    queueEvent(tx, gateway.ids, { tenantId, type, data: { n: 1 } }),
  )

test('agents and viewers neither see nor add webhooks', async () => {
  const owner = await gateway.addCaller()
  for (const role of ['agent', 'viewer'] as const) {
    const as = await gateway.addCaller(role, owner.tenantId)
    expect((await get(as, '')).status).toBe(403)
    expect((await add(as)).status).toBe(403)
  }
})

test("another tenant's webhook and its deliveries are not there", async () => {
  const [owner, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
  const id = textAt(await add(owner), 'id')
  const own = textAt(await add(stranger), 'id')
  const delivery = textAt(await post(owner, `/${id}/test`), 'delivery_id')
  for (const path of [`/${id}`, `/${id}/deliveries`, `/${id}/deliveries/${delivery}`, `/${own}/deliveries/${delivery}`])
    expect([path, (await get(stranger, path)).status]).toEqual([path, 404])
  for (const path of [`/${id}/rotate`, `/${id}/test`, `/${own}/deliveries/${delivery}/retry`])
    expect([path, (await post(stranger, path)).status]).toEqual([path, 404])
  expect((await put(stranger, `/${id}`, { active: false })).status).toBe(404)
  expect((await gateway.call('DELETE', `/api/webhooks/${id}`, { as: stranger })).status).toBe(404)
  expect((await get(owner, `/${id}/deliveries/nonsense`)).status).toBe(404)
})

test('what is wrong with a webhook is named', async () => {
  const as = await gateway.addCaller()
  for (const [body, path] of [
    [{ url: 'ftp://shop.test' }, 'url'],
    [{ url: 'https://user:pass@shop.test' }, 'url'],
    [{ events: [] }, 'events'],
    [{ events: ['a b'] }, 'events.0'],
    [{ events: ['ok', 'shop.*'] }, 'events.1'],
    [{ active: 'yes' }, 'active'],
    [{ secret: 'mine' }, 'secret'],
  ] as const) {
    const refused = await add(as, body)
    expect([refused.status, at(refused, 'errors.0.path')]).toEqual([422, path])
  }
})

test('the secret of a webhook is shown once, when it is made, and is sealed', async () => {
  const as = await gateway.addCaller()
  const made = await add(as, { events: ['shop.thing'], description: 'CRM' })
  expect(made.status).toBe(201)
  const [id, secret] = [textAt(made, 'id'), textAt(made, 'secret')]
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
  const read = await get(as, `/${id}`)
  expect(read.json).toEqual({
    ...{ id, url, description: 'CRM', events: ['shop.thing'], active: true, disabled_reason: null },
    ...{ failing_since: null, previous_secret_until: null },
    ...{ created_at: expect.any(String), updated_at: expect.any(String) },
  })
  const audit = await gateway.call('GET', '/api/audit?resource=webhooks', { as })
  for (const answer of [read, audit, await get(as, '')]) expect(answer.text).not.toContain(secret)
  const [row] = await gateway.admin`select w::text as text from webhooks w where id = ${id}`
  expect(row.text).not.toContain(secret)
})

test('a request that is sent again is answered the same, secret and all, and makes no second webhook', async () => {
  const as = await gateway.addCaller()
  const headers = { 'idempotency-key': 'once' }
  const [first, second] = [
    await gateway.call('POST', '/api/webhooks', { as, body: { url }, headers }),
    await gateway.call('POST', '/api/webhooks', { as, body: { url }, headers }),
  ]
  expect(second.text).toBe(first.text)
  expect(column(await get(as, ''), 'id').length).toBe(1)
})

test('a secret is changed for another, and the one before is good for a day', async () => {
  const as = await gateway.addCaller()
  const made = await add(as)
  const id = textAt(made, 'id')
  const rotated = await post(as, `/${id}/rotate`)
  expect(textAt(rotated, 'secret')).not.toBe(textAt(made, 'secret'))
  const until = Date.parse(textAt(rotated, 'previous_secret_until')) - Date.now()
  expect(until).toBeGreaterThan(23 * 3_600_000)
  expect(until).toBeLessThan(25 * 3_600_000)
  const audit = await gateway.call('GET', '/api/audit?resource=webhooks', { as })
  expect(column(audit, 'action')).toEqual(['webhook.rotated', 'webhook.created'])
})

test('events are kept for the webhooks that want them, as what they say was signed', async () => {
  const as = await gateway.addCaller()
  const [all, some] = [textAt(await add(as), 'id'), textAt(await add(as, { events: ['shop.thing'] }), 'id')]
  await emit(as, 'shop.thing')
  await emit(as, 'shop.other')
  expect(column(await get(as, `/${all}/deliveries`), 'event')).toEqual(['shop.other', 'shop.thing'])
  const listed = await get(as, `/${some}/deliveries`)
  expect(listed.json).toMatchObject({
    data: [
      {
        ...{ webhook_id: some, event: 'shop.thing', state: 'queued', attempts: 0, response_status: null },
        ...{ latency_ms: null, error: null, ended_at: null, next_attempt_at: expect.any(String) },
      },
    ],
  })
  const one = await get(as, `/${some}/deliveries/${at(listed, 'data.0.id')}`)
  expect(JSON.parse(textAt(one, 'payload'))).toEqual({
    ...{ type: 'shop.thing', timestamp: expect.any(String), data: { n: 1 } },
  })
})

test('deliveries are listed by page and by state', async () => {
  const as = await gateway.addCaller()
  const id = textAt(await add(as), 'id')
  for (const name of ['a', 'b', 'c', 'd']) await emit(as, name)
  await gateway.admin`update webhook_deliveries set state = 'failed', ended_at = now() where event in ('b', 'c')`
  const page = await get(as, `/${id}/deliveries?limit=3`)
  expect(column(page, 'event')).toEqual(['d', 'c', 'b'])
  expect(column(await get(as, `/${id}/deliveries?cursor=${at(page, 'next_cursor')}`), 'event')).toEqual(['a'])
  expect(column(await get(as, `/${id}/deliveries?state=failed`), 'event')).toEqual(['c', 'b'])
  expect((await get(as, `/${id}/deliveries?state=lost`)).status).toBe(422)
})

test('a delivery that has ended is tried again when that is asked for; one that waits is left to itself', async () => {
  const as = await gateway.addCaller()
  const id = textAt(await add(as), 'id')
  await emit(as, 'a')
  const delivery = at(await get(as, `/${id}/deliveries`), 'data.0.id')
  const retry = `/${id}/deliveries/${delivery}/retry`
  expect((await post(as, retry)).status).toBe(409)
  await gateway.admin`update webhook_deliveries set state = 'failed', attempts = 9, ended_at = now() where id = ${delivery}`
  const retried = await post(as, retry)
  expect([retried.status, at(retried, 'state'), at(retried, 'attempts')]).toEqual([202, 'queued', 0])
  await gateway.admin`update webhook_deliveries set state = 'delivered', ended_at = now() where id = ${delivery}`
  expect((await post(as, retry)).status).toBe(202)
})

test('a webhook can be tried, if it is on', async () => {
  const as = await gateway.addCaller()
  const id = textAt(await add(as, { events: ['shop.thing'] }), 'id')
  const tried = await post(as, `/${id}/test`)
  expect(tried.status).toBe(202)
  const one = await get(as, `/${id}/deliveries/${textAt(tried, 'delivery_id')}`)
  expect(one.json).toMatchObject({ event: 'webhook.test', state: 'queued' })
  await put(as, `/${id}`, { active: false })
  expect((await post(as, `/${id}/test`)).status).toBe(409)
})

test('what waits for a webhook fails when it is switched off, and one that was switched off begins anew', async () => {
  const as = await gateway.addCaller()
  const id = textAt(await add(as), 'id')
  await emit(as, 'a')
  const off = await put(as, `/${id}`, { active: false })
  expect([off.status, at(off, 'active')]).toEqual([200, false])
  await emit(as, 'b')
  const listed = await get(as, `/${id}/deliveries`)
  expect(listed.json).toMatchObject({ data: [{ event: 'a', state: 'failed', error: { code: 'webhook_off' } }] })
  const delivery = at(listed, 'data.0.id')
  expect((await post(as, `/${id}/deliveries/${delivery}/retry`)).status).toBe(409)
  await gateway.admin`update webhooks set disabled_reason = 'x', failing_since = now() where id = ${id}`
  expect((await put(as, `/${id}`, { active: true })).json).toMatchObject({
    ...{ active: true, disabled_reason: null, failing_since: null },
  })
  expect((await post(as, `/${id}/deliveries/${delivery}/retry`)).status).toBe(202)
})

test('a webhook is changed in what is given, listed by whether it is on, and removed with its deliveries', async () => {
  const as = await gateway.addCaller()
  const [first, second] = [textAt(await add(as, { events: ['a'] }), 'id'), textAt(await add(as), 'id')]
  const changed = await put(as, `/${first}`, { url: 'https://shop.test/other', events: ['b', 'c'] })
  expect(changed.json).toMatchObject({
    url: 'https://shop.test/other',
    events: ['b', 'c'],
    active: true,
    description: '',
  })
  await put(as, `/${second}`, { active: false, description: 'Off' })
  expect(column(await get(as, ''), 'id')).toEqual([second, first])
  expect(column(await get(as, '?active=true'), 'id')).toEqual([first])
  await emit(as, 'b')
  expect((await gateway.call('DELETE', `/api/webhooks/${first}`, { as })).status).toBe(204)
  expect((await get(as, `/${first}`)).status).toBe(404)
  const [left] = await gateway.admin`select count(*)::int as n from webhook_deliveries where webhook_id = ${first}`
  expect(left.n).toBe(0)
})

test('there are as many as there may be, and no more', async () => {
  const as = await gateway.addCaller()
  for (let index = 0; index < webhooksMax; index++) expect((await add(as)).status).toBe(201)
  expect((await add(as)).status).toBe(409)
})
