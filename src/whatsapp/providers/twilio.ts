import type {
  HandledWebhook,
  ProviderBot,
  ProviderParts,
  ReadMark,
  WebhookRequest,
  WhatsAppProvider,
} from '../provider.ts'
import { readJson } from './read-body.ts'
import { checkAccount } from './twilio/check-account.ts'
import { fetchMedia } from './twilio/fetch-media.ts'
import { parseTwilioForm, unknownEvent } from './twilio/parse-webhook.ts'
import { makeSendMessage } from './twilio/send-message.ts'
import { bodyHashOf, isSigned } from './twilio/signature.ts'
import { authorizationOf, type TwilioUrls, twilioUrls } from './twilio/twilio-api.ts'

/** A text of 65,536 characters, each of them nine in a form, and room for the rest. */
const webhookBytesMax = 1024 * 1024

/** A form has some thirty fields. They are sorted before it is known whose they are. */
const fieldsMax = 1_000

/**
 * WhatsApp through Twilio's Programmable Messaging. A sender may send 80 messages a second; what is beyond waits at Twilio
 * for four hours ("Best practices and FAQs"). TWILIO_BASE_URL stands for all of Twilio's hosts.
 */
export function twilioProvider({ config, memo, guardedFetch }: ProviderParts): WhatsAppProvider {
  const urls = twilioUrls(config.TWILIO_BASE_URL)
  return {
    name: 'twilio',
    rates: { messagesPerSecond: 80, pair: null },
    webhookBytesMax,
    // Any other text would be sent to the customer as an answer (TwiML, "Messaging response").
    webhookAnswer: { contentType: 'text/xml', body: '<Response/>' },
    handleWebhook,
    sendMessage: makeSendMessage({ config, memo }),
    getStatus: (bot, signal) => checkAccount(urls, bot.config, signal),
    fetchMedia: (source, bot, signal) => fetchMedia({ urls, guardedFetch }, source, bot.config, signal),
    markRead: (mark, bot, signal) => showTyping(urls, mark, bot, signal),
  }
}

function handleWebhook(request: WebhookRequest, { config }: ProviderBot): HandledWebhook {
  const { url, body } = request
  const isForm = bodyHashOf(url) === null
  const form = isForm ? readForm(body) : new URLSearchParams()
  if (form === null || !isSigned(request, form, config.auth_token ?? '')) return { kind: 'refused' }
  if (!isForm) return { kind: 'read', webhook: unknownEvent(readJson(body)) }
  const reference = URL.parse(url)?.searchParams.get('reference') ?? null
  return { kind: 'read', webhook: parseTwilioForm(form, config, reference, new Date()) }
}

/** Null where it has more fields than any form of Twilio's. What is not UTF-8 is not what Twilio signed either. */
function readForm(body: Uint8Array): URLSearchParams | null {
  const text = new TextDecoder().decode(body)
  return text.split('&', fieldsMax + 1).length > fieldsMax ? null : new URLSearchParams(text)
}

/**
 * Twilio marks a message as read only by showing that an answer is being written, for 25 seconds or until one comes
 * ("Typing Indicators resource"): where nobody writes, nothing is shown.
 */
async function showTyping(
  { messaging }: TwilioUrls,
  { providerMessageId, isTyping }: ReadMark,
  { config }: ProviderBot,
  signal: AbortSignal,
): Promise<void> {
  if (!isTyping) return
  try {
    const response = await fetch(`${messaging}/v2/Indicators/Typing.json`, {
      method: 'POST',
      headers: { authorization: authorizationOf(config) },
      body: new URLSearchParams({ messageId: providerMessageId, channel: 'whatsapp' }),
      signal,
      redirect: 'manual',
    })
    await response.body?.cancel()
  } catch {
    // Of no consequence: the answer comes all the same.
  }
}
