import { expect, test } from 'bun:test'
import type { Content } from '../records.ts'
import { customer, number, setAnyStage } from '../testing/any-stage.ts'
import { say, until } from '../testing/stage.ts'
import { webhookJwt } from './evolution-build-webhook.ts'

const key = { apikey: 'server-key' }

async function setStage(fields: object = {}) {
  const stage = await setAnyStage(webhook_url => ({
    ...{ dialect: 'evolution', webhook_url, api_key: 'server-key', instance: 'tenant-a', token: 'instance-key' },
    ...fields,
  }))
  const told = (event: string) => stage.arrived.flatMap(({ json }) => (json?.event === event ? [json] : []))
  return { ...stage, told }
}

test('the token of a webhook is the one that Evolution makes', () => {
  expect(webhookJwt('test-evolution-jwt-key', 1_767_225_600_000)).toBe(
    'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3NjcyMjU2MDAsImV4cCI6MTc2NzIyNjIwMCwiYXBwIjoiZXZvbHV0aW9uIiwiYWN0aW9uIjoid2ViaG9vayJ9.EnG9WKlcxitsOSFT25Q3k3ei4YBIO5Y6XTZpuex8PI8',
  )
})

test('a message comes in its envelope, one event each', async () => {
  await using stage = await setStage()
  await stage.write({ ...say('Hello, is order 1042 ready?'), profile_name: 'Ada Test' })
  const [{ data, ...envelope }] = stage.told('messages.upsert')
  const { id } = data.key
  expect(id).toMatch(/^AC[0-9A-F]{30}$/)
  expect(envelope).toEqual({
    ...{ event: 'messages.upsert', instance: 'tenant-a', destination: stage.webhookUrl, apikey: 'instance-key' },
    date_time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    ...{ sender: '12025550100@s.whatsapp.net', server_url: `${stage.emulator.url}/evolution` },
  })
  expect(data).toEqual({
    key: {
      ...{ remoteJid: '12025550143@s.whatsapp.net', remoteJidAlt: '212025550143@lid', fromMe: false, id },
      ...{ participant: '', addressingMode: 'pn' },
    },
    ...{ pushName: 'Ada Test', status: 'DELIVERY_ACK', message: { conversation: 'Hello, is order 1042 ready?' } },
    ...{ messageType: 'conversation', messageTimestamp: expect.any(Number), source: 'android' },
    instanceId: expect.stringMatching(/^[0-9a-f-]{36}$/),
  })
})

test('an instance may put LIDs in front; who hides the phone has nothing else', async () => {
  await using stage = await setStage({ addressing: 'lid' })
  await stage.write(say('one'))
  await stage.write({ ...say('two'), hide_phone: true })
  await stage.write(say('three'), 'US.1000000000000777')
  const keys = stage.told('messages.upsert').map(({ data }) => data.key)
  expect(keys).toMatchObject([
    { remoteJid: '212025550143@lid', remoteJidAlt: '12025550143@s.whatsapp.net', addressingMode: 'lid' },
    { remoteJid: '212025550143@lid', addressingMode: 'lid' },
    { remoteJid: /^3\d+@lid$/.exec(keys[2].remoteJid)?.[0], addressingMode: 'lid' },
  ])
  expect(JSON.stringify(keys.slice(1))).not.toContain('s.whatsapp.net')
  const send = { number: keys[2].remoteJid, text: 'hi' }
  const answer = await stage.call('POST', '/evolution/message/sendText/tenant-a', send, key)
  expect(answer.body.key.remoteJid).toBe(keys[2].remoteJid)
  expect((await stage.chat('US.1000000000000777')).length).toBe(2)
})

test.each([
  ['dotted', false, 'messages.upsert', '/'],
  ['upper', false, 'MESSAGES_UPSERT', '/'],
  ['dotted', true, 'messages.upsert', '/hook/messages-upsert'],
])('events are named %s, and have a path of their own: %p', async (event_names, webhook_by_events, event, path) => {
  await using stage = await setStage({ event_names, webhook_by_events })
  if (webhook_by_events) {
    const webhook = { enabled: true, url: `${stage.webhookUrl}hook`, byEvents: true, events: [] }
    await stage.call('POST', '/evolution/webhook/set/tenant-a', { webhook }, key)
  }
  await stage.write(say('hola'))
  expect(stage.arrived.map(({ url, json }) => [new URL(url).pathname, json.event])).toEqual([[path, event]])
})

