import { describe, expect, test } from 'bun:test'
import { createConnection, type Socket } from 'node:net'
import { type BotConfig, emptyWebhook, type Webhook } from '../provider.ts'
import { classify, explain } from './cloud/errors.ts'
import { parseCloudWebhook } from './cloud/parse-webhook.ts'
import { metaProvider } from './meta.ts'
import { botWith, fileOf, partsWith, startProvider, webhookOf } from './provider.fixture.ts'

const number = '100000000000010'
const config = {
  phone_number_id: number,
  access_token: 'token',
  app_secret: 'test-meta-app-secret',
  verify_token: 'verify-me',
}
const provider = providerAt('http://127.0.0.1:1/v25.0')

function providerAt(META_BASE_URL: string) {
  return metaProvider(partsWith({ META_BASE_URL }))
}

const bot = botWith(config)

function reasonsOf({ ignored }: Webhook) {
  return ignored.map(part => part.reason)
}

function isTaken(request: ReturnType<typeof signed>, given: BotConfig): boolean {
  const handled = provider.handleWebhook(request, botWith(given))
  return 'kind' in handled && handled.kind === 'read'
}

function signed(body: string, signature: string) {
  return webhookOf(body, { 'x-hub-signature-256': signature })
}

describe('signature', () => {
  // Made with an independent implementation of HMAC-SHA256.
  const vectors = [
    [
      '{"object":"whatsapp_business_account","entry":[]}',
      'dd016c114af60604aa08d340200360b65e163a9ff2f0ab18f4d87643f53f026a',
    ],
    ['{"text":"Ol\\u00e1 \\u2705"}', 'ecf2ab278653b0b47de865706970f2856c24a2e5a9dae727c2dff9ed429c6e78'],
    ['{"text":"Olá ✅"}', 'be78f2e2fb1da8e8a885b5bf384c8ac45b221615e155697e94c833c78cd3ed12'],
  ] as const

  test('holds over the raw bytes, escaped or not', () => {
    for (const [body, hex] of vectors) expect(isTaken(signed(body, `sha256=${hex}`), config)).toBe(true)
  })

  test('does not hold for another body, another secret, another form, or none', () => {
    const [[body, hex]] = vectors
    expect(isTaken(signed(`${body} `, `sha256=${hex}`), config)).toBe(false)
    expect(isTaken(signed(body, `sha256=${hex}`), { ...config, app_secret: 'other' })).toBe(false)
    expect(isTaken(signed(body, hex), config)).toBe(false)
    expect(isTaken(signed(body, `sha256=${hex.slice(1)}`), config)).toBe(false)
    expect(isTaken({ ...signed(body, ''), headers: new Headers() }, config)).toBe(false)
  })

  test('never holds where the bot has no secret', () => {
    const [[body, hex]] = vectors
    expect(isTaken(signed(body, `sha256=${hex}`), { ...config, app_secret: '' })).toBe(false)
  })
})

describe('handshake', () => {
  const ask = (token: string, mode = 'subscribe') =>
    provider.handshake?.(
      new URLSearchParams({ 'hub.mode': mode, 'hub.challenge': '1158201444', 'hub.verify_token': token }),
      bot,
    )

  test('gives the challenge back for the right token only', () => {
    expect(ask('verify-me')).toBe('1158201444')
    expect(ask('guess')).toBeNull()
    expect(ask('verify-me', 'unsubscribe')).toBeNull()
  })
})

function webhook(value: object, field = 'messages') {
  return { object: 'whatsapp_business_account', entry: [{ id: '1', changes: [{ field, value }] }] }
}

function received(message: object, contacts: object[] = []) {
  const value = { metadata: { phone_number_id: number }, contacts, messages: [message] }
  return parseCloudWebhook(webhook(value), number)
}

const envelope = { from: '12025550143', id: 'wamid.1', timestamp: '1767225601' }

