import { createDecipheriv, createHash, createHmac, hkdfSync } from 'node:crypto'
import { equalBytes } from '../../lib/crypto.ts'
import type { MediaRequest } from './protocol.ts'

/** What came of asking WhatsApp's host for a file. `gone`: it is not there any more; the sender's phone may put it back. */
export type Download =
  | { readonly kind: 'found'; readonly body: ReadableStream<Uint8Array> }
  | { readonly kind: 'gone' }
  | { readonly kind: 'retry'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }

/** What the keys of each kind of file are derived under (Baileys, `MEDIA_HKDF_KEY_MAPPING`). */
const keyInfo: Readonly<Record<MediaRequest['kind'], string>> = {
  image: 'WhatsApp Image Keys',
  sticker: 'WhatsApp Image Keys',
  video: 'WhatsApp Video Keys',
  audio: 'WhatsApp Audio Keys',
  document: 'WhatsApp Document Keys',
}

const macBytes = 10
const mediaHost = 'https://mmg.whatsapp.net'

/**
 * Gets a customer's file and opens it as it comes. The stream ends in an error where it is not what the message says it
 * is: neither the library nor WhatsApp's host vouches for that. Only WhatsApp's host is asked, whatever the message says.
 * `origin`: another server that stands for it.
 */
export async function downloadMedia(
  media: MediaRequest,
  origin: string | null,
  signal: AbortSignal,
): Promise<Download> {
  const url = URL.parse(media.direct_path, origin ?? mediaHost)
  const key = Buffer.from(media.media_key, 'base64')
  if (url === null || url.origin !== (origin ?? mediaHost) || key.length !== 32)
    return { kind: 'failed', reason: 'The message does not say where its file is.' }
  const headers = { origin: 'https://web.whatsapp.com' }
  const response = await fetch(url, { headers, redirect: 'manual', signal })
  if (response.status === 200 && response.body !== null)
    return { kind: 'found', body: response.body.pipeThrough(makeOpener(media, key)) }
  await response.body?.cancel()
  if ([403, 404, 410].includes(response.status)) return { kind: 'gone' }
  const isBusy = response.status === 429 || response.status >= 500
  return isBusy
    ? { kind: 'retry', reason: `WhatsApp's media host answered ${response.status}.` }
    : { kind: 'failed', reason: `WhatsApp's media host answered ${response.status}.` }
}

/** Opens AES-256-CBC, behind which stand the first ten bytes of an HMAC over the IV and all of it. */
function makeOpener(media: MediaRequest, mediaKey: Uint8Array): TransformStream<Uint8Array, Uint8Array> {
  const keys = Buffer.from(hkdfSync('sha256', mediaKey, '', keyInfo[media.kind], 112))
  const iv = keys.subarray(0, 16)
  const decipher = createDecipheriv('aes-256-cbc', keys.subarray(16, 48), iv)
  const mac = createHmac('sha256', keys.subarray(48, 80)).update(iv)
  const [sealedSum, openSum] = [createHash('sha256'), createHash('sha256')]
  let held: Uint8Array = new Uint8Array(0)

  function give(opened: Uint8Array, controller: TransformStreamDefaultController<Uint8Array>): void {
    openSum.update(opened)
    if (opened.length > 0) controller.enqueue(opened)
  }

  return new TransformStream({
    transform(chunk, controller) {
      sealedSum.update(chunk)
      const all = Buffer.concat([held, chunk])
      // The last bytes so far may be the MAC.
      const end = Math.max(0, all.length - macBytes)
      held = all.subarray(end)
      mac.update(all.subarray(0, end))
      give(decipher.update(all.subarray(0, end)), controller)
    },
    flush(controller) {
      if (!equalBytes(mac.digest().subarray(0, macBytes), held)) throw new Error('The file was changed on its way')
      give(decipher.final(), controller)
      if (!isSum(sealedSum.digest(), media.file_enc_sha256) || !isSum(openSum.digest(), media.file_sha256))
        throw new Error('The file is another one than the message says')
    },
  })
}

function isSum(sum: Uint8Array, expected: string | null): boolean {
  return expected === null || equalBytes(sum, Buffer.from(expected, 'base64'))
}
