import { describe, expect, test } from 'bun:test'
import {
  type AskedRequest,
  botAt,
  providerForTests,
  refusal,
  serveEvolution,
  soon,
  unlicensed,
} from '../../../../test/support/evolution.ts'
import type { Connection, ProviderBot } from '../../provider.ts'
import { webhookTokenOf } from './verify-webhook.ts'

const provider = providerForTests()
const code = '2@REF,NOISE,IDENT,ADV'

/** An Evolution with one instance or none, which behaves as evolution-api's `instance.controller.ts` does. */
function serveInstance(given: {
  readonly state: 'open' | 'connecting' | 'close' | null
  /** How often it is asked for a code until there is one. */
  readonly codeComesAfter?: number
  readonly row?: object
  readonly refuses?: (request: AskedRequest) => Response | undefined
}) {
  let { state } = given
  let asked = 0
  let phone: string | null = null
  const missing = () => refusal(404, ['The "shop 1" instance does not exist'])
  const instance = () => Response.json({ instance: { instanceName: 'shop 1', state } })

  function connect(path: string): Response {
    if (state === 'open') return instance()
    if (state === 'close') phone = new URL(path, 'http://x.test').searchParams.get('number')
    state = 'connecting'
    if (asked++ < (given.codeComesAfter ?? 0)) return Response.json({ pairingCode: null, count: 0 })
    return Response.json({ pairingCode: phone === null ? null : 'ABCD1234', code, base64: 'data:…', count: 1 })
  }

  function answer({ method, path }: AskedRequest): Response {
    if (method === 'POST' && path === '/instance/create') {
      if (state !== null) return refusal(403, ['This name "shop 1" is already in use.'])
      state = 'close'
      return Response.json({ instance: { instanceName: 'shop 1', status: 'close' }, hash: 'H' }, { status: 201 })
    }
    if (path.startsWith('/instance/fetchInstances')) return Response.json([{ name: 'shop 1', ...given.row }])
    if (state === null) return missing()
    if (path === '/instance/connectionState/shop%201') return instance()
    if (method === 'POST' && path === '/webhook/set/shop%201') return Response.json({ id: 'cm' }, { status: 201 })
    if (path.startsWith('/instance/connect/shop%201')) return connect(path)
    if (method === 'DELETE' && path === '/instance/logout/shop%201') {
      if (state === 'close') return refusal(400, ['The "shop 1" instance is not connected'])
      state = 'close'
      return Response.json({ status: 'SUCCESS', error: false, response: { message: 'Instance logged out' } })
    }
    return new Response('Cannot be', { status: 405 })
  }
  return serveEvolution(request => given.refuses?.(request) ?? answer(request))
}

const pathsOf = (requests: readonly AskedRequest[]) => requests.map(({ method, path }) => `${method} ${path}`)
const connect = (bot: ProviderBot, phone: string | null = null, signal = soon()) =>
  provider.connect?.(bot, { phone }, signal)
const reasonOf = (connection: Connection | undefined) =>
  connection !== undefined && 'reason' in connection ? connection.reason : undefined

/** What the webhooks of the bot come with, and where to. */
function webhookOf(bot: ProviderBot) {
  const token = webhookTokenOf(bot)
  return {
    enabled: true,
    url: 'https://hooks.example.test/webhooks/evolution/bot-1',
    byEvents: false,
    base64: false,
    headers: { 'X-Webhook-Token': token, jwt_key: token },
    events: ['QRCODE_UPDATED', 'CONNECTION_UPDATE', 'MESSAGES_UPSERT', 'MESSAGES_UPDATE', 'LOGOUT_INSTANCE'],
  }
}

