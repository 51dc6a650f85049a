import { firstId, type Ids } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'

/** What can wait for a conversation's turn besides a customer's message. */
export type InboxKind = 'timer' | 'result' | 'handoff' | 'resume' | 'close' | 'agent_message' | 'move'

/** Whose share of the claims a row is in, as a column: its conversation's bot's. */
export function botOf(tenantId: string, conversationId: string): string {
  const found = `select c.bot_id from conversations c where c.tenant_id = ${tenantId} and c.id = ${conversationId}`
  return `coalesce((${found}), '${firstId}')`
}

const insertRow = statement({
  name: 'inbox_post',
  params: ['tenant_id', 'conversation_id', 'id', 'kind', 'body'],
  row: {},
  sql: `insert into inbox (tenant_id, conversation_id, id, kind, body, bot_id)
    values ($1, $2, $3, $4, $5::text::jsonb, ${botOf('$1', '$2')})`,
})

/** Puts a row into a conversation's mailbox, for its next turn. Publish `inbox` on the bus once it is committed. */
export async function postToInbox(
  tx: Transaction,
  ids: Ids,
  row: { tenantId: string; conversationId: string; kind: InboxKind; body: unknown },
): Promise<void> {
  await tx.run(insertRow, {
    tenant_id: row.tenantId,
    conversation_id: row.conversationId,
    id: ids.next(),
    kind: row.kind,
    body: JSON.stringify(row.body),
  })
}
