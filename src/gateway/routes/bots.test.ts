import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'
import { findBotWithSecrets } from '../../messaging/find-bot.ts'
import { statement } from '../../stores/postgres/statement.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

const secrets = { access_token: 'EAAG-token', app_secret: 'shh-app-secret', verify_token: 'shh-verify' }
const masked = { access_token: '••••', app_secret: '••••', verify_token: '••••' }
const bot = (number: string) => ({ name: 'Shop', provider: 'meta', config: { phone_number_id: number, ...secrets } })

const add = (as: Caller, number: string) => gateway.call('POST', '/api/bots', { as, body: bot(number) })
const opened = (id: string) =>
  gateway.database.transaction({ role: 'worker' }, tx => findBotWithSecrets(tx, gateway.sealer, id))

test('nobody reads or writes bots without logging in', async () => {
  expect((await gateway.call('GET', '/api/bots')).status).toBe(401)
  expect((await gateway.call('POST', '/api/bots', { body: bot('1') })).status).toBe(401)
})

test('agents and viewers change no bot', async () => {
  const owner = await gateway.addCaller()
  const path = `/api/bots/${textAt(await add(owner, '1'), 'id')}`
  for (const role of ['agent', 'viewer'] as const) {
    const as = await gateway.addCaller(role, owner.tenantId)
    expect((await add(as, '2')).status).toBe(403)
    expect((await gateway.call('PUT', path, { as, body: {} })).status).toBe(403)
    expect((await gateway.call('DELETE', path, { as })).status).toBe(403)
    expect((await gateway.call('GET', path, { as })).status).toBe(200)
  }
  expect((await add(await gateway.addCaller('admin', owner.tenantId), '2')).status).toBe(201)
})

