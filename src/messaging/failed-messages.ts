import { lastId } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { type RowOf, statement } from '../stores/postgres/statement.ts'
import { messageColumns, messageRow } from './list-conversations.ts'

// Messages that did not go out, or of which nobody knows whether they did: what a person decides about.

const row = { ...messageRow, conversation_id: 'uuid' } as const

/** A message that failed, or is unknown, with its conversation. */
export type FailedMessage = RowOf<typeof row>

const columns = `m.conversation_id, ${messageColumns}`

// The rows that wait in the outbox are still under way. Who is tied to a seller sees that seller's.
const select = statement({
  name: 'failed_message_list',
  params: ['tenant_id', 'before_id', 'status', 'bot_id', 'seller_id', 'limit'],
  row,
  sql: `select ${columns} from messages m
    where m.tenant_id = $1 and m.id < $2::uuid and m.direction = 'outbound' and m.status in ('failed', 'unknown')
      and ($3::text is null or m.status = $3) and ($4::uuid is null or m.bot_id = $4)
      and ($5::uuid is null or exists (select from conversations c
        where c.tenant_id = m.tenant_id and c.id = m.conversation_id and c.seller_id = $5))
    order by m.id desc limit $6`,
})

const findOne = statement({
  name: 'failed_message_find',
  params: ['tenant_id', 'id'],
  row,
  sql: `select ${columns} from messages m
    where m.tenant_id = $1 and m.id = $2::uuid and m.direction = 'outbound' and m.status in ('failed', 'unknown')
    for no key update`,
})

// What the provider said of the try before is of another message of its own: that id is kept apart.
const requeue = statement({
  name: 'failed_message_retry',
  params: ['tenant_id', 'conversation_id', 'id', 'bot_id'],
  row: { id: 'uuid' },
  sql: `with gone as (
      delete from outbox where tenant_id = $1 and conversation_id = $2 and id = $3
    ), before as (
      insert into own_message_ids (tenant_id, bot_id, provider_message_id, message_id)
      select tenant_id, bot_id, provider_message_id, id from messages
      where tenant_id = $1 and conversation_id = $2 and id = $3 and provider_message_id is not null
      on conflict do nothing
    ), message as (
      update messages set status = 'queued', error = null, provider_message_id = null, provider_at = null
      where tenant_id = $1 and conversation_id = $2 and id = $3
      returning tenant_id, conversation_id, id
    ), statuses as (
      delete from message_statuses s using messages m
      where m.tenant_id = $1 and m.conversation_id = $2 and m.id = $3
        and s.tenant_id = $1 and s.bot_id = m.bot_id and s.provider_message_id = m.provider_message_id
    )
    insert into outbox (tenant_id, conversation_id, id, bot_id) select tenant_id, conversation_id, id, $4 from message
    returning id`,
})

const findConversationBot = statement({
  name: 'failed_message_bot',
  params: ['tenant_id', 'conversation_id'],
  row: { bot_id: 'uuid' },
  sql: 'select bot_id from conversations where tenant_id = $1 and id = $2',
})

/** Newest first; `beforeId` is the last one of the page before. */
export async function listFailedMessages(
  tx: Transaction,
  page: {
    readonly tenantId: string
    readonly beforeId: string | null
    readonly status: 'failed' | 'unknown' | null
    readonly botId: string | null
    readonly sellerId: string | null
    readonly limit: number
  },
): Promise<FailedMessage[]> {
  const { tenantId, beforeId, status, botId, sellerId, limit } = page
  const filter = { status, bot_id: botId, seller_id: sellerId }
  return await tx.run(select, { tenant_id: tenantId, before_id: beforeId ?? lastId, ...filter, limit })
}

/** One of them, held until the transaction ends; undefined where it is none, or none any more. */
export async function lockFailedMessage(
  tx: Transaction,
  tenantId: string,
  id: string,
): Promise<FailedMessage | undefined> {
  return (await tx.run(findOne, { tenant_id: tenantId, id }))[0]
}

/** Has a message tried again from the start. Publish `outbox` on the bus once it is committed. */
export async function retryFailedMessage(
  tx: Transaction,
  tenantId: string,
  { conversation_id, id }: FailedMessage,
): Promise<void> {
  const key = { tenant_id: tenantId, conversation_id }
  const [conversation] = await tx.run(findConversationBot, key)
  if (conversation === undefined) throw new Error(`There is no conversation ${conversation_id}`)
  await tx.run(requeue, { ...key, id, bot_id: conversation.bot_id })
}
