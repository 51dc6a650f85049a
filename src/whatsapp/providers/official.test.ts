import { describe, expect, test } from 'bun:test'
import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import type { OutboundContent } from '../../flow/content.ts'
import { AppError } from '../../lib/errors.ts'
import type { HandledWebhook, ProviderBot } from '../provider.ts'
import { officialProvider } from './official.ts'
import { botWith, fileOf, partsWith, startProvider, webhookOf } from './provider.fixture.ts'

const secret = 'test-360dialog-platform-secret'
const d360 = botWith({ api_key: 'key', webhook_secret: secret })
const legacy = botWith({ api_key: 'key', webhook_secret: secret, flavour: 'legacy' })
const provider = officialProvider(partsWith({}))
const timeLimit = () => AbortSignal.timeout(2_000)

function handle(body: string, headers: Readonly<Record<string, string>>, bot: ProviderBot = d360) {
  // This provider reads at once.
  return provider.handleWebhook(webhookOf(body, headers), bot) as HandledWebhook
}

function read(body: object, bot: ProviderBot = d360) {
  const handled = handle(JSON.stringify(body), { 'x-webhook-secret': secret }, bot)
  if (handled.kind !== 'read') throw new Error('refused')
  return handled.webhook
}

describe('who sent a webhook', () => {
  const body = '{"object":"whatsapp_business_account","entry":[]}'
  // Made with an independent implementation of HMAC-SHA256.
  const hex = '203f5686ea41c101724fa8208e630bf758ed8d08557a891a26bb907ebd955120'

  test('is told by the signature in hex or base64, with a prefix or without, or by the secret in its header', () => {
    const base64 = Buffer.from(hex, 'hex').toString('base64')
    for (const signature of [hex, hex.toUpperCase(), `sha256=${hex}`, base64, `sha256=${base64}`])
      expect([signature, handle(body, { 'x-360dialog-signature': signature }).kind]).toEqual([signature, 'read'])
    expect(handle(body, { 'x-webhook-secret': secret }).kind).toBe('read')
  })

  test('is nobody known without them, with others, or for another body', () => {
    for (const headers of [
      {},
      { 'x-webhook-secret': 'guess' },
      { 'x-webhook-secret': '' },
      { 'x-360dialog-signature': '' },
      { 'x-360dialog-signature': `${hex.slice(0, -1)}1` },
      // A signature that is wrong is not made good by anything beside it.
      { 'x-360dialog-signature': 'wrong', 'x-webhook-secret': secret },
    ])
      expect(handle(body, headers).kind).toBe('refused')
    expect(handle(`${body} `, { 'x-360dialog-signature': hex }).kind).toBe('refused')
    expect(handle(body, { 'x-webhook-secret': '' }, botWith({ api_key: 'k', webhook_secret: '' })).kind).toBe('refused')
  })
})

const text = { from: '12025550143', id: 'ABGG1', timestamp: '1767225601', type: 'text', text: { body: 'Hola' } }
const contacts = [{ profile: { name: 'Ada Test' }, wa_id: '12025550143' }]
const fromAda = { identities: [{ kind: 'phone', value: '+12025550143' }], name: 'Ada Test' }