describe('messages', () => {
  test('a text, with its sender and name', () => {
    const contacts = [{ profile: { name: 'Ada Test' }, wa_id: '12025550143', user_id: 'US.1' }]
    const { messages } = received({ ...envelope, from_user_id: 'US.1', type: 'text', text: { body: 'Hola' } }, contacts)
    expect(messages).toEqual([
      {
        providerMessageId: 'wamid.1',
        sender: {
          identities: [
            { kind: 'phone', value: '+12025550143' },
            { kind: 'bsuid', value: 'US.1' },
          ],
          name: 'Ada Test',
        },
        content: { type: 'text', text: 'Hola' },
        at: new Date('2026-01-01T00:00:01Z'),
      },
    ])
  })

  test('a sender without a phone has the business-scoped user id only', () => {
    const { messages } = received({
      id: 'wamid.2',
      timestamp: '1',
      from_user_id: 'US.7',
      type: 'text',
      text: { body: 'x' },
    })
    expect(messages[0]?.sender.identities).toEqual([{ kind: 'bsuid', value: 'US.7' }])
  })

  const contents: [string, object, object][] = [
    [
      'a tapped button',
      { type: 'interactive', interactive: { type: 'button_reply', button_reply: { id: 'yes', title: 'Yes' } } },
      { type: 'choice', id: 'yes', title: 'Yes' },
    ],
    [
      'a list row',
      {
        type: 'interactive',
        interactive: { type: 'list_reply', list_reply: { id: 'a', title: 'A', description: 'd' } },
      },
      { type: 'choice', id: 'a', title: 'A' },
    ],
    [
      "a template's quick reply",
      { type: 'button', button: { payload: 'OK', text: 'Okay' } },
      { type: 'choice', id: 'OK', title: 'Okay' },
    ],
    [
      'an image',
      { type: 'image', image: { id: '9', mime_type: 'image/jpeg', sha256: 'x', caption: 'look' } },
      { type: 'image', media_id: '9', mime_type: 'image/jpeg', caption: 'look' },
    ],
    [
      'a voice message',
      { type: 'audio', audio: { id: '9', mime_type: 'audio/ogg; codecs=opus', voice: true } },
      { type: 'audio', media_id: '9', mime_type: 'audio/ogg; codecs=opus' },
    ],
    [
      'a document',
      { type: 'document', document: { id: '9', mime_type: 'application/pdf', filename: 'a.pdf' } },
      { type: 'document', media_id: '9', mime_type: 'application/pdf', filename: 'a.pdf' },
    ],
    [
      'a place',
      { type: 'location', location: { latitude: 51.5, longitude: -0.1, name: 'Here' } },
      { type: 'location', latitude: 51.5, longitude: -0.1, name: 'Here' },
    ],
    [
      'a contact',
      { type: 'contacts', contacts: [{ name: { formatted_name: 'Grace' }, phones: [{ phone: '+44 7700' }] }] },
      { type: 'contacts', contacts: [{ name: 'Grace', phones: ['+44 7700'] }] },
    ],
    [
      'a reaction',
      { type: 'reaction', reaction: { message_id: 'wamid.0', emoji: '👍' } },
      { type: 'reaction', message_id: 'wamid.0', emoji: '👍' },
    ],
    [
      'a reaction taken back',
      { type: 'reaction', reaction: { message_id: 'wamid.0' } },
      { type: 'reaction', message_id: 'wamid.0', emoji: '' },
    ],
    [
      'what WhatsApp does not hand over',
      { type: 'unsupported', errors: [{ code: 131051, title: 'Unsupported', error_data: { details: 'poll' } }] },
      { type: 'unsupported', reason: 'unsupported: poll' },
    ],
    ['a type that nobody knows yet', { type: 'hologram', hologram: {} }, { type: 'unsupported', reason: 'hologram' }],
    ['a known type in an unknown shape', { type: 'text', text: 'flat' }, { type: 'unsupported', reason: 'text' }],
  ]
  for (const [name, message, content] of contents)
    test(name, () => {
      expect(received({ ...envelope, ...message }).messages[0]?.content).toEqual(content as never)
    })

  test('every message of a batch is found, in order, and one that is broken does not hide the rest', () => {
    const message = (id: string) => ({ ...envelope, id, type: 'text', text: { body: id } })
    const value = (...messages: unknown[]) => ({
      field: 'messages',
      value: { metadata: { phone_number_id: number }, messages },
    })
    const body = {
      object: 'whatsapp_business_account',
      entry: [
        { id: '1', changes: [value(message('a'), { id: 7 }, message('b')), value(message('c'))] },
        { id: '2', changes: [value(message('d')), { field: 'account_update', value: {} }] },
      ],
    }
    const found = parseCloudWebhook(body, number)
    expect(found.messages.map(m => m.providerMessageId)).toEqual(['a', 'b', 'c', 'd'])
    expect(reasonsOf(found)).toEqual(['malformed', 'other_event'])
  })

  test("another number's messages are left alone, and a group's", () => {
    const body = webhook({
      metadata: { phone_number_id: '5' },
      messages: [{ ...envelope, type: 'text', text: { body: 'x' } }],
    })
    expect(parseCloudWebhook(body, number)).toMatchObject({ messages: [], statuses: [] })
    expect(reasonsOf(parseCloudWebhook(body, number))).toEqual(['other_number'])
    expect(reasonsOf(received({ ...envelope, group_id: 'g', type: 'text', text: { body: 'x' } }))).toEqual([
      'group_message',
    ])
  })

  test('a body that is no webhook gives nothing', () => {
    for (const body of [null, [], 'text', 7, {}, { object: 'page', entry: [] }])
      expect(parseCloudWebhook(body, number)).toEqual({
        ...emptyWebhook,
        ignored: [{ reason: 'malformed', raw: body }],
      })
  })
})

