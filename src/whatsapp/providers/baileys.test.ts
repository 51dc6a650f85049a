import { afterEach, describe, expect, test } from 'bun:test'
import type { OutboundContent } from '../../flow/content.ts'
import { makeGuardedFetch } from '../../lib/guarded-fetch.ts'
import type { OutboundMessage, WhatsAppProvider } from '../provider.ts'
import { baileysProvider, messageIdOf } from './baileys.ts'
import { type Asked, botWith, fileOf, partsWith, startProvider } from './provider.fixture.ts'

// The provider against a bridge that is made up: what it asks, and what it makes of the answers.

const bot = botWith({})
const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

function bridgeOf(answer: (asked: Asked) => Response | Promise<Response>) {
  const bridge = startProvider(answer)
  stops.push(() => void bridge.stop())
  return bridge
}

function providerAt(url: string | null): WhatsAppProvider {
  return baileysProvider({
    ...partsWith({}),
    bridge: { token: 'the-token', url: async () => url, problem: () => null },
  })
}

const limit = (ms = 5_000) => AbortSignal.timeout(ms)
const text: OutboundContent = { type: 'text', text: 'Good morning' }

function messageOf(content: OutboundContent = text, more: Partial<OutboundMessage> = {}): OutboundMessage {
  return { to: { kind: 'phone', value: '+12025550143' }, content, file: null, reference: 'c/m', ...more }
}

describe('a send', () => {
  test('names the message by its reference, and comes back with that name', async () => {
    const { url, asked } = bridgeOf(() => Response.json({ id: messageIdOf('c/m') }))
    const result = await providerAt(url).sendMessage(messageOf(), bot, limit())
    expect(result).toEqual({ kind: 'sent', providerMessageId: messageIdOf('c/m') })
    expect(asked[0]?.path).toBe(`/sessions/${bot.id}/messages`)
    expect(asked[0]?.headers.get('authorization')).toBe('Bearer the-token')
    expect(JSON.parse(asked[0]?.text ?? '')).toEqual({
      ...{ message_id: messageIdOf('c/m'), reference: 'c/m', content: text, file: null },
      to: { kind: 'phone', value: '+12025550143' },
    })
  })

  test('each reference has a name of its own, in the form of WhatsApp Web', () => {
    const names = Array.from({ length: 1_000 }, (_, index) => messageIdOf(`c/${index}`))
    expect(new Set(names).size).toBe(1_000)
    for (const name of names) expect(name).toMatch(/^3EB0[0-9A-F]{18}$/)
    expect(messageIdOf('c/m')).toBe(messageIdOf('c/m'))
  })

  test('an error of the bridge is one of a send', async () => {
    for (const kind of ['failed', 'account', 'not_ready', 'logged_out', 'unknown'] as const) {
      const { url } = bridgeOf(() => Response.json({ error: { kind, code: '463', message: 'Why.' } }))
      const expected = { kind, error: { code: '463', message: 'Why.' } }
      expect(await providerAt(url).sendMessage(messageOf(), bot, limit())).toEqual(expected)
    }
    const { url } = bridgeOf(() =>
      Response.json({ error: { kind: 'retry', code: '479', message: 'Why.', tries_max: 2 } }),
    )
    expect(await providerAt(url).sendMessage(messageOf(), bot, limit())).toMatchObject({
      ...{ kind: 'retry', pace: 'soon', triesMax: 2 },
    })
  })

  test('answers that are none of the bridge', async () => {
    for (const [status, kind, code] of [
      [401, 'account', 'other_key'],
      [404, 'failed', 'http_404'],
      [500, 'unknown', 'http_500'],
      [503, 'retry', 'http_503'],
      [200, 'unknown', 'http_200'],
    ] as const) {
      const { url } = bridgeOf(() => new Response('{', { status }))
      const result = await providerAt(url).sendMessage(messageOf(), bot, limit())
      expect(result).toMatchObject({ kind, error: { code } })
    }
  })

  test('without a bridge nothing has left; without its answer it may have', async () => {
    expect(await providerAt(null).sendMessage(messageOf(), bot, limit())).toMatchObject({
      ...{ kind: 'retry', error: { code: 'bridge_starting' } },
    })
    expect(await providerAt('http://127.0.0.1:1').sendMessage(messageOf(), bot, limit())).toMatchObject({
      kind: 'retry',
    })
    const { url } = bridgeOf(async () => {
      await Bun.sleep(1_000)
      return Response.json({ id: 'x' })
    })
    expect(await providerAt(url).sendMessage(messageOf(), bot, limit(200))).toMatchObject({
      ...{ kind: 'unknown', error: { code: 'timeout' } },
    })
  })

  test('a session that another bridge has is asked for there, from then on at once', async () => {
    const other = bridgeOf(() => Response.json({ id: 'there' }))
    const first = bridgeOf(() => Response.json({ url: other.url }, { status: 421 }))
    const provider = providerAt(first.url)
    for (let time = 0; time < 2; time++)
      expect(await provider.sendMessage(messageOf(), bot, limit())).toMatchObject({ providerMessageId: 'there' })
    expect([first.asked.length, other.asked.length]).toEqual([1, 2])
    expect(other.asked[0]?.headers.get('authorization')).toBe('Bearer the-token')
  })

  test('where that bridge is gone the one at hand is asked again', async () => {
    const other = startProvider(() => Response.json({ id: 'there' }))
    let isThere = true
    const first = bridgeOf(() =>
      isThere ? Response.json({ url: other.url }, { status: 421 }) : Response.json({ id: 'here' }),
    )
    const provider = providerAt(first.url)
    await provider.sendMessage(messageOf(), bot, limit())
    await other.stop()
    isThere = false
    expect(await provider.sendMessage(messageOf(), bot, limit())).toMatchObject({ providerMessageId: 'here' })
  })

  test('customers without a phone or a linked identity cannot be reached', async () => {
    const to = { kind: 'bsuid' as const, value: 'US.1' }
    expect(await providerAt(null).sendMessage(messageOf(text, { to }), bot, limit())).toMatchObject({
      ...{ kind: 'failed', error: { code: 'no_address' } },
    })
  })
})

