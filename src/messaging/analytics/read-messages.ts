import type { Transaction } from '../../stores/postgres/database.ts'
import { nullable, type RowOf, statement } from '../../stores/postgres/statement.ts'
import type { Part } from './read-source.ts'

// Messages, for the log: when they had which status, and never what is in them.

const messageRow = {
  // A whole number far below 2^53, in the form that takes no second look at each row.
  tx: nullable('float8'),
  tenant_id: 'uuid',
  conversation_id: 'uuid',
  id: 'uuid',
  bot_id: 'uuid',
  /** Null where the bot is gone. */
  provider: nullable('text'),
  direction: 'text',
  content_type: nullable('text'),
  source: nullable('text'),
  status: 'text',
  code: nullable('text'),
  created_at: 'timestamptz',
  provider_at: nullable('timestamptz'),
  reply_to_at: nullable('timestamptz'),
  sent_at: nullable('timestamptz'),
  delivered_at: nullable('timestamptz'),
  read_at: nullable('timestamptz'),
  failed_at: nullable('timestamptz'),
  unknown_at: nullable('timestamptz'),
  /** When its conversation was opened; null where that is gone, or a message like this one cannot have opened it. */
  opened_at: nullable('timestamptz'),
} as const

/** A message without its content. */
export type MessageRow = RowOf<typeof messageRow>

const columns = `tx::float8 as tx, tenant_id, conversation_id, id, bot_id, direction, content->>'type' as content_type, source, status,
      error->>'code' as code, created_at, provider_at, reply_to_at, sent_at, delivered_at, read_at, failed_at, unknown_at`

// What a bot sends opens no conversation: it answers in one.
const mayOpen = `(m.direction = 'inbound' or m.source is not null)`

const withRest = (messages: string, order: string) => `
    select m.*, b.provider, c.created_at as opened_at
    from (${messages}) m
    left join lateral (select provider from bots where tenant_id = m.tenant_id and id = m.bot_id offset 0) b on true
    left join lateral (
      select created_at from conversations
      where ${mayOpen} and tenant_id = m.tenant_id and id = m.conversation_id offset 0) c on true
    order by ${order}`

const readCommitted = statement({
  name: 'messages_committed',
  params: ['tx', 'tenant_id', 'conversation_id', 'id', 'below', 'limit'],
  row: messageRow,
  sql: withRest(
    `select ${columns} from messages e
      where e.tx is not null and e.tx < $5 and (e.tx, tenant_id, conversation_id, id) > ($1, $2, $3, $4)
      order by e.tx, tenant_id, conversation_id, id limit $6`,
    'm.tx, m.tenant_id, m.conversation_id, m.id',
  ),
})

const readAll = statement({
  name: 'messages_all',
  params: ['tenant_id', 'conversation_id', 'id', 'limit'],
  row: messageRow,
  sql: withRest(
    `select ${columns} from messages
      where (tenant_id, conversation_id, id) > ($1, $2, $3)
      order by tenant_id, conversation_id, id limit $4`,
    'm.tenant_id, m.conversation_id, m.id',
  ),
})

/** The messages that were written, or changed, by transactions after a place, in the order of these. */
export async function readCommittedMessages(tx: Transaction, { from, key, below, limit }: Part): Promise<MessageRow[]> {
  const [tenant_id, conversation_id, id] = key
  return await tx.run(readCommitted, { tx: from, tenant_id, conversation_id, id, below, limit })
}

/** Messages in the order of their keys, from after one. */
export async function readAllMessages(
  tx: Transaction,
  { key, limit }: Pick<Part, 'key' | 'limit'>,
): Promise<MessageRow[]> {
  const [tenant_id, conversation_id, id] = key
  return await tx.run(readAll, { tenant_id, conversation_id, id, limit })
}
