import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { botAt, providerForTests } from '../../../../test/support/evolution.ts'
import { AppError } from '../../../lib/errors.ts'
import { type Connection, emptyWebhook } from '../../provider.ts'
import { parseEvolutionWebhook } from './parse-webhook.ts'

const now = new Date('2026-01-02T03:04:05Z')
const event = (name: string, data: unknown, instance = 'shop 1') => ({
  event: name,
  instance,
  data,
  destination: 'https://hooks.example.test/webhooks/evolution/bot-1',
  date_time: '2026-01-01T23:04:05.000Z',
  sender: '12025550100@s.whatsapp.net',
  server_url: 'https://evolution.example.test',
  apikey: 'the-instance-key',
})
const parse = (body: unknown) => parseEvolutionWebhook(body, 'shop 1', now)
const reasonsOf = (body: unknown) => parse(body).ignored.map(part => part.reason)

const key = {
  remoteJid: '12025550143@s.whatsapp.net',
  remoteJidAlt: '200000000000143@lid',
  fromMe: false,
  id: 'AC01',
  participant: '',
  addressingMode: 'pn',
}
const upsert = (message: unknown, more: object = {}) => ({
  key,
  pushName: 'Ada Test',
  status: 'DELIVERY_ACK',
  message,
  messageType: 'conversation',
  messageTimestamp: 1_767_225_601,
  instanceId: '5b0c0000-0000-4000-8000-000000000001',
  source: 'android',
  ...more,
})
const bytes = (first: number) => Object.fromEntries(Array.from({ length: 32 }, (_, i) => [i, (first + i) % 256]))
const sealed = {
  url: 'https://mmg.whatsapp.net/v/1.enc',
  directPath: '/v/1.enc',
  mediaKey: bytes(1),
  fileSha256: bytes(2),
  fileEncSha256: bytes(3),
  fileLength: { low: 48_213, high: 0, unsigned: true },
  mediaKeyTimestamp: { low: 1_767_225_600, high: 0, unsigned: true },
}
const read = (message: unknown, more: object = {}) => parse(event('messages.upsert', upsert(message, more))).messages[0]

