import { describe, expect, test } from 'bun:test'
import { type Answering, botAt, providerForTests, serveEvolution, soon } from '../../../../test/support/evolution.ts'
import type { OutboundContent } from '../../../flow/content.ts'
import type { Identity } from '../../../messaging/resolve-customers.ts'
import type { OutboundFile, OutboundMessage } from '../../provider.ts'

const provider = providerForTests()
const phone: Identity = { kind: 'phone', value: '+12025550143' }
const hello: OutboundContent = { type: 'text', text: 'Hola' }

function messageOf(content: OutboundContent, more: Partial<OutboundMessage> = {}): OutboundMessage {
  return { to: phone, content, file: null, reference: 'r', ...more }
}

const accepted = () =>
  Response.json(
    { key: { remoteJid: '12025550143@s.whatsapp.net', fromMe: true, id: '3EB0' }, status: 'PENDING', message: {} },
    { status: 201 },
  )

async function sendTo(answer: Answering, message = messageOf(hello), timeoutMs = 5_000) {
  await using server = serveEvolution(answer)
  const result = await provider.sendMessage(message, botAt(server.url), AbortSignal.timeout(timeoutMs))
  return { result, requests: server.requests }
}

async function bodyOf(content: OutboundContent, more: Partial<OutboundMessage> = {}) {
  const { result, requests } = await sendTo(accepted, messageOf(content, more))
  expect(result).toEqual({ kind: 'sent', providerMessageId: '3EB0' })
  const [request] = requests
  return { path: request?.path, body: JSON.parse(request?.text ?? 'null') }
}