describe('webhooks', () => {
  test("Meta's envelope and the flat body say the same", () => {
    const value = { messaging_product: 'whatsapp', metadata: { phone_number_id: '7' }, contacts, messages: [text] }
    const envelope = {
      object: 'whatsapp_business_account',
      entry: [{ id: '1', changes: [{ field: 'messages', value }] }],
    }
    const message = {
      providerMessageId: 'ABGG1',
      sender: fromAda,
      content: { type: 'text', text: 'Hola' },
      at: new Date(1_767_225_601_000),
    }
    for (const [body, bot] of [
      [envelope, d360],
      [{ contacts, messages: [text] }, legacy],
    ] as const)
      expect(read(body, bot).messages).toMatchObject([message])
  })

  test('a voice message is an audio, with what its file is got by', () => {
    const voice = { ...text, type: 'voice', voice: { id: 'file-1', mime_type: 'audio/ogg; codecs=opus' } }
    expect(read({ messages: [voice] }, legacy).messages[0]).toMatchObject({
      content: { type: 'audio', media_id: 'file-1', mime_type: 'audio/ogg; codecs=opus' },
      media: { kind: 'source', source: { id: 'file-1' } },
    })
  })

  test('statuses, with the reason of a failure', () => {
    const failed = { id: 'gBGG1', status: 'failed', timestamp: '1767225661', errors: [{ code: 470, title: 'Window' }] }
    const { statuses } = read({ statuses: [{ ...failed, status: 'read', errors: [] }, failed] }, legacy)
    expect(statuses.map(one => [one.status, one.error?.code])).toEqual([
      ['read', undefined],
      ['failed', '470'],
    ])
  })

  test("what is none of these is kept, the provider's own events too", () => {
    for (const body of [{}, [], 7, { id: '1', event: 'x', data: {} }, { object: 'page', entry: [] }])
      expect(read(body as object).ignored).toEqual([{ reason: 'malformed', raw: body }])
    expect(read({ errors: [{ code: 1014, title: 'Internal' }] }, legacy).ignored[0]?.reason).toBe('unknown_event')
  })

  test('any byte changed, cut or doubled is taken, refused or no JSON, and nothing else', () => {
    const bytes = new TextEncoder().encode(JSON.stringify({ contacts, messages: [text], statuses: [] }))
    fc.assert(
      fc.property(
        fc.nat(bytes.length - 1),
        fc.nat(255),
        fc.constantFrom('change', 'cut', 'double'),
        (at, byte, how) => {
          const middle = how === 'change' ? [byte] : how === 'cut' ? [] : [bytes[at] ?? 0, bytes[at] ?? 0]
          const changed = Uint8Array.from([...bytes.slice(0, at), ...middle, ...bytes.slice(at + 1)])
          const signature = createHmac('sha256', secret).update(changed).digest('hex')
          try {
            provider.handleWebhook(webhookOf(changed, { 'x-360dialog-signature': signature }), legacy)
          } catch (error) {
            expect(error).toBeInstanceOf(AppError)
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})

const to = { kind: 'phone', value: '+12025550143' } as const
const hello = { to, content: { type: 'text', text: 'x' }, file: null, reference: 'r' } as const

describe('send', () => {
  test("Cloud API: Meta's body under the key, without an id in the address", async () => {
    const { url, asked, stop } = startProvider(() => Response.json({ messages: [{ id: 'wamid.1' }] }))
    const { sendMessage } = officialProvider(partsWith({ OFFICIAL_BASE_URL: url }))
    expect(await sendMessage(hello, d360, timeLimit())).toEqual({ kind: 'sent', providerMessageId: 'wamid.1' })
    expect(asked[0]).toMatchObject({ method: 'POST', path: '/messages' })
    expect(asked[0]?.headers.get('d360-api-key')).toBe('key')
    expect(JSON.parse(asked[0]?.text ?? '')).toMatchObject({ messaging_product: 'whatsapp', to: '12025550143' })
    await stop()
  })

  test('before it: no product, and a template has a namespace and a policy', async () => {
    const { url, asked, stop } = startProvider(() => Response.json({ messages: [{ id: 'gBGG1' }] }, { status: 201 }))
    const { sendMessage } = officialProvider(partsWith({ OFFICIAL_BASE_URL: url }))
    const template: OutboundContent = { type: 'template', name: 'ns_1/paid', language: 'en', parameters: ['1042'] }
    for (const content of [hello.content, template]) await sendMessage({ ...hello, content }, legacy, timeLimit())
    expect(asked.map(one => [one.path, JSON.parse(one.text)])).toEqual([
      [
        '/v1/messages',
        { recipient_type: 'individual', to: '12025550143', type: 'text', text: { body: 'x', preview_url: false } },
      ],
      [
        '/v1/messages',
        {
          recipient_type: 'individual',
          to: '12025550143',
          type: 'template',
          template: {
            namespace: 'ns_1',
            name: 'paid',
            language: { policy: 'deterministic', code: 'en' },
            components: [{ type: 'body', parameters: [{ type: 'text', text: '1042' }] }],
          },
        },
      ],
    ])
    await stop()
  })

  test('a file goes as it is before the Cloud API, and as a form with it', async () => {
    const { url, asked, stop } = startProvider(({ path }) => {
      if (path === '/v1/media') return Response.json({ media: [{ id: 'file-1' }] })
      return Response.json(path === '/media' ? { id: 'file-2' } : { messages: [{ id: 'm' }] })
    })
    const { sendMessage } = officialProvider(partsWith({ OFFICIAL_BASE_URL: url }))
    const content: OutboundContent = { type: 'image', media_id: 'ours' }
    const message = { ...hello, content, file: fileOf('pixels') }
    expect((await sendMessage(message, legacy, timeLimit())).kind).toBe('sent')
    expect((await sendMessage(message, d360, timeLimit())).kind).toBe('sent')
    expect([asked[0]?.text, asked[0]?.headers.get('content-type')]).toEqual(['pixels', 'image/png'])
    expect(JSON.parse(asked[1]?.text ?? '').image).toEqual({ id: 'file-1' })
    expect(asked[2]?.headers.get('content-type')).toStartWith('multipart/form-data')
    expect(JSON.parse(asked[3]?.text ?? '').image).toEqual({ id: 'file-2' })
    await stop()
  })

  const legacyError = (code: number, status = 400) =>
    Response.json({ errors: [{ code, title: 'T', details: 'D' }] }, { status })
  const gate = (http_code: number, developer_message = '') =>
    Response.json({ meta: { success: false, http_code, developer_message } }, { status: http_code })

  test('every error has its class, and says why', async () => {
    for (const [bot, answer, kind, code, pace] of [
      [legacy, legacyError(470), 'failed', '470'],
      [legacy, legacyError(471), 'retry', '471', 'later'],
      [legacy, legacyError(472), 'failed', '472'],
      [legacy, legacyError(429, 429), 'retry', '429', 'soon'],
      [legacy, legacyError(1015), 'retry', '1015', 'soon'],
      [legacy, legacyError(1014), 'retry', '1014', 'soon'],
      [legacy, legacyError(1013), 'failed', '1013'],
      [legacy, legacyError(2001), 'failed', '2001'],
      [legacy, legacyError(4711), 'failed', '4711'],
      [legacy, legacyError(4711, 503), 'retry', '4711', 'soon'],
      [legacy, gate(401, 'Invalid api_key'), 'account', 'http_401'],
      [d360, gate(401, 'Invalid api_key'), 'account', 'http_401'],
      [d360, gate(403), 'account', 'http_403'],
      [d360, gate(400, 'You have exceeded the endpoint rate limit'), 'retry', 'http_400', 'soon'],
      [d360, gate(400, 'Channel has no payment method: lack of payment'), 'account', 'http_400'],
      [d360, gate(400, 'Bad'), 'failed', 'http_400'],
      [d360, gate(502), 'retry', 'http_502', 'soon'],
      [d360, Response.json({ error: { code: 131047, message: 'x' } }, { status: 400 }), 'failed', '131047'],
      [d360, new Response('Bad Gateway', { status: 502 }), 'unknown', 'http_502'],
      [legacy, new Response('<html>'), 'unknown', 'http_200'],
    ] as const) {
      const { url, stop } = startProvider(() => answer.clone())
      const { sendMessage } = officialProvider(partsWith({ OFFICIAL_BASE_URL: url }))
      const result = await sendMessage(hello, bot, timeLimit())
      expect(result).toMatchObject({ kind, error: { code }, ...(pace !== undefined && { pace }) })
      await stop()
    }
  })
})

describe('files', () => {
  test("a customer's file is got at the provider's own host, whatever address Meta has for it", async () => {
    const dialog = startProvider(({ path }) =>
      path === '/55'
        ? Response.json({ url: 'https://lookaside.fbsbx.com/whatsapp?mid=1&ext=2', mime_type: 'image/png' })
        : new Response('pixels'),
    )
    const { fetchMedia } = officialProvider(partsWith({ OFFICIAL_BASE_URL: dialog.url }))
    const found = await fetchMedia?.({ id: '55' }, d360, timeLimit())
    if (found?.kind !== 'found') throw new Error('not found')
    expect(await new Response(found.body).text()).toBe('pixels')
    expect(dialog.asked.map(one => [one.path, one.headers.get('d360-api-key')])).toEqual([
      ['/55', 'key'],
      ['/whatsapp?mid=1&ext=2', 'key'],
    ])
    await dialog.stop()
  })

  test('before the Cloud API the file is the answer itself', async () => {
    const { url, stop } = startProvider(() => new Response('pixels', { headers: { 'content-type': 'image/png' } }))
    const { fetchMedia } = officialProvider(partsWith({ OFFICIAL_BASE_URL: url }))
    expect(await fetchMedia?.({ id: 'a/b' }, legacy, timeLimit())).toMatchObject({
      kind: 'found',
      mimeType: 'image/png',
      bytes: 6,
    })
    await stop()
  })
})

describe('connecting', () => {
  test('has the webhook sent here, with the secret in a header', async () => {
    const { url, asked, stop } = startProvider(() => Response.json({ url: 'x' }))
    const { connect } = officialProvider(partsWith({ OFFICIAL_BASE_URL: url }))
    expect(await connect?.(d360, { phone: null }, timeLimit())).toEqual({ kind: 'connected', reason: null })
    expect(asked.map(one => [one.method, one.path, JSON.parse(one.text)])).toEqual([
      [
        'POST',
        '/v1/configs/webhook',
        { url: `https://hooks.example.test/webhooks/official/${d360.id}`, headers: { 'X-Webhook-Secret': secret } },
      ],
    ])
    await stop()
  })

  test('tells a key that is refused from a provider that is away', async () => {
    for (const [answer, kind] of [
      [gateOf(401), 'refused'],
      [gateOf(403), 'refused'],
      [gateOf(500), 'retry'],
      [new Response(null, { status: 429 }), 'retry'],
      [new Response('<html>', { status: 404 }), 'retry'],
    ] as const) {
      const { url, stop } = startProvider(() => answer.clone())
      const asked = await officialProvider(partsWith({ OFFICIAL_BASE_URL: url })).getStatus(d360, timeLimit())
      expect([answer.status, asked.kind]).toEqual([answer.status, kind])
      await stop()
    }
    const away = await officialProvider(partsWith({ OFFICIAL_BASE_URL: 'http://127.0.0.1:1' })).getStatus(
      d360,
      timeLimit(),
    )
    expect(away.kind).toBe('retry')
  })

  const gateOf = (http_code: number) =>
    Response.json({ meta: { success: false, http_code, developer_message: 'no' } }, { status: http_code })
})
