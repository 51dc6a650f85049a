import { describe, expect, test } from 'bun:test'
import type { FetchedMedia } from '../../provider.ts'
import { twilioProvider } from '../twilio.ts'
import { isTwilios } from './fetch-media.ts'
import { twilioUrls } from './twilio-api.ts'
import { account, bot, mediaUrl, partsAt, token } from './webhooks.fixture.ts'

const basic = `Basic ${btoa(`${account}:${token}`)}`
const path = `/2010-04-01/Accounts/${account}/Messages/MM1/Media/ME1`

type Seen = { readonly path: string; readonly authorization: string | null }

/** A server that says who asked it for what. */
function startServer(answer: (path: string) => Response | Promise<Response>) {
  const seen: Seen[] = []
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      const { pathname } = new URL(request.url)
      seen.push({ path: pathname, authorization: request.headers.get('authorization') })
      return answer(pathname)
    },
  })
  return { origin: `http://127.0.0.1:${server.port}`, seen, stop: () => server.stop(true) }
}

async function fetchFrom(
  baseUrl: string,
  url: string,
  { allowsPrivate = false, timeoutMs = 2_000 } = {},
): Promise<FetchedMedia | undefined> {
  const { fetchMedia } = twilioProvider(partsAt(baseUrl, undefined, allowsPrivate))
  return await fetchMedia?.({ url }, bot, AbortSignal.timeout(timeoutMs))
}

/** What Twilio's answer to a request for a file comes to. */
async function fetched(answer: (path: string) => Response | Promise<Response>, timeoutMs = 2_000) {
  const server = startServer(answer)
  try {
    const media = await fetchFrom(server.origin, `${server.origin}${path}`, { timeoutMs })
    return { media, seen: server.seen, bytes: media?.kind === 'found' ? await new Response(media.body).text() : null }
  } finally {
    await server.stop()
  }
}

function redirect(status: number, location: string): Response {
  return new Response(null, { status, headers: { location } })
}

test('a file, its type and its length, with the account’s credentials', async () => {
  const { media, seen, bytes } = await fetched(() => new Response('abc', { headers: { 'content-type': 'image/png' } }))
  expect(media).toMatchObject({ kind: 'found', mimeType: 'image/png', bytes: 3 })
  expect([bytes, seen]).toEqual(['abc', [{ path, authorization: basic }]])
})

test('it comes in parts: the first is there before the last is sent', async () => {
  const { promise: isRead, resolve: sayRead } = Promise.withResolvers<void>()
  const server = startServer(() => {
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode('first'))
        await isRead
        controller.enqueue(new TextEncoder().encode('last'))
        controller.close()
      },
    })
    return new Response(body)
  })
  try {
    const media = await fetchFrom(server.origin, `${server.origin}${path}`)
    const reader = media?.kind === 'found' ? media.body.getReader() : undefined
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('first')
    sayRead()
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('last')
    expect(media).toMatchObject({ bytes: null })
  } finally {
    await server.stop()
  }
})

describe('the redirect to a signed address', () => {
  for (const status of [302, 307])
    test(`${status} is followed without the credentials, to another host and to the same`, async () => {
      const other = startServer(() => new Response('elsewhere'))
      const twilio = startServer(asked =>
        asked === path ? redirect(status, `${other.origin}/signed?key=1`) : redirect(status, '/here'),
      )
      const near = startServer(asked => (asked === path ? redirect(status, '/signed') : new Response('near')))
      try {
        const far = await fetchFrom(twilio.origin, `${twilio.origin}${path}`, { allowsPrivate: true })
        expect(far?.kind === 'found' && (await new Response(far.body).text())).toBe('elsewhere')
        expect(twilio.seen).toEqual([{ path, authorization: basic }])
        expect(other.seen).toEqual([{ path: '/signed', authorization: null }])
        expect((await fetchFrom(near.origin, `${near.origin}${path}`))?.kind).toBe('found')
        expect(near.seen).toEqual([
          { path, authorization: basic },
          { path: '/signed', authorization: null },
        ])
      } finally {
        await Promise.all([other.stop(), twilio.stop(), near.stop()])
      }
    })

  test('is not followed into a private network, nor for ever', async () => {
    const inside = startServer(() => new Response('secret'))
    try {
      const { media } = await fetched(() => redirect(302, `${inside.origin}/secret`))
      expect(media).toMatchObject({ kind: 'failed', reason: expect.stringContaining('private') })
      expect(inside.seen).toEqual([])
    } finally {
      await inside.stop()
    }
    const { media, seen } = await fetched(() => redirect(302, path))
    expect([media?.kind, seen.length]).toEqual(['failed', 6])
  })
})