describe('a message', () => {
  test("is posted under the bot's key, to its instance", async () => {
    const { result, requests } = await sendTo(accepted)
    expect(result).toEqual({ kind: 'sent', providerMessageId: '3EB0' })
    expect(requests).toHaveLength(1)
    expect(requests[0]).toMatchObject({ method: 'POST', path: '/message/sendText/shop%201' })
    expect(requests[0]?.headers.get('apikey')).toBe('the-key')
    expect(JSON.parse(requests[0]?.text ?? '')).toEqual({ number: '12025550143', text: 'Hola', linkPreview: false })
  })

  test('goes to a linked identity by its whole address, to nobody by another', async () => {
    const { body } = await bodyOf(hello, { to: { kind: 'lid', value: '200000000000143' } })
    expect(body.number).toBe('200000000000143@lid')
    const { result, requests } = await sendTo(accepted, messageOf(hello, { to: { kind: 'bsuid', value: 'US.1' } }))
    expect(result).toMatchObject({ kind: 'failed', error: { code: 'no_address' } })
    expect(requests).toHaveLength(0)
  })

  const url = 'https://cdn.example.test/a%20b.pdf?x=1'
  const shapes: [string, OutboundContent, string, object][] = [
    [
      'a document by its address',
      { type: 'document', url, caption: 'Bill' },
      '/message/sendMedia/shop%201',
      { number: '12025550143', mediatype: 'document', fileName: 'a b.pdf', caption: 'Bill', media: url },
    ],
    [
      'a picture by its address, which has no name',
      { type: 'image', url: 'https://cdn.example.test/', mime_type: 'image/png' },
      '/message/sendMedia/shop%201',
      {
        number: '12025550143',
        mediatype: 'image',
        fileName: 'image.png',
        mimetype: 'image/png',
        media: 'https://cdn.example.test/',
      },
    ],
    [
      'a recording by its address',
      { type: 'audio', url },
      '/message/sendWhatsAppAudio/shop%201',
      { number: '12025550143', audio: url },
    ],
    [
      'a sticker by its address',
      { type: 'sticker', url },
      '/message/sendSticker/shop%201',
      { number: '12025550143', sticker: url },
    ],
    [
      'a place, filled up where it lacks something',
      { type: 'location', latitude: 51.5, longitude: -0.1, name: 'Here' },
      '/message/sendLocation/shop%201',
      { number: '12025550143', latitude: 51.5, longitude: -0.1, name: 'Here', address: '51.5, -0.1' },
    ],
    [
      'a bare place',
      { type: 'location', latitude: 51.5, longitude: -0.1 },
      '/message/sendLocation/shop%201',
      { number: '12025550143', latitude: 51.5, longitude: -0.1, name: '51.5, -0.1', address: '51.5, -0.1' },
    ],
    [
      'contacts, one card a phone',
      {
        type: 'contacts',
        contacts: [
          { name: 'Grace', phones: ['+44 7700 900123', '020 7946 0999', '+44 7700 900123'] },
          { name: 'Nobody', phones: [] },
        ],
      },
      '/message/sendContact/shop%201',
      {
        number: '12025550143',
        contact: [
          { fullName: 'Grace', phoneNumber: '+44 7700 900123', wuid: '447700900123' },
          { fullName: 'Grace', phoneNumber: '020 7946 0999' },
        ],
      },
    ],
    [
      'a reaction',
      { type: 'reaction', message_id: 'AC01', emoji: '👍' },
      '/message/sendReaction/shop%201',
      { key: { id: 'AC01', remoteJid: '12025550143@s.whatsapp.net', fromMe: false }, reaction: '👍' },
    ],
    [
      'a reaction taken back',
      { type: 'reaction', message_id: 'AC01', emoji: '' },
      '/message/sendReaction/shop%201',
      { key: { id: 'AC01', remoteJid: '12025550143@s.whatsapp.net', fromMe: false }, reaction: '' },
    ],
  ]
  for (const [name, content, path, body] of shapes)
    test(name, async () => expect(await bodyOf(content)).toEqual({ path, body }))

  test('that cannot be put as Evolution takes it is not sent, and says why', async () => {
    const codes: [OutboundContent, string][] = [
      [{ type: 'contacts', contacts: [{ name: 'Nobody', phones: [] }] }, 'no_phone'],
      [{ type: 'image', media_id: 'unknown' }, 'no_file'],
      [{ type: 'template', name: 'x', language: 'en', parameters: [] }, 'not_available'],
    ]
    for (const [content, code] of codes)
      expect((await sendTo(accepted, messageOf(content))).result).toMatchObject({ kind: 'failed', error: { code } })
  })
})

