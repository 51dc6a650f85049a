import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto'

// The host that keeps files, each encrypted by its sender, who puts the key into the message.

export type MediaKind = 'image' | 'video' | 'audio' | 'document' | 'sticker'

/** The files that were put there. */
export type MediaHost = {
  answer(request: Request): Promise<Response>
  /** Puts a file there as a phone does; returns what its message says of it. */
  put(kind: MediaKind, bytes: Uint8Array): MediaPointer
  /** The file that a message of this pointer has, opened. */
  open(kind: MediaKind, pointer: { readonly directPath: string; readonly mediaKey: Uint8Array }): Buffer
  forget(directPath: string): void
  /** Puts a forgotten file back, at another path. */
  restore(directPath: string): string | undefined
}

export type MediaPointer = {
  readonly url: string
  readonly directPath: string
  readonly mediaKey: Uint8Array
  readonly fileSha256: Uint8Array
  readonly fileEncSha256: Uint8Array
  readonly fileLength: number
}

/** What the key of each kind of file is derived under. */
const info: Readonly<Record<MediaKind, string>> = {
  image: 'WhatsApp Image Keys',
  sticker: 'WhatsApp Image Keys',
  video: 'WhatsApp Video Keys',
  audio: 'WhatsApp Audio Keys',
  document: 'WhatsApp Document Keys',
}

export function makeMediaHost(): MediaHost {
  const files = new Map<string, Buffer>()
  const forgotten = new Map<string, Buffer>()
  let count = 0

  function keep(bytes: Buffer): string {
    const path = `/v/t62.7118-24/${++count}_${randomBytes(6).toString('hex')}.enc`
    files.set(path, bytes)
    return path
  }

  async function upload(request: Request): Promise<Response> {
    const bytes = Buffer.from(await request.arrayBuffer())
    const token = decodeURIComponent(new URL(request.url).pathname.split('/').at(-1) ?? '')
    const sum = createHash('sha256').update(bytes).digest('base64url')
    if (token.replace(/=+$/, '') !== sum)
      return Response.json({ error: 'the sum is not that of the bytes' }, { status: 400 })
    const directPath = keep(bytes)
    return Response.json({ url: `https://mmg.whatsapp.net${directPath}`, direct_path: directPath })
  }

  return {
    async answer(request) {
      if (request.method === 'POST') return await upload(request)
      const { pathname } = new URL(request.url)
      const bytes = files.get(pathname)
      if (bytes !== undefined) return new Response(new Uint8Array(bytes))
      return new Response(null, { status: forgotten.has(pathname) ? 410 : 404 })
    },
    put(kind, bytes) {
      const mediaKey = randomBytes(32)
      const sealed = seal(kind, mediaKey, bytes)
      const directPath = keep(sealed)
      return {
        url: `https://mmg.whatsapp.net${directPath}`,
        directPath,
        mediaKey,
        fileSha256: createHash('sha256').update(bytes).digest(),
        fileEncSha256: createHash('sha256').update(sealed).digest(),
        fileLength: bytes.length,
      }
    },
    open(kind, { directPath, mediaKey }) {
      const sealed = files.get(directPath)
      if (sealed === undefined) throw new Error(`There is no file at ${directPath}`)
      return unseal(kind, mediaKey, sealed)
    },
    forget(directPath) {
      const bytes = files.get(directPath)
      if (bytes !== undefined) forgotten.set(directPath, bytes)
      files.delete(directPath)
    },
    restore(directPath) {
      const bytes = forgotten.get(directPath)
      return bytes === undefined ? undefined : keep(bytes)
    },
  }
}

function keysOf(kind: MediaKind, mediaKey: Uint8Array) {
  const bytes = Buffer.from(hkdfSync('sha256', mediaKey, Buffer.alloc(32), info[kind], 112))
  return { iv: bytes.subarray(0, 16), cipherKey: bytes.subarray(16, 48), macKey: bytes.subarray(48, 80) }
}

/** AES-256-CBC, and the first ten bytes of an HMAC over the IV and what came of it. */
function seal(kind: MediaKind, mediaKey: Uint8Array, bytes: Uint8Array): Buffer {
  const { iv, cipherKey, macKey } = keysOf(kind, mediaKey)
  const cipher = createCipheriv('aes-256-cbc', cipherKey, iv)
  const sealed = Buffer.concat([cipher.update(bytes), cipher.final()])
  const mac = createHmac('sha256', macKey).update(iv).update(sealed).digest().subarray(0, 10)
  return Buffer.concat([sealed, mac])
}

function unseal(kind: MediaKind, mediaKey: Uint8Array, sealed: Buffer): Buffer {
  const { iv, cipherKey, macKey } = keysOf(kind, mediaKey)
  const body = sealed.subarray(0, -10)
  const mac = createHmac('sha256', macKey).update(iv).update(body).digest().subarray(0, 10)
  if (!mac.equals(sealed.subarray(-10))) throw new Error('The MAC of the file is wrong')
  const decipher = createDecipheriv('aes-256-cbc', cipherKey, iv)
  return Buffer.concat([decipher.update(body), decipher.final()])
}
