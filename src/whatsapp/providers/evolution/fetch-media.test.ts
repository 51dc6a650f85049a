import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  type Answering,
  botAt,
  providerForTests,
  refusal,
  serveEvolution,
  soon,
  unlicensed,
} from '../../../../test/support/evolution.ts'
import type { FetchedMedia, MediaSource, RetryPace } from '../../provider.ts'
import { base64Decoder } from './base64-decoder.ts'

const provider = providerForTests()
const source = { id: 'AC01', mime_type: 'image/jpeg' }
const content = new Uint8Array(300_001).map((_, index) => (index * 31) % 256)

const answer = (file: Uint8Array, more: object = {}) =>
  Response.json(
    {
      mediaType: 'imageMessage',
      fileName: 'AC01.jpeg',
      caption: 'Olá "base64":"AAAA" \\"',
      size: { fileLength: { low: 48_213, high: 0, unsigned: true }, height: 9, width: 9 },
      mimetype: 'image/png',
      base64: Buffer.from(file).toString('base64'),
      buffer: null,
      ...more,
    },
    { status: 201 },
  )

async function fetchFrom(answering: Answering, asked: (url: string) => MediaSource = () => source) {
  await using server = serveEvolution(answering)
  const found = await provider.fetchMedia?.(asked(server.url), botAt(server.url), soon())
  return { ...(await readWhole(found)), requests: server.requests }
}

async function readWhole(found: FetchedMedia | undefined) {
  if (found?.kind !== 'found') return { found, file: null }
  return { found, file: await new Response(found.body).bytes().catch(() => 'broken' as const) }
}

describe('a file', () => {
  test('is asked for by its message, and comes out of the JSON byte for byte', async () => {
    const { found, file, requests } = await fetchFrom(() => answer(content))
    expect(file).toEqual(content)
    expect(found).toMatchObject({ mimeType: 'image/png', bytes: null })
    expect(requests).toHaveLength(1)
    expect(requests[0]?.path).toBe('/chat/getBase64FromMediaMessage/shop%201')
    expect(requests[0]?.headers.get('apikey')).toBe('the-key')
    expect(JSON.parse(requests[0]?.text ?? '')).toEqual({ message: { key: { id: 'AC01' } }, convertToMp4: false })
  })

  test('has the type of the message where the answer names none, and may be empty', async () => {
    const { found, file } = await fetchFrom(() => answer(new Uint8Array(), { mimetype: undefined }))
    expect(file).toEqual(new Uint8Array())
    expect(found).toMatchObject({ mimeType: 'image/jpeg' })
  })

  test('that breaks off, or is no base64, is not taken for a whole one', async () => {
    const text = await answer(content).text()
    expect((await fetchFrom(() => new Response(text.slice(0, 200_000)))).file).toBe('broken')
    expect((await fetchFrom(() => answer(content, { base64: 'AAAA{}' }))).file).toBe('broken')
  })

  test("is fetched from Evolution's store where the webhook named its address, without the bot's key", async () => {
    const { found, file, requests } = await fetchFrom(
      () => new Response(content, { headers: { 'content-type': 'binary/octet-stream' } }),
      url => ({ ...source, url: `${url}/bucket/a.jpeg?signature=1` }),
    )
    expect(file).toEqual(content)
    expect(found).toMatchObject({ mimeType: 'image/jpeg', bytes: content.length })
    expect(requests.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /bucket/a.jpeg?signature=1'])
    expect(requests[0]?.headers.get('apikey')).toBeNull()
  })

  test('is asked for by its message where that address has run out', async () => {
    const { file, requests } = await fetchFrom(
      ({ path }) => (path.startsWith('/bucket') ? new Response('', { status: 403 }) : answer(content)),
      url => ({ ...source, url: `${url}/bucket/a.jpeg` }),
    )
    expect(file).toEqual(content)
    expect(requests).toHaveLength(2)
  })
})

describe('no file', () => {
  const cases: [string, () => Response, 'found' | 'failed' | RetryPace][] = [
    ['of a message that is not kept', () => refusal(400, ['Message not found']), 'failed'],
    ['of a message without one', () => refusal(400, ['The message is not of the media type']), 'failed'],
    ['that WhatsApp has dropped', () => refusal(400, ['AxiosError: Request failed with status code 410']), 'failed'],
    ['of an instance that is gone', () => refusal(404, ['The "shop 1" instance does not exist']), 'failed'],
    ['any more', () => new Response('', { status: 410 }), 'failed'],
    ['in the answer', () => Response.json(null, { status: 201 }), 'failed'],
    ['in an answer without end', () => new Response('x'.repeat(2_000_000)), 'failed'],
    ['while the phone is away', () => refusal(400, ['Error: Connection Closed']), 'soon'],
    ['while Evolution fails', () => refusal(500, 'Internal Server Error'), 'soon'],
    ['while it is too much', () => new Response('', { status: 429 }), 'soon'],
    ['under a wrong key', () => refusal(401, 'Unauthorized'), 'later'],
    ['without a licence', unlicensed, 'later'],
    ['at another address', () => new Response('', { status: 302, headers: { location: 'https://x.test/' } }), 'later'],
  ]
  for (const [name, answering, expected] of cases)
    test(name, async () => {
      const { found } = await fetchFrom(answering)
      expect(found?.kind === 'retry' ? found.pace : found?.kind).toBe(expected)
      expect(found !== undefined && 'reason' in found && found.reason).toMatch(/^[A-Z].*[.)]$/)
    })

  test('where nobody answers, or nothing says where it is', async () => {
    const nobody = await provider.fetchMedia?.(source, botAt('http://127.0.0.1:1'), soon())
    expect(nobody).toMatchObject({ kind: 'retry', pace: 'soon' })
    const nowhere = await provider.fetchMedia?.({ key: 'x' }, botAt('http://127.0.0.1:1'), soon())
    expect(nowhere?.kind).toBe('failed')
  })

  test('from a private address that nobody allowed', async () => {
    await using server = serveEvolution(() => answer(content))
    const guarded = providerForTests({ allowsPrivate: false })
    const found = await guarded.fetchMedia?.({ ...source, url: server.url }, botAt(server.url), soon())
    expect(found?.kind).toBe('retry')
    expect(server.requests).toHaveLength(0)
  })
})

test('a file in pieces is decoded as a whole one, wherever it is cut', async () => {
  const property = fc.asyncProperty(
    fc.uint8Array({ maxLength: 50 }),
    fc.array(fc.nat(80), { maxLength: 8 }),
    fc.boolean(),
    async (bytes, cuts, isEscaped) => {
      const base64 = Buffer.from(bytes).toString('base64')
      const text = `${isEscaped ? base64.replaceAll('/', '\\/') : base64}","buffer":null}`
      const ends = [...cuts.map(cut => Math.min(cut, text.length)), text.length].sort((a, b) => a - b)
      const pieces = ends.map((end, index) => Buffer.from(text.slice(ends[index - 1] ?? 0, end)))
      expect(await new Response(streamOf(pieces).pipeThrough(base64Decoder())).bytes()).toEqual(bytes)
    },
  )
  await fc.assert(property)
})

function streamOf(pieces: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece)
      controller.close()
    },
  })
}
