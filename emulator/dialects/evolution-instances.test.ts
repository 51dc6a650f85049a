import { expect, test } from 'bun:test'
import { inflateSync } from 'node:zlib'
import { customer, number, setAnyStage } from '../testing/any-stage.ts'
import { say, until } from '../testing/stage.ts'

const key = { apikey: 'server-key' }

async function setStage(fields: object = {}) {
  const stage = await setAnyStage(() => ({
    dialect: 'evolution',
    api_key: 'server-key',
    instance: 'tenant-a',
    ...fields,
  }))
  const api = (method: string, path: string, body?: unknown, headers: Record<string, string> = key) =>
    stage.call(method, `/evolution${path}`, body, headers)
  const create = (more: object = {}) =>
    api('POST', '/instance/create', {
      ...{ instanceName: 'tenant-a', integration: 'WHATSAPP-BAILEYS', qrcode: true },
      webhook: {
        enabled: true,
        url: stage.webhookUrl,
        byEvents: false,
        base64: true,
        headers: { 'X-Token': 't' },
        events: [],
      },
      ...more,
    })
  const events = () => stage.arrived.map(({ json }) => json.event + (json.data?.state ? ` ${json.data.state}` : ''))
  const state = async () => (await api('GET', '/instance/connectionState/tenant-a')).body.instance?.state
  return { ...stage, api, create, events, state }
}

test('an instance is made, shows a QR, is scanned, and opens', async () => {
  await using stage = await setStage()
  expect((await stage.api('GET', '/instance/connectionState/tenant-a')).status).toBe(404)
  const { status, body } = await stage.create()
  expect(status).toBe(201)
  expect(body.instance).toEqual({
    ...{ instanceName: 'tenant-a', instanceId: body.instance.instanceId, integration: 'WHATSAPP-BAILEYS' },
    ...{ webhookWaBusiness: null, accessTokenWaBusiness: '', status: 'connecting' },
  })
  expect(body.webhook).toEqual({
    ...{
      webhookUrl: stage.webhookUrl,
      webhookHeaders: { 'X-Token': 't' },
      webhookByEvents: false,
      webhookBase64: true,
    },
  })
  expect(body.hash).toMatch(/^[0-9A-F-]{36}$/)
  const { qrcode } = body
  expect([qrcode.count, qrcode.pairingCode]).toEqual([1, null])
  expect(qrcode.code).toMatch(/^2@([A-Za-z0-9+/=]+,){3}[A-Za-z0-9+/=]+$/)
  expect((await stage.api('GET', '/instance/connect/tenant-a')).body).toEqual(qrcode)
  expect((await stage.control('GET', `/numbers/${number}/qr`)).body).toMatchObject({
    state: 'connecting',
    code: qrcode.code,
  })
  expect((await stage.control('POST', `/numbers/${number}/scan`, {})).body).toEqual({ id: number, state: 'open' })
  expect(await stage.state()).toBe('open')
  await until(() => stage.arrived.length === 5)
  expect(stage.events()).toEqual([
    ...['instance.create', 'connection.update connecting', 'qrcode.updated', 'connection.update connecting'],
    'connection.update open',
  ])
  expect(stage.arrived[2]?.json.data.qrcode).toEqual({
    ...{ instance: 'tenant-a', pairingCode: null, code: qrcode.code, base64: qrcode.base64 },
  })
  expect(stage.arrived[4]?.json.data).toEqual({
    ...{ instance: 'tenant-a', wuid: '12025550100@s.whatsapp.net', profileName: 'Test Shop', profilePictureUrl: null },
    ...{ state: 'open', statusReason: 200 },
  })
  expect((await stage.api('GET', '/instance/connect/tenant-a')).body).toEqual({
    instance: { instanceName: 'tenant-a', state: 'open' },
  })
  expect((await stage.control('POST', `/numbers/${number}/scan`, {})).status).toBe(409)
})

test('the picture of the QR is a PNG with the right number of rows', async () => {
  await using stage = await setStage()
  const { base64 } = (await stage.create()).body.qrcode
  expect(base64).toMatch(/^data:image\/png;base64,/)
  const png = Buffer.from(base64.split(',')[1], 'base64')
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)]
  const start = png.indexOf('IDAT')
  const pixels = inflateSync(png.subarray(start + 4, start + 4 + png.readUInt32BE(start - 4)))
  expect(width).toBe(height)
  expect(pixels.length).toBe(height * (1 + Math.ceil(width / 8)))
})

test('with a phone number there is a pairing code, and a phone may be another one', async () => {
  await using stage = await setStage()
  await stage.create({ qrcode: false })
  expect(await stage.state()).toBe('close')
  const { pairingCode } = (await stage.api('GET', '/instance/connect/tenant-a?number=12025550100')).body
  expect(pairingCode).toMatch(/^[1-9A-HJ-NP-TV-Z]{8}$/)
  await stage.control('POST', `/numbers/${number}/scan`, { phone: '+12025550177' })
  const [row] = (await stage.api('GET', '/instance/fetchInstances?instanceName=tenant-a')).body
  expect(row).toMatchObject({ name: 'tenant-a', connectionStatus: 'open', ownerJid: '12025550177@s.whatsapp.net' })
})

