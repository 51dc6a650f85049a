import * as v from 'valibot'
import { equalBytes, equalTexts, hmacSha256 } from '../../lib/crypto.ts'
import type {
  HandledWebhook,
  OutboundMessage,
  ProviderBot,
  ProviderParts,
  SendResult,
  WebhookRequest,
  WhatsAppProvider,
} from '../provider.ts'
import { checkNumber } from './cloud/check-number.ts'
import { classify, readMetaError } from './cloud/errors.ts'
import { messageBody, recipientOf } from './cloud/message-body.ts'
import { parseCloudWebhook } from './cloud/parse-webhook.ts'
import { failedCall, strangeAnswer } from './no-answer.ts'
import { makePost, type Post } from './post.ts'
import { parseJson, readJson } from './read-body.ts'

const answerSchema = v.object({ messages: v.pipe(v.array(v.object({ id: v.string() })), v.minLength(1)) })

/**
 * Meta's Cloud API. META_BASE_URL has the version in it. Rates are Meta's: 80 messages a second and number, and to one
 * customer one every six seconds, of which 45 may be borrowed (developers.facebook.com, "Throughput", "Pair rate
 * limits"); a webhook of up to 3 MB.
 */
export function metaProvider({ config }: Pick<ProviderParts, 'config'>): WhatsAppProvider {
  const post = makePost()
  const baseUrl = config.META_BASE_URL
  return {
    name: 'meta',
    rates: { messagesPerSecond: 80, pair: { burst: 45, intervalMs: 6_000 } },
    webhookBytesMax: 3 * 1024 * 1024,
    handleWebhook,
    handshake,
    getStatus: (bot, signal) => checkNumber(baseUrl, bot.config, signal),
    sendMessage: (message, bot, signal) => send(post, baseUrl, message, bot, signal),
  }
}

function handleWebhook(request: WebhookRequest, { config }: ProviderBot): HandledWebhook {
  if (!isSigned(request, config.app_secret ?? '')) return { kind: 'refused' }
  return { kind: 'read', webhook: parseCloudWebhook(readJson(request.body), config.phone_number_id ?? '') }
}

/** `X-Hub-Signature-256: sha256=` and the HMAC of the raw body in hex, under the app's secret. */
function isSigned({ headers, body }: WebhookRequest, secret: string): boolean {
  const given = /^sha256=([0-9a-f]{64})$/.exec(headers.get('x-hub-signature-256') ?? '')?.[1]
  if (given === undefined || secret === '') return false
  return equalBytes(Buffer.from(given, 'hex'), hmacSha256(secret, body))
}

function handshake(query: URLSearchParams, { config }: ProviderBot): string | null {
  const expected = config.verify_token
  if (query.get('hub.mode') !== 'subscribe' || expected === undefined || expected === '') return null
  return equalTexts(query.get('hub.verify_token') ?? '', expected) ? query.get('hub.challenge') : null
}

async function send(
  post: Post,
  baseUrl: string,
  { to, content, reference }: OutboundMessage,
  { config }: ProviderBot,
  signal: AbortSignal,
): Promise<SendResult> {
  const body = JSON.stringify({
    messaging_product: 'whatsapp',
    recipient_type: 'individual',
    ...recipientOf(to),
    ...messageBody(content, null),
    biz_opaque_callback_data: reference,
  })
  const posted = await post(`${baseUrl}/${encodeURIComponent(config.phone_number_id ?? '')}/messages`, {
    headers: { authorization: `Bearer ${config.access_token}`, 'content-type': 'application/json' },
    body,
    signal,
  })
  return posted.kind === 'answered' ? readAnswer(posted.status, posted.text) : failedCall(posted, 'Meta')
}

function readAnswer(status: number, text: string): SendResult {
  const body = parseJson(text)
  const error = readMetaError(body)
  if (error !== null) return classify(error)
  const accepted = v.safeParse(answerSchema, body)
  const [first] = accepted.success ? accepted.output.messages : []
  if (status < 300 && first !== undefined) return { kind: 'sent', providerMessageId: first.id }
  return strangeAnswer(status, 'Meta')
}
