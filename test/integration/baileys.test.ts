import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { Bridge } from '../../src/whatsapp/baileys/bridge.ts'
import type { ProviderBot, SendResult, WhatsAppProvider } from '../../src/whatsapp/provider.ts'
import { until } from '../support/installation.ts'
import type { Bridged } from '../support/whatsapp-web/bridged.ts'
import { hasBaileys } from '../support/whatsapp-web/has-baileys.ts'

// Bots on WhatsApp Web: the provider, the bridge and the real library, against a WhatsApp Web of our own.

const isMissing = !hasBaileys('bots on WhatsApp Web are not tried')

let bridged: Bridged
let bridge: Bridge
let provider: WhatsAppProvider

beforeAll(async () => {
  if (isMissing) return
  bridged = await (await import('../support/whatsapp-web/bridged.ts')).startBridged()
  bridge = bridged.startBridge()
  provider = bridged.providerOf(bridge.url)
}, 60_000)

afterAll(async () => {
  await bridged?.stop()
})

const limit = () => AbortSignal.timeout(12_000)
let references = 0

function send(bot: ProviderBot, content: object, to = '+12025550143'): Promise<SendResult> {
  const reference = `${bot.id}/${String(++references).padStart(36, '0')}`
  const message = { to: { kind: 'phone' as const, value: to }, content, file: null, reference }
  return provider.sendMessage(message as Parameters<WhatsAppProvider['sendMessage']>[0], bot, limit())
}

test.skipIf(isMissing)(
  'a bot is paired by its QR code, is written to, answers, and hears what became of it',
  async () => {
    const { web, adapter } = bridged
    const bot = await bridged.makeBot()
    await bridged.pair(provider, bot, '12025550100')
    const ada = web.customer('12025550143')
    const id = await ada.write(web.account('12025550100'), { conversation: 'Is it ready?' })
    await until(() => adapter.taken.messages.length === 1)
    expect(adapter.taken.messages[0]).toMatchObject({
      providerMessageId: id,
      sender: {
        identities: [
          { kind: 'phone', value: '+12025550143' },
          { kind: 'lid', value: ada.lid },
        ],
        name: 'Ada Test',
      },
      content: { type: 'text', text: 'Is it ready?' },
    })
    const sent = await send(bot, { type: 'text', text: 'It is.' })
    expect(sent.kind).toBe('sent')
    await until(() => ada.received.length === 1)
    const providerMessageId = ada.received[0]?.id ?? ''
    expect(sent).toEqual({ kind: 'sent', providerMessageId })
    for (const type of [undefined, 'read'] as const) ada.receipt(web.account('12025550100'), providerMessageId, type)
    await until(() => adapter.taken.statuses.length === 2)
    const reference = `${bot.id}/${String(references).padStart(36, '0')}`
    expect(adapter.taken.statuses.map(({ status, reference }) => [status, reference])).toEqual([
      ['delivered', reference],
      ['read', reference],
    ])
    expect(adapter.taken.connection).toEqual({ kind: 'connected', reason: null })
    expect(web.errors).toEqual([])
  },
)

test.skipIf(isMissing)('a bot is paired by the code that is typed on the phone', async () => {
  const bot = await bridged.makeBot({ phone: '+12025550101' })
  const shown = await provider.connect?.(bot, { phone: '+12025550101' }, limit())
  if (shown?.kind !== 'pairing') throw new Error(`no code: ${JSON.stringify(shown)}`)
  expect(shown.qr).toBeNull()
  expect(shown.pairingCode).toMatch(/^[0-9A-Z]{8}$/)
  expect(shown.expiresAt.getTime()).toBeGreaterThan(Date.now())
  await until(() => bridged.web.account('12025550101').isAsked())
  bridged.web.account('12025550101').type(shown.pairingCode ?? '')
  await until(async () => (await provider.getStatus(bot, limit())).kind === 'connected')
})

test.skipIf(isMissing)('another number, or a QR code after a pairing code, begins the pairing anew', async () => {
  const bot = await bridged.makeBot()
  const [first, second] = [
    await provider.connect?.(bot, { phone: '+12025550102' }, limit()),
    await provider.connect?.(bot, { phone: null }, limit()),
  ]
  expect(first).toMatchObject({ kind: 'pairing', qr: null })
  expect(second).toMatchObject({ kind: 'pairing', pairingCode: null })
  if (second?.kind !== 'pairing') return
  bridged.web.account('12025550102').scan(second.qr ?? '')
  await until(async () => (await provider.getStatus(bot, limit())).kind === 'connected')
})