describe('messages', () => {
  test('a text, with who wrote it by both identities, and when', () => {
    expect(parse(event('messages.upsert', upsert({ conversation: 'Hola' })))).toEqual({
      ...emptyWebhook,
      messages: [
        {
          providerMessageId: 'AC01',
          sender: {
            identities: [
              { kind: 'phone', value: '+12025550143' },
              { kind: 'lid', value: '200000000000143' },
            ],
            name: 'Ada Test',
          },
          content: { type: 'text', text: 'Hola' },
          media: undefined,
          at: new Date('2026-01-01T00:00:01Z'),
        },
      ],
    })
  })

  test('a customer who hides the phone has the linked identity only', () => {
    const hidden = { remoteJid: '200000000000143@lid', fromMe: false, id: 'AC02' }
    const message = read({ conversation: 'Hola' }, { key: hidden, pushName: null, messageTimestamp: '1767225601' })
    expect(message?.sender).toEqual({ identities: [{ kind: 'lid', value: '200000000000143' }], name: null })
  })

  const picture = { imageMessage: { ...sealed, mimetype: 'image/jpeg', caption: 'look', height: 9, width: 9 } }

  test('a file is fetched by its message', () => {
    expect(read(picture)?.content).toEqual({
      type: 'image',
      media_id: 'AC01',
      mime_type: 'image/jpeg',
      caption: 'look',
    })
    expect(read(picture)?.media).toEqual({ kind: 'source', source: { id: 'AC01', mime_type: 'image/jpeg' } })
  })

  test("a file in Evolution's own store is fetched there", () => {
    const mediaUrl = 'https://s3.example.test/a.jpeg?sig=1'
    const source = { id: 'AC01', mime_type: 'image/jpeg', url: mediaUrl }
    expect(read({ ...picture, mediaUrl })?.media).toEqual({ kind: 'source', source })
  })

  test('a file that the webhook has is taken out of it', () => {
    expect(read({ ...picture, base64: 'AQID' })?.media).toEqual({ kind: 'bytes', bytes: Buffer.from([1, 2, 3]) })
    expect(read({ ...picture, base64: 'not base64' })?.media?.kind).toBe('source')
    const large = Buffer.alloc(16 * 1024 * 1024, 7)
    const media = read({ ...picture, base64: large.toString('base64') })?.media
    expect(media?.kind === 'bytes' && large.equals(media.bytes)).toBe(true)
  })

  const contents: [string, object, object][] = [
    [
      'a document with its name',
      { documentMessage: { ...sealed, mimetype: 'application/pdf', fileName: 'a.pdf', caption: 'Bill' } },
      { type: 'document', media_id: 'AC01', mime_type: 'application/pdf', filename: 'a.pdf', caption: 'Bill' },
    ],
    [
      'a voice message',
      { audioMessage: { ...sealed, mimetype: 'audio/ogg; codecs=opus', seconds: 4, ptt: true } },
      { type: 'audio', media_id: 'AC01', mime_type: 'audio/ogg; codecs=opus' },
    ],
    [
      'a sticker',
      { stickerMessage: { ...sealed, mimetype: 'image/webp', isAnimated: false } },
      { type: 'sticker', media_id: 'AC01', mime_type: 'image/webp' },
    ],
    [
      'a video',
      { videoMessage: { ...sealed, mimetype: 'video/mp4' } },
      { type: 'video', media_id: 'AC01', mime_type: 'video/mp4' },
    ],
    [
      'a button',
      { buttonsResponseMessage: { selectedButtonId: 'yes', selectedDisplayText: 'Yes', type: 1 } },
      { type: 'choice', id: 'yes', title: 'Yes' },
    ],
    [
      'a row of a list',
      { listResponseMessage: { title: 'Morning', singleSelectReply: { selectedRowId: 'am' }, listType: 1 } },
      { type: 'choice', id: 'am', title: 'Morning' },
    ],
    [
      'a reaction',
      { reactionMessage: { key: { id: '3EB0', fromMe: true, remoteJid: key.remoteJid }, text: '👍' } },
      { type: 'reaction', message_id: '3EB0', emoji: '👍' },
    ],
    [
      'a place',
      { locationMessage: { degreesLatitude: 51.5, degreesLongitude: -0.1 } },
      { type: 'location', latitude: 51.5, longitude: -0.1 },
    ],
    [
      'a contact',
      { contactMessage: { displayName: 'Grace', vcard: 'BEGIN:VCARD\nFN:Grace\nTEL:+44 7700 900123\nEND:VCARD' } },
      { type: 'contacts', contacts: [{ name: 'Grace', phones: ['+44 7700 900123'] }] },
    ],
    ['what is not known here', { orderMessage: { orderId: '1' } }, { type: 'unsupported', reason: 'orderMessage' }],
  ]
  for (const [name, message, content] of contents)
    test(name, () => expect(read(message)?.content).toEqual(content as never))

  test('what the business wrote is not taken for a customer: on the phone it is told apart, by the API left out', () => {
    const own = upsert({ conversation: 'x' }, { key: { ...key, fromMe: true } })
    const { messages, phoneMessages, ignored } = parse(event('messages.upsert', own))
    expect([messages.length, ignored.length]).toEqual([0, 0])
    expect(phoneMessages).toMatchObject([{ content: { type: 'text', text: 'x' }, mayBeOurs: true }])
    expect(reasonsOf(event('send.message', own))).toEqual(['own_message'])
  })

  test('a note of the business to itself is for nobody', () => {
    const sender = '12025550100@s.whatsapp.net'
    const note = upsert({ conversation: 'x' }, { key: { ...key, remoteJid: sender, fromMe: true } })
    expect(reasonsOf({ ...event('messages.upsert', note), sender })).toEqual(['other_event'])
  })

  test('groups, statuses and channels are left alone', () => {
    const from = (remoteJid: string) =>
      event('messages.upsert', upsert({ conversation: 'x' }, { key: { ...key, remoteJid } }))
    expect(reasonsOf(from('120363000000000001@g.us'))).toEqual(['group_message'])
    expect(reasonsOf(from('status@broadcast'))).toEqual(['other_event'])
    expect(reasonsOf(from('120363000000000001@newsletter'))).toEqual(['other_event'])
    expect(reasonsOf(event('messages.upsert', upsert({ protocolMessage: { type: 0 } })))).toEqual(['other_event'])
  })

  test('a list of messages is read whole, past one that is broken', () => {
    const [a, b] = ['A', 'B'].map(id => upsert({ conversation: id }, { key: { ...key, id } }))
    const { messages, ignored } = parse(event('messages.upsert', [a, { key: 7 }, b]))
    expect(messages.map(message => message.providerMessageId)).toEqual(['A', 'B'])
    expect(ignored).toEqual([{ reason: 'malformed', raw: { key: 7 } }])
  })
})