test('headers come as they were set, and a jwt_key makes a token of its own for each try', async () => {
  await using stage = await setStage({ webhook_headers: { 'X-Webhook-Token': 'shared', jwt_key: 'jwt-secret' } })
  let failures = 1
  stage.bot.answer = () => ({ status: failures-- > 0 ? 503 : 200 })
  expect((await stage.write(say('hola'))).body.delivered).toBe(true)
  expect(stage.arrived.length).toBe(2)
  for (const { headers } of stage.arrived) {
    expect(headers['x-webhook-token']).toBe('shared')
    expect(headers.jwt_key).toBeUndefined()
    const [, claims = ''] = headers.authorization?.split('.') ?? []
    const { iat, ...rest } = JSON.parse(Buffer.from(claims, 'base64url').toString())
    expect(rest).toEqual({ exp: iat + 600, app: 'evolution', action: 'webhook' })
    expect(headers.authorization).toBe(`Bearer ${webhookJwt('jwt-secret', iat * 1_000)}`)
  }
})

test('what is refused is never tried again', async () => {
  await using stage = await setStage()
  stage.bot.answer = () => ({ status: 404 })
  expect((await stage.write(say('lost'))).body.delivered).toBe(false)
  expect(stage.arrived.length).toBe(1)
})

test('events that were not asked for do not come', async () => {
  await using stage = await setStage({ webhook_events: ['MESSAGES_UPDATE'] })
  expect((await stage.write(say('unheard'))).body.delivered).toBe(false)
  await stage.call('POST', '/evolution/message/sendText/tenant-a', { number: customer, text: 'x' }, key)
  await until(() => stage.arrived.length === 2)
  expect(stage.arrived.map(({ json }) => json.event)).toEqual(['messages.update', 'messages.update'])
})

test('a server may keep its keys to itself', async () => {
  await using stage = await setStage({ expose_api_key: false })
  await stage.write(say('hola'))
  expect(stage.arrived[0]?.json.apikey).toBeNull()
})

test('a send is repeated, and then its statuses come, by the id of its key', async () => {
  await using stage = await setStage()
  const answer = await stage.call(
    'POST',
    '/evolution/message/sendText/tenant-a',
    { number: customer, text: 'It is ready.' },
    key,
  )
  await until(() => stage.arrived.length === 3)
  await stage.control('POST', `/chats/${number}/${customer}/read`, {})
  await until(() => stage.arrived.length === 4)
  expect(stage.arrived.map(({ json }) => json.event)).toEqual(['send.message', ...Array(3).fill('messages.update')])
  expect(stage.told('send.message')[0].data).toEqual(answer.body)
  const keyId = answer.body.key.id
  expect(stage.told('messages.update').map(({ data }) => [data.keyId, data.fromMe, data.status])).toEqual([
    [keyId, true, 'SERVER_ACK'],
    [keyId, true, 'DELIVERY_ACK'],
    [keyId, true, 'READ'],
  ])
  expect(Object.keys(stage.told('messages.update')[0].data).sort()).toEqual([
    'fromMe',
    'instanceId',
    'keyId',
    'messageId',
    'remoteJid',
    'status',
  ])
})

async function received(content: object, fields: object = {}) {
  await using stage = await setStage(fields)
  await stage.write(content)
  return stage.told('messages.upsert')[0].data
}

