import * as v from 'valibot'
import type { OutboundContent } from '../../../flow/content.ts'
import type {
  FetchedMedia,
  MediaSource,
  OutboundFile,
  OutboundMessage,
  ProviderBot,
  ReadMark,
  SendResult,
} from '../../provider.ts'
import { messageBody } from '../cloud/message-body.ts'
import { streamOf } from '../fetched-media.ts'
import { failedCall, strangeAnswer } from '../no-answer.ts'
import { codeOf, type Post } from '../post.ts'
import { parseJson } from '../read-body.ts'
import { readOfficialError } from './errors.ts'

// The API that ran on a business's own machines, which Meta ended in October 2025 and gateways still imitate: the Cloud
// API's bodies but for templates, files as they are, and a flat webhook.

const sentSchema = v.object({ messages: v.pipe(v.array(v.object({ id: v.string() })), v.minLength(1)) })
const uploadedSchema = v.object({ media: v.pipe(v.array(v.object({ id: v.string() })), v.minLength(1)) })
const sourceSchema = v.object({ id: v.string() })
const who = 'The provider'

export type LegacyParts = {
  readonly baseUrl: string
  readonly post: Post
  readonly headers: (bot: ProviderBot) => Readonly<Record<string, string>>
}

export async function sendLegacy(
  parts: LegacyParts,
  message: OutboundMessage,
  bot: ProviderBot,
  signal: AbortSignal,
): Promise<SendResult> {
  const uploaded = message.file === null ? { id: null } : await upload(parts, message.file, bot, signal)
  if ('kind' in uploaded) return uploaded
  const body = JSON.stringify({
    recipient_type: 'individual',
    to: message.to.value.replace('+', ''),
    ...bodyOf(message.content, uploaded.id),
  })
  const headers = { ...parts.headers(bot), 'content-type': 'application/json' }
  const posted = await parts.post(`${parts.baseUrl}/v1/messages`, { headers, body, signal })
  return posted.kind === 'answered' ? readSent(posted.status, posted.text) : failedCall(posted, who)
}

/** A template needs its namespace, written before its name: `namespace/name`. */
function bodyOf(content: OutboundContent, fileId: string | null): Record<string, unknown> {
  if (content.type !== 'template') return messageBody(content, fileId)
  const [namespace, name] = content.name.includes('/') ? content.name.split('/', 2) : [undefined, content.name]
  const parameters = content.parameters.map(text => ({ type: 'text', text }))
  const components = parameters.length > 0 ? [{ type: 'body', parameters }] : undefined
  const language = { policy: 'deterministic', code: content.language }
  return { type: 'template', template: { namespace, name, language, components } }
}

function readSent(status: number, text: string): SendResult {
  const body = parseJson(text)
  const error = readOfficialError(status, body)
  if (error !== null) return error
  const accepted = v.safeParse(sentSchema, body)
  const [first] = accepted.success ? accepted.output.messages : []
  if (status < 300 && first !== undefined) return { kind: 'sent', providerMessageId: first.id }
  return strangeAnswer(status, who)
}

async function upload(
  { baseUrl, headers }: LegacyParts,
  file: OutboundFile,
  bot: ProviderBot,
  signal: AbortSignal,
): Promise<{ readonly id: string } | SendResult> {
  const error = { code: 'upload_failed', message: 'The file could not be handed to the provider.' }
  try {
    const response = await fetch(`${baseUrl}/v1/media`, {
      method: 'POST',
      headers: { ...headers(bot), 'content-type': file.mimeType },
      body: file.blob,
      signal,
    })
    const body = parseJson(await response.text())
    const uploaded = v.safeParse(uploadedSchema, body)
    const [first] = uploaded.success ? uploaded.output.media : []
    if (response.ok && first !== undefined) return first
    return readOfficialError(response.status, body) ?? { kind: 'retry', pace: 'soon', triesMax: 3, error }
  } catch (failure) {
    return { kind: 'retry', pace: 'soon', error: { ...error, code: codeOf(failure).toLowerCase() || error.code } }
  }
}

export async function fetchLegacyMedia(
  { baseUrl, headers }: LegacyParts,
  source: MediaSource,
  bot: ProviderBot,
  signal: AbortSignal,
): Promise<FetchedMedia> {
  const { id } = v.parse(sourceSchema, source)
  try {
    const response = await fetch(`${baseUrl}/v1/media/${encodeURIComponent(id)}`, { headers: headers(bot), signal })
    if (response.ok && response.body !== null) return streamOf(response, { mimeType: null, bytes: null })
    await response.body?.cancel()
    const reason = `The provider did not hand the file over (HTTP ${response.status}).`
    if (response.status === 404 || response.status === 410 || response.status === 400) return { kind: 'failed', reason }
    return { kind: 'retry', pace: 'later', reason }
  } catch {
    return { kind: 'retry', pace: 'soon', reason: 'The provider could not be asked for the file.' }
  }
}

export async function markLegacyRead(
  { baseUrl, headers }: LegacyParts,
  { providerMessageId }: ReadMark,
  bot: ProviderBot,
  signal: AbortSignal,
): Promise<void> {
  const response = await fetch(`${baseUrl}/v1/messages/${encodeURIComponent(providerMessageId)}`, {
    method: 'PUT',
    headers: { ...headers(bot), 'content-type': 'application/json' },
    body: JSON.stringify({ status: 'read' }),
    signal,
  })
  await response.body?.cancel()
}
