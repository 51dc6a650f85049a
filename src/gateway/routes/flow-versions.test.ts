import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

const hi = { type: 'message', content: { type: 'text', text: 'Hi' }, next: 'end' }
const hello = { name: 'Hello', start: 'hi', triggers: [{ fallback: true }], steps: { hi } }
const saying = (text: string, name = 'Hello') => {
  return { ...hello, name, steps: { hi: { ...hi, content: { type: 'text', text } } } }
}

const add = async (as: Caller, document: object) =>
  textAt(await gateway.call('POST', '/api/flows', { as, body: document }), 'id')
const put = (as: Caller, id: string, document: object) =>
  gateway.call('PUT', `/api/flows/${id}`, { as, body: document })
const publish = (as: Caller, id: string, body?: object) =>
  gateway.call('POST', `/api/flows/${id}/publish`, { as, ...(body && { body }) })
const rollBack = (as: Caller, id: string, body: object) =>
  gateway.call('POST', `/api/flows/${id}/rollback`, { as, body })
const diff = (as: Caller, id: string, query = '') => gateway.call('GET', `/api/flows/${id}/diff${query}`, { as })
const versions = (as: Caller, id: string) => gateway.call('GET', `/api/flows/${id}/versions`, { as })

/** A flow whose versions are these texts, in order; the draft is the last. */
async function addVersions(as: Caller, ...texts: readonly string[]): Promise<string> {
  const id = await add(as, saying(texts[0] ?? ''))
  for (const text of texts) {
    await put(as, id, saying(text))
    expect((await publish(as, id)).status).toBe(200)
  }
  return id
}

test('nobody without the permission compares, rolls back or counts, and nobody of another tenant', async () => {
  const owner = await gateway.addCaller()
  const id = await addVersions(owner, 'one', 'two')
  const [viewer, stranger] = [await gateway.addCaller('viewer', owner.tenantId), await gateway.addCaller()]
  for (const path of ['diff', 'running']) {
    expect((await gateway.call('GET', `/api/flows/${id}/${path}`)).status).toBe(401)
    expect((await gateway.call('GET', `/api/flows/${id}/${path}`, { as: viewer })).status).toBe(200)
    expect((await gateway.call('GET', `/api/flows/${id}/${path}`, { as: stranger })).status).toBe(404)
  }
  expect((await gateway.call('POST', `/api/flows/${id}/rollback`, { body: { version: 1 } })).status).toBe(401)
  expect((await rollBack(viewer, id, { version: 1 })).status).toBe(403)
  expect((await rollBack(stranger, id, { version: 1 })).status).toBe(404)
  expect(column(await versions(owner, id), 'version')).toEqual([2, 1])
})

test('a version keeps the note of its publisher', async () => {
  const as = await gateway.addCaller()
  const id = await add(as, hello)
  await publish(as, id, { note: 'The first' })
  await publish(as, id)
  expect(column(await versions(as, id), 'note')).toEqual([null, 'The first'])
  expect((await publish(as, id, { note: 'x'.repeat(201) })).status).toBe(422)
  expect((await publish(as, id, { notes: 'x' })).status).toBe(422)
})

test('who publishes a flow may do what its actions do: the others are named', async () => {
  const owner = await gateway.addCaller()
  const scopes = ['flows:write']
  const key = await gateway.call('POST', '/api/api-keys', { as: owner, body: { name: 'Deploys', scopes } })
  const action = { type: 'action', handler: 'cart.clear', next: 'hi', error: 'hi' }
  const id = await add(owner, { ...hello, start: 'order', steps: { order: action, hi } })
  const headers = { 'x-api-key': textAt(key, 'key') }
  const refused = await gateway.call('POST', `/api/flows/${id}/publish`, { headers })
  expect(refused.status).toBe(403)
  expect(at(refused, 'errors')).toEqual([{ path: 'steps.order.handler', message: 'Takes the permission orders:write' }])
  expect((await publish(owner, id)).status).toBe(200)
  await put(owner, id, hello)
  expect((await gateway.call('POST', `/api/flows/${id}/publish`, { headers })).status).toBe(200)
  const body = { version: 1 }
  expect((await gateway.call('POST', `/api/flows/${id}/rollback`, { headers, body })).status).toBe(403)
  expect(column(await versions(owner, id), 'version')).toEqual([2, 1])
})

