import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'

const setStatus = statement({
  name: 'bot_set_status',
  params: ['tenant_id', 'bot_id', 'status', 'reason'],
  row: {},
  sql: `update bots set status = $3, status_reason = $4, updated_at = now()
    where tenant_id = $1 and id = $2 and (status, status_reason) is distinct from ($3, $4)`,
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
