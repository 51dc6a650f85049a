import { expect, test } from 'bun:test'
import twilio from 'twilio'
import type { Content } from '../records.ts'
import { type Arrived, customer, number, setAnyStage } from '../testing/any-stage.ts'
import { say, until } from '../testing/stage.ts'

const sid = 'AC00000000000000000000000000000001'
const token = '0123456789abcdef0123456789abcdef'
const authorization = { authorization: `Basic ${btoa(`${sid}:${token}`)}` }
const to = `whatsapp:+${customer}`
const from = 'whatsapp:+12025550100'
const messages = `/twilio/2010-04-01/Accounts/${sid}/Messages`

async function setStage(fields: object = {}, options = {}) {
  const stage = await setAnyStage(
    webhookUrl => ({
      ...{ dialect: 'twilio', webhook_url: `${webhookUrl}hook?bot=b1`, account_sid: sid, auth_token: token },
      ...fields,
    }),
    options,
  )
  const callback = `${stage.webhookUrl}status?reference=msg_01`
  const form = (path: string, values: Record<string, string> | URLSearchParams, headers = authorization) =>
    stage.call('POST', path, new URLSearchParams(values).toString(), {
      ...{ 'content-type': 'application/x-www-form-urlencoded' },
      ...headers,
    })
  return {
    ...{ ...stage, callback, form },
    send: (values: Record<string, string>, headers = authorization) =>
      form(`${messages}.json`, { To: to, From: from, StatusCallback: callback, ...values }, headers),
    inbound: () => stage.arrived.filter(({ url }) => url.includes('/hook')),
    statuses: () => stage.arrived.filter(({ url }) => url.includes('/status')),
    get: (path: string, headers: Record<string, string> = authorization) => stage.call('GET', path, undefined, headers),
    content: (types: object, more: object = {}) =>
      stage.call(
        'POST',
        '/twilio/v1/Content',
        { language: 'en', friendly_name: 'test', types, ...more },
        authorization,
      ),
  }
}

function isSigned({ url, headers, form }: Arrived): boolean {
  return twilio.validateRequest(token, headers['x-twilio-signature'] ?? '', url, form)
}

test('a message is queued, and its statuses come to the address of the send, each signed', async () => {
  await using stage = await setStage()
  await stage.write(say('hola'))
  const { status, body } = await stage.send({ Body: 'It is ready.' })
  const expected = {
    ...{ account_sid: sid, api_version: '2010-04-01', body: 'It is ready.', direction: 'outbound-api' },
    ...{ error_code: null, error_message: null, messaging_service_sid: null, num_media: '0', num_segments: '1' },
    ...{ price: null, price_unit: null, status: 'queued', date_sent: null, from, to, sid: body.sid },
    subresource_uris: { media: `/2010-04-01/Accounts/${sid}/Messages/${body.sid}/Media.json` },
    ...{ uri: `/2010-04-01/Accounts/${sid}/Messages/${body.sid}.json` },
  }
  const { date_created, date_updated, ...rest } = body
  expect([status, rest]).toEqual([201, expected])
  expect(body.sid).toMatch(/^SM[0-9a-f]{32}$/)
  expect(date_created).toMatch(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000$/)
  await until(() => stage.statuses().length === 3)
  expect(stage.arrived.every(isSigned)).toBe(true)
  expect(stage.statuses().every(({ url }) => url === stage.callback)).toBe(true)
  const common = { ...{ MessageSid: body.sid, SmsSid: body.sid, AccountSid: sid }, To: to, From: from }
  expect(stage.statuses().map(({ form }) => form)).toMatchObject([
    { ...common, MessageStatus: 'queued', SmsStatus: 'queued' },
    { ...common, MessageStatus: 'sent', ChannelPrefix: 'whatsapp', StructuredMessage: 'false' },
    { ...common, MessageStatus: 'delivered', EventType: 'DELIVERED', ExternalUserId: expect.stringContaining('US.') },
  ])
  await stage.control('POST', `/chats/${number}/${customer}/read`, {})
  await until(() => stage.statuses().length === 4)
  expect((await stage.get(`${messages}/${body.sid}.json`)).body).toMatchObject({ sid: body.sid, status: 'read' })
})

test('without an address for statuses none is told', async () => {
  await using stage = await setStage()
  await stage.write(say('hola'))
  const { status } = await stage.form(`${messages}.json`, { To: to, From: from, Body: 'x' })
  await stage.write(say('otra'))
  expect([status, stage.statuses()]).toEqual([201, []])
})

