import type { OutboundContent } from '../flow/content.ts'
import type { Ids } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, statement } from '../stores/postgres/statement.ts'
import { resolveConversations } from './receive-messages.ts'
import { type Identity, resolveCustomers } from './resolve-customers.ts'

const insertMessage = statement({
  name: 'message_queue',
  params: ['tenant_id', 'conversation_id', 'id', 'bot_id', 'content', 'window_expires_at'],
  row: {},
  sql: `with message as (
      insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status)
      values ($1, $2, $3, $4, 'outbound', $5::text::jsonb, 'queued')
    ), seen as (
      update conversations set last_message_at = now(), window_expires_at = greatest(window_expires_at, $6)
      where tenant_id = $1 and id = $2
    )
    insert into outbox (tenant_id, conversation_id, id, bot_id) values ($1, $2, $3, $4)`,
})

// A turn notes the window; what the customer wrote a moment ago, or in a conversation before this one, counts too.
const findWindow = statement({
  name: 'message_find_window',
  params: ['tenant_id', 'conversation_id'],
  row: { window_expires_at: nullable('timestamptz') },
  sql: `select greatest(
      (select max(o.window_expires_at) from conversations o
        where o.tenant_id = c.tenant_id and o.customer_id = c.customer_id and o.bot_id = c.bot_id),
      (select m.provider_at + interval '24 hours' from messages m
        where m.tenant_id = c.tenant_id and m.conversation_id = c.id and m.direction = 'inbound'
        order by m.id desc limit 1)) as window_expires_at
    from conversations c where c.tenant_id = $1 and c.id = $2`,
})

/** Until when the customer of a conversation can be written to freely; null where they never wrote to this bot. */
export async function windowEndOf(tx: Transaction, tenantId: string, conversationId: string): Promise<Date | null> {
  const [found] = await tx.run(findWindow, { tenant_id: tenantId, conversation_id: conversationId })
  return found?.window_expires_at ?? null
}

/**
 * The open conversation with whoever has this identity, as if they had written: the customer and the conversation are
 * made where there are none. Throws `RaceLost`.
 */
export async function reachCustomer(
  tx: Transaction,
  ids: Ids,
  to: { readonly tenantId: string; readonly botId: string; readonly identity: Identity },
): Promise<string> {
  const { tenantId, botId, identity } = to
  const asked = [{ tenantId, botId, sender: { identities: [identity], name: null } }]
  const customerIds = await resolveCustomers(tx, ids, asked)
  const [conversationId] = await resolveConversations(tx, ids, asked, customerIds)
  if (conversationId === undefined) throw new Error('A customer without a conversation')
  return conversationId
}

/** Queues a message of a person to a conversation. Returns its id. Publish `outbox` on the bus once it is committed. */
export async function queueMessage(
  tx: Transaction,
  ids: Ids,
  message: {
    readonly tenantId: string
    readonly conversationId: string
    readonly botId: string
    readonly content: OutboundContent
    /** From `windowEndOf`. */
    readonly windowExpiresAt: Date | null
  },
): Promise<string> {
  const id = ids.next()
  await tx.run(insertMessage, {
    tenant_id: message.tenantId,
    conversation_id: message.conversationId,
    id,
    bot_id: message.botId,
    content: JSON.stringify(message.content),
    window_expires_at: message.windowExpiresAt,
  })
  return id
}
