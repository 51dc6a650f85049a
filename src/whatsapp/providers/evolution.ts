import type {
  HandledWebhook,
  ProviderBot,
  ProviderParts,
  ReadMark,
  WebhookRequest,
  WhatsAppProvider,
} from '../provider.ts'
import { callEvolution, limitAnswers, urlOf } from './evolution/call.ts'
import { fetchMedia } from './evolution/fetch-media.ts'
import { connect, getQr, getStatus, logOut } from './evolution/pair.ts'
import { parseEvolutionWebhook } from './evolution/parse-webhook.ts'
import { sendMessage } from './evolution/send-message.ts'
import { hasApiKey, hasToken } from './evolution/verify-webhook.ts'
import { makePost } from './post.ts'
import { readJson } from './read-body.ts'
import { jidOf } from './web-content/read-jid.ts'

/**
 * A message with its thumbnail has some hundred kilobytes. A file comes in a webhook only where somebody has set its
 * `base64`: WhatsApp's pictures, recordings and videos (16 MB) fit in, large documents do not.
 */
const webhookBytesMax = 24 * 1024 * 1024
/** A code with its picture has ten kilobytes, a message that was sent as many; with the file in it (`base64`) it may be larger. */
const answerBytesMax = 4 * 1024 * 1024
/** How long the customer sees that somebody is typing. Evolution answers only after it. */
const typingMs = 1_500

/** A code is there within some seconds of being asked for. */
const codeTimes = { codeWaitMs: 6_000, codePollMs: 1_000 }

/**
 * WhatsApp Web by way of Evolution API 2 (2.0 to 2.4), which a tenant runs at the bot's `base_url`. WhatsApp names no rate
 * for it, and bans accounts that write like machines: one message a second.
 */
export function evolutionProvider(parts: ProviderParts, times = codeTimes): WhatsAppProvider {
  const { guardedFetch } = parts
  const fetch = limitAnswers(guardedFetch, answerBytesMax)
  const post = makePost(fetch)
  const pairParts = { fetch, publicUrl: parts.config.PUBLIC_URL, ...times }
  return {
    name: 'evolution',
    rates: { messagesPerSecond: 1, pair: null },
    webhookBytesMax,
    handleWebhook,
    sendMessage: (message, bot, signal) => sendMessage(post, message, bot, signal),
    getStatus: (bot, signal) => getStatus(fetch, bot, signal),
    connect: (bot, { phone }, signal) => connect(pairParts, bot, phone, signal),
    getQr: (bot, signal) => getQr(pairParts, bot, signal),
    disconnect: async (bot, { isLogout }, signal) => (isLogout ? await logOut(fetch, bot, signal) : undefined),
    fetchMedia: (source, bot, signal) => fetchMedia(guardedFetch, source, bot.config, signal),
    markRead: async (mark, bot, signal) => {
      const ask = (path: string, body: object) =>
        callEvolution(fetch, bot.config, { method: 'POST', url: urlOf(bot.config, path), body }, signal)
      await showRead(ask, mark)
    },
  }
}

function handleWebhook(request: WebhookRequest, bot: ProviderBot): HandledWebhook {
  const now = new Date()
  const isKnown = hasToken(request, bot, now.getTime())
  if (!isKnown && bot.config.webhook_token) return { kind: 'refused' }
  const body = readJson(request.body)
  if (!isKnown && !hasApiKey(body, bot)) return { kind: 'refused' }
  return { kind: 'read', webhook: parseEvolutionWebhook(body, bot.config.instance ?? '', now) }
}

async function showRead(
  ask: (path: string, body: object) => Promise<unknown>,
  { providerMessageId, from, isTyping }: ReadMark,
): Promise<void> {
  const remoteJid = jidOf(from)
  if (remoteJid === null) return
  const readMessages = [{ id: providerMessageId, remoteJid, fromMe: false }]
  await ask('/chat/markMessageAsRead', { readMessages })
  const number = from.kind === 'phone' ? remoteJid.replace(/@.*/, '') : remoteJid
  if (isTyping) await ask('/chat/sendPresence', { number, presence: 'composing', delay: typingMs })
}