test.each<[string, Record<string, string>, number, number]>([
  ['no To', { To: '' }, 400, 21604],
  ['a To that is no phone', { To: 'whatsapp:+1' }, 400, 21211],
  ['a To of another channel', { To: '+12025550143' }, 400, 21910],
  ['no From', { From: '' }, 400, 21603],
  ['a From that is no phone', { From: 'me' }, 400, 21212],
  ['a From that is not theirs', { From: 'whatsapp:+12025550199' }, 400, 63007],
  ['a Messaging Service that is not theirs', { MessagingServiceSid: `MG${'0'.repeat(32)}` }, 400, 21701],
  ['nothing to say', { Body: '' }, 400, 21602],
  ['a text that is too long', { Body: 'x'.repeat(1_601) }, 400, 21617],
  ['a callback that is no address', { StatusCallback: 'nowhere' }, 400, 21609],
  ['media that is no address', { MediaUrl: 'file:///etc/passwd' }, 400, 21620],
  ['a content that nobody made', { Body: '', ContentSid: `HX${'0'.repeat(32)}` }, 400, 21655],
  ['a content that is none', { Body: '', ContentSid: 'order_choice' }, 400, 21655],
  ['variables that are no JSON', { Body: '', ContentSid: `HX${'0'.repeat(32)}`, ContentVariables: '{' }, 400, 21656],
  ['a text beside a content', { ContentSid: `HX${'0'.repeat(32)}` }, 400, 20001],
  ['a place that is none', { PersistentAction: 'geo:100,0' }, 400, 20001],
])('%s is refused', async (_, values, status, code) => {
  await using stage = await setStage()
  const answer = await stage.send({ Body: 'x', ...values })
  expect([answer.status, answer.body.code, answer.body.status]).toEqual([status, code, status])
  expect(answer.body.more_info).toBe(`https://www.twilio.com/docs/errors/${code}`)
  expect((await stage.control('GET', '/chats')).body.data).toEqual([])
})

test('just inside the limit passes', async () => {
  await using stage = await setStage()
  expect((await stage.send({ Body: 'x'.repeat(1_600) })).status).toBe(201)
})

test('the account is known by its SID and token, or by an API key of its own', async () => {
  await using stage = await setStage({
    api_key_sid: 'SK1',
    api_key_secret: 'secret',
    messaging_service_sid: `MG${'1'.repeat(32)}`,
  })
  const as = (user: string, password: string) => ({ authorization: `Basic ${btoa(`${user}:${password}`)}` })
  const code = async (headers: { authorization: string }) => (await stage.send({ Body: 'x' }, headers)).body.code
  expect(await code(as(sid, 'wrong'))).toBe(20003)
  expect(await code(as('SK1', token))).toBe(20003)
  expect(await code(as('SK1', 'secret'))).toBeUndefined()
  expect((await stage.send({ Body: 'x', From: '', MessagingServiceSid: `MG${'1'.repeat(32)}` })).status).toBe(201)
  const other = `/twilio/2010-04-01/Accounts/AC${'9'.repeat(32)}`
  expect((await stage.form(`${other}/Messages.json`, { Body: 'x' })).status).toBe(401)
  expect((await stage.get(`/twilio/2010-04-01/Accounts/${sid}.json`)).body).toMatchObject({ sid, status: 'active' })
  expect((await stage.get(`${other}.json`)).body.code).toBe(20003)
  const nowhere = await stage.get('/twilio/2010-04-01/Nothing.json')
  expect([nowhere.status, nowhere.body.code]).toEqual([404, 20404])
})

test('outside the window free text is taken, and a status says 63016', async () => {
  await using stage = await setStage()
  expect((await stage.send({ Body: 'x' })).body.status).toBe('queued')
  await until(() => stage.statuses().length === 2)
  expect(stage.statuses().at(-1)?.form).toMatchObject({ MessageStatus: 'failed', ErrorCode: '63016' })
})

test('who is not on WhatsApp gets nothing, and a status says so', async () => {
  await using stage = await setStage()
  await stage.control('PUT', `/customers/${customer}`, { not_on_whatsapp: true })
  await stage.send({ Body: 'x' })
  await until(() => stage.statuses().length === 2)
  expect(stage.statuses().at(-1)?.form).toMatchObject({ MessageStatus: 'undelivered', ErrorCode: '63003' })
})

