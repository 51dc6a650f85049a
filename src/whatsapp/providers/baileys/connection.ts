import { readConnection } from '../../baileys/protocol.ts'
import type { Connection, ProviderBot } from '../../provider.ts'
import { parseJson } from '../read-body.ts'
import type { BridgeAnswer, BridgeCalls } from './call-bridge.ts'

/** How a bot's session stands. */
export async function getConnection(calls: BridgeCalls, bot: ProviderBot, signal: AbortSignal): Promise<Connection> {
  return connectionIn(await calls.call(bot.id, { path: '' }, signal))
}

/** Opens a bot's session, and begins to pair it where it is not. `phone`: by a code for this number. */
export async function connectSession(
  calls: BridgeCalls,
  bot: ProviderBot,
  phone: string | null,
  signal: AbortSignal,
): Promise<Connection> {
  return connectionIn(await calls.call(bot.id, { path: 'connect', body: { phone } }, signal))
}

/** Closes a bot's session; `isLogout`: so that the phone forgets it. Rejects where that is not certain. */
export async function endSession(
  calls: BridgeCalls,
  bot: ProviderBot,
  isLogout: boolean,
  signal: AbortSignal,
): Promise<void> {
  const answer = await calls.call(bot.id, { path: 'disconnect', body: { logout: isLogout } }, signal)
  // 404: the bot is gone, and its session with it.
  if (answer.kind === 'answered' && (answer.status === 204 || answer.status === 404)) return
  throw new Error(answer.kind === 'answered' ? `the bridge answered ${answer.status}` : 'the bridge cannot be reached')
}

export const startingReason = 'The bridge to WhatsApp Web is starting.'

function connectionIn(answer: BridgeAnswer): Connection {
  if (answer.kind === 'starting') return { kind: 'retry', pace: 'soon', reason: startingReason }
  if (answer.kind === 'impossible') return { kind: 'refused', reason: answer.reason }
  if (answer.kind === 'failed')
    return { kind: 'retry', pace: 'soon', reason: 'The bridge to WhatsApp Web cannot be reached.' }
  if (answer.status === 401) return { kind: 'refused', reason: otherKey }
  const connection = answer.status === 200 ? readConnection(parseJson(answer.text)) : null
  const reason = `The bridge to WhatsApp Web answered HTTP ${answer.status}.`
  return connection ?? { kind: 'retry', pace: 'soon', reason }
}

export const otherKey =
  'The bridge at BAILEYS_BRIDGE_URL belongs to another installation: give both the same ENCRYPTION_KEY.'