describe('what differs', () => {
  test('is told from what is published to the draft, or between any two', async () => {
    const as = await gateway.addCaller()
    const id = await addVersions(as, 'one', 'two')
    expect((await diff(as, id)).json).toEqual({ from: 2, to: 'draft', fields: [], steps: [] })
    await put(as, id, { ...saying('two', 'Bye'), steps: { bye: hi } })
    expect((await diff(as, id)).json).toEqual({
      from: 2,
      to: 'draft',
      fields: [{ path: 'name', before: 'Hello', after: 'Bye' }],
      steps: [
        {
          step: 'hi',
          kind: 'removed',
          changes: [{ path: '', before: { ...hi, content: { type: 'text', text: 'two' } } }],
        },
        { step: 'bye', kind: 'added', changes: [{ path: '', after: hi }] },
      ],
    })
    const changes = [{ path: 'content.text', before: 'two', after: 'one' }]
    expect((await diff(as, id, '?from=2&to=1')).json).toEqual({
      ...{ from: 2, to: 1, fields: [] },
      steps: [{ step: 'hi', kind: 'changed', changes }],
    })
    expect((await diff(as, id, '?from=draft&to=draft')).json).toMatchObject({ fields: [], steps: [] })
  })

  test('is told of a draft that is unfinished', async () => {
    const as = await gateway.addCaller()
    const id = await addVersions(as, 'one')
    await put(as, id, { name: 'Hello', steps: 'later' })
    expect(at(await diff(as, id), 'fields')).toEqual([
      { path: 'start', before: 'hi' },
      { path: 'triggers', before: [{ fallback: true }] },
      { path: 'steps', after: 'later' },
    ])
  })

  test('is not told of what is not there', async () => {
    const as = await gateway.addCaller()
    const id = await addVersions(as, 'one')
    for (const query of ['?from=2', '?to=2', '?from=1&to=2147483647'])
      expect([query, (await diff(as, id, query)).status]).toEqual([query, 404])
    for (const query of ['?from=0', '?to=none', '?from=2147483648', '?version=1'])
      expect([query, (await diff(as, id, query)).status]).toEqual([query, 422])
    expect((await diff(as, await add(as, { name: 'Unpublished' }))).status).toBe(404)
  })
})

describe('rolling back', () => {
  test('publishes the earlier document again as a new version, and leaves the others and the draft as they are', async () => {
    const as = await gateway.addCaller()
    const id = await addVersions(as, 'one', 'two')
    await put(as, id, saying('at work'))
    const before = (await versions(as, id)).json
    expect((await rollBack(as, id, { version: 1, note: 'Two was wrong' })).json).toEqual({ version: 3, warnings: [] })
    const after = await versions(as, id)
    expect(at(after, 'data.0')).toMatchObject({
      ...{ version: 3, restored_from: 1, note: 'Two was wrong', published_by: as.userId },
      document: saying('one'),
    })
    expect(at(after, 'data')).toEqual([
      at(after, 'data.0'),
      ...Object.values(at({ ...after, json: before }, 'data') ?? {}),
    ])
    const flow = await gateway.call('GET', `/api/flows/${id}`, { as })
    expect(flow.json).toMatchObject({ published_version: 3, document: saying('at work') })
    expect(at(await diff(as, id, '?from=1&to=3'), 'steps')).toEqual([])
    const log = await gateway.call('GET', '/api/audit?resource=flows&limit=1', { as })
    expect(at(log, 'data.0')).toMatchObject({ action: 'flow.rolled_back', after: { version: 3, restored_from: 1 } })
  })

  test('takes the draft back too where that is wished', async () => {
    const as = await gateway.addCaller()
    const id = await addVersions(as, 'one', 'two')
    expect((await rollBack(as, id, { version: 1, draft: true })).status).toBe(200)
    expect((await gateway.call('GET', `/api/flows/${id}`, { as })).json).toMatchObject({ document: saying('one') })
  })

  test('is refused where the version is not there, or is the one that is published', async () => {
    const as = await gateway.addCaller()
    const id = await addVersions(as, 'one', 'two')
    expect((await rollBack(as, id, { version: 3 })).status).toBe(404)
    expect((await rollBack(as, id, { version: 2 })).status).toBe(409)
    expect((await rollBack(as, id, {})).status).toBe(422)
    expect(column(await versions(as, id), 'version')).toEqual([2, 1])
  })

  test('is refused where the version fits no more: what it calls is gone', async () => {
    const as = await gateway.addCaller()
    const other = await add(as, { ...hello, name: 'Other' })
    await publish(as, other)
    const id = await add(as, { ...hello, steps: { hi: { type: 'flow', flow: 'Other', next: 'end' } } })
    await publish(as, id)
    await put(as, id, saying('alone'))
    await publish(as, id)
    await gateway.call('DELETE', `/api/flows/${other}`, { as })
    const refused = await rollBack(as, id, { version: 1, draft: true })
    expect([refused.status, at(refused, 'errors.0.path')]).toEqual([422, 'steps.hi.flow'])
    expect((await gateway.call('GET', `/api/flows/${id}`, { as })).json).toMatchObject({
      ...{ published_version: 2, document: saying('alone') },
    })
  })

  test('takes no name that is another flow’s by now', async () => {
    const as = await gateway.addCaller()
    const id = await addVersions(as, 'one')
    await put(as, id, saying('two', 'Renamed'))
    await publish(as, id)
    await add(as, hello)
    expect((await rollBack(as, id, { version: 1, draft: true })).status).toBe(409)
    expect(column(await versions(as, id), 'version')).toEqual([2, 1])
    expect((await rollBack(as, id, { version: 1 })).status).toBe(200)
  })

  test('under one Idempotency-Key happens once, and in parallel gives each its own version', async () => {
    const as = await gateway.addCaller()
    const id = await addVersions(as, 'one', 'two')
    const call = (headers: Record<string, string>) =>
      gateway.call('POST', `/api/flows/${id}/rollback`, { as, headers, body: { version: 1 } })
    const same = await Promise.all([call({ 'idempotency-key': 'back' }), call({ 'idempotency-key': 'back' })])
    expect(same.map(answer => at(answer, 'version'))).toEqual([3, 3])
    const each = await Promise.all([call({}), call({}), publish(as, id)])
    expect(each.map(answer => at(answer, 'version')).sort()).toEqual([4, 5, 6])
  })
})