describe('events', () => {
  test('are known in every way that they are written', () => {
    for (const name of ['messages.upsert', 'MESSAGES_UPSERT', 'messages-upsert'])
      expect(parse(event(name, upsert({ conversation: 'x' }))).messages).toHaveLength(1)
  })

  test('of another instance are kept, without its key', () => {
    const { messages, ignored } = parse(event('messages.upsert', upsert({ conversation: 'x' }), 'other'))
    expect(messages).toEqual([])
    expect(ignored[0]?.reason).toBe('other_number')
    expect(JSON.stringify(ignored)).not.toContain('the-instance-key')
  })

  test('that are of no use are told from those that nobody knows', () => {
    for (const name of ['presence.update', 'CONTACTS_UPSERT', 'group-participants.update', 'messages.edited'])
      expect(reasonsOf(event(name, {}))).toEqual(['other_event'])
    expect(parse(event('hologram.update', { a: 1 })).ignored).toEqual([
      { reason: 'unknown_event', raw: { event: 'hologram.update', data: { a: 1 } } },
    ])
  })

  test('what is no event is kept as it came', () => {
    for (const body of [null, 7, 'text', [], {}, { event: 'messages.upsert' }, { ...event('x', {}), instance: {} }])
      expect(reasonsOf(body)).toEqual(['malformed'])
    for (const data of [null, undefined, 7, {}, { key: {} }, upsert({}, { messageTimestamp: null })])
      expect(reasonsOf(event('messages.upsert', data))).toEqual(['malformed'])
    for (const name of ['messages.update', 'qrcode.updated', 'connection.update', 'status.instance'])
      expect(reasonsOf(event(name, { nothing: true }))).toEqual(['malformed'])
  })
})

describe('statuses', () => {
  const update = (status: unknown, more: object = {}) =>
    event('messages.update', {
      keyId: '3EB0',
      remoteJid: key.remoteJid,
      fromMe: true,
      status,
      instanceId: 'i',
      messageId: 'cm1',
      ...more,
    })

  test('of our messages, in the words of ours', () => {
    const statuses = ['SERVER_ACK', 'DELIVERY_ACK', 'READ', 'PLAYED', 3].flatMap(
      status => parse(update(status)).statuses,
    )
    expect(statuses.map(({ status }) => status)).toEqual(['sent', 'delivered', 'read', 'read', 'delivered'])
    expect(statuses[0]).toEqual({ providerMessageId: '3EB0', status: 'sent', error: null, at: now, reference: null })
  })

  test('a message that WhatsApp did not take has failed, and says what may be the cause', () => {
    const [failed] = parse(update('ERROR')).statuses
    expect(failed).toMatchObject({ status: 'failed', error: { code: 'ERROR' } })
    expect(failed?.error?.message).toStartWith('WhatsApp did not take the message')
  })

  test("that say nothing yet, or are of customers' messages, change nothing", () => {
    const none = event('messages.update', { keyId: '3EB0' })
    for (const body of [update('PENDING'), update('DELETED'), none, update('READ', { fromMe: false })])
      expect(parse(body)).toMatchObject({ statuses: [], ignored: [{ reason: 'other_event' }] })
  })
})

