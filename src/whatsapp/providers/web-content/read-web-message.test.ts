import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { readVCard } from './read-vcard.ts'
import { readBytes, readInteger, readSeconds } from './read-web-file.ts'
import { readWebMessage } from './read-web-message.ts'
import { readWebStatus } from './read-web-status.ts'

test('statuses, by number and by name', () => {
  expect([0, 1, 2, 3, 4, 5].map(readWebStatus)).toEqual(['failed', 'pending', 'sent', 'delivered', 'read', 'read'])
  expect(['ERROR', 'SERVER_ACK', 'PLAYED'].map(readWebStatus)).toEqual(['failed', 'sent', 'read'])
  for (const other of [6, '2', 'DELETED', null, undefined]) expect(readWebStatus(other)).toBeNull()
})

describe('bytes and long integers', () => {
  test('in every form that they have in JSON', () => {
    const bytes = Buffer.from([0, 255, 16])
    for (const form of [
      bytes,
      new Uint8Array(bytes),
      'AP8Q',
      { 0: 0, 1: 255, 2: 16 },
      { type: 'Buffer', data: [0, 255, 16] },
      { type: 'Buffer', data: 'AP8Q' },
    ])
      expect(readBytes(form)).toBe('AP8Q')
    for (const none of [null, undefined, '', 'not base64!', {}, { a: 1 }, 7]) expect(readBytes(none)).toBeNull()
  })

  test('an index object keeps the order of its indexes beyond ten', () => {
    const all = Object.fromEntries(Array.from({ length: 32 }, (_, index) => [String(31 - index), 31 - index]))
    expect(readBytes(all)).toBe(Buffer.from(Array.from({ length: 32 }, (_, index) => index)).toString('base64'))
  })

  test('numbers, texts and halves are the same integer', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), value => {
        const big = BigInt.asUintN(64, BigInt(value))
        const halves = { low: Number(BigInt.asIntN(32, big)), high: Number(BigInt.asIntN(32, big >> 32n)) }
        expect([value, String(value), { ...halves, unsigned: false }].map(readInteger)).toEqual([value, value, value])
      }),
    )
    for (const none of [null, undefined, '', 'x', 1.5, {}, [], { low: 0, high: 2 ** 31 }, true])
      expect(readInteger(none)).toBeNull()
  })

  test('seconds become a date, where they are a time', () => {
    expect(readSeconds('1767225600')).toEqual(new Date('2026-01-01T00:00:00Z'))
    expect(readSeconds({ low: 1_767_225_600, high: 0, unsigned: true })).toEqual(new Date('2026-01-01T00:00:00Z'))
    for (const none of [0, -1, '', null, 9e15, 'soon']) expect(readSeconds(none)).toBeNull()
  })
})

describe('contact cards', () => {
  test('names and phones, in every writing', () => {
    const lines = [
      'BEGIN:VCARD',
      'VERSION:3.0',
      'N:Test;Ada;;;',
      'FN:Ada\\, of Te',
      ' st',
      'item1.TEL;type=CELL;waid=12025550143:+1 202 555 0143',
      'TEL;VALUE=uri;TYPE="voice,home":tel:+1-202-555-0144',
      'tel:+1 202 555 0143',
      'NOTE:TEL:0',
      'END:VCARD',
    ]
    for (const end of ['\n', '\r\n', '\r'])
      expect(readVCard(lines.join(end))).toEqual({
        name: 'Ada, of Test',
        phones: ['+1 202 555 0143', '+1-202-555-0144'],
      })
  })

  test('no text makes it throw or hang', () => {
    fc.assert(fc.property(fc.string(), text => readVCard(text).phones.length >= 0))
    expect(readVCard(`TEL;${'a="'.repeat(50_000)}`)).toEqual({ name: '', phones: [] })
  })
})

const bytes = { 0: 1, 1: 2, 2: 3 }
const sealed = {
  url: 'https://mmg.whatsapp.net/v/1.enc',
  directPath: '/v/1.enc',
  mediaKey: bytes,
  fileSha256: 'AQID',
  fileEncSha256: { type: 'Buffer', data: [1, 2, 3] },
  fileLength: { low: 48_213, high: 0, unsigned: true },
}
const read = (message: unknown) => readWebMessage(message, 'MSG1')