describe('connecting', () => {
  test('makes the instance where there is none, with its webhook, and gives the code to scan', async () => {
    await using server = serveInstance({ state: null, codeComesAfter: 2 })
    const bot = botAt(server.url)
    const before = Date.now()
    const connection = await connect(bot)
    expect(connection).toMatchObject({ kind: 'pairing', qr: code, pairingCode: null })
    const endsInMs = connection?.kind === 'pairing' ? connection.expiresAt.getTime() - before : 0
    expect(endsInMs >= 40_000 && endsInMs < 45_000).toBe(true)
    expect(pathsOf(server.requests)).toEqual([
      'GET /instance/connectionState/shop%201',
      'POST /instance/create',
      ...Array(3).fill('GET /instance/connect/shop%201'),
    ])
    expect(server.body(1)).toEqual({
      instanceName: 'shop 1',
      integration: 'WHATSAPP-BAILEYS',
      qrcode: false,
      groupsIgnore: true,
      readMessages: false,
      syncFullHistory: false,
      webhook: webhookOf(bot),
    })
    for (const { headers } of server.requests) expect(headers.get('apikey')).toBe('the-key')
  })

  test('sets the webhook of an instance that is there', async () => {
    await using server = serveInstance({ state: 'close' })
    const bot = botAt(server.url, { webhook_token: '' })
    expect((await connect(bot))?.kind).toBe('pairing')
    expect(pathsOf(server.requests)).toEqual([
      'GET /instance/connectionState/shop%201',
      'POST /webhook/set/shop%201',
      'GET /instance/connect/shop%201',
    ])
    expect(server.body(1)).toEqual({ webhook: webhookOf(bot) })
    expect(webhookTokenOf(bot)).toHaveLength(43)
  })

  test('of an instance that is connected changes nothing', async () => {
    await using server = serveInstance({ state: 'open' })
    expect(await connect(botAt(server.url))).toEqual({ kind: 'connected', reason: null })
    expect(pathsOf(server.requests).filter(path => path.includes('create') || path.includes('logout'))).toEqual([])
  })

  test('by a phone waits for the code to type', async () => {
    await using server = serveInstance({ state: 'close', codeComesAfter: 1 })
    expect(await connect(botAt(server.url), '+12025550100')).toMatchObject({
      kind: 'pairing',
      qr: code,
      pairingCode: 'ABCD1234',
    })
    expect(server.requests.at(-1)?.path).toBe('/instance/connect/shop%201?number=12025550100')
  })

  test('by a phone too late for a code to type gives the one to scan', async () => {
    await using server = serveInstance({ state: 'connecting' })
    expect(await connect(botAt(server.url), '+12025550100')).toMatchObject({ qr: code, pairingCode: null })
  })

  test('whose time ends while the code to type is waited for gives the one to scan', async () => {
    const patient = providerForTests({ codeWaitMs: 5_000 })
    await using server = serveInstance({ state: 'connecting' })
    const connection = await patient.connect?.(botAt(server.url), { phone: '+12025550100' }, AbortSignal.timeout(150))
    expect(connection).toMatchObject({ kind: 'pairing', qr: code, pairingCode: null })
  })

  test('without a code in time goes on, and ends when it is told to', async () => {
    await using server = serveInstance({ state: 'close', codeComesAfter: 1_000 })
    expect((await connect(botAt(server.url)))?.kind).toBe('connecting')
    const ended = await connect(botAt(server.url), null, AbortSignal.abort())
    expect(ended?.kind).toBe('retry')
  })

  test('goes on where somebody else has made the instance in between', async () => {
    let isFirst = true
    const refuses = ({ path }: AskedRequest) => {
      if (!isFirst || !path.includes('connectionState')) return undefined
      isFirst = false
      return refusal(404, ['The "shop 1" instance does not exist'])
    }
    await using server = serveInstance({ state: 'close', refuses })
    expect((await connect(botAt(server.url)))?.kind).toBe('pairing')
  })

  test('needs a key that may make instances', async () => {
    const refuses = ({ path }: AskedRequest) => (path === '/instance/create' ? refusal(401, 'Unauthorized') : undefined)
    await using server = serveInstance({ state: null, refuses })
    const connection = await connect(botAt(server.url))
    expect(connection?.kind).toBe('refused')
    expect(reasonOf(connection)).toContain('does not let this api_key make it')
  })

  test('tells what went wrong inside, which comes with a 200', async () => {
    const message = 'Error: no proxy'
    const refuses = ({ path }: AskedRequest) =>
      path.startsWith('/instance/connect/') ? Response.json({ error: true, message }) : undefined
    await using server = serveInstance({ state: 'close', refuses })
    const connection = await connect(botAt(server.url))
    expect(connection).toEqual({
      kind: 'retry',
      pace: 'soon',
      reason: 'Evolution could not connect. (Error: no proxy)',
    })
  })
})

test('the next code is asked for without making anything', async () => {
  await using server = serveInstance({ state: 'connecting' })
  expect(await provider.getQr?.(botAt(server.url), soon())).toMatchObject({ kind: 'pairing', qr: code })
  expect(pathsOf(server.requests)).toEqual(['GET /instance/connect/shop%201'])
  await using empty = serveInstance({ state: null })
  expect((await provider.getQr?.(botAt(empty.url), soon()))?.kind).toBe('refused')
  expect(pathsOf(empty.requests)).toEqual(['GET /instance/connect/shop%201'])
})

