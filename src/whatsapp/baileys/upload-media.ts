import type { MediaType, WAMediaUploadFunction, WASocket } from '@whiskeysockets/baileys'
import * as v from 'valibot'
import type { Library } from './library.ts'

const uploadedSchema = v.object({ url: v.string(), direct_path: v.string() })
const uploadMs = 120_000

/**
 * Puts sealed files where WhatsApp keeps them, on the first of its hosts that takes them. The library's own way would do,
 * but takes hosts by https alone. `origin`: another server that stands for all of them; null: WhatsApp's own.
 */
export function makeUpload(
  { MEDIA_PATH_MAP }: Library,
  socket: Pick<WASocket, 'refreshMediaConn'>,
  origin: string | null,
): WAMediaUploadFunction {
  async function tryHosts(path: string, mediaType: MediaType, sum: string, isFresh: boolean) {
    const { hosts, auth } = await socket.refreshMediaConn(isFresh)
    for (const { hostname } of hosts) {
      const base = origin ?? `https://${hostname}`
      const url = `${base}${MEDIA_PATH_MAP[mediaType]}/${sum}?${new URLSearchParams({ auth, token: sum })}`
      const answer = await post(url, path).catch(() => undefined)
      if (answer !== undefined) return answer
    }
    return undefined
  }

  return async (path, { fileEncSha256B64, mediaType }) => {
    const sum = fileEncSha256B64.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
    // The permission to upload may have run out.
    const found = (await tryHosts(path, mediaType, sum, false)) ?? (await tryHosts(path, mediaType, sum, true))
    if (found === undefined) throw new Error("None of WhatsApp's media hosts took the file")
    return { mediaUrl: found.url, directPath: found.direct_path }
  }
}

/** Streamed from the disk. Undefined where the answer is not what it is to be. */
async function post(url: string, path: string) {
  const response = await fetch(url, {
    method: 'POST',
    body: Bun.file(path),
    headers: { 'content-type': 'application/octet-stream', origin: 'https://web.whatsapp.com' },
    redirect: 'manual',
    signal: AbortSignal.timeout(uploadMs),
  })
  const parsed = v.safeParse(uploadedSchema, await response.json())
  return response.ok && parsed.success ? parsed.output : undefined
}
