import { isIP } from 'node:net'
import { fetchFile } from '../fetch-file.ts'
import { reachableFile } from '../reachable.ts'
import type { Answer } from '../read-send.ts'
import type { Stage } from './dialect.ts'
import type { EvolutionNumber } from './evolution-account.ts'
import { badRequest } from './evolution-errors.ts'

const bounds = { bytesMax: 64 * 1_048_576, timeoutMs: 30_000 }

/** A file to send: uploaded, behind an address, or in base64. `mimeType` is null where nothing says it. */
export type SentFile = {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly mimeType: string | null
  readonly name: string | null
}

/**
 * Takes the file of a send. An address is fetched at once: where that fails, so does the send. One whose host has no
 * top-level domain, as `minio` or `localhost`, is no address to Evolution; base64 is bare, without `data:` in front.
 * `otherwise` is what a text that is neither is answered with.
 */
export async function readFile(
  { signal }: Stage,
  number: EvolutionNumber,
  given: unknown,
  otherwise: string = 'Owned media must be a url or base64',
): Promise<SentFile | Answer> {
  if (given instanceof File) {
    const bytes = new Uint8Array(await given.arrayBuffer())
    return { bytes, mimeType: given.type === '' ? null : given.type, name: given.name === '' ? null : given.name }
  }
  if (typeof given !== 'string') return badRequest(otherwise)
  if (isBase64(given)) return { bytes: new Uint8Array(Buffer.from(given, 'base64')), mimeType: null, name: null }
  if (!isUrl(given)) return badRequest(otherwise)
  const file = await fetchFile(reachableFile(number, given), { ...bounds, signal })
  if (file === null) return badRequest('AxiosError: the file could not be fetched from its address')
  return { ...file, name: URL.parse(given)?.pathname.split('/').at(-1) || null }
}

export function isBase64(text: string): boolean {
  return text.length > 0 && text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text)
}

function isUrl(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || !/^(https?|ftp):$/.test(url.protocol)) return false
  return isIP(url.hostname) !== 0 || /^([a-z0-9-]+\.)+[a-z]{2,}$/i.test(url.hostname)
}