describe('a file', () => {
  const image: OutboundContent = { type: 'image', media_id: 'm', caption: 'Look' }
  const takesAll = ({ method }: Asked) =>
    method === 'PUT' ? new Response(null, { status: 204 }) : Response.json({ id: 'x' })

  test('that is kept here is given in parts, and then named', async () => {
    const { url, asked } = bridgeOf(takesAll)
    const file = fileOf('0123456789'.repeat(1_000_000))
    const sent = await providerAt(url).sendMessage(messageOf(image, { file }), bot, limit())
    expect(sent.kind).toBe('sent')
    const parts = asked.filter(one => one.method === 'PUT')
    expect(parts.length).toBeGreaterThan(2)
    const offsets = parts.map(part => Number(new URLSearchParams(part.path.split('?')[1]).get('offset')))
    expect(offsets).toEqual(
      parts.map((_, index) => parts.slice(0, index).reduce((sum, part) => sum + part.text.length, 0)),
    )
    expect(parts.map(part => part.text).join('')).toBe(await file.blob.text())
    const name = /^\/files\/([0-9a-f]{64})\?/.exec(parts[0]?.path ?? '')?.[1]
    expect(JSON.parse(asked.at(-1)?.text ?? '').file).toEqual({ name, mime_type: 'image/png', filename: 'label.png' })
  })

  test('at an address is fetched here, and never by the bridge', async () => {
    const { url, asked } = bridgeOf(takesAll)
    const pages = bridgeOf(() => new Response('bytes', { headers: { 'content-type': 'application/pdf' } }))
    const content: OutboundContent = { type: 'document', url: `${pages.url}/a%20b.pdf` }
    expect((await providerAt(url).sendMessage(messageOf(content), bot, limit())).kind).toBe('sent')
    expect(asked[0]?.text).toBe('bytes')
    expect(JSON.parse(asked[1]?.text ?? '').file).toMatchObject({ mime_type: 'application/pdf', filename: 'a b.pdf' })
  })

  test('at an address of this machine is not asked for', async () => {
    const pages = bridgeOf(() => new Response('secret'))
    const { url, asked } = bridgeOf(takesAll)
    const provider = baileysProvider({
      bridge: { token: 't', url: async () => url, problem: () => null },
      guardedFetch: makeGuardedFetch({ allowsPrivate: false }),
    })
    const content: OutboundContent = { type: 'image', url: pages.url }
    const result = await provider.sendMessage(messageOf(content), bot, limit())
    expect(result).toMatchObject({ kind: 'failed', error: { code: 'media_address' } })
    expect([pages.asked.length, asked.length]).toEqual([0, 0])
  })

  test('that cannot be had, or is nothing, or too large, is not sent', async () => {
    const { url, asked } = bridgeOf(takesAll)
    const pages = bridgeOf(({ path }) =>
      path === '/empty' ? new Response('') : new Response(null, { status: Number(path.slice(1)) }),
    )
    const big = bridgeOf(() => new Response(new Uint8Array(6 * 1024 * 1024)))
    for (const [address, kind, code] of [
      [`${pages.url}/404`, 'failed', 'media_404'],
      [`${pages.url}/503`, 'retry', 'media_503'],
      [`${pages.url}/429`, 'retry', 'media_429'],
      [`${pages.url}/empty`, 'failed', 'file_empty'],
      ['http://127.0.0.1:1/x', 'retry', 'media_unreachable'],
      [big.url, 'failed', 'file_too_large'],
    ] as const) {
      const result = await providerAt(url).sendMessage(messageOf({ type: 'image', url: address }), bot, limit())
      expect(result).toMatchObject({ kind, error: { code } })
    }
    expect(asked.filter(one => one.method === 'POST')).toEqual([])
  })

  test('that the bridge does not take has not left', async () => {
    for (const [status, code] of [
      [409, 'http_409'],
      [503, 'http_503'],
    ] as const) {
      const { url } = bridgeOf(() => new Response(null, { status }))
      const result = await providerAt(url).sendMessage(messageOf(image, { file: fileOf('x') }), bot, limit())
      expect(result).toMatchObject({ kind: 'retry', error: { code } })
    }
    const file = fileOf('x')
    expect(await providerAt(null).sendMessage(messageOf(image, { file }), bot, limit())).toMatchObject({
      kind: 'retry',
    })
  })
})