test("another tenant's bot and flow are not there", async () => {
  const [owner, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
  const path = `/api/bots/${textAt(await add(owner, '1'), 'id')}`
  for (const address of [path, `${path}/status`])
    expect((await gateway.call('GET', address, { as: stranger })).status).toBe(404)
  expect((await gateway.call('PUT', path, { as: stranger, body: { name: 'Mine' } })).status).toBe(404)
  expect((await gateway.call('DELETE', path, { as: stranger })).status).toBe(404)
  const flow = textAt(await gateway.call('POST', '/api/flows', { as: owner, body: { name: 'Hi' } }), 'id')
  const stolen = await gateway.call('POST', '/api/bots', { as: stranger, body: { ...bot('1'), flow_id: flow } })
  expect([stolen.status, at(stolen, 'errors.0.path')]).toEqual([422, 'flow_id'])
})

test('a config is checked for its provider, and what is wrong is named without being shown', async () => {
  const as = await gateway.addCaller()
  const config = { phone_number_id: '1/../2', access_token: 'tok en', app_secret: 7, colour: 'red' }
  const answer = await gateway.call('POST', '/api/bots', { as, body: { ...bot('1'), config } })
  expect(answer.status).toBe(422)
  expect(JSON.parse(answer.text).errors.map((error: { path: string }) => error.path)).toEqual([
    'config.phone_number_id',
    'config.access_token',
    'config.app_secret',
    'config.verify_token',
    'config.colour',
  ])
  expect(answer.text).not.toContain('tok en')
  const masks = await gateway.call('POST', '/api/bots', {
    as,
    body: { ...bot('1'), config: { phone_number_id: '1', ...masked } },
  })
  expect(at(masks, 'errors.0.path')).toBe('config.access_token')
})

test('each provider has its settings: secrets come back masked, what is wrong is named', async () => {
  const as = await gateway.addCaller()
  const make = (provider: string, config: object) =>
    gateway.call('POST', '/api/bots', { as, body: { name: 'Shop', provider, config } })
  for (const [provider, config, shown] of [
    ['baileys', {}, {}],
    ['official', { api_key: 'k', webhook_secret: 's', flavour: 'legacy' }, { flavour: 'legacy' }],
    ['twilio', { account_sid: `AC${'0'.repeat(32)}`, auth_token: 't', from: '+12025550100' }, { from: '+12025550100' }],
    [
      'evolution',
      { base_url: 'http://10.0.0.5:8080/', api_key: 'k', instance: 'shop' },
      { base_url: 'http://10.0.0.5:8080' },
    ],
  ] as const) {
    const answer = await make(provider, config)
    expect([provider, answer.status]).toEqual([provider, 201])
    expect(at(answer, 'config')).toMatchObject(shown)
    const given = Object.values(config)
    for (const secret of ['k', 's', 't'].filter(text => given.some(value => value === text)))
      expect(Object.values(at(answer, 'config') as object)).not.toContain(secret)
  }
  for (const [provider, config, path] of [
    ['official', { api_key: 'k' }, 'config.webhook_secret'],
    ['official', { api_key: 'k', webhook_secret: 's', flavour: 'cloud' }, 'config.flavour'],
    ['twilio', { account_sid: 'AC1', auth_token: 't', from: '+12025550100' }, 'config.account_sid'],
    ['twilio', { account_sid: `AC${'0'.repeat(32)}`, auth_token: 't', from: '555' }, 'config.from'],
    ['evolution', { base_url: 'ftp://x', api_key: 'k', instance: 'i' }, 'config.base_url'],
    ['baileys', { api_key: 'k' }, 'config.api_key'],
  ] as const) {
    const answer = await make(provider, config)
    expect([provider, answer.status, at(answer, 'errors.0.path')]).toEqual([provider, 422, path])
  }
})

test('two bots of a tenant cannot be on one number, however many try at once', async () => {
  const as = await gateway.addCaller()
  const statuses = (await Promise.all([add(as, '1'), add(as, '1'), add(as, '1')])).map(answer => answer.status)
  expect(statuses.sort()).toEqual([201, 409, 409])
  const other = textAt(await add(as, '2'), 'id')
  const moved = await gateway.call('PUT', `/api/bots/${other}`, { as, body: { config: { phone_number_id: '1' } } })
  expect([moved.status, at(moved, 'errors.0.path')]).toEqual([409, 'config.phone_number_id'])
})

test('secrets are in no answer, and reach the adapter', async () => {
  const as = await gateway.addCaller()
  const made = await add(as, '1')
  expect(made.json).toMatchObject({ provider: 'meta', flow_id: null, config: { phone_number_id: '1', ...masked } })
  const id = textAt(made, 'id')
  const path = `/api/bots/${id}`
  const answers = [
    made,
    await gateway.call('GET', path, { as }),
    await gateway.call('GET', '/api/bots', { as }),
    await gateway.call('PUT', path, { as, body: { name: 'Other' } }),
    await gateway.call('GET', `${path}/status`, { as }),
  ]
  for (const { text } of answers) for (const secret of Object.values(secrets)) expect(text).not.toContain(secret)
  expect(await opened(id)).toMatchObject({ tenantId: as.tenantId, config: { phone_number_id: '1', ...secrets } })
})

test('secrets are sealed in the database, for their bot alone', async () => {
  const as = await gateway.addCaller()
  const id = textAt(await add(as, '1'), 'id')
  const read = statement({
    name: 'test_bot_at_rest',
    params: ['id'],
    row: { config: 'text', sealed: 'bytea' },
    sql: 'select b.config::text as config, s.sealed from bots b join bot_secrets s on s.bot_id = b.id where b.id = $1',
  })
  const [stored] = await gateway.database.transaction({ role: 'worker' }, tx => tx.run(read, { id }))
  const atRest = `${stored?.config} ${Buffer.from(stored?.sealed ?? []).toString('latin1')}`
  for (const secret of Object.values(secrets)) expect(atRest).not.toContain(secret)
  expect(() => gateway.sealer.open(stored?.sealed ?? new Uint8Array(), crypto.randomUUID())).toThrow()
})

test('a secret that is sent back masked, or left out, stays; another one replaces it', async () => {
  const as = await gateway.addCaller()
  const made = await add(as, '1')
  const id = textAt(made, 'id')
  const put = (body: unknown) => gateway.call('PUT', `/api/bots/${id}`, { as, body })
  expect((await put({ ...JSON.parse(made.text), name: 'Renamed' })).status).toBe(200)
  expect((await opened(id))?.config).toEqual({ phone_number_id: '1', ...secrets })
  expect((await put({ config: { ...masked, access_token: 'new-token' } })).status).toBe(200)
  expect((await opened(id))?.config).toEqual({ phone_number_id: '1', ...secrets, access_token: 'new-token' })
})

test('a change is told to those who keep bots in memory', async () => {
  const as = await gateway.addCaller()
  const told: string[] = []
  const stop = gateway.bus.subscribe('bot.changed', id => told.push(id))
  const id = textAt(await add(as, '1'), 'id')
  await gateway.call('PUT', `/api/bots/${id}`, { as, body: { name: 'Other' } })
  await gateway.call('DELETE', `/api/bots/${id}`, { as })
  await Bun.sleep(1)
  stop()
  expect(told).toEqual([id, id, id])
})

test('a bot is listed, told how it is connected, and removed with its secrets', async () => {
  const as = await gateway.addCaller()
  const ids = [textAt(await add(as, '1'), 'id'), textAt(await add(as, '2'), 'id')].reverse()
  expect(column(await gateway.call('GET', '/api/bots', { as }), 'id')).toEqual(ids)
  const status = await gateway.call('GET', `/api/bots/${ids[0]}/status`, { as })
  expect(status.json).toEqual({ status: 'connecting', status_reason: null })
  expect((await gateway.call('DELETE', `/api/bots/${ids[0]}`, { as })).status).toBe(204)
  expect((await gateway.call('GET', `/api/bots/${ids[0]}`, { as })).status).toBe(404)
  expect(await opened(ids[0] ?? '')).toBeNull()
})

test('bots are found by provider, status and a part of the name, whatever its accents', async () => {
  const as = await gateway.addCaller()
  const named = async (name: string, number: string) =>
    textAt(await gateway.call('POST', '/api/bots', { as, body: { ...bot(number), name } }), 'id')
  const [cafe, tea] = [await named('Café Aurora', '1'), await named('Té 100%', '2')]
  await gateway.call('POST', `/api/bots/${tea}/disconnect`, { as })
  const list = async (query: string) => column(await gateway.call('GET', `/api/bots?${query}`, { as }), 'id')
  expect(await list('q=CAFE')).toEqual([cafe])
  expect(await list('q=%25')).toEqual([tea])
  expect(await list('status=disconnected')).toEqual([tea])
  expect(await list('status=connecting&q=t%C3%A9')).toEqual([])
  expect(await list('provider=meta')).toEqual([tea, cafe])
  expect(await list('provider=twilio')).toEqual([])
  for (const wrong of ['provider=telegram', 'status=asleep', 'colour=red'])
    expect((await gateway.call('GET', `/api/bots?${wrong}`, { as })).status).toBe(422)
})

test('a bot that was changed since it was read is neither changed nor removed', async () => {
  const as = await gateway.addCaller()
  const made = await add(as, '1')
  const path = `/api/bots/${textAt(made, 'id')}`
  const [headers, newer] = [{ 'if-match': made.headers.get('etag') ?? '' }, { body: { name: 'Newer' } }]
  const changed = await gateway.call('PUT', path, { as, headers, ...newer })
  expect(changed.status).toBe(200)
  expect((await gateway.call('PUT', path, { as, headers, body: { name: 'Lost' } })).status).toBe(412)
  expect((await gateway.call('DELETE', path, { as, headers })).status).toBe(412)
  const read = await gateway.call('GET', path, { as })
  expect([at(read, 'name'), read.headers.get('etag')]).toEqual(['Newer', changed.headers.get('etag')])
  const current = { 'if-match': changed.headers.get('etag') ?? '' }
  expect((await gateway.call('DELETE', path, { as, headers: current })).status).toBe(204)
})

test('of changes that all saw the same bot, one is made', async () => {
  const as = await gateway.addCaller()
  const made = await add(as, '1')
  const headers = { 'if-match': made.headers.get('etag') ?? '' }
  const put = (name: string) => gateway.call('PUT', `/api/bots/${textAt(made, 'id')}`, { as, headers, body: { name } })
  const statuses = (await Promise.all(['a', 'b', 'c', 'd'].map(put))).map(answer => answer.status)
  expect(statuses.sort()).toEqual([200, 412, 412, 412])
})

test('under one Idempotency-Key a bot is made once', async () => {
  const as = await gateway.addCaller()
  const headers = { 'idempotency-key': 'bot-1' }
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => gateway.call('POST', '/api/bots', { as, headers, body: bot('1') })),
  )
  expect(new Set(answers.map(answer => `${answer.status} ${answer.text}`)).size).toBe(1)
  expect(answers[0]?.status).toBe(201)
  expect(column(await gateway.call('GET', '/api/bots', { as }), 'id')).toHaveLength(1)
})

