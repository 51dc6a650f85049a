import { expect, test } from 'bun:test'
import { customer, number, setAnyStage } from '../testing/any-stage.ts'
import { say, until } from '../testing/stage.ts'

const key = { apikey: 'server-key' }
const png = 'iVBORw0KGgo='

async function setStage(fields: object = {}) {
  const stage = await setAnyStage(webhook_url => ({
    ...{ dialect: 'evolution', webhook_url, api_key: 'server-key', instance: 'tenant-a' },
    ...fields,
  }))
  const api = (path: string, body?: unknown, headers: Record<string, string> = key) =>
    stage.call('POST', `/evolution${path}/tenant-a`, body, headers)
  return {
    ...{ ...stage, api },
    send: (kind: string, body: object) => api(`/message/${kind}`, { number: customer, ...body }),
    last: async () => (await stage.chat()).at(-1),
  }
}

test('a text is answered with its key', async () => {
  await using stage = await setStage()
  const { status, body } = await stage.send('sendText', { text: 'It is ready.' })
  const { id } = body.key
  expect(id).toMatch(/^3EB0[0-9A-F]{18}$/)
  expect([status, body]).toEqual([
    201,
    {
      key: { remoteJid: '12025550143@s.whatsapp.net', fromMe: true, id },
      ...{ pushName: 'Você', status: 'PENDING', message: { conversation: 'It is ready.' }, source: 'web' },
      ...{ contextInfo: { mentionedJid: [] }, messageType: 'conversation', messageTimestamp: expect.any(Number) },
      instanceId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    },
  ])
  expect(await stage.last()).toMatchObject({ status: 'delivered', content: { type: 'text', text: 'It is ready.' } })
})

test.each<[string, object, object]>([
  [
    'sendLocation',
    { latitude: 1, longitude: 2, name: 'Shop', address: 'Road 1' },
    { type: 'location', latitude: 1, longitude: 2, name: 'Shop', address: 'Road 1' },
  ],
  [
    'sendContact',
    { contact: [{ fullName: 'Grace', phoneNumber: '+44 7700 900123' }] },
    { type: 'contacts', contacts: [{ name: 'Grace', phones: ['+44 7700 900123'] }] },
  ],
  [
    'sendMedia',
    { mediatype: 'image', media: png, caption: 'Label' },
    { type: 'image', caption: 'Label', mime_type: 'image/png' },
  ],
  [
    'sendMedia',
    { mediatype: 'document', media: png, fileName: 'a.pdf', mimetype: 'application/pdf' },
    { type: 'document', filename: 'a.pdf', mime_type: 'application/pdf' },
  ],
  ['sendWhatsAppAudio', { audio: png, encoding: true }, { type: 'audio', voice: true }],
  ['sendSticker', { sticker: png }, { type: 'sticker', mime_type: 'image/webp' }],
  ['sendText', { text: 'x', quoted: { key: { id: 'AC1' } } }, { type: 'text', text: 'x' }],
])('%s puts its content on the phone', async (kind, body, content) => {
  await using stage = await setStage()
  expect((await stage.send(kind, body)).status).toBe(201)
  expect((await stage.last()).content).toMatchObject(content)
})

test('a reaction goes by the key of its message, and away again', async () => {
  await using stage = await setStage()
  const { body } = await stage.write(say('hola'))
  const react = (reaction: string) =>
    stage.api('/message/sendReaction', {
      key: { id: body.id, remoteJid: `${customer}@s.whatsapp.net`, fromMe: false },
      reaction,
    })
  expect((await react('👍')).status).toBe(201)
  expect((await stage.last()).content).toEqual({ type: 'reaction', message_id: body.id, emoji: '👍' })
  expect((await react('')).status).toBe(201)
  expect((await react('yes')).status).toBe(400)
  expect((await react('👍👍')).status).toBe(400)
})

const media = { mediatype: 'image' }
const notAFile = ['Owned media must be a url or base64']

