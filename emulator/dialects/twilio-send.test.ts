import { expect, test } from 'bun:test'
import { customer, number } from '../testing/any-stage.ts'
import { say, until } from '../testing/stage.ts'
import { from, isSigned, messages, setTwilioStage, sid, to, token } from '../testing/twilio-stage.ts'

test('a message is queued, and its statuses come to the address of the send, each signed', async () => {
  await using stage = await setTwilioStage()
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
  await using stage = await setTwilioStage()
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
  await using stage = await setTwilioStage()
  const answer = await stage.send({ Body: 'x', ...values })
  expect([answer.status, answer.body.code, answer.body.status]).toEqual([status, code, status])
  expect(answer.body.more_info).toBe(`https://www.twilio.com/docs/errors/${code}`)
  expect((await stage.control('GET', '/chats')).body.data).toEqual([])
})

test('just inside the limit passes', async () => {
  await using stage = await setTwilioStage()
  expect((await stage.send({ Body: 'x'.repeat(1_600) })).status).toBe(201)
})

test('the account is known by its SID and token, or by an API key of its own', async () => {
  await using stage = await setTwilioStage({
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
  await using stage = await setTwilioStage()
  expect((await stage.send({ Body: 'x' })).body.status).toBe('queued')
  await until(() => stage.statuses().length === 2)
  expect(stage.statuses().at(-1)?.form).toMatchObject({ MessageStatus: 'failed', ErrorCode: '63016' })
})

test('who is not on WhatsApp gets nothing, and a status says so', async () => {
  await using stage = await setTwilioStage()
  await stage.control('PUT', `/customers/${customer}`, { not_on_whatsapp: true })
  await stage.send({ Body: 'x' })
  await until(() => stage.statuses().length === 2)
  expect(stage.statuses().at(-1)?.form).toMatchObject({ MessageStatus: 'undelivered', ErrorCode: '63003' })
})

async function withFile(answer: () => Response, use: (url: string) => Promise<void>): Promise<void> {
  const files = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: answer })
  await use(`${files.url.href}label.png?v=1`)
  await files.stop(true)
}

test('a media address is fetched for real, after the answer', async () => {
  await using stage = await setTwilioStage()
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
  await using stage = await setTwilioStage()
  await stage.write(say('hola'))
  await withFile(answer, async url => {
    await stage.send({ MediaUrl: url })
    await until(() => stage.statuses().length === 2)
    expect(stage.statuses().at(-1)?.form).toMatchObject({ MessageStatus: 'failed', ErrorCode: '63019' })
  })
})

test('a place goes out by its action', async () => {
  await using stage = await setTwilioStage()
  await stage.write(say('hola'))
  await stage.send({ Body: '', PersistentAction: 'geo:51.4779,-0.0015|Test Observatory' })
  await stage.send({ Body: 'Shop', PersistentAction: 'geo:1,2|1 Example Road' })
  expect((await stage.chat()).slice(1).map(({ content }) => content)).toEqual([
    { type: 'location', latitude: 51.4779, longitude: -0.0015, name: 'Test Observatory' },
    { type: 'location', latitude: 1, longitude: 2, name: 'Shop', address: '1 Example Road' },
  ])
})

test('the typing indicator marks as read', async () => {
  await using stage = await setTwilioStage()
  const { body } = await stage.write(say('hola'))
  const typing = (messageId: string) =>
    stage.form('/twilio/v2/Indicators/Typing.json', { messageId, channel: 'whatsapp' })
  expect((await typing('SM1')).status).toBe(404)
  expect((await typing(body.id)).body).toEqual({ success: true })
  expect((await stage.chat())[0].status).toBe('read')
})

test('the faults are told in the codes of Twilio', async () => {
  await using stage = await setTwilioStage()
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