test('the audit log has each change with before and after, and no secret', async () => {
  const as = await gateway.addCaller()
  const id = textAt(await add(as, '1'), 'id')
  await gateway.call('PUT', `/api/bots/${id}`, { as, body: { name: 'Other', config: { app_secret: 'shh-newer' } } })
  await gateway.call('DELETE', `/api/bots/${id}`, { as })
  const log = await gateway.call('GET', `/api/audit?resource_id=${id}`, { as })
  expect(column(log, 'action')).toEqual(['bot.deleted', 'bot.updated', 'bot.created'])
  expect(at(log, 'data.1.before.name')).toBe('Shop')
  expect(at(log, 'data.1.after')).toMatchObject({ name: 'Other', config: { phone_number_id: '1', ...masked } })
  for (const secret of [...Object.values(secrets), 'shh-newer']) expect(log.text).not.toContain(secret)
})

test('what is only read of a bot and sent back with a new one has no effect, whatever it is', async () => {
  const as = await gateway.addCaller()
  const id = textAt(await add(as, '1'), 'id')
  const again = await gateway.call('POST', '/api/bots', { as, body: { ...bot('1'), id } })
  expect([again.status, at(again, 'errors.0.path')]).toEqual([409, 'config.phone_number_id'])
  const other = await gateway.call('POST', '/api/bots', {
    as,
    body: { ...bot('2'), id: {}, status: 7, created_at: null },
  })
  expect([other.status, at(other, 'status')]).toEqual([201, 'connecting'])
})