test('statuses, with what the send gave along, and the reason of a failure in plain words', () => {
  const status = { id: 'wamid.9', timestamp: '1767225661', recipient_id: '12025550143' }
  const statuses = [
    { ...status, status: 'delivered', biz_opaque_callback_data: 'ref' },
    { ...status, status: 'played' },
    { ...status, status: 'failed', errors: [{ code: 131047, title: 'Re-engagement message' }] },
  ]
  const found = parseCloudWebhook(webhook({ metadata: { phone_number_id: number }, statuses }), number).statuses
  expect(found.map(({ status, reference }) => [status, reference])).toEqual([
    ['delivered', 'ref'],
    ['read', null],
    ['failed', null],
  ])
  expect(found[2]?.error?.code).toBe('131047')
  expect(found[2]?.error?.message).toStartWith('More than 24 hours have passed')
})

describe('errors', () => {
  const kindOf = (code: number) => {
    const result = classify({ code, details: '', isTransient: false })
    return result.kind === 'retry' ? result.pace : result.kind
  }

  test('the code decides what to do', () => {
    expect([190, 10, 200, 299, 131005, 368].map(kindOf)).toEqual(Array(6).fill('account'))
    expect([1, 2, 130429, 131000, 131016, 133004].map(kindOf)).toEqual(Array(6).fill('soon'))
    expect([4, 80007, 131048].map(kindOf)).toEqual(Array(3).fill('later'))
    expect(kindOf(131056)).toBe('pair')
    expect([100, 131026, 131047, 132001, 131049].map(kindOf)).toEqual(Array(5).fill('failed'))
  })

  test('of an unknown code Meta says itself whether it may pass', () => {
    expect(classify({ code: 999_999, details: '', isTransient: true }).kind).toBe('retry')
    expect(classify({ code: 999_999, details: '', isTransient: false }).kind).toBe('failed')
  })

  test("the words come first, and Meta's own details after them", () => {
    expect(explain({ code: 131026, details: 'Message undeliverable', isTransient: false })).toEqual({
      code: '131026',
      message: 'WhatsApp cannot deliver to this customer. (Message undeliverable)',
    })
  })
})

