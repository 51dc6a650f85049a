import * as v from 'valibot'
import type { Fetch } from '../../../lib/guarded-fetch.ts'
import type {
  FetchedMedia,
  MediaSource,
  Memo,
  OutboundFile,
  OutboundMessage,
  ProviderBot,
  ReadMark,
  SendResult,
} from '../../provider.ts'
import { streamOf } from '../fetched-media.ts'
import { failedCall, strangeAnswer } from '../no-answer.ts'
import { codeOf, type Post } from '../post.ts'
import { parseJson } from '../read-body.ts'
import type { CloudEndpoint } from './endpoint.ts'
import { classify, readMetaError } from './errors.ts'
import { messageBody, recipientOf } from './message-body.ts'

/** An upload is kept for 30 days (Meta, "Media"); a day less is counted on. */
const uploadKeptMs = 29 * 86_400_000

const sentSchema = v.object({ messages: v.pipe(v.array(v.object({ id: v.string() })), v.minLength(1)) })
const uploadedSchema = v.object({ id: v.string() })
const fileSchema = v.object({ url: v.string(), mime_type: v.optional(v.string()), file_size: v.optional(v.number()) })

/** What a call needs besides the bot. */
export type CloudParts = {
  readonly endpoint: CloudEndpoint
  readonly post: Post
  readonly memo: Memo
  readonly guardedFetch: Fetch
  /** What an answer says that is not Meta's; null where it says nothing that is known. */
  readonly readOwnError: (status: number, body: unknown) => SendResult | null
}

/** Sends one message; its file is uploaded before, once for all messages that have it. */
export async function sendCloudMessage(
  parts: CloudParts,
  message: OutboundMessage,
  bot: ProviderBot,
  signal: AbortSignal,
): Promise<SendResult> {
  const { file } = message
  if (file === null) return await post(parts, message, null, bot, signal)
  const known = await parts.memo.find(bot, memoKey(file))
  if (known !== null) {
    const result = await post(parts, message, known, bot, signal)
    if (!isFileGone(result)) return result
  }
  const uploaded = await upload(parts, file, bot, signal)
  return 'kind' in uploaded ? uploaded : await post(parts, message, uploaded.id, bot, signal)
}

async function post(
  parts: CloudParts,
  { to, content, reference }: OutboundMessage,
  fileId: string | null,
  bot: ProviderBot,
  signal: AbortSignal,
): Promise<SendResult> {
  const { endpoint } = parts
  const body = JSON.stringify({
    messaging_product: 'whatsapp',
    recipient_type: 'individual',
    ...recipientOf(to),
    ...messageBody(content, fileId),
    biz_opaque_callback_data: reference,
  })
  const headers = { ...endpoint.headers(bot.config), 'content-type': 'application/json' }
  const posted = await parts.post(endpoint.messages(bot.config), { headers, body, signal })
  return posted.kind === 'answered' ? readSent(parts, posted.status, posted.text) : failedCall(posted, endpoint.who)
}

function readSent({ endpoint, readOwnError }: CloudParts, status: number, text: string): SendResult {
  const body = parseJson(text)
  const error = readMetaError(body)
  if (error !== null) return classify(error)
  const own = readOwnError(status, body)
  if (own !== null) return own
  const accepted = v.safeParse(sentSchema, body)
  const [first] = accepted.success ? accepted.output.messages : []
  if (status < 300 && first !== undefined) return { kind: 'sent', providerMessageId: first.id }
  return strangeAnswer(status, endpoint.who)
}

/** Meta has forgotten an upload, or cannot use it any more: it is sent again (codes 131052, 131053; 100 of an unknown id). */
function isFileGone(result: SendResult): boolean {
  return result.kind === 'failed' && ['100', '131052', '131053'].includes(result.error.code)
}

function memoKey(file: OutboundFile): string {
  return `upload:${file.key}`
}

