import type { BotStanding } from '../messaging/bot-checks.ts'
import { botEvent } from '../messaging/bot-status.ts'
import type { FeedEvent } from '../stores/feed.ts'
import type { Connection } from './provider.ts'
import { retryDelayMs } from './retry.ts'

/** After a code has run out, until the next one is asked for. */
const afterCodeMs = 500
/** Until a provider that said that it would tell is asked all the same. */
const untoldMs = 15_000

const scan = 'Scan the QR code with the phone: WhatsApp, Linked devices, Link a device.'
const type = 'Type the pairing code on the phone: WhatsApp, Linked devices, Link with phone number.'

/** What a provider's word makes of a bot. `attempts`: how often it was asked, this time included. */
export function standingOf(connection: Connection, attempts: number, now: number): BotStanding {
  const at = (ms: number) => new Date(now + ms)
  const rest = { pairing: null, dueAt: at(0) }
  switch (connection.kind) {
    case 'connected':
      return { ...rest, status: 'connected', reason: connection.reason }
    case 'pairing': {
      const { qr, pairingCode, expiresAt } = connection
      const dueAt = new Date(Math.max(expiresAt.getTime(), now) + afterCodeMs)
      const reason = pairingCode === null ? scan : type
      return { status: 'qr', reason, dueAt, pairing: { qr, pairingCode, expiresAt } }
    }
    case 'connecting':
      return { ...rest, status: 'connecting', reason: connection.reason, dueAt: at(untoldMs) }
    case 'logged_out':
      return { ...rest, status: 'logged_out', reason: connection.reason }
    case 'refused':
      return { ...rest, status: 'error', reason: connection.reason }
    case 'retry': {
      const dueAt = at(retryDelayMs(connection.pace, attempts, Math.random()))
      return { ...rest, status: 'connecting', reason: connection.reason, dueAt }
    }
  }
}

/** What the sockets are told: how the bot stands, where that is news, and the code that pairs it. */
export function standingEvents(botId: string, { status, reason, pairing }: BotStanding, isNews: boolean): FeedEvent[] {
  const events = isNews ? [botEvent(botId, status, reason)] : []
  if (pairing === null) return events
  const { qr, pairingCode, expiresAt } = pairing
  return [...events, { type: 'bot.qr', data: { id: botId, qr, pairing_code: pairingCode, expires_at: expiresAt } }]
}
