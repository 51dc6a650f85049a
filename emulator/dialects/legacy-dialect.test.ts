import { expect, test } from 'bun:test'
import type { Content } from '../records.ts'
import { customer, number, setAnyStage } from '../testing/any-stage.ts'
import { say, text, until } from '../testing/stage.ts'

const key = { 'd360-api-key': 'legacy-key' }
const headers = { 'X-Webhook-Secret': 'shared' }
const meta = { api_status: 'stable', version: '2.53.3' }

async function setStage(fields: object = {}) {
  const stage = await setAnyStage(webhook_url => ({
    ...{ dialect: 'legacy', webhook_url, api_key: 'legacy-key', webhook_headers: headers },
    ...fields,
  }))
  const send = (message: object, given: Record<string, string> = key) =>
    stage.call('POST', '/d360/v1/messages', { to: customer, ...message }, given)
  return { ...stage, send }
}

test('a send has no messaging_product, and is answered 201 with an id', async () => {
  await using stage = await setStage()
  await stage.write(say('hola'))
  const answer = await stage.send({ recipient_type: 'individual', ...text('It is ready.') })
  const { id } = answer.body.messages[0]
  expect(id).toMatch(/^gBGG[0-9A-F]{24}$/)
  expect([answer.status, answer.body]).toEqual([201, { messages: [{ id }], meta }])
  const [, sent, delivered] = await stage.arrivals(3)
  const timestamp = expect.stringMatching(/^\d{10}$/)
  expect(sent?.json).toEqual({ statuses: [{ id, recipient_id: customer, status: 'sent', timestamp }] })
  expect(delivered?.json).toEqual({ statuses: [{ id, recipient_id: customer, status: 'delivered', timestamp }] })
})

const template = { namespace: 'ns_example', name: 'order_update', language: { policy: 'deterministic', code: 'en' } }

test.each([
  ['a key that is wrong', {}, { 'd360-api-key': 'd360-key' }, 401, 'Invalid api_key'],
  ['nobody to send to', { to: undefined, ...text('x') }, key, 400, 1008],
  ['no text', { type: 'text' }, key, 400, 1008],
  ['a text that is too long', text('x'.repeat(4_097)), key, 400, 1001],
  ['a phone that is none', { to: 'Ada', ...text('x') }, key, 400, 1009],
  ["Meta's new field", { messaging_product: 'whatsapp', ...text('x') }, key, 400, 1010],
  [
    'a template without its namespace',
    { type: 'template', template: { ...template, namespace: undefined } },
    key,
    400,
    1009,
  ],
  [
    'a template without a policy',
    { type: 'template', template: { ...template, language: { code: 'en' } } },
    key,
    400,
    1009,
  ],
])('%s is refused', async (_, message, given, status, code) => {
  await using stage = await setStage()
  const answer = await stage.send(message, given)
  expect([answer.status, answer.body.errors?.[0].code ?? answer.body.meta.developer_message]).toEqual([status, code])
  expect(await stage.chat()).toEqual([])
})

test('a template goes out of the window, free text fails with 470', async () => {
  await using stage = await setStage()
  expect((await stage.send({ type: 'template', template })).status).toBe(201)
  expect((await stage.send(text('x'))).status).toBe(201)
  await until(() => stage.arrived.length === 3)
  const failed = stage.arrived.flatMap(({ json }) => json.statuses).find(({ status }) => status === 'failed')
  expect(failed.errors[0].code).toBe(470)
})

async function inbound(content: object, from = customer) {
  await using stage = await setStage()
  await stage.write({ ...content, profile_name: 'Ada Test' }, from)
  return stage.arrived[0]
}

const id = expect.stringMatching(/^ABGG/)
const timestamp = expect.stringMatching(/^\d{10}$/)

