import { createCipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { type BinaryNode, getContentType, type proto, proto as wire } from '@whiskeysockets/baileys'
import { nowSeconds } from './phone.ts'

/** What a device hears that asked for a file again: where it is now, or that it is nowhere (2). */
export function mediaRetry(options: {
  readonly id: string
  readonly jid: string
  readonly message: proto.IMessage | undefined
  readonly restore: (directPath: string) => string | undefined
}): BinaryNode {
  const { id, jid, message, restore } = options
  const pointer = readPointer(message)
  const directPath = pointer === undefined ? undefined : restore(pointer.directPath)
  const answer =
    pointer === undefined || directPath === undefined
      ? { tag: 'error', attrs: { code: '2' } }
      : { tag: 'encrypt', attrs: {}, content: sealAnswer(id, pointer.mediaKey, directPath) }
  return {
    tag: 'notification',
    attrs: { id, from: jid, type: 'mediaretry', t: String(nowSeconds()) },
    content: [answer, { tag: 'rmr', attrs: { jid, from_me: 'false' } }],
  }
}

function readPointer(message: proto.IMessage | undefined) {
  const kind = message === undefined ? undefined : getContentType(message)
  const content: unknown = kind === undefined ? undefined : message?.[kind]
  if (typeof content !== 'object' || content === null) return undefined
  const [directPath, mediaKey]: unknown[] = [Reflect.get(content, 'directPath'), Reflect.get(content, 'mediaKey')]
  return typeof directPath === 'string' && mediaKey instanceof Uint8Array ? { directPath, mediaKey } : undefined
}

function sealAnswer(id: string, mediaKey: Uint8Array, directPath: string): BinaryNode[] {
  const result = wire.MediaRetryNotification.ResultType.SUCCESS
  const plain = wire.MediaRetryNotification.encode({ stanzaId: id, directPath, result }).finish()
  const key = Buffer.from(hkdfSync('sha256', mediaKey, Buffer.alloc(32), 'WhatsApp Media Retry Notification', 32))
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(id))
  const sealed = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  return [
    { tag: 'enc_p', attrs: {}, content: sealed },
    { tag: 'enc_iv', attrs: {}, content: iv },
  ]
}