describe('how it stands', () => {
  const standing = async (given: Parameters<typeof serveInstance>[0]) => {
    await using server = serveInstance(given)
    const connection = await provider.getStatus(botAt(server.url), soon())
    expect(server.requests.every(({ method }) => method === 'GET')).toBe(true)
    return connection
  }
  const owner = { ownerJid: '12025550100@s.whatsapp.net' }

  test('is told by its state', async () => {
    expect(await standing({ state: 'open' })).toEqual({ kind: 'connected', reason: null })
    expect((await standing({ state: 'connecting' })).kind).toBe('connecting')
    expect((await standing({ state: null })).kind).toBe('refused')
  })

  test('where it is closed, by why', async () => {
    const closed = async (row: object) => (await standing({ state: 'close', row })).kind
    expect(await closed({ ...owner, disconnectionReasonCode: 401 })).toBe('logged_out')
    expect(await closed({ ownerJid: null })).toBe('logged_out')
    expect(await closed({ ...owner, disconnectionReasonCode: 403 })).toBe('refused')
    expect(await closed({ ...owner, disconnectionReasonCode: 428 })).toBe('connecting')
    expect(await closed({ ...owner })).toBe('connecting')
  })
})

describe('whatever is asked', () => {
  const trouble = async (response: () => Response) => {
    await using server = serveEvolution(response)
    const bot = botAt(server.url)
    const answers = [await provider.getStatus(bot, soon()), await connect(bot), await provider.getQr?.(bot, soon())]
    return answers.map(connection => (connection?.kind === 'retry' ? connection.pace : connection?.kind))
  }

  test('a wrong key, another server, and a redirect are for a person to put right', async () => {
    for (const response of [
      () => refusal(401, 'Unauthorized'),
      () => refusal(403, 'Forbidden'),
      () => new Response('<h1>Not Found</h1>', { status: 404 }),
      () => new Response(null, { status: 308, headers: { location: 'https://x.test/' } }),
    ])
      expect(await trouble(response)).toEqual(['refused', 'refused', 'refused'])
  })

  test('a licence that is missing is waited for, and what is busy or broken is asked again', async () => {
    expect(await trouble(unlicensed)).toEqual(['later', 'later', 'later'])
    for (const response of [() => new Response('', { status: 502 }), () => new Response('', { status: 429 })])
      expect(await trouble(response)).toEqual(['soon', 'soon', 'soon'])
    expect(await trouble(() => new Response('<html>'))).toEqual(['later', 'later', 'later'])
    const nobody = botAt('http://127.0.0.1:1')
    expect(await provider.getStatus(nobody, soon())).toMatchObject({ kind: 'retry', pace: 'soon' })
  })

  test('a private address is refused, with what would allow it', async () => {
    const guarded = providerForTests({ allowsPrivate: false })
    await using server = serveInstance({ state: 'open' })
    const connection = await guarded.getStatus(botAt(server.url), soon())
    expect(connection.kind).toBe('refused')
    expect(reasonOf(connection)).toContain('ALLOW_PRIVATE_URLS')
    expect(server.requests).toHaveLength(0)
  })
})

describe('disconnecting', () => {
  const leave = async (given: Parameters<typeof serveInstance>[0], isLogout: boolean) => {
    await using server = serveInstance(given)
    await provider.disconnect?.(botAt(server.url), { isLogout }, soon())
    return pathsOf(server.requests)
  }

  test('for good logs the instance out, and is done where that has happened', async () => {
    for (const state of ['open', 'connecting', 'close', null] as const)
      expect(await leave({ state }, true)).toEqual(['DELETE /instance/logout/shop%201'])
  })

  test('for a while asks nothing of Evolution', async () => {
    expect(await leave({ state: 'open' }, false)).toEqual([])
  })

  test('that could not be done is told, to be tried again', async () => {
    const refuses = () => refusal(401, 'Unauthorized')
    await expect(leave({ state: 'open', refuses }, true)).rejects.toThrow('refuses the api_key')
  })
})

describe('a message that was read', () => {
  const mark = { providerMessageId: 'AC01', from: { kind: 'phone', value: '+12025550143' }, isTyping: true } as const

  test('is shown so, and that somebody is typing', async () => {
    await using server = serveEvolution(() => Response.json({}, { status: 201 }))
    await provider.markRead?.(mark, botAt(server.url), soon())
    expect(pathsOf(server.requests)).toEqual([
      'POST /chat/markMessageAsRead/shop%201',
      'POST /chat/sendPresence/shop%201',
    ])
    const remoteJid = '12025550143@s.whatsapp.net'
    expect(server.body(0)).toEqual({ readMessages: [{ id: 'AC01', remoteJid, fromMe: false }] })
    expect(server.body(1)).toEqual({ number: '12025550143', presence: 'composing', delay: 1_500 })
  })

  test("without typing, of nobody, or of an Evolution that is away, is nobody's loss", async () => {
    await using server = serveEvolution(() => refusal(500, 'Connection Closed'))
    await provider.markRead?.({ ...mark, isTyping: false }, botAt(server.url), soon())
    expect(server.requests).toHaveLength(1)
    await provider.markRead?.({ ...mark, from: { kind: 'bsuid', value: 'US.1' } }, botAt(server.url), soon())
    expect(server.requests).toHaveLength(1)
    await provider.markRead?.(mark, botAt('http://127.0.0.1:1'), soon())
  })
})