test('a webhook is flat and carries the headers that were asked for', async () => {
  const webhook = await inbound(say('Hello, is order 1042 ready?'))
  expect(webhook?.json).toEqual({
    contacts: [{ profile: { name: 'Ada Test' }, wa_id: customer }],
    messages: [{ from: customer, id, timestamp, type: 'text', text: { body: 'Hello, is order 1042 ready?' } }],
  })
  expect(webhook?.headers).toMatchObject({ 'x-webhook-secret': 'shared', 'content-type': 'application/json' })
})

const sha256 = expect.stringMatching(/^[0-9a-f]{64}$/)
const mediaId = expect.stringMatching(/^[0-9a-f-]{36}$/)
const kinds: [string, Content, object][] = [
  [
    'a voice message',
    { type: 'audio', voice: true },
    { type: 'voice', voice: { id: mediaId, mime_type: 'audio/ogg; codecs=opus', sha256 } },
  ],
  [
    'an image',
    { type: 'image', caption: 'The damaged box' },
    { type: 'image', image: { caption: 'The damaged box', id: mediaId, mime_type: 'image/png', sha256 } },
  ],
  [
    'a document',
    { type: 'document', filename: 'invoice-1042.pdf' },
    { type: 'document', document: { filename: 'invoice-1042.pdf', id: mediaId, mime_type: 'application/pdf', sha256 } },
  ],
  [
    'a location',
    { type: 'location', latitude: 51.4779, longitude: -0.0015, name: 'Test Observatory' },
    { type: 'location', location: { latitude: 51.4779, longitude: -0.0015, name: 'Test Observatory' } },
  ],
  [
    'a contact',
    { type: 'contacts', contacts: [{ name: 'Grace Example', phones: ['+44 7700 900123'] }] },
    {
      type: 'contacts',
      contacts: [
        {
          ...{ addresses: [], emails: [], ims: [], org: {}, urls: [] },
          name: { formatted_name: 'Grace Example', first_name: 'Grace' },
          phones: [{ phone: '+44 7700 900123', wa_id: '447700900123', type: 'CELL' }],
        },
      ],
    },
  ],
  [
    'a reaction that is taken away',
    { type: 'reaction', message_id: 'gBGG1', emoji: '' },
    { type: 'reaction', reaction: { message_id: 'gBGG1', emoji: '' } },
  ],
  [
    'a button of a template',
    { type: 'choice', id: 'CONFIRM', title: 'Confirm', of: 'template' },
    { type: 'button', button: { payload: 'CONFIRM', text: 'Confirm' } },
  ],
  [
    'a row of a list',
    { type: 'choice', id: 'slot_morning', title: 'Morning', description: '09:00-12:00', of: 'list' },
    {
      type: 'interactive',
      interactive: {
        type: 'list_reply',
        list_reply: { id: 'slot_morning', title: 'Morning', description: '09:00-12:00' },
      },
    },
  ],
  [
    'something the API cannot show',
    { type: 'unsupported', reason: 'A poll' },
    { type: 'unknown', errors: [{ code: 501, title: 'Unknown message type', details: 'A poll' }] },
  ],
]

test.each(kinds)('%s has its shape', async (_, content, shape) => {
  expect((await inbound(content))?.json.messages).toEqual([{ from: customer, id, timestamp, ...shape }])
})

test('an answer says which message it answers', async () => {
  await using stage = await setStage()
  await stage.write(say('hola'))
  const buttons = [{ type: 'reply', reply: { id: 'opt_yes', title: 'Yes' } }]
  const interactive = { type: 'button', body: { text: 'Keep it?' }, action: { buttons } }
  const sent = (await stage.send({ type: 'interactive', interactive })).body.messages[0].id
  await stage.write({ type: 'choice', id: 'opt_yes' })
  const tapped = stage.arrived.flatMap(({ json }) => json.messages ?? []).at(-1)
  expect(tapped).toMatchObject({
    context: { from: '12025550100', id: sent },
    ...{ type: 'interactive', interactive: { type: 'button_reply', button_reply: { id: 'opt_yes', title: 'Yes' } } },
  })
})