async function received(content: object) {
  await using stage = await setStage()
  await stage.write({ ...content, profile_name: 'Ada Test', bsuid: 'US.1000000000000143' })
  const [one] = stage.inbound()
  if (one === undefined) throw new Error('nothing came')
  expect(isSigned(one)).toBe(true)
  expect(one.url).toBe(`${stage.webhookUrl}hook?bot=b1`)
  return one
}

test('a text has the fields of one', async () => {
  const { form, headers } = await received(say('Hello, is order 1042 ready?'))
  const { MessageSid } = form
  expect(MessageSid).toMatch(/^SM[0-9a-f]{32}$/)
  expect(form).toEqual({
    ...{ ExternalUserId: 'whatsapp:US.1000000000000143', MessageSid, SmsSid: MessageSid, SmsMessageSid: MessageSid },
    ...{ NumMedia: '0', NumSegments: '1', ReferralNumMedia: '0', SmsStatus: 'received', ApiVersion: '2010-04-01' },
    ...{ ProfileName: 'Ada Test', MessageType: 'text', WaId: customer, AccountSid: sid, From: to, To: from },
    ...{ Body: 'Hello, is order 1042 ready?' },
    ChannelMetadata: '{"type":"whatsapp","data":{"context":{"ProfileName":"Ada Test","WaId":"12025550143"}}}',
  } as Record<string, string>)
  expect(headers['content-type']).toBe('application/x-www-form-urlencoded; charset=UTF-8')
  expect(headers['i-twilio-idempotency-token']).toMatch(/^\w{36}$/)
})

test('a customer with a user name shows no phone', async () => {
  const { raw, form } = await received({ ...say('hi'), hide_phone: true })
  expect(form.From).toBe('whatsapp:US.1000000000000143')
  expect(raw).not.toContain(customer)
})

const kinds: [string, Content, object][] = [
  [
    'a button of the session',
    { type: 'choice', id: 'opt_yes', title: 'Yes', of: 'button' },
    { MessageType: 'interactive', Body: 'Yes', ButtonText: 'Yes', ButtonPayload: 'opt_yes' },
  ],
  [
    'a button of a template',
    { type: 'choice', id: 'opt_yes', title: 'Yes', of: 'template' },
    { MessageType: 'button', Body: 'Yes', ButtonText: 'Yes', ButtonPayload: 'opt_yes' },
  ],
  [
    'a row of a list',
    { type: 'choice', id: 'slot', title: 'Morning', description: '09:00', of: 'list' },
    { ListId: 'slot', ListTitle: 'Morning', ListDescription: '09:00', Body: 'Morning' },
  ],
  [
    'a location',
    { type: 'location', latitude: 51.4779, longitude: -0.0015, name: 'Test Observatory', address: '1 Example Road' },
    {
      ...{ MessageType: 'location', Latitude: '51.4779', Longitude: '-0.0015', Body: '', NumMedia: '0' },
      ...{ Address: '1 Example Road', Label: 'Test Observatory' },
    },
  ],
  [
    'a reaction',
    { type: 'reaction', message_id: 'SM1', emoji: '👍' },
    { MessageType: 'text', Body: '👍', OriginalRepliedMessageSid: 'SM1' },
  ],
  [
    'an image',
    { type: 'image', caption: 'The box' },
    { MessageType: 'image', NumMedia: '1', Body: 'The box', MediaContentType0: 'image/png' },
  ],
  [
    'a voice message',
    { type: 'audio', voice: true },
    { MessageType: 'audio', MediaContentType0: 'audio/ogg', Body: '' },
  ],
  [
    'a document, whose name stands where a text would',
    { type: 'document', filename: 'invoice-1042.pdf', caption: 'Invoice' },
    { MessageType: 'document', Body: 'invoice-1042.pdf', MediaContentType0: 'application/pdf' },
  ],
  [
    'a contact',
    { type: 'contacts', contacts: [{ name: 'Grace Example', phones: ['+44 7700 900123'] }] },
    { MessageType: 'contacts', NumMedia: '1', MediaContentType0: 'text/vcard', Body: '' },
  ],
]

test.each(kinds)('%s has its fields', async (_, content, fields) => {
  expect((await received(content)).form).toMatchObject(fields as Record<string, string>)
})