describe('send', () => {
  const message = {
    to: { kind: 'phone', value: '+12025550143' },
    content: { type: 'text', text: 'x' },
    file: null,
    reference: 'r',
  } as const

  async function answerWith(answer: () => Response | Promise<Response>, timeoutMs = 2_000) {
    const requests: unknown[] = []
    const server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      async fetch(request) {
        requests.push(await request.json())
        return await answer()
      },
    })
    try {
      const send = providerAt(`http://127.0.0.1:${server.port}/v25.0`).sendMessage
      return { result: await send(message, bot, AbortSignal.timeout(timeoutMs)), requests }
    } finally {
      await server.stop(true)
    }
  }

  test('accepted', async () => {
    const { result, requests } = await answerWith(() => Response.json({ messages: [{ id: 'wamid.7' }] }))
    expect(result).toEqual({ kind: 'sent', providerMessageId: 'wamid.7' })
    expect(requests).toEqual([
      {
        messaging_product: 'whatsapp',
        recipient_type: 'individual',
        to: '12025550143',
        type: 'text',
        text: { body: 'x', preview_url: false },
        biz_opaque_callback_data: 'r',
      },
    ])
  })

  test('no answer in time, a broken answer and a broken connection are unknown: the message may have been taken', async () => {
    const late = await answerWith(() => new Promise(() => undefined), 50)
    expect(late.result).toMatchObject({ kind: 'unknown', error: { code: 'timeout' } })
    const broken = await answerWith(() => new Response('<html>'))
    expect(broken.result.kind).toBe('unknown')
    const gateway = await answerWith(() => new Response('Bad Gateway', { status: 502 }))
    expect(gateway.result).toMatchObject({ kind: 'unknown', error: { code: 'http_502' } })
  })

  test('a server that is not there took nothing: tried again', async () => {
    const result = await providerAt('http://127.0.0.1:1/v25.0').sendMessage(message, bot, AbortSignal.timeout(2_000))
    expect(result).toMatchObject({ kind: 'retry', pace: 'soon' })
  })

  test('a connection that is never made, or whose TLS is never agreed on, took nothing: tried again', async () => {
    // It takes the connection, and says nothing.
    const silent = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: () => undefined } })
    const hole = await startBlackHole()
    try {
      for (const origin of [`https://127.0.0.1:${silent.port}`, hole.origin]) {
        const result = await providerAt(`${origin}/v25.0`).sendMessage(message, bot, AbortSignal.timeout(300))
        expect(result).toMatchObject({ kind: 'retry', pace: 'soon', error: { code: 'no_connection' } })
      }
    } finally {
      silent.stop(true)
      await hole.stop()
    }
  })

  test('while the provider answers, a body goes without being watched; once it is silent for a while, that tells', async () => {
    const sent: (string | null)[] = []
    let isSilent = false
    const server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      async fetch(request) {
        sent.push(`${request.headers.get('content-length')} ${(await request.text()).length}`)
        return isSilent ? await new Promise(() => undefined) : Response.json({ messages: [{ id: 'wamid.7' }] })
      },
    })
    const { sendMessage: send } = providerAt(`http://127.0.0.1:${server.port}/v25.0`)
    expect((await send(message, bot, AbortSignal.timeout(2_000))).kind).toBe('sent')
    expect((await send(message, bot, AbortSignal.timeout(2_000))).kind).toBe('sent')
    isSilent = true
    expect((await send(message, bot, AbortSignal.timeout(50))).kind).toBe('unknown')
    await Bun.sleep(1_050)
    expect((await send(message, bot, AbortSignal.timeout(50))).kind).toBe('unknown')
    // Either way it is the same request.
    expect(new Set(sent).size).toBe(1)
    await server.stop(true)
    expect(await send(message, bot, AbortSignal.timeout(2_000))).toMatchObject({ kind: 'retry', pace: 'soon' })
  })

  test('throttling comes as HTTP 400, and is told by its code', async () => {
    const { result } = await answerWith(() =>
      Response.json({ error: { code: 130429, message: '(#130429) Rate limit hit' } }, { status: 400 }),
    )
    expect(result).toMatchObject({ kind: 'retry', pace: 'soon', error: { code: '130429' } })
  })
})

/** An address where connections hang: who listens there takes none, and as many wait already as the system lets wait. */
async function startBlackHole(): Promise<{ readonly origin: string; stop(): Promise<void> }> {
  const listen = "require('node:net').createServer().listen(0, '127.0.0.1'"
  const program = `const server = ${listen}, () => { console.log(server.address().port); Bun.sleepSync(60_000) })`
  const child = Bun.spawn([process.execPath, '-e', program], { stdout: 'pipe' })
  const { value } = await child.stdout.getReader().read()
  const port = Number(new TextDecoder().decode(value))
  const sockets: Socket[] = []
  // Bun asks for 512 places; they are taken when one more connection hangs.
  while (await connects(sockets, port));
  return {
    origin: `http://127.0.0.1:${port}`,
    async stop() {
      for (const socket of sockets) socket.destroy()
      child.kill('SIGKILL')
      await child.exited
    },
  }
}

async function connects(sockets: Socket[], port: number): Promise<boolean> {
  const socket = createConnection({ host: '127.0.0.1', port }).on('error', () => undefined)
  sockets.push(socket)
  const connected = new Promise<boolean>(resolve => socket.on('connect', () => resolve(true)))
  return await Promise.race([connected, Bun.sleep(500).then(() => false)])
}