test('contacts are checked: at once, or at the second time', async () => {
  await using stage = await setStage()
  const check = async (contacts: string[], blocking?: string) =>
    (await stage.call('POST', '/d360/v1/contacts', { contacts, blocking }, key)).body.contacts
  await stage.control('PUT', '/customers/12025550150', { not_on_whatsapp: true })
  expect(await check(['+1 (202) 555-0143', '+12025550150', 'Ada'], 'wait')).toEqual([
    { input: '+1 (202) 555-0143', status: 'valid', wa_id: customer },
    { input: '+12025550150', status: 'invalid' },
    { input: 'Ada', status: 'invalid' },
  ])
  expect((await check(['+12025550160']))[0].status).toBe('processing')
  expect((await check(['+12025550160']))[0].status).toBe('valid')
  const refused = await stage.send({ to: '12025550150', ...text('x') })
  expect([refused.status, refused.body.errors[0].code]).toEqual([400, 1013])
})

test('media go up as raw bytes and come down again', async () => {
  await using stage = await setStage()
  const file = new Blob(['%PDF'])
  const up = await stage.call('POST', '/d360/v1/media', file, { ...key, 'content-type': 'application/pdf' })
  const path = `/d360/v1/media/${up.body.media[0].id}`
  expect([up.status, up.body.media]).toEqual([201, [{ id: mediaId }]])
  const down = await stage.call('GET', path, undefined, key)
  expect([down.text, down.headers.get('content-type')]).toEqual(['%PDF', 'application/pdf'])
  expect((await stage.call('GET', path)).status).toBe(401)
  expect((await stage.call('DELETE', path, undefined, key)).status).toBe(200)
  const gone = await stage.call('GET', path, undefined, key)
  expect([gone.status, gone.body.errors[0].code]).toEqual([404, 1006])
})

test('a message is marked read by its id', async () => {
  await using stage = await setStage()
  const { body } = await stage.write(say('hola'))
  const read = (message: string, change: object = { status: 'read' }) =>
    stage.call('PUT', `/d360/v1/messages/${message}`, change, key)
  expect((await read(body.id, { status: 'seen' })).status).toBe(400)
  expect((await read('ABGGunknown')).status).toBe(404)
  expect((await read(body.id)).body).toEqual({ meta })
  expect((await stage.chat())[0].status).toBe('read')
})

test('the webhook is set by the API, for this flavour too', async () => {
  await using stage = await setStage({ webhook_url: null, webhook_headers: {} })
  const config = { url: stage.webhookUrl, headers: { Authorization: 'Bearer mine' } }
  expect((await stage.call('POST', '/d360/v1/configs/webhook', config, key)).body).toEqual(config)
  await stage.write(say('hola'))
  expect(stage.arrived[0]?.headers.authorization).toBe('Bearer mine')
  expect((await stage.control('GET', `/numbers/${number}`)).body).toMatchObject({ webhook_url: stage.webhookUrl })
})

test('the faults are told in the codes of the on-premises API', async () => {
  await using stage = await setStage()
  await stage.write(say('hola'))
  const faults = ['429', '429:1:130429', '500', '503', 'unauthorized', 'rejected', 'undeliverable']
  await stage.control('PUT', '/faults', faults)
  const answers: unknown[] = []
  for (const _ of faults) {
    const { status, body } = await stage.send(text('x'))
    answers.push([status, body.errors?.[0].code ?? body.meta.developer_message])
  }
  expect(answers).toEqual([
    [429, 'Too many requests'],
    [429, 1015],
    [500, 1014],
    [503, 1016],
    [401, 'Invalid api_key'],
    [400, 1000],
    [201, undefined],
  ])
  await until(() => stage.arrived.some(({ raw }) => raw.includes('"code":1026')))
})