test('several messages come one by one, and what Twilio does not pass on never comes', async () => {
  await using stage = await setStage()
  const { body } = await stage.write({ messages: [say('a'), say('b'), { type: 'unsupported', reason: 'A poll' }] })
  expect(stage.inbound().map(({ form }) => form.Body)).toEqual(['a', 'b'])
  expect(body.delivered).toBe(false)
  expect((await stage.chat()).map(({ status }) => status)).toEqual(['delivered', 'delivered', 'sent'])
})

test('media is behind the credentials, and then at a signed address that wants none', async () => {
  await using stage = await setStage()
  const { id } = (await stage.call('POST', '/emulator/media', new Blob(['jpeg']), { 'content-type': 'image/jpeg' }))
    .body
  await stage.write({ type: 'image', media_id: id })
  const address = stage.inbound()[0]?.form.MediaUrl0 ?? ''
  expect(address).toMatch(/\/twilio\/2010-04-01\/Accounts\/AC\w+\/Messages\/MM\w+\/Media\/ME[0-9a-f]{32}$/)
  expect((await stage.get(address, {})).status).toBe(401)
  const redirect = await stage.get(address)
  expect(redirect.status).toBe(302)
  const signed = redirect.headers.get('location') ?? ''
  expect(new URL(signed).hostname).toBe('localhost')
  const file = await stage.get(signed, {})
  expect([file.status, file.text, file.headers.get('content-type')]).toEqual([200, 'jpeg', 'image/jpeg'])
  expect((await stage.get(signed)).status).toBe(400)
  expect((await stage.get(`${signed}x`, {})).status).toBe(403)
  expect((await stage.call('DELETE', address, undefined, authorization)).status).toBe(204)
  expect((await stage.get(address)).status).toBe(404)
})

test('a contact is a vCard', async () => {
  await using stage = await setStage()
  await stage.write({ type: 'contacts', contacts: [{ name: 'Grace Example', phones: ['+44 7700 900123'] }] })
  const redirect = await stage.get(stage.inbound()[0]?.form.MediaUrl0 ?? '')
  const { text } = await stage.get(redirect.headers.get('location') ?? '', {})
  expect(text).toContain('FN:Grace Example\r\nTEL;type=CELL;waid=447700900123:+44 7700 900123\r\nEND:VCARD')
})

async function withFile(answer: () => Response, use: (url: string) => Promise<void>): Promise<void> {
  const files = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: answer })
  await use(`${files.url.href}label.png?v=1`)
  await files.stop(true)
}

test('a media address is fetched for real, after the answer', async () => {
  await using stage = await setStage()
  await stage.write(say('hola'))
  const png = () => new Response('png', { headers: { 'content-type': 'image/png' } })
  await withFile(png, async url => {
    const { body } = await stage.send({ MediaUrl: url, Body: 'Label' })
    expect(body.sid).toMatch(/^MM/)
    expect(body.num_media).toBe('1')
    await until(() => stage.statuses().length === 3)
    const { content } = (await stage.chat()).at(-1)
    expect(content).toMatchObject({ type: 'image', caption: 'Label', mime_type: 'image/png', link: url })
    expect((await stage.control('GET', `/media/${content.media_id}`)).text).toBe('png')
  })
})

test.each([
  ['is not there', () => new Response('no', { status: 404 })],
  ['is a page', () => new Response('<html>', { headers: { 'content-type': 'text/html' } })],
  ['is too big', () => new Response(new Uint8Array(17 * 1_048_576), { headers: { 'content-type': 'image/png' } })],
])('media that %s fails with 63019', async (_, answer) => {
  await using stage = await setStage()
  await stage.write(say('hola'))
  await withFile(answer, async url => {
    await stage.send({ MediaUrl: url })
    await until(() => stage.statuses().length === 2)
    expect(stage.statuses().at(-1)?.form).toMatchObject({ MessageStatus: 'failed', ErrorCode: '63019' })
  })
})

test('a place goes out by its action', async () => {
  await using stage = await setStage()
  await stage.write(say('hola'))
  await stage.send({ Body: '', PersistentAction: 'geo:51.4779,-0.0015|Test Observatory' })
  await stage.send({ Body: 'Shop', PersistentAction: 'geo:1,2|1 Example Road' })
  expect((await stage.chat()).slice(1).map(({ content }) => content)).toEqual([
    { type: 'location', latitude: 51.4779, longitude: -0.0015, name: 'Test Observatory' },
    { type: 'location', latitude: 1, longitude: 2, name: 'Shop', address: '1 Example Road' },
  ])
})