describe('a file kept here', () => {
  // Not a multiple of three bytes, and more than one piece of a stream.
  const content = new Uint8Array(200_001).map((_, index) => (index * 7) % 256)
  const file: OutboundFile = {
    mimeType: 'application/pdf',
    filename: 'bill "May".pdf',
    bytes: content.length,
    blob: new Blob([content]),
    link: 'https://hooks.example.test/f/1',
    key: 'k',
  }

  async function formSent(message: OutboundMessage) {
    const forms: { path: string; form: FormData }[] = []
    const server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      async fetch(request) {
        forms.push({ path: new URL(request.url).pathname, form: await request.formData() })
        return accepted()
      },
    })
    const bot = botAt(`http://127.0.0.1:${server.port}`)
    expect((await provider.sendMessage(message, bot, soon())).kind).toBe('sent')
    await server.stop(true)
    return forms[0]
  }

  const bytesOf = async (part: unknown) => (part instanceof Blob ? new Uint8Array(await part.arrayBuffer()) : null)

  test('goes as a form, byte for byte, under its name', async () => {
    const media: OutboundContent = { type: 'document', media_id: 'm', caption: 'Olá' }
    const sent = await formSent(messageOf(media, { file }))
    expect(sent?.path).toBe('/message/sendMedia/shop%201')
    const { file: part, ...fields } = Object.fromEntries(sent?.form ?? [])
    expect(fields).toEqual({
      number: '12025550143',
      mediatype: 'document',
      fileName: 'bill "May".pdf',
      mimetype: 'application/pdf',
      caption: 'Olá',
    })
    expect(await bytesOf(part)).toEqual(content)
  })

  test('that is a recording goes as a form too', async () => {
    const sent = await formSent(
      messageOf({ type: 'audio', media_id: 'm' }, { file: { ...file, mimeType: 'audio/ogg' } }),
    )
    expect(sent?.path).toBe('/message/sendWhatsAppAudio/shop%201')
    expect(sent?.form.get('number')).toBe('12025550143')
    expect(await bytesOf(sent?.form.get('file'))).toEqual(content)
  })

  test('that is a sticker goes as base64, since Evolution does not look for it in a form', async () => {
    for (const length of [0, 1, 2, 3, content.length]) {
      const part = content.slice(0, length)
      const sticker = { ...file, bytes: length, blob: new Blob([part]) }
      const { path, body } = await bodyOf({ type: 'sticker', media_id: 'm' }, { file: sticker })
      expect(path).toBe('/message/sendSticker/shop%201')
      expect(body).toEqual({ number: '12025550143', sticker: Buffer.from(part).toString('base64') })
    }
  })

  test('without a name has one that says its type', async () => {
    const unnamed = { ...file, filename: null, mimeType: 'video/mp4' }
    const sent = await formSent(messageOf({ type: 'video', media_id: 'm' }, { file: unnamed }))
    expect(sent?.form.get('fileName')).toBe('video.mp4')
  })

  test('that could not leave whole in time was not sent', async () => {
    // Takes the connection, and reads nothing: what the system keeps for it is soon full.
    const deaf = Bun.listen({
      hostname: '127.0.0.1',
      port: 0,
      socket: { open: socket => void socket.pause(), data: () => undefined },
    })
    const big = new Uint8Array(32 * 1024 * 1024)
    const message = messageOf(
      { type: 'video', media_id: 'm' },
      { file: { ...file, bytes: big.length, blob: new Blob([big]) } },
    )
    const result = await provider.sendMessage(message, botAt(`http://127.0.0.1:${deaf.port}`), AbortSignal.timeout(300))
    deaf.stop(true)
    expect(result).toMatchObject({ kind: 'retry', pace: 'soon' })
  })

  test('that is gone from the disk was not sent: nothing whole has left', async () => {
    const gone = { ...file, blob: Bun.file('/nowhere/at/all') }
    const { result } = await sendTo(accepted, messageOf({ type: 'image', media_id: 'm' }, { file: gone }), 2_000)
    expect(result).toMatchObject({ kind: 'retry', pace: 'soon' })
  })
})

describe('no answer', () => {
  test('in time: the message may have been taken', async () => {
    const { result } = await sendTo(() => new Promise(() => undefined), messageOf(hello), 100)
    expect(result).toMatchObject({ kind: 'unknown', error: { code: 'timeout' } })
  })

  test('since nobody is there: nothing was taken', async () => {
    const result = await provider.sendMessage(messageOf(hello), botAt('http://127.0.0.1:1'), soon())
    expect(result).toMatchObject({ kind: 'retry', pace: 'soon' })
  })

  test('that ends: no more of it is read than one may be', async () => {
    const endless = () => new ReadableStream({ pull: controller => controller.enqueue(new Uint8Array(1024 * 1024)) })
    const { result } = await sendTo(() => new Response(endless()))
    expect(result.kind).toBe('unknown')
  })

  test('is asked for at a private address: who operates the server must allow it', async () => {
    const guarded = providerForTests({ allowsPrivate: false })
    await using server = serveEvolution(accepted)
    const result = await guarded.sendMessage(messageOf(hello), botAt(server.url), soon())
    expect(result).toMatchObject({ kind: 'account', error: { code: 'unsafe_address' } })
    expect('error' in result && result.error.message).toContain('ALLOW_PRIVATE_URLS')
    expect(server.requests).toHaveLength(0)
  })
})
