import type { FeedEvent } from '../stores/feed.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'
import type { BotWithSecrets } from './find-bot.ts'

// How a bot stands with its provider. Only a bot that is `connected` sends: what the others have to send is held.

export const botStatuses = ['disconnected', 'connecting', 'qr', 'connected', 'logged_out', 'error'] as const
export type BotStatus = (typeof botStatuses)[number]

/** What the sockets are told of how a bot stands. */
export function botEvent(id: string, status: string, status_reason: string | null): FeedEvent {
  return { type: 'bot.status', data: { id, status, status_reason } }
}

const startCheck = statement({
  name: 'bot_start_check',
  params: ['tenant_id', 'bot_id', 'pairing_phone'],
  row: {},
  sql: `update bots set status = 'connecting', status_reason = null, check_attempts = 0, check_due_at = now(),
      leaving = null, pairing_phone = $3, updated_at = now()
    where tenant_id = $1 and id = $2`,
})

// A bot that a person has disconnected stays so, and one that is connected sends on.
const recheck = statement({
  name: 'bot_recheck',
  params: ['tenant_id', 'bot_id'],
  row: { id: 'uuid' },
  sql: `update bots set status = 'connecting', status_reason = null, check_attempts = 0, check_due_at = now(),
      updated_at = now()
    where tenant_id = $1 and id = $2 and status not in ('connected', 'disconnected')
    returning id`,
})

const disconnect = statement({
  name: 'bot_disconnect',
  params: ['tenant_id', 'bot_id', 'reason', 'leaving'],
  row: {},
  sql: `update bots set status = 'disconnected', status_reason = $3, leaving = $4, pairing_phone = null,
      check_attempts = 0, check_due_at = now(), updated_at = now()
    where tenant_id = $1 and id = $2 and (status <> 'disconnected' or $4 = 'logout')`,
})

const refuseUnchanged = statement({
  name: 'bot_refuse',
  params: ['tenant_id', 'bot_id', 'version', 'status', 'reason'],
  row: { id: 'uuid' },
  sql: `update bots set status = $4, status_reason = $5, check_attempts = 0, check_due_at = now(), updated_at = now()
    where tenant_id = $1 and id = $2 and updated_at = $3::text::timestamptz
    returning id`,
})

/**
 * Has the provider asked whether the bot may send, whatever was known of it; a bot that pairs is paired by a code for
 * `phone` (E.164), or by a QR code. Publish `bot.changed` with its id after.
 */
export async function connectBot(
  tx: Transaction,
  tenantId: string,
  botId: string,
  phone: string | null = null,
): Promise<void> {
  await tx.run(startCheck, { tenant_id: tenantId, bot_id: botId, pairing_phone: phone })
}

/** The same, where the provider was heard of: only for a bot that would send if it could. Returns whether it is one. */
export async function recheckBot(tx: Transaction, tenantId: string, botId: string): Promise<boolean> {
  return (await tx.run(recheck, { tenant_id: tenantId, bot_id: botId })).length > 0
}

/**
 * Holds what the bot has to send until it is connected again. What customers write is taken all the same. `leaving`: of a
 * bot that has a session, whether it only ends, or the phone it is paired with forgets it too.
 */
export async function disconnectBot(
  tx: Transaction,
  tenantId: string,
  botId: string,
  leaving: 'end' | 'logout' | null = null,
): Promise<void> {
  const reason = 'It was disconnected here: what it has to send waits until it is connected again.'
  await tx.run(disconnect, { tenant_id: tenantId, bot_id: botId, reason, leaving })
}

/**
 * What a send has shown of a bot: `error` where its provider refuses the account, `logged_out` where its session is gone,
 * `connecting` where it may be able to again by itself, and is asked. Returns false, and changes nothing, where the bot is
 * not the one that was refused any more: what its provider says of the settings it has now is not known yet.
 */
export async function holdBot(
  tx: Transaction,
  bot: BotWithSecrets,
  status: 'error' | 'logged_out' | 'connecting',
  reason: string,
): Promise<boolean> {
  const { tenantId, id, version } = bot
  return (await tx.run(refuseUnchanged, { tenant_id: tenantId, bot_id: id, version, status, reason })).length > 0
}
