import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

const ivBytes = 12
const tagBytes = 16

/** Seals secrets at rest: AES-256-GCM under a key made from `ENCRYPTION_KEY`. */
export type Sealer = {
  /** Names the key, so that rows under an older key can be told apart and rotated. */
  readonly keyId: string
  /** Seals a text. `context` (whose secret it is) must be the same to open it: a sealed value cannot be moved. */
  seal(text: string, context: string): Uint8Array
  /** Opens what `seal` made. Throws when the key or the context is another, or a byte was changed. */
  open(sealed: Uint8Array, context: string): string
}

export function makeSealer(encryptionKey: string): Sealer {
  const key = createHash('sha256').update(`dashoffice:seal:${encryptionKey}`).digest()
  const keyId = createHash('sha256').update(key).digest('hex').slice(0, 16)
  return {
    keyId,
    seal(text, context) {
      const iv = randomBytes(ivBytes)
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(context))
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return Buffer.concat([iv, cipher.getAuthTag(), body])
    },
    open(sealed, context) {
      const bytes = Buffer.from(sealed)
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivBytes)).setAAD(Buffer.from(context))
      decipher.setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes))
      return Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]).toString('utf8')
    },
  }
}

/** HMAC-SHA256 as bytes. */
export function hmacSha256(key: string | Uint8Array, body: Uint8Array | string): Uint8Array {
  return createHmac('sha256', key).update(body).digest()
}

export function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Whether two byte strings are equal, in a time that does not tell where they differ. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/** The same for texts of any length. */
export function equalTexts(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest())
}

/** `bytes` random bytes as URL-safe text. */
export function randomToken(bytes: number): string {
  return randomBytes(bytes).toString('base64url')
}
