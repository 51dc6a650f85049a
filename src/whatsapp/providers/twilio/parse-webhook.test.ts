import { describe, expect, test } from 'bun:test'
import { type BotConfig, emptyWebhook, type Webhook } from '../../provider.ts'
import { contentTemplate } from './content-template.ts'
import { parseTwilioForm } from './parse-webhook.ts'
import { config, mediaUrl, messageForm, messageForms, service, statusForm, statusForms } from './webhooks.fixture.ts'

const now = new Date('2026-01-01T00:00:00Z')

function parse(form: string, given: BotConfig = config, reference: string | null = null): Webhook {
  return parseTwilioForm(new URLSearchParams(form), given, reference, now)
}

/** The one message of a form. */
function received(form: string) {
  const { messages, ignored } = parse(form)
  expect([messages.length, ignored]).toEqual([1, []])
  return messages[0]
}

function reasonsOf({ messages, statuses, ignored }: Webhook) {
  expect([...messages, ...statuses]).toEqual([])
  return ignored.map(part => part.reason)
}

describe('messages', () => {
  test('a text, with its sender, both identities and the name', () => {
    expect(parse(messageForms.text)).toEqual({
      ...emptyWebhook,
      messages: [
        {
          providerMessageId: 'SM1',
          sender: {
            identities: [
              { kind: 'phone', value: '+12025550143' },
              { kind: 'bsuid', value: 'US.1000000000000143' },
            ],
            name: 'Ada Test',
          },
          content: { type: 'text', text: 'Hola, ¿está el pedido 1042? ✅' },
          media: undefined,
          at: now,
        },
      ],
    })
  })

  test('a customer who hides the phone is known by the user id, wherever it stands', () => {
    const identities = (fields: Record<string, string>) =>
      received(messageForm('SM1', { Body: 'x', ProfileName: '', WaId: '', ...fields }))?.sender
    const bsuid = [{ kind: 'bsuid', value: 'US.1000000000000143' }] as const
    expect(identities({ From: 'whatsapp:US.1000000000000143', ExternalUserId: '' })).toEqual({
      identities: bsuid,
      name: null,
    })
    expect(identities({ From: 'whatsapp:' })).toEqual({ identities: bsuid, name: null })
    expect(identities({ From: 'whatsapp:', ExternalUserId: 'whatsapp:US.ENT.99' })?.identities).toEqual([
      { kind: 'bsuid', value: 'US.ENT.99' },
    ])
  })

  test('the phone is the one that Twilio writes to, else the WhatsApp id', () => {
    const phone = (fields: Record<string, string>) =>
      received(messageForm('SM1', { Body: 'x', ...fields }))?.sender.identities[0]
    expect(phone({ From: 'whatsapp:+5215512345678', WaId: '525512345678' })).toEqual({
      kind: 'phone',
      value: '+5215512345678',
    })
    expect(phone({ From: 'whatsapp:US.1', WaId: '525512345678' })).toEqual({ kind: 'phone', value: '+525512345678' })
  })

  test('a quoted text and one from an advertisement are texts', () => {
    expect(received(messageForms.quotedText)?.content).toEqual({ type: 'text', text: 'Yes, that one' })
    expect(received(messageForms.advertisement)?.content).toEqual({
      ...{ type: 'text', text: 'I saw your advertisement' },
      referral: { source_type: 'ad', headline: 'Fresh bread' },
    })
  })

  test('files, and where they are; what stands in the Body is a caption', () => {
    const files = [
      [messageForms.image, { type: 'image', mime_type: 'image/jpeg', caption: 'The damaged box' }],
      [messageForms.video, { type: 'video', mime_type: 'video/mp4' }],
      [messageForms.voice, { type: 'audio', mime_type: 'audio/ogg' }],
      [messageForms.sticker, { type: 'sticker', mime_type: 'image/webp' }],
    ] as const
    for (const [form, content] of files)
      expect(received(form)).toMatchObject({
        providerMessageId: 'MM1',
        content: { ...content, media_id: 'ME1' },
        media: { kind: 'source', source: { url: mediaUrl('ME1') } },
      })
    expect(received(messageForms.video)?.content).not.toHaveProperty('caption')
  })

  test('of a document the Body is the name of the file', () => {
    expect(received(messageForms.document)?.content).toEqual({
      type: 'document',
      media_id: 'ME1',
      mime_type: 'application/pdf',
      filename: 'invoice-1042.pdf',
    })
  })

  test('a contact is the file that it comes as', () => {
    expect(received(messageForms.contact)).toMatchObject({
      content: { type: 'document', mime_type: 'text/vcard', media_id: 'ME1' },
      media: { kind: 'source' },
    })
  })

  test('a file without a type of message is told by its own type', () => {
    const typeOf = (MediaContentType0: string) =>
      received(messageForm('MM1', { MediaUrl0: mediaUrl('ME1'), MediaContentType0 }))?.content.type
    expect(['image/png', 'image/webp', 'video/mp4', 'audio/amr', 'text/plain', ''].map(typeOf)).toEqual([
      'image',
      'sticker',
      'video',
      'audio',
      'document',
      'unsupported',
    ])
  })

  test('a second file of one message is kept beside it', () => {
    const form = messageForm('MM1', {
      MessageType: 'image',
      MediaUrl0: mediaUrl('ME1'),
      MediaContentType0: 'image/png',
      MediaUrl1: mediaUrl('ME2'),
      MediaContentType1: 'image/png',
    })
    const { messages, ignored } = parse(form)
    expect(messages.map(message => message.content.type)).toEqual(['image'])
    expect(ignored).toMatchObject([{ reason: 'unknown_event', raw: { MediaUrl1: mediaUrl('ME2') } }])
  })

  test('a place, with what is known of it', () => {
    expect(received(messageForms.location)?.content).toEqual({
      type: 'location',
      latitude: 51.4779,
      longitude: -0.0015,
      name: 'Test Observatory',
      address: '1 Example Road',
    })
    const bare = messageForm('SM1', { MessageType: 'location', Latitude: '0', Longitude: '-70.5', Label: '' })
    expect(received(bare)?.content).toEqual({ type: 'location', latitude: 0, longitude: -70.5 })
  })

  test('a button and a row that were tapped are choices, whatever the type of the message', () => {
    expect(received(messageForms.button)?.content).toEqual({ type: 'choice', id: 'opt_yes', title: 'Yes' })
    expect(received(messageForms.list)?.content).toEqual({ type: 'choice', id: 'slot_morning', title: 'Morning' })
    for (const MessageType of ['button', 'text', 'interactive', ''])
      expect(received(messageForm('SM1', { MessageType, ButtonPayload: 'p', Body: 'Sure' }))?.content).toEqual({
        type: 'choice',
        id: 'p',
        title: 'Sure',
      })
    expect(received(messageForm('SM1', { ButtonText: 'Sure' }))?.content).toMatchObject({ id: 'Sure', title: 'Sure' })
  })

  test('a button whose id and title have braces comes back as it was written', () => {
    const button = { id: '{{a}} {{{b}}}', title: '{{{{' }
    const { json } = contentTemplate({ type: 'buttons', text: 'x', buttons: [button] })
    const { id, title } = JSON.parse(json).types['twilio/quick-reply'].actions[0]
    expect([id, title]).not.toEqual([button.id, button.title])
    expect(received(messageForm('SM1', { ButtonPayload: id, ButtonText: title }))?.content).toEqual({
      type: 'choice',
      ...button,
    })
  })

  test('a type that is not known is the text that came with it, or says that it is unsupported: nothing is dropped', () => {
    expect(received(messageForm('SM1', { MessageType: 'order', Body: 'Two loaves' }))?.content).toEqual({
      type: 'text',
      text: 'Two loaves',
    })
    expect(received(messageForm('SM1', { MessageType: 'order' }))?.content).toEqual({
      type: 'unsupported',
      reason: 'order',
    })
  })

  test('fields of the wrong shape make unsupported content', () => {
    const contents = [
      { MessageType: 'location', Latitude: '91', Longitude: '0' },
      { MessageType: 'location', Latitude: '', Longitude: '' },
      { MessageType: 'location', Latitude: 'north', Longitude: '0' },
      { MessageType: 'image' },
      { MessageType: 'image', MediaUrl0: mediaUrl('ME1'), MediaContentType0: 'x'.repeat(200) },
      { ListId: 'x'.repeat(300) },
    ].map(fields => received(messageForm('SM1', fields)))
    expect(contents.map(message => message?.content.type)).toEqual(Array(6).fill('unsupported'))
    expect(contents.map(message => message?.media)).toEqual(Array(6).fill(undefined))
  })

  test('a text is kept up to its limit', () => {
    const content = received(messageForm('SM1', { Body: 'x'.repeat(70_000) }))?.content
    expect(content).toEqual({ type: 'text', text: 'x'.repeat(65_536) })
  })
})