describe('a published flow that others call by its name', () => {
  const main = {
    ...hello,
    name: 'Main',
    start: 'call',
    steps: { call: { type: 'flow', flow: 'Catalog', next: 'end' } },
  }
  const simulate = async (as: Caller, id: string, version: number) =>
    at(
      await gateway.call('POST', `/api/flows/${id}/simulate`, { as, body: { inputs: ['hi'], version } }),
      'turns.0.replies',
    )
  const says = (text: string) => [{ type: 'text', text }]
  const del = (as: Caller, id: string) => gateway.call('DELETE', `/api/flows/${id}`, { as })

  async function addBoth(as: Caller) {
    const subId = await add(as, saying('the catalog', 'Catalog'))
    expect((await publish(as, subId)).status).toBe(200)
    const mainId = await add(as, main)
    expect((await publish(as, mainId)).status).toBe(200)
    return { subId, mainId }
  }

  test('is called so whatever its draft is called', async () => {
    const as = await gateway.addCaller()
    const { subId, mainId } = await addBoth(as)
    expect((await put(as, subId, saying('another', 'Catalog (new)'))).status).toBe(200)
    expect(await simulate(as, mainId, 1)).toEqual(says('the catalog'))
    expect((await publish(as, mainId)).status).toBe(200)
    const other = await add(as, {
      ...main,
      name: 'Other',
      steps: { call: { ...main.steps.call, flow: 'Catalog (new)' } },
    })
    expect((await publish(as, other)).status).toBe(422)
  })

  test('is published under no other name, and not removed, while others call it: they are named', async () => {
    const as = await gateway.addCaller()
    const { subId, mainId } = await addBoth(as)
    await put(as, subId, saying('another', 'Catalog (new)'))
    const refused = await publish(as, subId)
    expect([refused.status, at(refused, 'detail')]).toEqual([409, expect.stringContaining('"Main"')])
    const kept = await del(as, subId)
    expect([kept.status, at(kept, 'detail')]).toEqual([409, expect.stringContaining('"Main"')])
    await put(as, mainId, { ...hello, name: 'Main' })
    await publish(as, mainId)
    expect((await publish(as, subId)).status).toBe(200)
    const back = await rollBack(as, mainId, { version: 1 })
    expect([back.status, at(back, 'errors.0.path')]).toEqual([422, 'steps.call.flow'])
    expect((await del(as, subId)).status).toBe(204)
  })

  test('has its name for itself: no other is published under it', async () => {
    const as = await gateway.addCaller()
    const { subId } = await addBoth(as)
    await put(as, subId, saying('another', 'Catalog (new)'))
    const rival = await add(as, saying('a rival', 'Catalog'))
    expect((await publish(as, rival)).status).toBe(409)
  })

  test('may call itself, and go by another name then', async () => {
    const as = await gateway.addCaller()
    const calling = (name: string) => ({
      ...saying('again', name),
      steps: {
        hi: { type: 'question', content: { type: 'text', text: '?' }, variable: 'x', next: 'call' },
        call: { type: 'flow', flow: name, next: 'end' },
      },
    })
    const id = await add(as, calling('Loop'))
    expect((await publish(as, id)).status).toBe(200)
    await put(as, id, calling('Round'))
    expect((await publish(as, id)).status).toBe(200)
    expect((await rollBack(as, id, { version: 1 })).status).toBe(200)
  })
})
