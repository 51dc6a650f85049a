import { createHash } from 'node:crypto'
import { equalTexts } from '../../lib/crypto.ts'
import type { HandledWebhook, ProviderParts, ReadMark, WebhookRequest, WhatsAppProvider } from '../provider.ts'
import { makeBridgeCalls } from './baileys/call-bridge.ts'
import { connectSession, endSession, getConnection } from './baileys/connection.ts'
import { fetchMedia } from './baileys/fetch-media.ts'
import { parseBaileysWebhook } from './baileys/parse-webhook.ts'
import { sendMessage } from './baileys/send-message.ts'
import { readJson } from './read-body.ts'

/** A batch has a million characters, but for a single message that has more: WhatsApp's frames end at 16 MB. */
const webhookBytesMax = 24 * 1024 * 1024

/**
 * WhatsApp Web through the library Baileys, which runs in a bridge process of its own and pairs as a linked device.
 * WhatsApp names no rate for it, and bans accounts that write like machines: one message a second.
 */
export function baileysProvider({
  bridge,
  guardedFetch,
}: Pick<ProviderParts, 'bridge' | 'guardedFetch'>): WhatsAppProvider {
  const calls = makeBridgeCalls(bridge)
  return {
    name: 'baileys',
    rates: { messagesPerSecond: 1, pair: null },
    webhookBytesMax,
    handleWebhook: request => handleWebhook(request, bridge?.token ?? ''),
    sendMessage: (message, bot, signal) =>
      sendMessage(calls, guardedFetch, { ...message, messageId: messageIdOf(message.reference) }, bot, signal),
    getStatus: (bot, signal) => getConnection(calls, bot, signal),
    getQr: (bot, signal) => getConnection(calls, bot, signal),
    connect: (bot, { phone }, signal) => connectSession(calls, bot, phone, signal),
    disconnect: (bot, { isLogout }, signal) => endSession(calls, bot, isLogout, signal),
    fetchMedia: (source, bot, signal) => fetchMedia(calls, source, bot, signal),
    async markRead(mark, bot, signal) {
      await calls.call(bot.id, { path: 'read', body: readBody(mark) }, signal)
    },
  }
}

/** The bridge shows the token that only processes with this ENCRYPTION_KEY can make. */
function handleWebhook({ headers, body }: WebhookRequest, token: string): HandledWebhook {
  if (token === '' || !equalTexts(headers.get('authorization') ?? '', `Bearer ${token}`)) return { kind: 'refused' }
  return { kind: 'read', webhook: parseBaileysWebhook(readJson(body), new Date()) }
}

/**
 * What WhatsApp is to call a message, in the form in which WhatsApp Web names its own. Made of our reference, so that it
 * is known before the answer, and the same at each try.
 */
export function messageIdOf(reference: string): string {
  return `3EB0${createHash('sha256').update(reference).digest('hex').slice(0, 18).toUpperCase()}`
}

function readBody({ providerMessageId, from, isTyping }: ReadMark) {
  return { message_id: providerMessageId, from, is_typing: isTyping }
}
