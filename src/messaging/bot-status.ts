import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'
import type { BotWithSecrets } from './find-bot.ts'

const setStatus = statement({
  name: 'bot_set_status',
  params: ['tenant_id', 'bot_id', 'status', 'reason'],
  row: {},
  sql: `update bots set status = $3, status_reason = $4, updated_at = now()
    where tenant_id = $1 and id = $2 and (status, status_reason) is distinct from ($3, $4)`,
})

const refuseUnchanged = statement({
  name: 'bot_refuse',
  params: ['tenant_id', 'bot_id', 'version', 'reason'],
  row: { id: 'uuid' },
  sql: `update bots set status = 'error', status_reason = $4, updated_at = now()
    where tenant_id = $1 and id = $2 and updated_at = $3::text::timestamptz
    returning id`,
})

/**
 * Says how a bot stands with its provider. What an `error` bot has to send is held until its settings are changed, or
 * the provider is heard of again.
 */
export async function setBotStatus(
  tx: Transaction,
  bot: { readonly tenantId: string; readonly botId: string },
  status: 'connected' | 'error',
  reason: string | null,
): Promise<void> {
  await tx.run(setStatus, { tenant_id: bot.tenantId, bot_id: bot.botId, status, reason })
}

/**
 * Puts a bot into `error`: its provider refused the account. Returns false, and changes nothing, where the bot is not
 * the one that was refused any more: what its provider says of the settings it has now is not known yet.
 */
export async function refuseBot(tx: Transaction, bot: BotWithSecrets, reason: string): Promise<boolean> {
  const { tenantId, id, version } = bot
  return (await tx.run(refuseUnchanged, { tenant_id: tenantId, bot_id: id, version, reason })).length > 0
}