const quickReply = {
  body: 'Hi {{1}}, keep the order?',
  actions: [
    { id: 'opt_yes', title: 'Yes' },
    { id: 'opt_no', title: 'No' },
  ],
}

test('buttons are a content template, filled in, and a tap brings its payload', async () => {
  await using stage = await setStage()
  await stage.write(say('hola'))
  const made = await stage.content(
    { 'twilio/quick-reply': quickReply, 'twilio/text': { body: 'Yes or no' } },
    { variables: { '1': 'you' } },
  )
  expect([made.status, made.body.sid]).toEqual([201, expect.stringMatching(/^HX[0-9a-f]{32}$/)])
  expect((await stage.get(`/twilio/v1/Content/${made.body.sid}`)).body).toEqual(made.body)
  const { body } = await stage.send({ ContentSid: made.body.sid, ContentVariables: '{"1":"Ada"}' })
  expect((await stage.chat()).at(-1).content).toEqual({
    type: 'buttons',
    text: 'Hi Ada, keep the order?',
    buttons: quickReply.actions,
  })
  await stage.write({ type: 'choice', id: 'opt_yes' })
  expect(stage.inbound().at(-1)?.form).toMatchObject({
    ...{ ButtonPayload: 'opt_yes', ButtonText: 'Yes', MessageType: 'interactive' },
    ...{ OriginalRepliedMessageSid: body.sid, OriginalRepliedMessageSender: from },
  })
})

test('a list is one too, and works in the window only', async () => {
  await using stage = await setStage()
  const items = [{ id: 'slot_morning', item: 'Morning', description: '09:00-12:00' }]
  const { sid: list } = (await stage.content({ 'twilio/list-picker': { body: 'Pick a slot', button: 'Slots', items } }))
    .body
  const approval = `/twilio/v1/Content/${list}/ApprovalRequests`
  await stage.call('POST', `${approval}/whatsapp`, { name: 'slots', category: 'UTILITY' }, authorization)
  expect((await stage.get(approval)).body.whatsapp.status).toBe('rejected')
  await stage.send({ ContentSid: list })
  await until(() => stage.statuses().length === 2)
  expect(stage.statuses().at(-1)?.form.ErrorCode).toBe('63016')
  await stage.write(say('hola'))
  await stage.send({ ContentSid: list })
  expect((await stage.chat()).at(-1).content).toEqual({
    ...{ type: 'list', text: 'Pick a slot', button: 'Slots' },
    sections: [{ rows: [{ id: 'slot_morning', title: 'Morning', description: '09:00-12:00' }] }],
  })
})

test('an approved template goes out of the window; without its variables it is refused', async () => {
  await using stage = await setStage()
  const { sid: template } = (await stage.content({ 'twilio/quick-reply': quickReply })).body
  const approval = `/twilio/v1/Content/${template}/ApprovalRequests`
  const request = { name: 'keep_order', category: 'UTILITY' }
  expect((await stage.call('POST', `${approval}/whatsapp`, request, authorization)).body.status).toBe('received')
  expect((await stage.get(approval)).body.whatsapp.status).toBe('approved')
  expect((await stage.send({ ContentSid: template })).body.code).toBe(21656)
  await stage.send({ ContentSid: template, ContentVariables: '{"1":"Ada"}' })
  await until(() => stage.statuses().length === 3)
  expect((await stage.chat())[0]).toMatchObject({
    ...{ status: 'delivered', content: { type: 'template', name: 'keep_order', parameters: ['Ada'] } },
  })
})

test.each([
  ['no types', {}],
  [
    'four buttons',
    { 'twilio/quick-reply': { body: 'x', actions: [1, 2, 3, 4].map(id => ({ id: `${id}`, title: `${id}` })) } },
  ],
  ['a long title', { 'twilio/quick-reply': { body: 'x', actions: [{ id: '1', title: 'x'.repeat(21) }] } }],
  [
    'eleven rows',
    {
      'twilio/list-picker': {
        body: 'x',
        button: 'b',
        items: Array.from({ length: 11 }, (_, id) => ({ id: `${id}`, item: 'x' })),
      },
    },
  ],
])('a content with %s is refused', async (_, types) => {
  await using stage = await setStage()
  const { status, body } = await stage.content(types)
  expect([status, body.code]).toEqual([400, 20001])
})

