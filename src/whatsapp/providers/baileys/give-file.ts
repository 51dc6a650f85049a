import { createHash } from 'node:crypto'
import type { OutboundContent } from '../../../flow/content.ts'
import { randomToken } from '../../../lib/crypto.ts'
import { type Fetch, UnsafeAddress } from '../../../lib/guarded-fetch.ts'
import { mediaBytesMax } from '../../../messaging/media.ts'
import type { SendRequest } from '../../baileys/protocol.ts'
import type { OutboundFile, ProviderBot, SendResult } from '../../provider.ts'
import { failedCall } from '../no-answer.ts'
import type { BridgeCalls } from './call-bridge.ts'
import { startingReason } from './connection.ts'

/** Handed to the bridge at once, and held in memory. */
const partBytes = 4 * 1024 * 1024

export type Media = Extract<OutboundContent, { type: 'image' | 'audio' | 'video' | 'document' | 'sticker' }>

/** What names a file at the bridge; or what becomes of the send without it. */
export type Given =
  | { readonly kind: 'given'; readonly file: NonNullable<SendRequest['file']> }
  | { readonly kind: 'not_given'; readonly result: SendResult }

/**
 * Gives the file of a message to the bridge, in parts: one that is kept here from the disk, one at an address that a
 * tenant wrote from there, by way of the guard. The bridge itself asks nobody but WhatsApp.
 */
export async function giveFile(
  calls: BridgeCalls,
  guardedFetch: Fetch,
  { content, file }: { readonly content: Media; readonly file: OutboundFile | null },
  bot: ProviderBot,
  signal: AbortSignal,
): Promise<Given> {
  if (file !== null) {
    const name = createHash('sha256').update(file.key).digest('hex')
    const failure = await give(calls, bot, name, file.blob.stream(), file.bytes, signal)
    if (failure !== null) return { kind: 'not_given', result: failure }
    return { kind: 'given', file: { name, mime_type: file.mimeType, filename: file.filename } }
  }
  const fetched = await fetchUrl(guardedFetch, content.url ?? '', signal)
  if (!(fetched instanceof Response)) return { kind: 'not_given', result: fetched }
  const name = createHash('sha256').update(randomToken(16)).digest('hex')
  const failure = await give(calls, bot, name, fetched.body, mediaBytesMax[content.type], signal)
  if (failure !== null) return { kind: 'not_given', result: failure }
  const mimeType = (fetched.headers.get('content-type') ?? '').trim() || 'application/octet-stream'
  return { kind: 'given', file: { name, mime_type: mimeType, filename: filenameIn(content.url ?? '') } }
}

/** Null once the bridge has it all. */
async function give(
  calls: BridgeCalls,
  bot: ProviderBot,
  name: string,
  body: ReadableStream<Uint8Array> | null,
  bytesMax: number,
  signal: AbortSignal,
): Promise<SendResult | null> {
  let offset = 0
  try {
    for await (const part of partsOf(body)) {
      if (offset + part.length > bytesMax) return failed('file_too_large', 'The file is larger than WhatsApp takes.')
      const answer = await calls.putPart(bot.id, name, offset, part, signal)
      if (answer.kind === 'starting') return retry('bridge_starting', startingReason)
      if (answer.kind === 'impossible') return { kind: 'account', error: { code: 'no_bridge', message: answer.reason } }
      // Nothing of the message has left, whatever became of its file.
      if (answer.kind === 'failed') return failedCall({ ...answer, tookNothing: true }, 'The bridge to WhatsApp Web')
      if (answer.status !== 204)
        return retry(`http_${answer.status}`, 'The bridge to WhatsApp Web did not take the file.')
      offset += part.length
    }
  } catch {
    return retry('file_broken_off', 'The file of the message broke off.')
  }
  return offset === 0 ? failed('file_empty', 'The file of the message is empty.') : null
}

/** The same bytes in parts of one size, the last but smaller. */
async function* partsOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    held.push(chunk)
    bytes += chunk.length
    if (bytes < partBytes) continue
    yield Buffer.concat(held)
    held = []
    bytes = 0
  }
  if (bytes > 0) yield Buffer.concat(held)
}

async function fetchUrl(guardedFetch: Fetch, url: string, signal: AbortSignal): Promise<Response | SendResult> {
  try {
    const response = await guardedFetch(url, { signal })
    if (response.ok) return response
    await response.body?.cancel()
    const { status } = response
    const words = `The address of the file answered HTTP ${status}.`
    return status === 429 || status >= 500 ? retry(`media_${status}`, words) : failed(`media_${status}`, words)
  } catch (error) {
    if (error instanceof UnsafeAddress)
      return failed('media_address', `The file's address is not asked: ${error.message}. It must be a public one.`)
    return retry('media_unreachable', 'The address of the file cannot be reached.')
  }
}

function failed(code: string, message: string): SendResult {
  return { kind: 'failed', error: { code, message } }
}

function retry(code: string, message: string): SendResult {
  return { kind: 'retry', pace: 'soon', triesMax: 5, error: { code, message } }
}

function filenameIn(url: string): string | null {
  const last = URL.parse(url)?.pathname.split('/').at(-1) ?? ''
  try {
    return decodeURIComponent(last) || null
  } catch {
    return last
  }
}
