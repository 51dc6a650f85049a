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
    await provider.connect?.(bot, { phone: null }, limit())
    await until(async () => (await provider.getQr?.(bot, limit()))?.kind === 'pairing')
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

test.skipIf(isMissing)(
  "a customer's file is opened as it comes; one that WhatsApp dropped is asked for at the phone",
  async () => {
    const { web, adapter } = bridged
    const bot = await bridged.makeBot()
    await bridged.pair(provider, bot, '12025550105')
    const customer = web.customer('12025550145')
    const bytes = Buffer.from('voice '.repeat(100_000))
    const file = web.media.put('audio', bytes)
    const id = await customer.write(web.account('12025550105'), {
      audioMessage: { ...file, mimetype: 'audio/ogg; codecs=opus', ptt: true, seconds: 4 },
    })
    await until(() => adapter.taken.messages.some(message => message.providerMessageId === id))
    const message = adapter.taken.messages.find(one => one.providerMessageId === id)
    expect(message?.content).toMatchObject({ type: 'audio', mime_type: 'audio/ogg; codecs=opus' })
    const source = message?.media?.kind === 'source' ? message.media.source : {}
    const fetched = async () => {
      const got = await provider.fetchMedia?.(source, bot, limit())
      return got?.kind === 'found' ? Buffer.from(await new Response(got.body).arrayBuffer()) : got
    }
    expect(await fetched()).toEqual(bytes)
    web.media.forget(file.directPath)
    expect(await fetched()).toEqual(bytes)
    // The phone puts it back where it was asked for; it has no more of it than the host then.
    const gone = { ...source, direct_path: '/v/never.enc', message_id: '3EB0000000000000000000' }
    expect(await provider.fetchMedia?.(gone, bot, limit())).toMatchObject({ kind: 'failed' })
    const another = web.media.put('audio', Buffer.from('another file '.repeat(500_000)))
    const swapped = { ...source, direct_path: another.directPath }
    const got = await provider.fetchMedia?.(swapped, bot, limit())
    if (got?.kind !== 'found') throw new Error('it was not found')
    await expect(new Response(got.body).arrayBuffer()).rejects.toThrow()
  },
)

test.skipIf(isMissing)(
  'what the owner writes on the phone is told as such, and is no message of a customer',
  async () => {
    const { web, adapter } = bridged
    const bot = await bridged.makeBot()
    await bridged.pair(provider, bot, '12025550106')
    const customer = web.customer('12025550146')
    const own = await web.account('12025550106').write(customer, { conversation: 'by hand' })
    const theirs = await customer.write(web.account('12025550106'), { conversation: 'thanks' })
    await until(() => adapter.taken.messages.some(message => message.providerMessageId === theirs))
    expect(adapter.taken.messages.some(message => message.providerMessageId === own)).toBe(false)
    const written = adapter.taken.phoneMessages.filter(message => message.providerMessageId === own)
    // To whom, and not our own linked identity, which stands in the key.
    expect(written).toMatchObject([
      { content: { type: 'text', text: 'by hand' }, to: [{ kind: 'phone', value: '+12025550146' }], mayBeOurs: false },
    ])
  },
)

test.skipIf(isMissing)('a customer without a number is known, and answered, by the linked identity', async () => {
  const { web, adapter } = bridged
  const bot = await bridged.makeBot()
  await bridged.pair(provider, bot, '12025550107')
  const customer = web.customer('12025550147')
  const id = await customer.write(web.account('12025550107'), { conversation: 'hidden' }, { addressing: 'lid' })
  await until(() => adapter.taken.messages.some(message => message.providerMessageId === id))
  const sender = adapter.taken.messages.find(message => message.providerMessageId === id)?.sender
  expect(sender?.identities).toContainEqual({ kind: 'lid', value: customer.lid })
  const to = { kind: 'lid' as const, value: customer.lid }
  const content = { type: 'text' as const, text: 'to the identity' }
  const sent = await provider.sendMessage({ to, content, file: null, reference: 'lid' }, bot, limit())
  expect(sent.kind).toBe('sent')
  await until(() => customer.received.length === 1)
})

test.skipIf(isMissing)('a message that cannot be decrypted is asked for again, and told once', async () => {
  const { web, adapter } = bridged
  const bot = await bridged.makeBot()
  await bridged.pair(provider, bot, '12025550108')
  const customer = web.customer('12025550148')
  const text = { conversation: 'scrambled' }
  const id = await customer.write(web.account('12025550108'), text, { isBroken: true })
  const told = () => adapter.taken.messages.filter(message => message.providerMessageId === id)
  await until(() => told().length > 0)
  await Bun.sleep(600)
  expect(told().map(message => message.content)).toEqual([{ type: 'text', text: 'scrambled' }])
})