describe('connections', () => {
  const told = (name: string, data: unknown): Connection | null => parse(event(name, data)).connection

  test('a code to scan, or to type, with its end', () => {
    const qrcode = { instance: 'shop 1', pairingCode: null, code: '2@REF,NOISE,IDENT,ADV', base64: 'data:image/png;…' }
    const expiresAt = new Date(now.getTime() + 40_000)
    expect(told('qrcode.updated', { qrcode })).toEqual({
      kind: 'pairing',
      qr: '2@REF,NOISE,IDENT,ADV',
      pairingCode: null,
      expiresAt,
    })
    expect(told('QRCODE_UPDATED', { qrcode: { ...qrcode, pairingCode: 'ABCD1234' } })).toMatchObject({
      pairingCode: 'ABCD1234',
    })
  })

  test('the end of the codes', () => {
    for (const end of [
      told('qrcode.updated', { message: 'QR code limit reached, please login again', statusCode: 500 }),
      told('connection.update', { instance: 'shop 1', state: 'refused', statusReason: 428 }),
    ]) {
      expect(end?.kind).toBe('refused')
      expect(end !== null && 'reason' in end && end.reason).toStartWith('Nobody has scanned')
    }
  })

  test('states, with what a person has to do where one is closed', () => {
    const state = (state: string, statusReason: number) =>
      told('connection.update', { instance: 'shop 1', state, statusReason })
    expect(state('open', 200)).toEqual({ kind: 'connected', reason: null })
    expect(state('connecting', 200)?.kind).toBe('connecting')
    expect([401, 402, 403, 406, 408, 428].map(code => state('close', code)?.kind)).toEqual([
      ...['logged_out', 'refused', 'refused', 'refused'],
      ...['connecting', 'connecting'],
    ] as never)
    expect(told('status.instance', { status: 'closed', disconnectionReasonCode: 403 })?.kind).toBe('refused')
    expect(told('logout.instance', null)?.kind).toBe('logged_out')
  })
})

test('no body, broken in any way, makes anything but an answer or an error of whoever sent it', async () => {
  const provider = providerForTests()
  const bot = botAt('https://evolution.example.test')
  const examples = [
    event('messages.upsert', upsert({ imageMessage: { ...sealed, mimetype: 'image/jpeg' }, base64: 'AQID' })),
    event('messages.upsert', upsert({ ephemeralMessage: { message: { conversation: 'Olá ✅' } } })),
    event('messages.update', { keyId: '3EB0', fromMe: true, status: 'READ' }),
    event('qrcode.updated', { qrcode: { instance: 'shop 1', pairingCode: null, code: '2@REF' } }),
    event('connection.update', { instance: 'shop 1', state: 'close', statusReason: 401 }),
    event('status.instance', { status: 'closed', disconnectionReasonCode: 401 }),
  ].map(body => new TextEncoder().encode(JSON.stringify(body)))
  const broken = fc.constantFrom(...examples).chain(body =>
    fc.tuple(fc.nat(body.length - 1), fc.nat(255), fc.constantFrom('flip', 'cut', 'double')).map(([at, bits, how]) => {
      if (how === 'cut') return body.slice(0, at)
      if (how === 'double') return Buffer.concat([body.slice(0, at), body])
      const flipped = body.slice()
      flipped[at] = bits
      return flipped
    }),
  )
  const headers = new Headers({ 'x-webhook-token': 'the-token' })
  const property = fc.asyncProperty(broken, async body => {
    try {
      expect((await provider.handleWebhook({ headers, body, url: 'https://x.test/' }, bot)).kind).toBe('read')
    } catch (error) {
      expect(error instanceof AppError && error.status >= 400 && error.status < 500).toBe(true)
    }
  })
  await fc.assert(property, { numRuns: 1_000 })
})