const kinds: [string, Content, string, object][] = [
  [
    'a button',
    { type: 'choice', id: 'opt_yes', title: 'Yes', of: 'button' },
    'buttonsResponseMessage',
    { selectedButtonId: 'opt_yes', selectedDisplayText: 'Yes', type: 1 },
  ],
  [
    'a button of a template',
    { type: 'choice', id: 'opt_yes', title: 'Yes', of: 'template' },
    'templateButtonReplyMessage',
    { selectedId: 'opt_yes', selectedDisplayText: 'Yes', selectedIndex: 0 },
  ],
  [
    'a row of a list',
    { type: 'choice', id: 'slot', title: 'Morning', description: '09:00', of: 'list' },
    'listResponseMessage',
    { title: 'Morning', description: '09:00', listType: 1, singleSelectReply: { selectedRowId: 'slot' } },
  ],
  [
    'a location',
    { type: 'location', latitude: 51.4779, longitude: -0.0015, name: 'Test Observatory', address: '1 Example Road' },
    'locationMessage',
    { degreesLatitude: 51.4779, degreesLongitude: -0.0015, name: 'Test Observatory', address: '1 Example Road' },
  ],
  [
    'a contact',
    { type: 'contacts', contacts: [{ name: 'Grace Example', phones: ['+44 7700 900123'] }] },
    'contactMessage',
    {
      displayName: 'Grace Example',
      vcard:
        'BEGIN:VCARD\nVERSION:3.0\nN:;Grace Example;;;\nFN:Grace Example\nTEL;type=CELL;waid=447700900123:+44 7700 900123\nEND:VCARD',
    },
  ],
  [
    'a poll, which a bot is not made for',
    { type: 'unsupported', reason: 'Which day?' },
    'pollCreationMessageV3',
    { name: 'Which day?', options: [{ optionName: 'Yes' }, { optionName: 'No' }], selectableOptionsCount: 1 },
  ],
]

test.each(kinds)('%s has its shape', async (_, content, messageType, shape) => {
  const data = await received(content)
  expect([data.messageType, data.message]).toEqual([messageType, { [messageType]: shape }])
})

test('two contacts are an array', async () => {
  const contacts = ['Grace', 'Ada'].map(name => ({ name, phones: [] }))
  const { message } = await received({ type: 'contacts', contacts })
  expect(message.contactsArrayMessage.contacts.map(({ displayName }: { displayName: string }) => displayName)).toEqual([
    'Grace',
    'Ada',
  ])
})

test('media has the keys of its encryption, 64-bit numbers in halves, and its bytes only where they were asked for', async () => {
  const content = { type: 'image', caption: 'The damaged box' }
  const { message, messageType } = await received(content)
  expect(messageType).toBe('imageMessage')
  const { imageMessage } = message
  expect(imageMessage).toMatchObject({ caption: 'The damaged box', mimetype: 'image/png', height: 960, width: 1280 })
  expect(imageMessage.fileLength).toEqual({ low: 70, high: 0, unsigned: true })
  for (const name of ['fileSha256', 'mediaKey', 'fileEncSha256'])
    expect(Object.keys(imageMessage[name]).length).toBe(32)
  expect(message.base64).toBeUndefined()
  const withBytes = await received(content, { webhook_base64: true })
  expect(Buffer.from(withBytes.message.base64, 'base64').subarray(1, 4).toString()).toBe('PNG')
})

test('a voice message says that it is one', async () => {
  const { message } = await received({ type: 'audio', voice: true })
  expect(message.audioMessage).toMatchObject({ ptt: true, mimetype: 'audio/ogg; codecs=opus' })
})

test('an answer quotes, and a reaction names the message of the bot', async () => {
  await using stage = await setStage()
  const sent = await stage.call('POST', '/evolution/message/sendText/tenant-a', { number: customer, text: 'Pick' }, key)
  const { id } = sent.body.key
  await stage.write({ ...say('1'), reply_to: id })
  await stage.write({ type: 'reaction', message_id: id, emoji: '👍' })
  const [answer, reaction] = stage.told('messages.upsert').map(({ data }) => data)
  expect(answer.contextInfo).toEqual({
    ...{ stanzaId: id, participant: '12025550100@s.whatsapp.net', quotedMessage: { conversation: 'Pick' } },
  })
  expect(reaction.message.reactionMessage).toEqual({
    key: { remoteJid: '12025550143@s.whatsapp.net', fromMe: true, id },
    ...{ text: '👍', senderTimestampMs: { low: expect.any(Number), high: expect.any(Number), unsigned: false } },
  })
})
