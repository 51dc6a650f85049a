import * as v from 'valibot'
import type { OutboundContent } from '../../flow/content.ts'
import { equalBytes, equalTexts, hmacSha256 } from '../../lib/crypto.ts'
import type { Identity } from '../../messaging/resolve-customers.ts'
import type { BotConfig, OutboundMessage, SendResult, WebhookRequest, WhatsAppProvider } from '../provider.ts'
import { checkNumber } from './meta-check.ts'
import { classify, readMetaError } from './meta-errors.ts'
import { parseMetaWebhook } from './meta-webhook.ts'
import { codeOf, makePost, type Post, type Posted } from './post.ts'

const answerSchema = v.object({ messages: v.pipe(v.array(v.object({ id: v.string() })), v.minLength(1)) })

/**
 * Meta's Cloud API. `baseUrl` has the version in it. Rates are Meta's: 80 messages a second and number, and to one
 * customer one every six seconds, of which 45 may be borrowed (developers.facebook.com, "Throughput", "Pair rate
 * limits").
 */
export function metaProvider(baseUrl: string): WhatsAppProvider {
  const post = makePost()
  return {
    name: 'meta',
    rates: { messagesPerSecond: 80, pair: { burst: 45, intervalMs: 6_000 } },
    verify,
    parse: (body, config) => parseMetaWebhook(body, config.phone_number_id ?? ''),
    handshake,
    check: (config, signal) => checkNumber(baseUrl, config, signal),
    send: (message, config, signal) => send(post, baseUrl, message, config, signal),
  }
}

/** `X-Hub-Signature-256: sha256=` and the HMAC of the raw body in hex, under the app's secret. */
function verify({ headers, body }: WebhookRequest, config: BotConfig): boolean {
  const given = /^sha256=([0-9a-f]{64})$/.exec(headers.get('x-hub-signature-256') ?? '')?.[1]
  const secret = config.app_secret
  if (given === undefined || secret === undefined || secret === '') return false
  return equalBytes(Buffer.from(given, 'hex'), hmacSha256(secret, body))
}

function handshake(query: URLSearchParams, config: BotConfig): string | null {
  const expected = config.verify_token
  if (query.get('hub.mode') !== 'subscribe' || expected === undefined || expected === '') return null
  return equalTexts(query.get('hub.verify_token') ?? '', expected) ? query.get('hub.challenge') : null
}

async function send(
  post: Post,
  baseUrl: string,
  message: OutboundMessage,
  config: BotConfig,
  signal: AbortSignal,
): Promise<SendResult> {
  const body = JSON.stringify({
    messaging_product: 'whatsapp',
    recipient_type: 'individual',
    ...addressOf(message.to),
    ...bodyOf(message.content),
    biz_opaque_callback_data: message.reference,
  })
  const posted = await post(`${baseUrl}/${encodeURIComponent(config.phone_number_id ?? '')}/messages`, {
    headers: { authorization: `Bearer ${config.access_token}`, 'content-type': 'application/json' },
    body,
    signal,
  })
  return posted.kind === 'answered' ? readAnswer(posted.status, posted.text) : failedCall(posted)
}

/** Meta takes a phone in `to`, as digits, and a business-scoped user id in `recipient`. */
function addressOf(to: Identity) {
  return to.kind === 'phone' ? { to: to.value.replace('+', '') } : { recipient: to.value }
}

function bodyOf(content: OutboundContent): Record<string, unknown> {
  switch (content.type) {
    case 'text':
      return { type: 'text', text: { body: content.text, preview_url: false } }
    case 'buttons':
      return interactive('button', content.text, {
        buttons: content.buttons.map(reply => ({ type: 'reply', reply })),
      })
    case 'list':
      return interactive('list', content.text, { button: content.button, sections: content.sections })
    case 'image':
    case 'audio':
    case 'video':
    case 'document':
    case 'sticker': {
      const { type, url, media_id, caption, filename } = content
      const source = media_id === undefined ? { link: url } : { id: media_id }
      return { type, [type]: { ...source, caption, filename: type === 'document' ? filename : undefined } }
    }
    case 'location': {
      const { type, ...location } = content
      return { type, location }
    }
    case 'contacts':
      return {
        type: 'contacts',
        contacts: content.contacts.map(contact => ({
          name: { formatted_name: contact.name, first_name: contact.name },
          phones: contact.phones.map(phone => ({ phone })),
        })),
      }
    case 'template': {
      const parameters = content.parameters.map(text => ({ type: 'text', text }))
      const components = parameters.length > 0 ? [{ type: 'body', parameters }] : undefined
      return { type: 'template', template: { name: content.name, language: { code: content.language }, components } }
    }
    case 'reaction':
      return { type: 'reaction', reaction: { message_id: content.message_id, emoji: content.emoji } }
  }
}

function interactive(type: string, text: string, action: object) {
  return { type: 'interactive', interactive: { type, body: { text }, action } }
}

function readAnswer(status: number, text: string): SendResult {
  const body = parseJson(text)
  const error = readMetaError(body)
  if (error !== null) return classify(error)
  const accepted = v.safeParse(answerSchema, body)
  const [first] = accepted.success ? accepted.output.messages : []
  if (status < 300 && first !== undefined) return { kind: 'sent', providerMessageId: first.id }
  return notMetas(status)
}

/** An answer that is not Meta's own: something in between gave it. */
function notMetas(status: number): SendResult {
  const code = `http_${status}`
  if (status === 429 || status === 503)
    return { kind: 'retry', pace: 'soon', error: { code, message: 'Meta is too busy just now.' } }
  if (status >= 400 && status < 500)
    return { kind: 'failed', error: { code, message: `The answer to the send was HTTP ${status}, without a reason.` } }
  return {
    kind: 'unknown',
    error: {
      code,
      message: `The answer to the send cannot be read (HTTP ${status}): the message may have been taken.`,
    },
  }
}

function failedCall({ error, tookNothing }: Extract<Posted, { kind: 'failed' }>): SendResult {
  const code = codeOf(error).toLowerCase()
  if (tookNothing)
    return { kind: 'retry', pace: 'soon', error: { code: code || 'no_connection', message: 'Meta cannot be reached.' } }
  const isTimeout = error instanceof Error && error.name === 'TimeoutError'
  return {
    kind: 'unknown',
    error: {
      code: isTimeout ? 'timeout' : code || 'connection_lost',
      message: isTimeout
        ? 'Meta did not answer in time: the message may have been taken.'
        : 'The connection broke before Meta answered: the message may have been taken.',
    },
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
