import * as v from 'valibot'
import type { Fetch } from '../../../lib/guarded-fetch.ts'
import { type SendError, type SendRequest, sendAnswerSchema } from '../../baileys/protocol.ts'
import type { OutboundMessage, ProviderBot, SendResult } from '../../provider.ts'
import { failedCall, strangeAnswer } from '../no-answer.ts'
import { parseJson } from '../read-body.ts'
import type { BridgeAnswer, BridgeCalls } from './call-bridge.ts'
import { otherKey, startingReason } from './connection.ts'
import { giveFile, type Media } from './give-file.ts'

const who = 'The bridge to WhatsApp Web'

/** Has the bridge send a message, which it names `messageId`: what the bridge may have sent unheard, a status settles. */
export async function sendMessage(
  calls: BridgeCalls,
  guardedFetch: Fetch,
  { to, content, file, reference, messageId }: OutboundMessage & { readonly messageId: string },
  bot: ProviderBot,
  signal: AbortSignal,
): Promise<SendResult> {
  if (to.kind === 'bsuid') return { kind: 'failed', error: noAddress }
  let given: SendRequest['file'] = null
  if (isMedia(content)) {
    const gave = await giveFile(calls, guardedFetch, { content, file }, bot, signal)
    if (gave.kind === 'not_given') return gave.result
    given = gave.file
  }
  const body: SendRequest = { message_id: messageId, reference, to: { ...to, kind: to.kind }, content, file: given }
  return resultOf(await calls.call(bot.id, { path: 'messages', body }, signal))
}

const noAddress = {
  code: 'no_address',
  message: 'WhatsApp Web reaches customers by phone or linked identity only.',
}

function isMedia(content: OutboundMessage['content']): content is Media {
  return ['image', 'audio', 'video', 'document', 'sticker'].includes(content.type)
}

function resultOf(answer: BridgeAnswer): SendResult {
  if (answer.kind === 'starting')
    return { kind: 'retry', pace: 'soon', error: { code: 'bridge_starting', message: startingReason } }
  if (answer.kind === 'impossible') return { kind: 'account', error: { code: 'no_bridge', message: answer.reason } }
  if (answer.kind === 'failed') return failedCall(answer, who)
  if (answer.status === 401) return { kind: 'account', error: { code: 'other_key', message: otherKey } }
  const parsed = v.safeParse(sendAnswerSchema, parseJson(answer.text))
  if (answer.status !== 200 || !parsed.success) return strangeAnswer(answer.status, who)
  if ('id' in parsed.output) return { kind: 'sent', providerMessageId: parsed.output.id }
  return errorOf(parsed.output.error)
}

function errorOf({ kind, code, message, tries_max }: SendError): SendResult {
  const error = { code, message }
  if (kind !== 'retry') return { kind, error }
  return { kind, pace: 'soon', error, ...(tries_max !== undefined && { triesMax: tries_max }) }
}