test.each<[string, string, object, unknown]>([
  ['no text', 'sendText', {}, [['requires property "text"']]],
  ['an empty text', 'sendText', { text: '' }, [['The "text" cannot be empty']]],
  ['no recipient', 'sendText', { number: undefined, text: 'x' }, [['requires property "number"']]],
  ['no mediatype', 'sendMedia', { media: png }, [['requires property "mediatype"']]],
  ['base64 with its scheme', 'sendMedia', { ...media, media: `data:image/png;base64,${png}` }, notAFile],
  ['an address without a domain', 'sendMedia', { ...media, media: 'http://minio:9000/a.png' }, notAFile],
  ['localhost', 'sendMedia', { ...media, media: 'http://localhost:9000/a.png' }, notAFile],
  ['no file at all', 'sendSticker', {}, notAFile],
  [
    'a document without its name',
    'sendMedia',
    { mediatype: 'document', media: png },
    ['For base64 the file name must be informed.'],
  ],
  [
    'a file that is not there',
    'sendMedia',
    { ...media, media: 'http://127.0.0.1:1/a.png' },
    [expect.stringContaining('AxiosError')],
  ],
  [
    'a voice that is no file',
    'sendWhatsAppAudio',
    { audio: '?' },
    ['Owned media must be a url, base64, or valid file with buffer'],
  ],
  [
    'a place without its address',
    'sendLocation',
    { latitude: 1, longitude: 2, name: 'x' },
    [['requires property "address"']],
  ],
  ['no contact', 'sendContact', { contact: [] }, [['The "contact" cannot be empty']]],
  [
    'a list, which Baileys cannot make',
    'sendList',
    { title: 't', footerText: 'f', buttonText: 'b', sections: [{ title: 's', rows: [{ title: 'r' }] }] },
    ['TypeError: this.isZero is not a function'],
  ],
  [
    'four buttons',
    'sendButtons',
    { title: 't', buttons: Array(4).fill({ type: 'reply' }) },
    ['Maximum of 3 reply buttons allowed'],
  ],
  [
    'buttons of two kinds',
    'sendButtons',
    { title: 't', buttons: [{ type: 'reply' }, { type: 'url' }] },
    [expect.stringContaining('mixed')],
  ],
  ['a template', 'sendTemplate', { name: 'x' }, ['Method not available on WhatsApp Baileys']],
])('%s is refused', async (_, kind, body, message) => {
  await using stage = await setStage()
  const answer = await stage.send(kind, body)
  expect([answer.status, answer.body]).toEqual([400, { status: 400, error: 'Bad Request', response: { message } }])
  expect((await stage.control('GET', '/chats')).body.data).toEqual([])
})

test('buttons are taken, and nobody can tap them', async () => {
  await using stage = await setStage()
  const buttons = [{ type: 'reply', displayText: 'Yes', id: 'y' }]
  expect((await stage.send('sendButtons', { title: 'Keep it?', buttons })).body.status).toBe('PENDING')
  expect((await stage.last()).content.type).toBe('unsupported')
})

test('who is not on WhatsApp is said not to exist', async () => {
  await using stage = await setStage()
  await stage.control('PUT', '/customers/12025550150', { not_on_whatsapp: true })
  const refused = await stage.send('sendText', { number: '12025550150', text: 'x' })
  const jid = '12025550150@s.whatsapp.net'
  expect([refused.status, refused.body.response.message]).toEqual([
    400,
    [{ jid, exists: false, number: '12025550150' }],
  ])
  const { status, body } = await stage.api('/chat/whatsappNumbers', { numbers: [customer, '12025550150'] })
  expect(status).toBe(200)
  expect(body).toEqual([
    {
      jid: `${customer}@s.whatsapp.net`,
      exists: true,
      number: customer,
      name: `+${customer}`,
      lid: `2${customer}@lid`,
    },
    { jid, exists: false, number: '12025550150' },
  ])
})

test('a file goes up in a form, and its bytes are on the phone', async () => {
  await using stage = await setStage()
  const form = new FormData()
  for (const [name, value] of Object.entries({ number: customer, mediatype: 'document', fileName: 'invoice.pdf' }))
    form.set(name, value)
  form.set('file', new File(['%PDF'], 'a.pdf', { type: 'application/pdf' }))
  expect((await stage.api('/message/sendMedia', form)).status).toBe(201)
  const { content } = await stage.last()
  expect(content).toMatchObject({ type: 'document', filename: 'invoice.pdf', mime_type: 'application/pdf' })
  expect((await stage.control('GET', `/media/${content.media_id}`)).text).toBe('%PDF')
})

test('a file behind an address is fetched before the answer, through its public address too', async () => {
  await using stage = await setStage()
  const files = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: () => new Response('png', { headers: { 'content-type': 'image/png' } }),
  })
  expect((await stage.send('sendMedia', { ...media, media: `${files.url.href}a.png` })).status).toBe(201)
  await stage.control('PUT', `/numbers/${number}`, {
    ...{ dialect: 'evolution', display_phone_number: '12025550100', api_key: 'server-key', instance: 'tenant-a' },
    ...{ webhook_url: 'https://shop.example.test/webhooks', deliver_to: files.url.href },
  })
  const sent = await stage.send('sendMedia', { ...media, media: 'https://shop.example.test/media/1?signature=x' })
  await files.stop(true)
  expect(sent.status).toBe(201)
  expect((await stage.control('GET', `/media/${(await stage.last()).content.media_id}`)).text).toBe('png')
})