describe('statuses', () => {
  test('each, with what the send gave along; up to "sent" they say that the message was accepted', () => {
    const told = Object.values(statusForms).flatMap(form => parse(form, config, 'c/m').statuses)
    expect(told.map(({ status, reference, error }) => [status, reference, error?.code])).toEqual([
      ['sent', 'c/m', undefined],
      ['sent', 'c/m', undefined],
      ['delivered', 'c/m', undefined],
      ['read', 'c/m', undefined],
      ['failed', 'c/m', '63018'],
    ])
    expect(told[0]).toEqual({
      providerMessageId: 'SM00000000000000000000000000000901',
      status: 'sent',
      error: null,
      at: now,
      reference: 'c/m',
    })
    for (const [name, status] of [
      ['accepted', 'sent'],
      ['scheduled', 'sent'],
      ['sending', 'sent'],
      ['partially_delivered', 'delivered'],
      ['undelivered', 'failed'],
      ['canceled', 'failed'],
    ] as const)
      expect(parse(statusForm(name)).statuses.map(one => one.status)).toEqual([status])
  })

  test('a failure says why in plain words, with Twilio’s own after them', () => {
    const errorOf = (status: string, fields = {}) => parse(statusForm(status, fields)).statuses[0]?.error
    expect(errorOf('undelivered', { ErrorCode: '63016', ErrorMessage: 'Outside window' })).toEqual({
      code: '63016',
      message:
        'More than 24 hours have passed since the customer last wrote: only a template can be sent. (Outside window)',
    })
    expect(errorOf('failed', { ErrorCode: '63024', ChannelStatusMessage: 'no such user' })?.message).toEndWith(
      '(no such user)',
    )
    expect(errorOf('failed')).toEqual({
      code: 'unknown',
      message: 'Twilio says that the message failed, and not why.',
    })
    expect(errorOf('canceled')?.code).toBe('canceled')
    expect(errorOf('delivered', { ErrorCode: '63016' })).toBeNull()
  })

  test('one that is not known is kept', () => {
    expect(reasonsOf(parse(statusForm('teleported')))).toEqual(['unknown_event'])
  })

  test('older ones have the status in SmsStatus alone', () => {
    const form = new URLSearchParams(statusForms.delivered)
    form.delete('MessageStatus')
    expect(parse(form.toString()).statuses.map(one => one.status)).toEqual(['delivered'])
  })
})