/** Nothing has been sent yet: whatever goes wrong here is no message in doubt. */
async function upload(
  parts: CloudParts,
  file: OutboundFile,
  bot: ProviderBot,
  signal: AbortSignal,
): Promise<{ readonly id: string } | SendResult> {
  const { endpoint } = parts
  const form = new FormData()
  form.set('messaging_product', 'whatsapp')
  form.set('type', file.mimeType)
  form.set('file', new File([file.blob], file.filename ?? 'file', { type: file.mimeType }))
  try {
    const headers = endpoint.headers(bot.config)
    const response = await fetch(endpoint.uploads(bot.config), { method: 'POST', headers, body: form, signal })
    const text = await response.text()
    const uploaded = v.safeParse(uploadedSchema, parseJson(text))
    if (!response.ok || !uploaded.success) return notUploaded(readSent(parts, response.status, text), endpoint.who)
    await parts.memo.save(bot, memoKey(file), uploaded.output.id, new Date(Date.now() + uploadKeptMs))
    return uploaded.output
  } catch (error) {
    const code = codeOf(error).toLowerCase() || 'upload_failed'
    return { kind: 'retry', pace: 'soon', error: { code, message: `The file could not be handed to ${endpoint.who}.` } }
  }
}

function notUploaded(result: SendResult, who: string): SendResult {
  if (result.kind !== 'unknown' && result.kind !== 'sent') return result
  const message = `The file could not be handed to ${who}.`
  return { kind: 'retry', pace: 'soon', triesMax: 3, error: { code: 'upload_failed', message } }
}

const sourceSchema = v.object({ id: v.string() })

/** Asks where a customer's file is, and gets it there: the address is good for five minutes. */
export async function fetchCloudMedia(
  { endpoint, guardedFetch }: CloudParts,
  source: MediaSource,
  { config }: ProviderBot,
  signal: AbortSignal,
): Promise<FetchedMedia> {
  const { id } = v.parse(sourceSchema, source)
  const headers = endpoint.headers(config)
  try {
    const url = endpoint.file(config, id)
    const asked = await fetch(url, { headers, signal, redirect: 'manual' })
    const found = v.safeParse(fileSchema, parseJson(await asked.text()))
    if (!asked.ok || !found.success) return notThere(asked.status, endpoint.who)
    const address = endpoint.download(found.output.url)
    const get = URL.parse(address)?.origin === new URL(url).origin ? fetch : guardedFetch
    const response = await get(address, { headers, signal })
    if (response.ok && response.body !== null)
      return streamOf(response, { mimeType: found.output.mime_type ?? null, bytes: found.output.file_size ?? null })
    await response.body?.cancel()
    return notThere(response.status, endpoint.who)
  } catch {
    return { kind: 'retry', pace: 'soon', reason: `${endpoint.who} could not be asked for the file.` }
  }
}

/** Meta answers 400 (code 100) for a file that is gone: ids of webhooks die after seven days. */
function notThere(status: number, who: string): FetchedMedia {
  if (status === 401 || status === 403)
    return { kind: 'retry', pace: 'later', reason: `${who} refuses the access token for the file.` }
  if (status === 429 || status >= 500)
    return { kind: 'retry', pace: 'later', reason: `${who} did not hand the file over (HTTP ${status}).` }
  return { kind: 'failed', reason: `${who} has the file no more (HTTP ${status}).` }
}

/** Blue ticks, and that somebody is typing, for 25 seconds at most (Meta, "Typing indicators"). */
export async function markCloudRead(
  { endpoint }: CloudParts,
  { providerMessageId, isTyping }: ReadMark,
  { config }: ProviderBot,
  signal: AbortSignal,
): Promise<void> {
  const typing = isTyping ? { typing_indicator: { type: 'text' } } : {}
  const body = { messaging_product: 'whatsapp', status: 'read', message_id: providerMessageId, ...typing }
  const headers = { ...endpoint.headers(config), 'content-type': 'application/json' }
  const url = endpoint.messages(config)
  await (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body), signal })).body?.cancel()
}