test('a bot answers with a main flow and others, each once and of its tenant, and none of them is removed', async () => {
  const [as, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
  const addFlow = async (caller: Caller, name: string) =>
    textAt(await gateway.call('POST', '/api/flows', { as: caller, body: { name } }), 'id')
  const [main, orders, support, theirs] = [
    await addFlow(as, 'Main'),
    await addFlow(as, 'Orders'),
    await addFlow(as, 'Support'),
    await addFlow(stranger, 'Theirs'),
  ]
  const body = { ...bot('77'), flow_id: main, flow_ids: [support, orders] }
  const made = await gateway.call('POST', '/api/bots', { as, body })
  expect([made.status, at(made, 'flow_id'), at(made, 'flow_ids')]).toEqual([201, main, [support, orders]])
  const path = `/api/bots/${textAt(made, 'id')}`
  const put = (changes: object) => gateway.call('PUT', path, { as, body: changes })
  expect(at(await put({ name: 'Renamed' }), 'flow_ids')).toEqual([support, orders])
  for (const [flow_ids, wrong] of [
    [[orders, theirs], 'flow_ids.1'],
    [[orders, orders], 'flow_ids.1'],
    [[main], 'flow_ids.0'],
    [Array.from({ length: 21 }, () => orders), 'flow_ids'],
  ] as const) {
    const refused = await put({ flow_ids })
    expect([refused.status, at(refused, 'errors.0.path')]).toEqual([422, wrong])
  }
  expect((await put({ flow_id: orders })).status).toBe(422)
  const remove = (id: string) => gateway.call('DELETE', `/api/flows/${id}`, { as })
  for (const id of [main, orders, support]) expect((await remove(id)).status).toBe(409)
  expect(at(await put({ flow_ids: [orders] }), 'flow_ids')).toEqual([orders])
  expect((await remove(support)).status).toBe(204)
  expect(at(await put({ flow_id: orders, flow_ids: [main] }), 'flow_id')).toBe(orders)
  expect(at(await gateway.call('GET', '/api/bots', { as }), 'data.0.flow_ids')).toEqual([main])
})
