import * as v from 'valibot'
import type { OutboundMessage, ProviderBot, SendResult } from '../../provider.ts'
import { failedCall } from '../no-answer.ts'
import type { Post } from '../post.ts'
import { parseJson } from '../read-body.ts'
import { headersOf, unsafeReason, urlOf } from './call.ts'
import { classify } from './errors.ts'
import { requestOf } from './message-request.ts'

const acceptedSchema = v.object({ key: v.object({ id: v.pipe(v.string(), v.minLength(1)) }) })

/** Sends a message. Evolution takes it (201) also where it dies afterwards, which only a status tells. */
export async function sendMessage(
  post: Post,
  message: OutboundMessage,
  { config }: ProviderBot,
  signal: AbortSignal,
): Promise<SendResult> {
  const request = requestOf(message)
  if ('code' in request) return { kind: 'failed', error: request }
  const { path, contentType, body } = request
  const posted = await post(urlOf(config, path), { headers: headersOf(config, contentType), body, signal })
  if (posted.kind === 'answered') return readAnswer(posted.status, parseJson(posted.text))
  const reason = unsafeReason(posted.error)
  if (reason !== null) return { kind: 'account', error: { code: 'unsafe_address', message: reason } }
  return failedCall(posted, 'Evolution')
}

function readAnswer(status: number, body: unknown): SendResult {
  const accepted = v.safeParse(acceptedSchema, body)
  if (status < 300 && accepted.success) return { kind: 'sent', providerMessageId: accepted.output.key.id }
  return classify(status, body)
}
