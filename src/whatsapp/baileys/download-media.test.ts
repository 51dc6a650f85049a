import { afterAll, expect, test } from 'bun:test'
import { createCipheriv, createHash, createHmac, hkdfSync } from 'node:crypto'
import { downloadMedia } from './download-media.ts'
import type { MediaRequest } from './protocol.ts'

const key = Buffer.alloc(32, 7)
const plain = Buffer.from('the bytes of a picture '.repeat(5_000))

function seal(info: string, bytes: Buffer = plain): Buffer {
  const keys = Buffer.from(hkdfSync('sha256', key, Buffer.alloc(32), info, 112))
  const cipher = createCipheriv('aes-256-cbc', keys.subarray(16, 48), keys.subarray(0, 16))
  const sealed = Buffer.concat([cipher.update(bytes), cipher.final()])
  const mac = createHmac('sha256', keys.subarray(48, 80)).update(keys.subarray(0, 16)).update(sealed).digest()
  return Buffer.concat([sealed, mac.subarray(0, 10)])
}

const sum = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('base64')

/** Answers by path: a status, or a file in pieces of an odd size. */
const files = new Map<string, Buffer>()
const asked: Request[] = []
const host = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch(request) {
    asked.push(request)
    const { pathname } = new URL(request.url)
    const file = files.get(pathname)
    if (file === undefined) return new Response(null, { status: Number(pathname.slice(1)) || 404 })
    return new Response(
      new ReadableStream({
        async start(controller) {
          for (let at = 0; at < file.length; at += 1_237) {
            controller.enqueue(new Uint8Array(file.subarray(at, at + 1_237)))
            if (at % 7 === 0) await Bun.sleep(0)
          }
          controller.close()
        },
      }),
    )
  },
})
const origin = `http://127.0.0.1:${host.port}`
afterAll(() => host.stop(true))

const media: MediaRequest = {
  ...{ kind: 'image', media_key: key.toString('base64'), direct_path: '/image', bytes: plain.length },
  ...{ file_sha256: sum(plain), file_enc_sha256: null, mime_type: 'image/jpeg', message_id: 'm', remote_jid: 'j' },
}

async function bytesOf(request: MediaRequest): Promise<Buffer> {
  const got = await downloadMedia(request, origin, AbortSignal.timeout(5_000))
  if (got.kind !== 'found') throw new Error(`it is ${got.kind}`)
  return Buffer.from(await new Response(got.body).arrayBuffer())
}

test('each kind of file is opened with keys of its own', async () => {
  for (const [kind, info] of [
    ['image', 'WhatsApp Image Keys'],
    ['sticker', 'WhatsApp Image Keys'],
    ['video', 'WhatsApp Video Keys'],
    ['audio', 'WhatsApp Audio Keys'],
    ['document', 'WhatsApp Document Keys'],
  ] as const) {
    const sealed = seal(info)
    files.set('/file', sealed)
    const request = { ...media, kind, direct_path: '/file', file_enc_sha256: sum(sealed) }
    expect((await bytesOf(request)).equals(plain)).toBe(true)
  }
})

test('files of every length around a block, and none at all', async () => {
  for (const length of [0, 1, 15, 16, 17, 31, 32, 1_237, 12_370]) {
    const bytes = plain.subarray(0, length)
    files.set('/file', seal('WhatsApp Image Keys', bytes))
    const request = { ...media, direct_path: '/file', file_sha256: sum(bytes) }
    expect((await bytesOf(request)).equals(bytes)).toBe(true)
  }
})

test('a file that was changed, cut, or is another one, ends in an error', async () => {
  const sealed = seal('WhatsApp Image Keys')
  const flipped = Buffer.from(sealed)
  flipped[50_000] = (flipped[50_000] ?? 0) ^ 1
  for (const wrong of [flipped, sealed.subarray(0, -1), sealed.subarray(0, 60_000), Buffer.alloc(5)]) {
    files.set('/file', wrong)
    await expect(bytesOf({ ...media, direct_path: '/file' })).rejects.toThrow()
  }
  files.set('/file', sealed)
  await expect(bytesOf({ ...media, direct_path: '/file', file_sha256: sum(Buffer.from('x')) })).rejects.toThrow()
  await expect(bytesOf({ ...media, direct_path: '/file', file_enc_sha256: sum(Buffer.from('x')) })).rejects.toThrow()
  await expect(bytesOf({ ...media, direct_path: '/file', media_key: sum(Buffer.from('x')) })).rejects.toThrow()
})

test('what the host answers instead of a file', async () => {
  for (const [status, kind] of [
    [403, 'gone'],
    [404, 'gone'],
    [410, 'gone'],
    [400, 'failed'],
    [302, 'failed'],
    [429, 'retry'],
    [500, 'retry'],
    [503, 'retry'],
  ] as const) {
    const got = await downloadMedia({ ...media, direct_path: `/${status}` }, origin, AbortSignal.timeout(5_000))
    expect(got.kind).toBe(kind)
  }
})

test('nobody but the host is asked, whatever the message says', async () => {
  const before = asked.length
  for (const path of [
    'http://127.0.0.1:9/x',
    '//127.0.0.1:9/x',
    'https://169.254.169.254/x',
    '\\\\127.0.0.1:9\\x',
    'file:///x',
  ])
    expect(await downloadMedia({ ...media, direct_path: path }, origin, AbortSignal.timeout(5_000))).toMatchObject({
      kind: 'failed',
    })
  for (const media_key of ['', 'AAAA'])
    expect(await downloadMedia({ ...media, media_key }, origin, AbortSignal.timeout(5_000))).toMatchObject({
      kind: 'failed',
    })
  expect(asked.length).toBe(before)
})
