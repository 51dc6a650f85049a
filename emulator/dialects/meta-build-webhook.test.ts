import { expect, test } from 'bun:test'
import type { BusinessNumber, ChatMessage, Content, Customer } from '../records.ts'
import { metaJson, metaWebhooks, signature } from './meta-build-webhook.ts'

const number: BusinessNumber = {
  ...{
    id: '100000000000010',
    display_phone_number: '+1 202 555 0100',
    name: 'Test Shop',
    webhook_url: 'http://x.test',
  },
  account: { dialect: 'meta', access_token: 't', app_secret: 'test-meta-app-secret', verify_token: 'v', waba_id: '1' },
}
const ada: Customer = {
  ...{ id: '12025550143', wa_id: '12025550143', user_id: 'US.1000000000000143', name: 'Ada Test' },
  ...{ hide_phone: false, auto_read: false },
}
const format = metaWebhooks({
  message: id => (id === 'wamid.own' ? message({ type: 'text', text: 'mine' }) : null),
  media: id => ({ url: `http://emulator.test/media/${id}`, bytes: new Uint8Array() }),
})

function message(content: Content, more: Partial<ChatMessage> = {}): ChatMessage {
  return { seq: 1, id: 'wamid.1', direction: 'inbound', at: 1_767_225_601_999, content, status: 'sent', ...more }
}

function told(content: Content, customer = ada, more: Partial<ChatMessage> = {}) {
  const body = format.build(number, [{ kind: 'messages', customer, messages: [message(content, more)] }])
  const { value, field } = JSON.parse(body).entry[0].changes[0]
  expect(field).toBe('messages')
  return value
}

test('JSON is escaped as Meta does it, and the signature is over exactly these bytes', () => {
  const escaped = metaJson({ text: 'Olá ✅' })
  expect(escaped).toBe('{"text":"Ol\\u00e1 \\u2705"}')
  expect(signature(escaped, 'test-meta-app-secret')).toBe(
    'sha256=ecf2ab278653b0b47de865706970f2856c24a2e5a9dae727c2dff9ed429c6e78',
  )
  expect(signature('{"object":"whatsapp_business_account","entry":[]}', 'test-meta-app-secret')).toBe(
    'sha256=dd016c114af60604aa08d340200360b65e163a9ff2f0ab18f4d87643f53f026a',
  )
  expect(signature('{"text":"Olá ✅"}', 'test-meta-app-secret')).toBe(
    'sha256=be78f2e2fb1da8e8a885b5bf384c8ac45b221615e155697e94c833c78cd3ed12',
  )
  expect(metaJson('👍')).toBe('"\\ud83d\\udc4d"')
})

test('a text names its number, its customer and its time', () => {
  const body = format.build(number, [
    { kind: 'messages', customer: ada, messages: [message({ type: 'text', text: 'Hi' })] },
  ])
  expect(JSON.parse(body)).toEqual({
    object: 'whatsapp_business_account',
    entry: [
      {
        id: '1',
        changes: [
          {
            value: {
              messaging_product: 'whatsapp',
              metadata: { display_phone_number: '12025550100', phone_number_id: '100000000000010' },
              contacts: [{ profile: { name: 'Ada Test' }, wa_id: '12025550143', user_id: 'US.1000000000000143' }],
              messages: [
                {
                  ...{ from: '12025550143', from_user_id: 'US.1000000000000143', id: 'wamid.1' },
                  ...{ timestamp: '1767225601', type: 'text', text: { body: 'Hi' } },
                },
              ],
            },
            field: 'messages',
          },
        ],
      },
    ],
  })
})

test('a customer with a user name shows no phone anywhere', () => {
  const hidden = { ...ada, hide_phone: true }
  const value = told({ type: 'text', text: 'Hi' }, hidden)
  expect(value.contacts).toEqual([
    { profile: { name: 'Ada Test', username: 'ada.test' }, user_id: 'US.1000000000000143' },
  ])
  expect(JSON.stringify(value)).not.toContain('12025550143')
  const status = { kind: 'status', customer: hidden, message: message({ type: 'text', text: 'x' }), at: 0 } as const
  const body = format.build(number, [{ ...status, status: 'read' }])
  expect(body).toContain('"recipient_user_id":"US.1000000000000143"')
  expect(body).not.toContain('12025550143')
})