test.skipIf(isMissing)('what WhatsApp refuses has its code and a sentence', async () => {
  const { web } = bridged
  const bot = await bridged.makeBot()
  await bridged.pair(provider, bot, '12025550109')
  const customer = web.customer('12025550149')
  const text = { type: 'text', text: 'x' }
  customer.refuse('463')
  expect(await send(bot, text, '+12025550149')).toMatchObject({ kind: 'failed', error: { code: '463' } })
  customer.refuse('479')
  expect(await send(bot, text, '+12025550149')).toMatchObject({ kind: 'retry', triesMax: 2, error: { code: '479' } })
  customer.refuse(null)
  expect((await send(bot, text, '+12025550149')).kind).toBe('sent')
  const nobody = await send(bot, text, '+12025559999')
  expect(nobody).toMatchObject({ kind: 'failed', error: { code: 'not_on_whatsapp' } })
  const bsuid = { kind: 'bsuid' as const, value: 'US.1' }
  const content = { type: 'text' as const, text: 'x' }
  expect(await provider.sendMessage({ to: bsuid, content, file: null, reference: 'b' }, bot, limit())).toMatchObject({
    kind: 'failed',
  })
})

test.skipIf(isMissing)('what comes while the connection is down is told once it is back', async () => {
  const { web, adapter } = bridged
  const bot = await bridged.makeBot()
  await bridged.pair(provider, bot, '12025550110')
  const account = web.account('12025550110')
  const customer = web.customer('12025550150')
  const ids = [await customer.write(account, { conversation: 'zero' })]
  account.drop()
  await until(() => !account.isOnline())
  expect(await send(bot, { type: 'text', text: 'x' }, '+12025550150')).toMatchObject({ kind: 'not_ready' })
  for (const word of ['one', 'two', 'three']) ids.push(await customer.write(account, { conversation: word }))
  await until(() => adapter.taken.messages.filter(message => ids.includes(message.providerMessageId)).length === 4)
  const told = adapter.taken.messages.filter(message => ids.includes(message.providerMessageId))
  expect(told.map(message => message.providerMessageId)).toEqual(ids)
  expect(account.logins()).toBe(2)
})

test.skipIf(isMissing)('what new customers write in one breath is told in its order, also around a break', async () => {
  const { web, adapter } = bridged
  const bot = await bridged.makeBot()
  await bridged.pair(provider, bot, '12025550116')
  const account = web.account('12025550116')
  const customers = ['12025550156', '12025550157'].map(web.customer)
  const write = async (count: number) => {
    for (let index = 0; index < count; index++)
      for (const customer of customers) ids.push(await customer.write(account, { conversation: `${index}` }))
  }
  const ids: string[] = []
  await write(15)
  account.drop()
  await write(15)
  await until(() => account.isOnline())
  await write(5)
  const told = () => adapter.taken.messages.filter(message => ids.includes(message.providerMessageId))
  await until(() => told().length >= ids.length)
  expect(told().map(message => message.providerMessageId)).toEqual(ids)
})

test.skipIf(isMissing)('the phone removes the device: its keys go, the bot says so, and is paired anew', async () => {
  const { web, admin } = bridged
  const bot = await bridged.makeBot()
  await bridged.pair(provider, bot, '12025550111')
  await admin`update bots set status = 'connected' where id = ${bot.id}`
  web.account('12025550111').logOut()
  await until(async () => (await provider.getStatus(bot, limit())).kind === 'logged_out')
  const [left] = await admin`select count(*)::int as rows from provider_session_keys where bot_id = ${bot.id}`
  expect(left.rows).toBe(0)
  expect(await send(bot, { type: 'text', text: 'x' })).toMatchObject({ kind: 'logged_out' })
  await until(() => bridged.adapter.taken.connection?.kind === 'logged_out')
  await bridged.pair(provider, bot, '12025550111')
  expect((await provider.getStatus(bot, limit())).kind).toBe('connected')
})