test('an address that is not Twilio’s gets no credentials, and is asked only where it is public', async () => {
  const other = startServer(() => new Response('abc'))
  try {
    const refused = await fetchFrom('http://127.0.0.1:1', `${other.origin}/file`)
    expect(refused).toMatchObject({ kind: 'failed', reason: expect.stringContaining('private') })
    expect(other.seen).toEqual([])
    const allowed = await fetchFrom('http://127.0.0.1:1', `${other.origin}/file`, { allowsPrivate: true })
    expect(allowed?.kind).toBe('found')
    expect(other.seen).toEqual([{ path: '/file', authorization: null }])
  } finally {
    await other.stop()
  }
})

test('only https on Twilio’s own hosts is Twilio’s, and what stands for it', () => {
  const urls = twilioUrls(null)
  for (const url of [mediaUrl('ME1'), 'https://api.dublin.ie1.twilio.com/x', 'https://media.twilio.com:443/x'])
    expect([url, isTwilios(url, urls)]).toEqual([url, true])
  for (const url of [
    'http://api.twilio.com.example.test/x',
    'https://api.twilio.com.example.test/x',
    'https://api.twilio.com@example.test/x',
    'https://example.test/api.twilio.com',
    'https://eviltwilio.com/x',
    'http://media.twilio.com/x',
    'https://127.0.0.1/x',
    'no address',
  ])
    expect([url, isTwilios(url, urls)]).toEqual([url, false])
  const standIn = twilioUrls('http://127.0.0.1:4/twilio')
  expect(isTwilios('http://127.0.0.1:4/twilio/x', standIn)).toBe(true)
  expect(isTwilios('http://127.0.0.1:5/twilio/x', standIn)).toBe(false)
})

test('what is gone has failed, what passes is tried again', async () => {
  for (const [status, expected] of [
    [404, { kind: 'failed' }],
    [410, { kind: 'failed' }],
    [400, { kind: 'failed' }],
    [204, { kind: 'failed' }],
    [401, { kind: 'retry', pace: 'later' }],
    [403, { kind: 'retry', pace: 'later' }],
    [429, { kind: 'retry', pace: 'soon' }],
    [500, { kind: 'retry', pace: 'soon' }],
    [503, { kind: 'retry', pace: 'soon' }],
  ] as const) {
    const body = status === 204 ? null : 'x'
    expect([status, (await fetched(() => new Response(body, { status }))).media]).toMatchObject([status, expected])
  }
})

test('no answer, and a server that is not there, are tried again', async () => {
  const late = await fetched(() => new Promise(() => undefined), 50)
  expect(late.media).toMatchObject({ kind: 'retry', pace: 'soon' })
  expect(await fetchFrom('http://127.0.0.1:1', `http://127.0.0.1:1${path}`)).toMatchObject({
    kind: 'retry',
    pace: 'soon',
  })
})

test('a source that is none has failed', async () => {
  const { fetchMedia } = twilioProvider(partsAt(null))
  for (const source of [{}, { url: 7 }, { url: 'no address' }, { id: 'ME1' }])
    expect(await fetchMedia?.(source, bot, AbortSignal.timeout(1_000))).toMatchObject({ kind: 'failed' })
  expect(await fetchMedia?.({ url: 'file:///etc/passwd' }, bot, AbortSignal.timeout(1_000))).toMatchObject({
    kind: 'failed',
  })
})