describe('what is not for this bot', () => {
  test('another account, another number', () => {
    for (const form of [messageForms.text, statusForms.read]) {
      expect(reasonsOf(parse(form, { ...config, account_sid: `${config.account_sid}0` }))).toEqual(['other_number'])
      expect(reasonsOf(parse(form, { ...config, from: '+12025550199' }))).toEqual(['other_number'])
    }
  })

  test('a bot’s number may be written with its channel', () => {
    expect(parse(messageForms.text, { ...config, from: 'whatsapp:+12025550100' }).messages.length).toBe(1)
  })

  test('a bot on a messaging service takes what comes to any of its numbers, but nothing of another service', () => {
    const bot = { ...config, from: service }
    const from = (fields: Record<string, string>) => parse(messageForm('SM1', { Body: 'x', ...fields }), bot)
    expect(from({ To: 'whatsapp:+12025550177', MessagingServiceSid: service }).messages.length).toBe(1)
    expect(from({}).messages.length).toBe(1)
    expect(reasonsOf(from({ MessagingServiceSid: `${service}0` }))).toEqual(['other_number'])
    expect(parse(statusForm('read', { MessagingServiceSid: service }), bot).statuses.length).toBe(1)
  })

  test('what is no WhatsApp', () => {
    const bot = { ...config, from: service }
    expect(reasonsOf(parse(messageForm('SM1', { From: '+12025550143', To: '+12025550100' }), bot))).toEqual([
      'other_event',
    ])
    expect(reasonsOf(parse(messageForm('SM1', { From: '+12025550143', To: '+12025550100' })))).toEqual(['other_number'])
  })
})

describe('what cannot be read is kept', () => {
  test('fields that every webhook has are missing or wrong', () => {
    const without = (name: string) => {
      const form = new URLSearchParams(messageForms.text)
      form.delete(name)
      return form.toString()
    }
    expect(reasonsOf(parse(without('AccountSid')))).toEqual(['malformed'])
    expect(reasonsOf(parse(without('To')))).toEqual(['malformed'])
    expect(reasonsOf(parse(messageForm('', { Body: 'x' })))).toEqual(['malformed'])
    expect(reasonsOf(parse(messageForm('x'.repeat(65), { Body: 'x' })))).toEqual(['malformed'])
    const nobody = { From: 'whatsapp:', WaId: '', ExternalUserId: '' }
    expect(reasonsOf(parse(messageForm('SM1', { Body: 'x', ...nobody })))).toEqual(['malformed'])
    expect(reasonsOf(parse(messageForm('SM1', { Body: 'x', ...nobody, From: 'whatsapp:Ada' })))).toEqual(['malformed'])
  })

  test('what is about no message', () => {
    const form = `AccountSid=${config.account_sid}&Level=ERROR&Payload=%7B%7D`
    expect(parse(form)).toEqual({
      ...emptyWebhook,
      ignored: [{ reason: 'unknown_event', raw: { AccountSid: config.account_sid, Level: 'ERROR', Payload: '{}' } }],
    })
    expect(reasonsOf(parse(''))).toEqual(['unknown_event'])
  })
})
