import type { OutboundContent } from '../flow/content.ts'
import type { Ids } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'

const insertMessage = statement({
  name: 'message_queue',
  params: ['tenant_id', 'conversation_id', 'id', 'bot_id', 'content'],
  row: {},
  sql: `with message as (
      insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status)
      values ($1, $2, $3, $4, 'outbound', $5::text::jsonb, 'queued')
    ), seen as (
      update conversations set last_message_at = now() where tenant_id = $1 and id = $2
    )
    insert into outbox (tenant_id, conversation_id, id, bot_id) values ($1, $2, $3, $4)`,
})

/** Queues a message of a person to a conversation. Returns its id. Publish `outbox` on the bus once it is committed. */
export async function queueMessage(
  tx: Transaction,
  ids: Ids,
  message: { tenantId: string; conversationId: string; botId: string; content: OutboundContent },
): Promise<string> {
  const id = ids.next()
  await tx.run(insertMessage, {
    tenant_id: message.tenantId,
    conversation_id: message.conversationId,
    id,
    bot_id: message.botId,
    content: JSON.stringify(message.content),
  })
  return id
}