test('each kind of content has the shape of its type', () => {
  const fields = (content: Content) => {
    const { from, from_user_id, id, timestamp, ...rest } = told(content).messages[0]
    return rest
  }
  const choice = { type: 'choice', id: 'a', title: 'A' } as const
  expect(fields({ ...choice, of: 'button' })).toEqual({
    ...{ type: 'interactive', interactive: { type: 'button_reply', button_reply: { id: 'a', title: 'A' } } },
  })
  expect(fields({ ...choice, description: 'B', of: 'list' })).toEqual({
    type: 'interactive',
    interactive: { type: 'list_reply', list_reply: { id: 'a', title: 'A', description: 'B' } },
  })
  expect(fields({ ...choice, of: 'template' })).toEqual({ type: 'button', button: { payload: 'a', text: 'A' } })
  expect(fields({ type: 'audio', media_id: '9', mime_type: 'audio/ogg; codecs=opus', voice: true })).toEqual({
    type: 'audio',
    audio: {
      ...{ mime_type: 'audio/ogg; codecs=opus', sha256: '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=', id: '9' },
      ...{ url: 'http://emulator.test/media/9', voice: true },
    },
  })
  const location = { latitude: 1, longitude: 2, name: 'Here' }
  expect(fields({ type: 'location', ...location })).toEqual({ type: 'location', location })
  expect(fields({ type: 'contacts', contacts: [{ name: 'Grace Example', phones: ['+44 7700'] }] })).toEqual({
    type: 'contacts',
    contacts: [
      {
        name: { formatted_name: 'Grace Example', first_name: 'Grace' },
        phones: [{ phone: '+44 7700', wa_id: '447700', type: 'CELL' }],
      },
    ],
  })
  const reaction = { type: 'reaction', message_id: 'wamid.2' } as const
  expect(fields({ ...reaction, emoji: '👍' }).reaction).toEqual({ message_id: 'wamid.2', emoji: '👍' })
  expect(fields({ ...reaction, emoji: '' }).reaction).toEqual({ message_id: 'wamid.2' })
  expect(fields({ type: 'unsupported', reason: 'A poll' })).toMatchObject({
    ...{ type: 'unsupported', errors: [{ code: 131051, error_data: { details: 'A poll' } }] },
  })
})

test('an answer quotes the message, and says whose it was', () => {
  const quoting = (reply_to: string) => told({ type: 'text', text: 'x' }, ada, { reply_to }).messages[0].context
  expect(quoting('wamid.bot')).toEqual({ from: '12025550100', id: 'wamid.bot' })
  expect(quoting('wamid.own')).toEqual({ from: '12025550143', id: 'wamid.own' })
})

test('statuses echo the callback data; a failure has its error and no contacts', () => {
  const sent = message({ type: 'text', text: 'x' }, { direction: 'outbound', callback_data: 'msg_01' })
  const value = (status: 'sent' | 'read' | 'failed') => {
    const body = format.build(number, [{ kind: 'status', customer: ada, message: sent, status, at: 1_767_225_660_000 }])
    return JSON.parse(body).entry[0].changes[0].value
  }
  expect(value('sent').statuses[0]).toMatchObject({
    ...{ id: 'wamid.1', status: 'sent', timestamp: '1767225660', recipient_id: '12025550143' },
    ...{ biz_opaque_callback_data: 'msg_01', pricing: { pricing_model: 'PMP', billable: false } },
  })
  expect(value('read').statuses[0].pricing).toBeUndefined()
  expect(value('read').contacts).toHaveLength(1)
  expect(value('failed').contacts).toBeUndefined()
  expect(value('failed').statuses[0].errors[0].code).toBe(131047)
})