test('a QR may come late, is replaced, and in the end the server gives up', async () => {
  await using stage = await setStage({ qr_delay_ms: 60, qr_rotate_ms: 60, qr_limit: 2 })
  expect((await stage.create()).body.qrcode).toEqual({ count: 0 })
  await until(async () => (await stage.api('GET', '/instance/connect/tenant-a')).body.count === 1)
  await until(async () => (await stage.state()) === 'close')
  await until(() => stage.arrived.length === 6)
  expect(stage.events().slice(2)).toEqual([
    'qrcode.updated',
    'qrcode.updated',
    'qrcode.updated',
    'connection.update refused',
  ])
  expect(stage.arrived[4]?.json.data).toEqual({ message: 'QR code limit reached, please login again', statusCode: 500 })
  expect(stage.arrived[5]?.json.data.statusReason).toBe(428)
})

test('the phone logs out: the bot is told, and has to pair again', async () => {
  await using stage = await setStage()
  await stage.create()
  await stage.control('POST', `/numbers/${number}/scan`, {})
  await until(() => stage.arrived.length === 5)
  stage.arrived.length = 0
  await stage.control('POST', `/numbers/${number}/log-out`, {})
  await until(() => stage.arrived.length === 3)
  expect(stage.events()).toEqual(['status.instance', 'logout.instance', 'connection.update close'])
  expect(stage.arrived[2]?.json.data).toEqual({ instance: 'tenant-a', state: 'close', statusReason: 401 })
  const send = await stage.api('POST', '/message/sendText/tenant-a', { number: customer, text: 'x' })
  expect([send.status, send.body.response.message]).toEqual([400, ['Error: Connection Closed']])
  expect((await stage.api('DELETE', '/instance/logout/tenant-a')).status).toBe(400)
  expect((await stage.control('POST', `/numbers/${number}/log-out`, {})).status).toBe(409)
})

test('a connection that breaks comes back, and with it what was written meanwhile, once', async () => {
  await using stage = await setStage()
  await stage.create()
  await stage.control('POST', `/numbers/${number}/scan`, {})
  await stage.control('POST', `/numbers/${number}/drop`, {})
  expect(await stage.state()).toBe('connecting')
  expect((await stage.api('GET', '/instance/connect/tenant-a')).body).toEqual({ count: 0 })
  expect((await stage.write(say('while away'))).body.delivered).toBe(false)
  await stage.control('POST', `/numbers/${number}/reconnect`, {})
  await until(() => stage.events().includes('messages.upsert'))
  await stage.write(say('after'))
  expect(stage.events().filter(event => event === 'messages.upsert').length).toBe(2)
  expect((await stage.chat()).map(({ status }) => status)).toEqual(['delivered', 'delivered'])
})

test('the bot logs out, restarts and deletes', async () => {
  await using stage = await setStage()
  await stage.create()
  await stage.control('POST', `/numbers/${number}/scan`, {})
  const restarted = await stage.api('POST', '/instance/restart/tenant-a')
  expect(restarted.body).toEqual({ instance: { instanceName: 'tenant-a', state: 'open' } })
  const done = (message: string) => ({ status: 'SUCCESS', error: false, response: { message } })
  expect((await stage.api('DELETE', '/instance/logout/tenant-a')).body).toEqual(done('Instance logged out'))
  expect(await stage.state()).toBe('close')
  expect((await stage.api('POST', '/instance/restart/tenant-a')).body).toMatchObject({ error: true })
  expect((await stage.api('DELETE', '/instance/delete/tenant-a')).body).toEqual(done('Instance deleted'))
  expect((await stage.api('DELETE', '/instance/delete/tenant-a')).status).toBe(404)
  expect((await stage.api('GET', '/instance/fetchInstances')).body).toEqual([])
  await until(() => stage.events().includes('instance.delete'))
  expect((await stage.create()).status).toBe(201)
})

test('an instance of a name that nobody registered is a phone that nobody has met', async () => {
  await using stage = await setStage()
  const made = await stage.create({ instanceName: 'tenant-b', number: '12025550188' })
  expect(made.status).toBe(201)
  expect((await stage.control('GET', '/numbers')).body.data).toMatchObject([
    { id: number, dialect: 'evolution', state: 'absent' },
    { id: 'tenant-b', instance: 'tenant-b', state: 'connecting', display_phone_number: '12025550188' },
  ])
})

test.each<[string, object, number, unknown]>([
  ['no name', { instanceName: undefined }, 400, [['requires property "instanceName"']]],
  ['no integration', { integration: undefined }, 400, ['Invalid integration']],
  [
    'an event that does not exist',
    { webhook: { url: 'http://x.test', events: ['NOTHING'] } },
    400,
    [[expect.stringContaining('enum')]],
  ],
])('an instance with %s is refused', async (_, change, status, message) => {
  await using stage = await setStage()
  const answer = await stage.create(change)
  expect([answer.status, answer.body.response.message]).toEqual([status, message])
})