describe('pairing', () => {
  const pairing = {
    state: 'pairing',
    reason: null,
    qr: 'code',
    pairing_code: null,
    expires_at: '2026-01-01T00:00:00.000Z',
  }

  test('is begun with a number or without, and shown', async () => {
    const { url, asked } = bridgeOf(() => Response.json(pairing))
    const provider = providerAt(url)
    expect(await provider.connect?.(bot, { phone: '+12025550100' }, limit())).toMatchObject({
      kind: 'pairing',
      qr: 'code',
    })
    expect(await provider.getQr?.(bot, limit())).toMatchObject({ kind: 'pairing' })
    expect(await provider.getStatus(bot, limit())).toMatchObject({ kind: 'pairing' })
    expect(asked.map(one => [one.method, one.path.split('/')[3] ?? '', one.text])).toEqual([
      ['POST', 'connect', '{"phone":"+12025550100"}'],
      ['GET', '', ''],
      ['GET', '', ''],
    ])
  })

  test('a bridge that cannot be asked, or answers something else, is asked again', async () => {
    for (const url of [null, 'http://127.0.0.1:1', bridgeOf(() => new Response('?', { status: 500 })).url])
      expect(await providerAt(url).getStatus(bot, limit())).toMatchObject({ kind: 'retry', pace: 'soon' })
    const { url } = bridgeOf(() => new Response(null, { status: 401 }))
    expect(await providerAt(url).connect?.(bot, { phone: null }, limit())).toMatchObject({ kind: 'refused' })
  })

  test('where the library is not installed a person must act, and is told', async () => {
    const bridge = { token: 't', url: async () => null, problem: () => 'Install it.' }
    const provider = baileysProvider({ ...partsWith({}), bridge })
    expect(await provider.connect?.(bot, { phone: null }, limit())).toEqual({ kind: 'refused', reason: 'Install it.' })
    const error = { code: 'no_bridge', message: 'Install it.' }
    expect(await provider.sendMessage(messageOf(), bot, limit())).toEqual({ kind: 'account', error })
  })

  test('a session that may not have ended is not taken for one that has', async () => {
    for (const status of [204, 404]) {
      const { url, asked } = bridgeOf(() => new Response(null, { status }))
      await providerAt(url).disconnect?.(bot, { isLogout: true }, limit())
      expect(asked[0]?.text).toBe('{"logout":true}')
    }
    const { url } = bridgeOf(() => new Response(null, { status: 503 }))
    for (const broken of [url, null, 'http://127.0.0.1:1'])
      await expect(providerAt(broken).disconnect?.(bot, { isLogout: false }, limit())).rejects.toThrow()
  })
})