describe('contents', () => {
  const card = (name: string) => ({
    displayName: name,
    vcard: `BEGIN:VCARD\nFN:${name}\nTEL:+44 7700 900123\nEND:VCARD`,
  })
  const contents: [string, object, object][] = [
    ['a text', { conversation: 'Hola' }, { type: 'text', text: 'Hola' }],
    [
      'a text that answers another, with what devices exchange beside it',
      {
        messageContextInfo: { deviceListMetadataVersion: 2 },
        senderKeyDistributionMessage: { groupId: 'x' },
        extendedTextMessage: { text: 'Hola', contextInfo: { stanzaId: 'A' } },
      },
      { type: 'text', text: 'Hola' },
    ],
    [
      'a place',
      { locationMessage: { degreesLatitude: 51.5, degreesLongitude: -0.1, name: 'Here', address: '' } },
      { type: 'location', latitude: 51.5, longitude: -0.1, name: 'Here' },
    ],
    [
      'a place that is followed',
      { liveLocationMessage: { degreesLatitude: 51.5, degreesLongitude: -0.1, caption: 'on my way' } },
      { type: 'location', latitude: 51.5, longitude: -0.1 },
    ],
    [
      'a contact',
      { contactMessage: card('Grace') },
      { type: 'contacts', contacts: [{ name: 'Grace', phones: ['+44 7700 900123'] }] },
    ],
    [
      'contacts',
      { contactsArrayMessage: { displayName: '2 contacts', contacts: [card('Grace'), { vcard: 'TEL:1' }] } },
      {
        type: 'contacts',
        contacts: [
          { name: 'Grace', phones: ['+44 7700 900123'] },
          { name: '1', phones: ['1'] },
        ],
      },
    ],
    [
      'a reaction',
      { reactionMessage: { key: { id: 'A1', fromMe: true }, text: '👍' } },
      { type: 'reaction', message_id: 'A1', emoji: '👍' },
    ],
    [
      'a reaction taken back',
      { reactionMessage: { key: { id: 'A1' } } },
      { type: 'reaction', message_id: 'A1', emoji: '' },
    ],
    [
      'a button',
      { buttonsResponseMessage: { selectedButtonId: 'yes', selectedDisplayText: 'Yes', type: 1 } },
      { type: 'choice', id: 'yes', title: 'Yes' },
    ],
    [
      "a template's button",
      { templateButtonReplyMessage: { selectedId: 'yes', selectedDisplayText: 'Yes' } },
      { type: 'choice', id: 'yes', title: 'Yes' },
    ],
    [
      'a row of a list',
      { listResponseMessage: { title: 'Morning', singleSelectReply: { selectedRowId: 'am' } } },
      { type: 'choice', id: 'am', title: 'Morning' },
    ],
    [
      'a button of a native flow',
      {
        interactiveResponseMessage: {
          body: { text: 'Yes' },
          nativeFlowResponseMessage: { name: 'quick_reply', paramsJson: '{"id":"yes"}' },
        },
      },
      { type: 'choice', id: 'yes', title: 'Yes' },
    ],
    [
      'a native flow without an id',
      {
        interactiveResponseMessage: {
          body: { text: 'Sent' },
          nativeFlowResponseMessage: { name: 'flow', paramsJson: '{' },
        },
      },
      { type: 'choice', id: 'Sent', title: 'Sent' },
    ],
    ['a poll', { pollCreationMessageV3: { name: 'x' } }, { type: 'unsupported', reason: 'pollCreationMessageV3' }],
    ['a known kind in an unknown shape', { conversation: {} }, { type: 'unsupported', reason: 'conversation' }],
    [
      'a place that is none',
      { locationMessage: { degreesLatitude: 400, degreesLongitude: 0 } },
      { type: 'unsupported', reason: 'locationMessage' },
    ],
  ]
  for (const [name, message, content] of contents)
    test(name, () => expect(read(message)).toEqual({ content: content as never, file: null }))

  const files: [string, object, object, object][] = [
    [
      'a picture',
      { imageMessage: { ...sealed, mimetype: 'image/jpeg', caption: 'look' } },
      { type: 'image', media_id: 'MSG1', mime_type: 'image/jpeg', caption: 'look' },
      { type: 'image', bytes: 48_213, caption: 'look' },
    ],
    [
      'a video',
      { videoMessage: { ...sealed, mimetype: 'video/mp4', caption: '' } },
      { type: 'video', media_id: 'MSG1', mime_type: 'video/mp4' },
      { type: 'video' },
    ],
    [
      'a video recorded in the chat',
      { ptvMessage: { ...sealed, mimetype: 'video/mp4' } },
      { type: 'video', media_id: 'MSG1', mime_type: 'video/mp4' },
      { type: 'video' },
    ],
    [
      'a voice message',
      { audioMessage: { ...sealed, mimetype: 'audio/ogg; codecs=opus', ptt: true, caption: 'no such thing' } },
      { type: 'audio', media_id: 'MSG1', mime_type: 'audio/ogg; codecs=opus' },
      { type: 'audio' },
    ],
    [
      'a document',
      { documentMessage: { ...sealed, mimetype: 'application/pdf', title: 't', fileName: 'a.pdf', caption: 'Bill' } },
      { type: 'document', media_id: 'MSG1', mime_type: 'application/pdf', filename: 'a.pdf', caption: 'Bill' },
      { type: 'document', filename: 'a.pdf' },
    ],
    [
      'a document without a type',
      { documentMessage: { ...sealed, title: 'a.bin' } },
      { type: 'document', media_id: 'MSG1', mime_type: 'application/octet-stream', filename: 'a.bin' },
      { type: 'document', filename: 'a.bin' },
    ],
    [
      'a sticker',
      { stickerMessage: { ...sealed, mimetype: 'image/webp', isAnimated: false } },
      { type: 'sticker', media_id: 'MSG1', mime_type: 'image/webp' },
      { type: 'sticker' },
    ],
  ]
  for (const [name, message, content, file] of files)
    test(name, () => {
      const { url, directPath } = sealed
      const keys = { url, directPath, mediaKey: 'AQID', fileSha256: 'AQID', fileEncSha256: 'AQID' }
      expect(read(message)?.content).toEqual(content as never)
      expect(read(message)?.file).toMatchObject({ ...keys, ...file })
    })

  test('a file whose message says nothing of where it is', () => {
    expect(read({ imageMessage: { mimetype: 'image/jpeg', mediaKey: null } })).toMatchObject({
      content: { type: 'image', media_id: 'MSG1', mime_type: 'image/jpeg' },
      file: { mediaKey: null, url: null, bytes: null },
    })
    expect(read({ stickerMessage: {} })?.file?.type).toBe('sticker')
  })

  test('whatever a message is wrapped in is taken off', () => {
    const text = { conversation: 'Hola' }
    const within = (...names: string[]) => names.reduceRight<object>((message, name) => ({ [name]: { message } }), text)
    for (const message of [
      within('ephemeralMessage'),
      within('viewOnceMessage'),
      within('viewOnceMessageV2'),
      within('ephemeralMessage', 'viewOnceMessageV2Extension'),
      within('documentWithCaptionMessage'),
      { protocolMessage: { type: 'MESSAGE_EDIT', key: { id: 'A' }, editedMessage: text } },
      { editedMessage: { message: { protocolMessage: { type: 14, editedMessage: text } } } },
    ])
      expect(read(message)?.content).toEqual({ type: 'text', text: 'Hola' })
  })

  test('what nobody wrote is nothing', () => {
    for (const message of [
      {},
      { messageContextInfo: {} },
      { senderKeyDistributionMessage: { groupId: 'x' }, conversation: null },
      { protocolMessage: { type: 'REVOKE', key: { id: 'A' } } },
      { albumMessage: { expectedImageCount: 2 } },
    ])
      expect(read(message)).toBeNull()
  })

  test('a message without a content, and one wrapped without end, is told of', () => {
    const nested = Array.from({ length: 50 }).reduce<object>(message => ({ ephemeralMessage: { message } }), {})
    for (const message of [undefined, null, 'text', 7, nested])
      expect(read(message)?.content).toMatchObject({ type: 'unsupported' })
  })

  test('no JSON makes it throw, and what it reads is always a content', () => {
    const names = ['conversation', 'imageMessage', 'ephemeralMessage', 'message', 'contactMessage', 'protocolMessage']
    const key = fc.oneof(fc.constantFrom(...names), fc.string())
    const { tree } = fc.letrec(tie => ({
      tree: fc.oneof({ maxDepth: 6 }, fc.jsonValue(), fc.dictionary(key, tie('tree'), { maxKeys: 4 })),
    }))
    fc.assert(fc.property(tree, message => read(message) === null || typeof read(message)?.content.type === 'string'))
  })
})