describe('files', () => {
  const image = {
    to: { kind: 'phone', value: '+12025550143' },
    content: { type: 'image', media_id: 'ours', caption: 'Label' },
    reference: 'r',
  } as const

  /** A provider that takes uploads, and sends of the uploads that it knows. */
  function startMeta(known: Set<string>) {
    const meta = startProvider(({ path, text }) => {
      if (path.endsWith('/media')) {
        const id = `up-${known.size + 1}`
        known.add(id)
        return Response.json({ id })
      }
      const id = JSON.parse(text).image.id
      if (known.has(id)) return Response.json({ messages: [{ id: `wamid.${id}` }] })
      return Response.json({ error: { code: 131053, message: 'Media upload error' } }, { status: 400 })
    })
    return { ...meta, parts: partsWith({ META_BASE_URL: `${meta.url}/v25.0` }) }
  }

  test('a file is handed over once, and again when Meta has forgotten it', async () => {
    const known = new Set<string>()
    const { asked, parts, stop } = startMeta(known)
    const { sendMessage } = metaProvider(parts)
    const send = () => sendMessage({ ...image, file: fileOf('pixels') }, bot, AbortSignal.timeout(2_000))
    expect(await send()).toEqual({ kind: 'sent', providerMessageId: 'wamid.up-1' })
    expect(await send()).toEqual({ kind: 'sent', providerMessageId: 'wamid.up-1' })
    known.clear()
    known.add('another')
    expect(await send()).toEqual({ kind: 'sent', providerMessageId: 'wamid.up-2' })
    expect(asked.map(({ path }) => path.slice(path.lastIndexOf('/')))).toEqual([
      ...['/media', '/messages', '/messages', '/messages', '/media', '/messages'],
    ])
    expect(asked[0]?.headers.get('authorization')).toBe('Bearer token')
    expect(asked[0]?.text).toContain('pixels')
    await stop()
  })

  test('a file that cannot be handed over leaves no message in doubt', async () => {
    for (const [answer, expected] of [
      [Response.json({ error: { code: 190, message: 'no' } }, { status: 401 }), { kind: 'account' }],
      [new Response('<html>', { status: 502 }), { kind: 'retry', error: { code: 'upload_failed' } }],
      [Response.json({ error: { code: 100, message: 'type' } }, { status: 400 }), { kind: 'failed' }],
    ] as const) {
      const { url, stop } = startProvider(() => answer.clone())
      const { sendMessage } = metaProvider(partsWith({ META_BASE_URL: url }))
      const result = await sendMessage({ ...image, file: fileOf('pixels') }, bot, AbortSignal.timeout(2_000))
      expect(result).toMatchObject(expected)
      await stop()
    }
  })

  test("a customer's file is got under the token, wherever Meta says that it is", async () => {
    const meta = startProvider(({ path }) =>
      path.startsWith('/v25.0/55')
        ? Response.json({ url: `${meta.url}/file?ext=1`, mime_type: 'image/png', file_size: 6, id: '55' })
        : new Response('pixels'),
    )
    const { fetchMedia } = metaProvider(partsWith({ META_BASE_URL: `${meta.url}/v25.0` }))
    const found = await fetchMedia?.({ id: '55' }, bot, AbortSignal.timeout(2_000))
    expect(found).toMatchObject({ kind: 'found', mimeType: 'image/png', bytes: 6 })
    if (found?.kind === 'found') expect(await new Response(found.body).text()).toBe('pixels')
    expect(meta.asked.map(({ headers }) => headers.get('authorization'))).toEqual(['Bearer token', 'Bearer token'])
    await meta.stop()
  })

  test('a file that is gone is given up, and one that cannot be had now is asked for again', async () => {
    for (const [status, kind] of [
      [400, 'failed'],
      [404, 'failed'],
      [429, 'retry'],
      [500, 'retry'],
      [401, 'retry'],
    ] as const) {
      const { url, stop } = startProvider(() => Response.json({ error: { code: 100, message: 'x' } }, { status }))
      const { fetchMedia } = metaProvider(partsWith({ META_BASE_URL: url }))
      expect([status, (await fetchMedia?.({ id: '55' }, bot, AbortSignal.timeout(2_000)))?.kind]).toEqual([
        status,
        kind,
      ])
      await stop()
    }
  })
})

test('a message is marked as read, with somebody typing where it is asked for', async () => {
  const meta = startProvider(() => Response.json({ success: true }))
  const { markRead } = metaProvider(partsWith({ META_BASE_URL: meta.url }))
  const from = { kind: 'phone', value: '+12025550143' } as const
  for (const isTyping of [false, true])
    await markRead?.({ providerMessageId: 'wamid.1', from, isTyping }, bot, AbortSignal.timeout(2_000))
  const read = { messaging_product: 'whatsapp', status: 'read', message_id: 'wamid.1' }
  expect(meta.asked.map(({ text }) => JSON.parse(text))).toEqual([
    read,
    { ...read, typing_indicator: { type: 'text' } },
  ])
  await meta.stop()
})
