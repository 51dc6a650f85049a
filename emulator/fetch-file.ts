/** A file from somewhere else. `mimeType` has no parameters and is in lower case. */
export type FetchedFile = { readonly mimeType: string; readonly bytes: Uint8Array<ArrayBuffer> }

type Bounds = { readonly bytesMax: number; readonly timeoutMs: number; readonly signal: AbortSignal }

/** Fetches a file as a provider does, or null where it cannot be had whole. Never throws. */
export async function fetchFile(url: string, { bytesMax, timeoutMs, signal }: Bounds): Promise<FetchedFile | null> {
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) })
    const bytes = response.ok ? await readUpTo(response, bytesMax) : null
    await response.body?.cancel().catch(() => {})
    const mimeType = (response.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
    return bytes === null ? null : { mimeType, bytes }
  } catch {
    return null
  }
}

async function readUpTo(response: Response, bytesMax: number): Promise<Uint8Array<ArrayBuffer> | null> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.length
    if (length > bytesMax) return null
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

/** What WhatsApp shows a file as; null for what it does not take. */
export function mediaTypeOf(mimeType: string): 'image' | 'audio' | 'video' | 'document' | 'sticker' | null {
  if (mimeType === 'image/webp') return 'sticker'
  if (/^image\/(jpeg|png)$/.test(mimeType)) return 'image'
  if (/^audio\/./.test(mimeType)) return 'audio'
  if (/^video\/(mp4|3gpp)$/.test(mimeType)) return 'video'
  return /^application\/(?!json)|^text\/(plain|csv|vcard|x-vcard)$/.test(mimeType) ? 'document' : null
}