test('a name is given once', async () => {
  await using stage = await setStage()
  await stage.create()
  const { status, body } = await stage.create()
  expect([status, body]).toEqual([
    403,
    { status: 403, error: 'Forbidden', response: { message: ['This name "tenant-a" is already in use.'] } },
  ])
})

test('the global key opens all, a token its own instance, and another nothing', async () => {
  await using stage = await setStage({ state: 'open', token: 'own-token' })
  const ask = async (path: string, headers: Record<string, string>) =>
    (await stage.api('GET', path, undefined, headers)).status
  const path = '/instance/connectionState/tenant-a'
  expect(
    await Promise.all([ask(path, {}), ask(path, { apikey: 'x' }), ask(path, key), ask(path, { apikey: 'own-token' })]),
  ).toEqual([401, 401, 200, 200])
  expect(await ask('/instance/connectionState/other', key)).toBe(404)
  expect(await ask('/instance/connectionState/other', { apikey: 'own-token' })).toBe(401)
  const create = await stage.api('POST', '/instance/create', { instanceName: 'x' }, { apikey: 'own-token' })
  expect([create.status, create.body]).toEqual([
    401,
    { status: 401, error: 'Unauthorized', response: { message: 'Unauthorized' } },
  ])
  expect((await stage.api('GET', '/instance/fetchInstances', undefined, { apikey: 'own-token' })).body.length).toBe(1)
})

test('the webhook is set and found', async () => {
  await using stage = await setStage({ state: 'open' })
  expect((await stage.api('GET', '/webhook/find/tenant-a')).body).toBeNull()
  const set = (webhook: object) => stage.api('POST', '/webhook/set/tenant-a', { webhook })
  expect((await stage.api('POST', '/webhook/set/tenant-a', {})).body.response.message).toEqual([
    ['requires property "webhook"'],
  ])
  expect((await set({ url: 'nowhere' })).body.response.message).toEqual(['Invalid "url" property'])
  const events = ['MESSAGES_UPSERT']
  const { status, body } = await set({ enabled: true, url: stage.webhookUrl, headers: { jwt_key: 'k' }, events })
  expect(status).toBe(201)
  expect(body).toMatchObject({
    url: stage.webhookUrl,
    enabled: true,
    events,
    headers: { jwt_key: 'k' },
    webhookByEvents: false,
  })
  expect((await stage.api('GET', '/webhook/find/tenant-a')).body).toMatchObject({ url: stage.webhookUrl, events })
  await stage.write(say('heard'))
  await set({ enabled: false, url: stage.webhookUrl })
  await stage.write(say('unheard'))
  expect(stage.arrived.length).toBe(1)
})

test('settings are kept', async () => {
  await using stage = await setStage({ state: 'open' })
  const settings = { rejectCall: true, groupsIgnore: true, alwaysOnline: false, readMessages: false, readStatus: false }
  expect((await stage.api('POST', '/settings/set/tenant-a', settings)).status).toBe(400)
  const set = await stage.api('POST', '/settings/set/tenant-a', {
    ...settings,
    syncFullHistory: false,
    msgCall: 'no calls',
  })
  expect(set.status).toBe(201)
  expect((await stage.api('GET', '/settings/find/tenant-a')).body).toMatchObject({
    rejectCall: true,
    msgCall: 'no calls',
  })
})

test('a server without its licence answers nothing else', async () => {
  await using stage = await setStage({ state: 'open' })
  await stage.control('PUT', '/evolution', { license_required: true })
  for (const [method, path] of [
    ['GET', '/instance/connectionState/tenant-a'],
    ['POST', '/message/sendText/tenant-a'],
    ['POST', '/instance/create'],
  ] as const) {
    const { status, body } = await stage.api(method, path, method === 'POST' ? {} : undefined)
    expect([status, body.code]).toEqual([503, 'LICENSE_REQUIRED'])
  }
  expect((await stage.call('GET', '/evolution/')).body.status).toBe(200)
  await stage.control('PUT', '/evolution', { license_required: false })
  expect(await stage.state()).toBe('open')
})

test('a server may have a key before it has an instance', async () => {
  await using stage = await setStage()
  await stage.control('PUT', '/evolution', { api_key: 'other-server' })
  const made = await stage.api(
    'POST',
    '/instance/create',
    { instanceName: 'first', integration: 'WHATSAPP-BAILEYS' },
    { apikey: 'other-server' },
  )
  expect(made.status).toBe(201)
  expect((await stage.api('GET', '/instance/fetchInstances', undefined, { apikey: 'other-server' })).body.length).toBe(
    1,
  )
})

test('other dialects have no phone that scans', async () => {
  await using stage = await setStage()
  await stage.control('PUT', '/numbers/legacy', {
    dialect: 'legacy',
    display_phone_number: '12025550101',
    api_key: 'k',
  })
  const { status, body } = await stage.control('POST', '/numbers/legacy/scan', {})
  expect([status, body.error]).toEqual([422, expect.stringContaining('not linked to devices')])
})
