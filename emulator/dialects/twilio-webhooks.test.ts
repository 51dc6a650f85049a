import { expect, test } from 'bun:test'
import twilio from 'twilio'
import type { Content } from '../records.ts'
import { customer, number } from '../testing/any-stage.ts'
import { say } from '../testing/stage.ts'
import { authorization, from, isSigned, setTwilioStage, sid, to, token } from '../testing/twilio-stage.ts'

async function received(content: object) {
  await using stage = await setTwilioStage()
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
  await using stage = await setTwilioStage()
  const { body } = await stage.write({ messages: [say('a'), say('b'), { type: 'unsupported', reason: 'A poll' }] })
  expect(stage.inbound().map(({ form }) => form.Body)).toEqual(['a', 'b'])
  expect(body.delivered).toBe(false)
  expect((await stage.chat()).map(({ status }) => status)).toEqual(['delivered', 'delivered', 'sent'])
})

test('media is behind the credentials, and then at a signed address that wants none', async () => {
  await using stage = await setTwilioStage()
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
  await using stage = await setTwilioStage()
  await stage.write({ type: 'contacts', contacts: [{ name: 'Grace Example', phones: ['+44 7700 900123'] }] })
  const redirect = await stage.get(stage.inbound()[0]?.form.MediaUrl0 ?? '')
  const { text } = await stage.get(redirect.headers.get('location') ?? '', {})
  expect(text).toContain('FN:Grace Example\r\nTEL;type=CELL;waid=447700900123:+44 7700 900123\r\nEND:VCARD')
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
  await using stage = await setTwilioStage()
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
  await using stage = await setTwilioStage()
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
  await using stage = await setTwilioStage()
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