test('the files of customers come as base64, by the key of their message', async () => {
  await using stage = await setStage()
  const { id } = (await stage.call('POST', '/emulator/media', new Blob(['jpeg']), { 'content-type': 'image/jpeg' }))
    .body
  const sent = await stage.write({ type: 'image', media_id: id, caption: 'The box' })
  const text = await stage.write(say('hola'))
  const get = (message: string) => stage.api('/chat/getBase64FromMediaMessage', { message: { key: { id: message } } })
  const { status, body } = await get(sent.body.id)
  expect([status, body]).toEqual([
    201,
    {
      ...{ mediaType: 'imageMessage', fileName: `${sent.body.id}.jpeg`, caption: 'The box', mimetype: 'image/jpeg' },
      ...{ size: { fileLength: { low: 4, high: 0, unsigned: true } }, base64: btoa('jpeg'), buffer: null },
    },
  ])
  expect((await get(text.body.id)).body.response.message).toEqual(['The message is not of the media type'])
  expect((await get('AC1')).body.response.message).toEqual(['Message not found'])
})

test('read marks and presence; a delay is waited for', async () => {
  await using stage = await setStage()
  const { body } = await stage.write(say('hola'))
  const readMessages = [{ id: body.id, remoteJid: `${customer}@s.whatsapp.net`, fromMe: false }]
  expect((await stage.api('/chat/markMessageAsRead', { readMessages })).body).toEqual({
    message: 'Read messages',
    read: 'success',
  })
  expect((await stage.chat())[0].status).toBe('read')
  const began = performance.now()
  const presence = await stage.api('/chat/sendPresence', { number: customer, presence: 'composing', delay: 120 })
  expect([presence.status, presence.body]).toEqual([201, { presence: 'composing' }])
  await stage.send('sendText', { text: 'x', delay: 120 })
  expect(performance.now() - began).toBeGreaterThan(230)
  expect((await stage.api('/chat/sendPresence', { number: customer, presence: 'dancing', delay: 0 })).status).toBe(400)
})

test('there is no window: the bot may write first', async () => {
  await using stage = await setStage()
  await stage.send('sendText', { text: 'Hello' })
  expect((await stage.last()).status).toBe('delivered')
})

test('rates do not count here', async () => {
  await using stage = await setStage()
  await stage.control('PUT', '/rates', { throughput: { per_second: 1 }, pair: { burst: 1, interval_ms: 60_000 } })
  for (const text of ['a', 'b', 'c']) expect((await stage.send('sendText', { text })).status).toBe(201)
})

test('keys, instances and routes that are not known', async () => {
  await using stage = await setStage()
  const body = { number: customer, text: 'x' }
  expect((await stage.api('/message/sendText', body, { apikey: 'x' })).status).toBe(401)
  expect((await stage.call('POST', '/evolution/message/sendText/other', body, key)).status).toBe(404)
  expect((await stage.send('sendHologram', {})).status).toBe(404)
  expect((await stage.call('GET', '/evolution/nothing', undefined, key)).body).toMatchObject({
    status: 404,
    error: 'Not Found',
  })
})

test('the faults are told in the words of Evolution', async () => {
  await using stage = await setStage()
  const faults = ['429', '429:1:130429', '500', '503', 'unauthorized', 'rejected', 'undeliverable']
  await stage.control('PUT', '/faults', faults)
  const answers: unknown[] = []
  for (const _ of faults) {
    const { status, body } = await stage.send('sendText', { text: 'x' })
    answers.push([status, body.response?.message ?? body.status])
  }
  expect(answers).toEqual([
    [400, ['Error: rate-overlimit']],
    [400, ['Error: rate-overlimit']],
    [500, 'Internal server error'],
    [400, ['Error: Connection Closed']],
    [401, 'Unauthorized'],
    [400, [{ jid: '0@s.whatsapp.net', exists: false, number: '0' }]],
    [201, 'PENDING'],
  ])
  await until(() => stage.arrived.some(({ json }) => json.data.status === 'ERROR'))
})

test('what was sent is in the log, without the weight of its files', async () => {
  await using stage = await setStage()
  await stage.send('sendMedia', { ...media, media: 'A'.repeat(40_000) })
  const [entry] = (await stage.control('GET', `/requests?number=${number}`)).body.data
  expect(entry.body.sendMedia.media.length).toBeLessThan(11_000)
  expect(entry.body.sendMedia.media).toEndWith('(40000 characters)')
})