describe("a customer's file", () => {
  const source = {
    ...{ kind: 'image', media_key: 'a2V5', direct_path: '/v/1', file_sha256: null, file_enc_sha256: null },
    ...{ bytes: 5, mime_type: 'image/jpeg', message_id: 'm', remote_jid: 'j' },
  }

  test('comes as a stream', async () => {
    const { url, asked } = bridgeOf(() => new Response('bytes'))
    const got = await providerAt(url).fetchMedia?.(source, bot, limit())
    if (got?.kind !== 'found') throw new Error('it was not found')
    expect([got.mimeType, got.bytes, await new Response(got.body).text()]).toEqual(['image/jpeg', 5, 'bytes'])
    expect(JSON.parse(asked[0]?.text ?? '')).toEqual(source)
  })

  test('that is gone has failed; one that may come is asked for again', async () => {
    for (const [status, kind] of [
      [404, 'failed'],
      [410, 'failed'],
      [422, 'failed'],
      [429, 'retry'],
      [500, 'retry'],
      [503, 'retry'],
    ] as const) {
      const { url } = bridgeOf(() => Response.json({ reason: 'Why.' }, { status }))
      expect(await providerAt(url).fetchMedia?.(source, bot, limit())).toMatchObject({ kind, reason: 'Why.' })
    }
    for (const url of [null, 'http://127.0.0.1:1'])
      expect(await providerAt(url).fetchMedia?.(source, bot, limit())).toMatchObject({ kind: 'retry' })
    expect(await providerAt(null).fetchMedia?.({ kind: 'odd' }, bot, limit())).toMatchObject({ kind: 'failed' })
  })

  test('is got from the bridge that has the session', async () => {
    const other = bridgeOf(() => new Response('there'))
    const { url } = bridgeOf(() => Response.json({ url: other.url }, { status: 421 }))
    const got = await providerAt(url).fetchMedia?.(source, bot, limit())
    expect(got?.kind === 'found' && (await new Response(got.body).text())).toBe('there')
  })
})

test("that a message was read is shown, and what fails is nobody's loss", async () => {
  const { url, asked } = bridgeOf(() => new Response(null, { status: 204 }))
  const mark = { providerMessageId: 'm', from: { kind: 'phone' as const, value: '+12025550143' }, isTyping: true }
  await providerAt(url).markRead?.(mark, bot, limit())
  expect(JSON.parse(asked[0]?.text ?? '')).toEqual({ message_id: 'm', from: mark.from, is_typing: true })
  for (const broken of [null, 'http://127.0.0.1:1']) await providerAt(broken).markRead?.(mark, bot, limit())
})