test.skipIf(isMissing)(
  'a bot that nobody pairs stops and says so, and shows a code again once it is connected',
  async () => {
    const bot = await bridged.makeBot()
    expect((await provider.connect?.(bot, { phone: null }, limit()))?.kind).toBe('pairing')
    bridged.web.failUnlinked('408')
    await until(async () => (await provider.getQr?.(bot, limit()))?.kind === 'refused')
    await Bun.sleep(500)
    expect(bridge.sessions.get(bot.id)).toBeUndefined()
    expect(await provider.getStatus(bot, limit())).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('in time'),
    })
    expect(await send(bot, { type: 'text', text: 'x' })).toMatchObject({ kind: 'account' })
    expect((await provider.connect?.(bot, { phone: null }, limit()))?.kind).toBe('pairing')
    await provider.disconnect?.(bot, { isLogout: false }, limit())
  },
)

test.skipIf(isMissing)('every kind of message goes out, files from the disk and from addresses', async () => {
  const { web } = bridged
  const bot = await bridged.makeBot()
  await bridged.pair(provider, bot, '12025550104')
  const customer = web.customer('12025550144')
  const to = '+12025550144'
  const pages = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: request =>
      request.url.endsWith('invoice.pdf')
        ? new Response('%PDF-1.7 invoice', { headers: { 'content-type': 'application/pdf' } })
        : new Response(null, { status: 404 }),
  })
  const address = `http://127.0.0.1:${pages.port}`
  const picture = new Blob(['a picture of nine megabytes', 'x'.repeat(9_000_000)], { type: 'image/png' })
  const reference = `${bot.id}/picture`
  const image = await provider.sendMessage(
    {
      to: { kind: 'phone', value: to },
      content: { type: 'image', media_id: 'm1', caption: 'Look' },
      file: { mimeType: 'image/png', filename: 'a.png', bytes: picture.size, blob: picture, link: '', key: 'key-1' },
      reference,
    },
    bot,
    limit(),
  )
  expect(image.kind).toBe('sent')
  const contents = [
    { type: 'document', url: `${address}/invoice.pdf`, caption: 'Yours' },
    { type: 'location', latitude: 51.4779, longitude: -0.0015, name: 'Observatory', address: '1 Road' },
    { type: 'contacts', contacts: [{ name: 'Grace; Example', phones: ['+44 7700 900123'] }] },
    { type: 'reaction', message_id: '3EB0F1C7000000000001', emoji: '👍' },
  ]
  for (const content of contents) expect((await send(bot, content, to)).kind).toBe('sent')
  await until(() => customer.received.length === 5)
  const [sentImage, document, location, contact, reaction] = customer.received.map(one => one.message)
  const opened = web.media.open('image', pointerOf(sentImage?.imageMessage))
  expect(opened.equals(Buffer.from(await picture.arrayBuffer()))).toBe(true)
  expect(sentImage?.imageMessage).toMatchObject({ caption: 'Look', mimetype: 'image/png' })
  const inner = document?.documentWithCaptionMessage?.message?.documentMessage ?? document?.documentMessage
  expect(inner).toMatchObject({ caption: 'Yours', mimetype: 'application/pdf', fileName: 'invoice.pdf' })
  expect(web.media.open('document', pointerOf(inner)).toString()).toBe('%PDF-1.7 invoice')
  expect(location?.locationMessage).toMatchObject({ degreesLatitude: 51.4779, name: 'Observatory', address: '1 Road' })
  expect(contact?.contactMessage?.vcard).toContain('FN:Grace\\; Example')
  expect(contact?.contactMessage?.vcard).toContain('waid=447700900123')
  expect(reaction?.reactionMessage).toMatchObject({ text: '👍', key: { id: '3EB0F1C7000000000001', fromMe: false } })
  const missing = await send(bot, { type: 'image', url: `${address}/none.png` }, to)
  expect(missing).toMatchObject({ kind: 'failed', error: { code: 'media_404' } })
  await pages.stop(true)
})

type Pointer = { readonly directPath?: string | null; readonly mediaKey?: Uint8Array | null }

function pointerOf(media: Pointer | null | undefined) {
  return { directPath: media?.directPath ?? '', mediaKey: media?.mediaKey ?? new Uint8Array() }
}