test('a content that was deleted is gone', async () => {
  await using stage = await setStage()
  const { sid: made } = (await stage.content({ 'twilio/text': { body: 'x' } })).body
  expect((await stage.call('DELETE', `/twilio/v1/Content/${made}`, undefined, authorization)).status).toBe(204)
  expect((await stage.get(`/twilio/v1/Content/${made}`)).body.code).toBe(20404)
  expect((await stage.send({ ContentSid: made })).body.code).toBe(21655)
})

test('the typing indicator marks as read', async () => {
  await using stage = await setStage()
  const { body } = await stage.write(say('hola'))
  const typing = (messageId: string) =>
    stage.form('/twilio/v2/Indicators/Typing.json', { messageId, channel: 'whatsapp' })
  expect((await typing('SM1')).status).toBe(404)
  expect((await typing(body.id)).body).toEqual({ success: true })
  expect((await stage.chat())[0].status).toBe('read')
})

test.each([
  ['a text', 'text/plain', 'OK', 'OK', null],
  [
    'a message of TwiML',
    'text/xml',
    '<?xml version="1.0"?><Response><Message>A &amp; B</Message></Response>',
    'A & B',
    null,
  ],
  ['an empty response', 'text/xml', '<Response/>', null, null],
  ['JSON', 'application/json', '{"ok":true}', null, '12300'],
  ['XML that is no TwiML', 'application/xml', '<html></html>', null, '12100'],
])('what the bot answers to a message: %s', async (_, type, body, reply, problem) => {
  await using stage = await setStage()
  stage.bot.answer = () => ({ status: 200, body, type })
  await stage.write(say('hola'))
  const texts = (await stage.chat())
    .filter(({ direction }) => direction === 'outbound')
    .map(({ content }) => content.text)
  expect(texts).toEqual(reply === null ? [] : [reply])
  const { error } = (await stage.control('GET', '/webhooks')).body.data[0]
  expect(error?.slice(0, 5) ?? null).toBe(problem)
})

test('a webhook is not tried again, unless its address says so', async () => {
  await using stage = await setStage()
  stage.bot.answer = () => ({ status: 503 })
  expect((await stage.write(say('lost'))).body.delivered).toBe(false)
  expect(stage.inbound().length).toBe(1)
  await stage.control('PUT', `/numbers/${number}`, {
    ...{ dialect: 'twilio', display_phone_number: '12025550100', account_sid: sid, auth_token: token },
    webhook_url: `${stage.webhookUrl}hook#rc=2&rp=5xx,ct`,
  })
  expect((await stage.write(say('lost too'))).body.delivered).toBe(false)
  expect(stage.inbound().length).toBe(4)
  expect(stage.inbound().slice(1).every(isSigned)).toBe(true)
})

test('a public address may lead elsewhere: it is what is signed', async () => {
  await using stage = await setStage()
  const webhook_url = 'https://hooks.example.test/webhooks/twilio/b1?x=1'
  await stage.control('PUT', `/numbers/${number}`, {
    ...{ dialect: 'twilio', display_phone_number: '12025550100', account_sid: sid, auth_token: token },
    ...{ webhook_url, deliver_to: stage.webhookUrl },
  })
  await stage.write(say('hola'))
  const [one] = stage.arrived
  expect(new URL(one?.url ?? '').pathname).toBe('/webhooks/twilio/b1')
  const signature = one?.headers['x-twilio-signature'] ?? ''
  expect(twilio.validateRequest(token, signature, webhook_url, one?.form ?? {})).toBe(true)
})

test('the faults are told in the codes of Twilio', async () => {
  await using stage = await setStage()
  await stage.write(say('hola'))
  const faults = ['429', '500', '503', 'unauthorized', 'rejected']
  await stage.control('PUT', '/faults', faults)
  const answers: unknown[] = []
  for (const _ of faults) {
    const { status, body } = await stage.send({ Body: 'x' })
    answers.push([status, body.code])
  }
  expect(answers).toEqual([
    [429, 20429],
    [500, 20500],
    [503, 20503],
    [401, 20003],
    [400, 21211],
  ])
  await stage.control('PUT', '/faults', ['429:1:130429', 'undeliverable'])
  for (const _ of [1, 2]) expect((await stage.send({ Body: 'x' })).status).toBe(201)
  await until(() => stage.statuses().filter(({ form }) => form.ErrorCode !== undefined).length === 2)
  expect(stage.statuses().flatMap(({ form }) => form.ErrorCode ?? [])).toEqual(['63018', '63024'])
})