test.skipIf(isMissing)(
  'a bot that is logged out here is gone from the phone; one that is disconnected comes back',
  async () => {
    const { web } = bridged
    const bot = await bridged.makeBot()
    await bridged.pair(provider, bot, '12025550112')
    await provider.disconnect?.(bot, { isLogout: false }, limit())
    expect(web.account('12025550112').isOnline()).toBe(false)
    expect(await send(bot, { type: 'text', text: 'x' })).toMatchObject({ kind: 'not_ready', error: { code: 'ended' } })
    expect((await provider.connect?.(bot, { phone: null }, limit()))?.kind).toBe('connected')
    await provider.disconnect?.(bot, { isLogout: false }, limit())
    // Its session is opened once more, to tell WhatsApp.
    await provider.disconnect?.(bot, { isLogout: true }, limit())
    await until(() => web.account('12025550112').removals() === 1)
    expect(await provider.getStatus(bot, limit())).toMatchObject({ kind: 'logged_out' })
    expect((await provider.connect?.(bot, { phone: null }, limit()))?.kind).toBe('pairing')
    await provider.disconnect?.(bot, { isLogout: true }, limit())
  },
)

test.skipIf(isMissing)('an account that WhatsApp blocks stands still, and says why', async () => {
  const { web } = bridged
  const bot = await bridged.makeBot()
  await bridged.pair(provider, bot, '12025550113')
  web.refuseLogins('403')
  web.account('12025550113').drop()
  await until(async () => (await provider.getStatus(bot, limit())).kind === 'refused')
  web.refuseLogins(null)
  const [logins] = [web.account('12025550113').logins()]
  await Bun.sleep(1_500)
  expect(web.account('12025550113').logins()).toBe(logins)
  expect((await provider.connect?.(bot, { phone: null }, limit()))?.kind).toBe('connected')
})

test.skipIf(isMissing)('a session that another program takes over is not fought for', async () => {
  const { web } = bridged
  const bot = await bridged.makeBot()
  await bridged.pair(provider, bot, '12025550114')
  web.account('12025550114').replace()
  await until(async () => (await provider.getStatus(bot, limit())).kind === 'refused')
  const logins = web.account('12025550114').logins()
  await Bun.sleep(1_000)
  expect(web.account('12025550114').logins()).toBe(logins)
})

test.skipIf(isMissing)('a bridge answers only who has its token, and says what is wrong with a request', async () => {
  const bot = await bridged.makeBot({ status: 'disconnected' })
  const ask = (path: string, init: RequestInit = {}, token = bridged.token) =>
    fetch(`${bridge.url}${path}`, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } })
  for (const path of [`/sessions/${bot.id}`, '/files/x']) expect((await ask(path, {}, 'another')).status).toBe(401)
  expect((await fetch(`${bridge.url}/sessions/${bot.id}`)).status).toBe(401)
  expect((await fetch(`${bridge.url}/health`)).status).toBe(200)
  expect(await (await fetch(`${bridge.url}/metrics`)).text()).toContain('db_query_duration_seconds')
  expect((await ask('/sessions/nobody')).status).toBe(404)
  expect((await ask(`/sessions/${crypto.randomUUID()}`)).status).toBe(404)
  const post = (path: string, body: object) =>
    ask(`/sessions/${bot.id}/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    })
  expect((await post('connect', { phone: 'my phone' })).status).toBe(422)
  expect((await post('messages', {})).status).toBe(422)
  const name = 'a'.repeat(64)
  const put = (offset: number | string, bytes: string, file = name) =>
    ask(`/files/${file}?offset=${offset}`, { method: 'PUT', body: bytes }).then(answer => answer.status)
  expect(await put(0, 'first')).toBe(204)
  expect(await put(5, 'second')).toBe(204)
  expect(await put(5, 'again')).toBe(409)
  expect(await put('x', 'y')).toBe(400)
  expect(await put(0, 'y', '..%2F..%2Fetc')).toBe(400)
  expect(await put(200 * 1024 * 1024, 'y')).toBe(413)
})

test.skipIf(isMissing)(
  'that a message was read is shown to the customer, and that an answer is being written',
  async () => {
    const { web, adapter } = bridged
    const bot = await bridged.makeBot()
    await bridged.pair(provider, bot, '12025550115')
    const account = web.account('12025550115')
    const id = await web.customer('12025550155').write(account, { conversation: 'hi' })
    await until(() => adapter.taken.messages.some(message => message.providerMessageId === id))
    const from = { kind: 'phone' as const, value: '+12025550155' }
    await provider.markRead?.({ providerMessageId: id, from, isTyping: true }, bot, limit())
    const seen = () => account.stanzas().map(stanza => [stanza.tag, stanza.attrs.id, stanza.attrs.type])
    await until(() => seen().some(([tag, of, type]) => tag === 'receipt' && of === id && type?.startsWith('read')))
    await until(() => seen().some(([tag]) => tag === 'chatstate'))
  },
)
