import * as v from 'valibot'
import type { Fetch } from '../../../lib/guarded-fetch.ts'
import type { BotConfig, FetchedMedia, MediaSource } from '../../provider.ts'
import { parseJson } from '../read-body.ts'
import { base64Decoder } from './base64-decoder.ts'
import { headersOf, unsafeReason, urlOf } from './call.ts'
import { licenseRequired, needsLicense, wordsOf } from './errors.ts'

const sourceSchema = v.object({
  id: v.string(),
  mime_type: v.optional(v.nullable(v.string()), null),
  url: v.optional(v.string()),
})
type Source = v.InferOutput<typeof sourceSchema>

/** What an answer has before its file: a caption at most. */
const headBytesMax = 512 * 1024

/**
 * Gets a customer's file: from Evolution's own store by the address that the webhook gave, while that is good, else from
 * Evolution, which fetches it from WhatsApp by its message. That needs a server that keeps messages (its default).
 */
export async function fetchMedia(
  fetch: Fetch,
  source: MediaSource,
  config: BotConfig,
  signal: AbortSignal,
): Promise<FetchedMedia> {
  const known = v.safeParse(sourceSchema, source)
  if (!known.success) return { kind: 'failed', reason: 'It is not known where the file is.' }
  const stored =
    known.output.url === undefined ? null : await fetchStored(fetch, known.output.url, known.output, signal)
  return stored ?? (await fetchFromEvolution(fetch, known.output, config, signal))
}

/** Null where the address gives nothing: it is private, or has run out. It is asked without the bot's key. */
async function fetchStored(
  fetch: Fetch,
  url: string,
  { mime_type }: Source,
  signal: AbortSignal,
): Promise<FetchedMedia | null> {
  try {
    const response = await fetch(url, { headers: { 'accept-encoding': 'identity' }, signal })
    if (response.status === 200 && response.body !== null)
      return { kind: 'found', body: response.body, mimeType: mime_type, bytes: lengthOf(response.headers) }
    await response.body?.cancel()
    return null
  } catch {
    return null
  }
}

function lengthOf(headers: Headers): number | null {
  const length = headers.get('content-length')
  return length !== null && /^\d{1,15}$/.test(length) && !headers.has('content-encoding') ? Number(length) : null
}

async function fetchFromEvolution(
  fetch: Fetch,
  { id, mime_type }: Source,
  config: BotConfig,
  signal: AbortSignal,
): Promise<FetchedMedia> {
  try {
    const response = await fetch(urlOf(config, '/chat/getBase64FromMediaMessage'), {
      method: 'POST',
      headers: headersOf(config),
      body: JSON.stringify({ message: { key: { id } }, convertToMp4: false }),
      signal,
      redirect: 'manual',
    })
    if (response.status < 300 && response.body !== null) return await readFile(response.body, mime_type)
    return readRefusal(response.status, await readHead(response.body))
  } catch (error) {
    const reason = unsafeReason(error)
    if (reason !== null) return { kind: 'retry', pace: 'later', reason }
    return { kind: 'retry', pace: 'soon', reason: 'Evolution cannot be reached, or does not answer.' }
  }
}

/** The file's field: no text in JSON can hold these characters in a row. */
const fieldPattern = /"base64"\s*:\s*"/

/** The answer is JSON with the file in a field: decoded as it comes, so that no more than a piece of it is held. */
async function readFile(body: ReadableStream<Uint8Array>, mimeType: string | null): Promise<FetchedMedia> {
  const reader = body.getReader()
  let head = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return { kind: 'failed', reason: 'Evolution answered without a file.' }
    head += Buffer.from(value).toString('latin1')
    const field = fieldPattern.exec(head)
    if (field !== null) {
      const begun = Buffer.from(head.slice(field.index + field[0].length), 'latin1')
      const file = resumed(begun, reader).pipeThrough(base64Decoder())
      return { kind: 'found', body: file, mimeType: mimeTypeIn(head.slice(0, field.index)) ?? mimeType, bytes: null }
    }
    if (head.length > headBytesMax) {
      await reader.cancel()
      return { kind: 'failed', reason: "Evolution's answer cannot be read." }
    }
  }
}

function resumed(begun: Uint8Array, reader: ReadableStreamDefaultReader<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: controller => controller.enqueue(begun),
    async pull(controller) {
      const { value, done } = await reader.read()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    cancel: reason => reader.cancel(reason),
  })
}

function mimeTypeIn(head: string): string | null {
  return /"mimetype"\s*:\s*"([\w.+/;= -]{1,128})"/.exec(head)?.[1] ?? null
}

async function readHead(body: ReadableStream<Uint8Array> | null): Promise<unknown> {
  if (body === null) return undefined
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true })
    if (text.length > headBytesMax) break
  }
  return parseJson(text)
}

/** What says that the file will not come any more; anything else may pass. */
const goneWords = /message not found|not of the media type|supported media type|status code 4(?!08|29)\d\d/i

function readRefusal(status: number, body: unknown): FetchedMedia {
  const words = wordsOf(body) ?? ''
  if (needsLicense(status, body)) return { kind: 'retry', pace: 'later', reason: licenseRequired }
  if (status === 401 || status === 403)
    return { kind: 'retry', pace: 'later', reason: 'Evolution refuses the api_key: put the right one into the bot.' }
  if (status === 404 || status === 410) return { kind: 'failed', reason: 'Evolution has no such instance or file.' }
  if (status === 400 && goneWords.test(words))
    return { kind: 'failed', reason: `Evolution no longer has the file, or keeps no messages. (${words})` }
  if (status >= 300 && status < 400)
    return { kind: 'retry', pace: 'later', reason: 'The base_url leads to another address: put that one into the bot.' }
  const detail = words === '' ? `HTTP ${status}` : words
  return { kind: 'retry', pace: 'soon', reason: `Evolution could not get the file just now. (${detail})` }
}
