import type { InboundContent, OutboundContent } from '../flow/content.ts'
import type { HistoricEvent } from '../flow/replay-history.ts'
import type { ConversationState } from '../flow/state.ts'
import { foldStored, type StoredEvent } from '../flow/upcast.ts'
import { lastId } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, nullableJson, type RowOf, statement } from '../stores/postgres/statement.ts'
import { stateOf, unfoldedEvents } from './conversation-states.ts'

const conversationRow = {
  id: 'uuid',
  tenant_id: 'uuid',
  tenant_name: 'text',
  bot_id: 'uuid',
  bot_name: nullable('text'),
  provider: nullable('text'),
  customer_id: 'uuid',
  customer_name: 'text',
  customer_phone: nullable('text'),
  state: nullableJson<ConversationState>(),
  unfolded_events: nullableJson<readonly StoredEvent[]>(),
} as const

/** Whose conversation it is. `bot_name` and `provider` are null where the bot was removed. */
export type ReplayedConversation = Omit<RowOf<typeof conversationRow>, 'state' | 'unfolded_events'>

/** A conversation from its first event, what was said, the state its events fold to, and the state that is stored. */
export type History = {
  readonly conversation: ReplayedConversation
  readonly events: readonly HistoricEvent[]
  /** What the customer wrote, and what was written to them, by the message's id. */
  readonly received: ReadonlyMap<string, InboundContent>
  readonly sent: ReadonlyMap<string, OutboundContent>
  readonly folded: ConversationState
  readonly stored: ConversationState
}

const findConversation = statement({
  name: 'replay_find_conversation',
  params: ['id'],
  row: conversationRow,
  sql: `select c.id, c.tenant_id, t.name as tenant_name, c.bot_id, b.name as bot_name, b.provider, c.customer_id,
      k.name as customer_name, k.phone as customer_phone, c.state, ${unfoldedEvents('c')} as unfolded_events
    from conversations c
    join tenants t on t.id = c.tenant_id
    join customers k on k.tenant_id = c.tenant_id and k.id = c.customer_id
    left join bots b on b.tenant_id = c.tenant_id and b.id = c.bot_id
    where c.id = $1`,
})

const readEvents = statement({
  name: 'replay_read_events',
  params: ['tenant_id', 'conversation_id'],
  row: { seq: 'int8', at: 'timestamptz', type: 'text', version: 'int4', data: 'jsonb' },
  sql: `select seq, at, type, version, data from conversation_events
    where tenant_id = $1 and conversation_id = $2 order by seq`,
})

const readMessages = statement({
  name: 'replay_read_messages',
  params: ['tenant_id', 'conversation_id'],
  row: { id: 'uuid', received: nullableJson<InboundContent>(), sent: nullableJson<OutboundContent>() },
  sql: `select id, case when direction = 'inbound' then content end as received,
      case when direction = 'outbound' then content end as sent
    from messages where tenant_id = $1 and conversation_id = $2`,
})

// One look by key for each conversation: `exists` may be planned as one look at all events there are.
const findRecent = statement({
  name: 'replay_find_recent',
  params: ['flow_id', 'tenant_id', 'before_id', 'limit'],
  row: { id: 'uuid', is_in: 'bool' },
  sql: `select c.id, (select true from conversation_events e
      where e.tenant_id = c.tenant_id and e.conversation_id = c.id and e.type in ('flow.started', 'flow.called')
        and e.data ->> 'flow_id' = $1::uuid::text limit 1) is not null as is_in
    from conversations c where c.tenant_id = $2 and c.id < $3::uuid order by c.id desc limit $4`,
})

/** Reads a conversation of any tenant; undefined where there is none. */
export async function readHistory(tx: Transaction, conversationId: string): Promise<History | undefined> {
  const [found] = await tx.run(findConversation, { id: conversationId })
  if (found === undefined) return undefined
  const { state, unfolded_events, ...conversation } = found
  const key = { tenant_id: found.tenant_id, conversation_id: conversationId }
  const [rows, messages] = await Promise.all([tx.run(readEvents, key), tx.run(readMessages, key)])
  const events = rows.map(({ at, ...event }) => ({ ...event, at: at.getTime() }))
  return {
    conversation,
    events,
    received: new Map(messages.flatMap(({ id, received }) => (received === null ? [] : [[id, received] as const]))),
    sent: new Map(messages.flatMap(({ id, sent }) => (sent === null ? [] : [[id, sent] as const]))),
    folded: foldStored(events),
    stored: stateOf({ state, unfolded_events }),
  }
}

const pageRows = 500
/** Conversations of a tenant that are looked through for those that were in one flow. */
export const conversationsLookedAtMax = 20_000

/** The newest conversations that were in a flow, newest first; found among `conversationsLookedAtMax` of the tenant. */
export async function findConversationsIn(
  tx: Transaction,
  flow: { readonly tenantId: string; readonly flowId: string },
  limit: number,
): Promise<string[]> {
  const found: string[] = []
  let beforeId = lastId
  for (let looked = 0; looked < conversationsLookedAtMax && found.length < limit; looked += pageRows) {
    const rows = await tx.run(findRecent, {
      flow_id: flow.flowId,
      tenant_id: flow.tenantId,
      before_id: beforeId,
      limit: pageRows,
    })
    found.push(...rows.flatMap(row => (row.is_in ? [row.id] : [])))
    if (rows.length < pageRows) break
    beforeId = rows.at(-1)?.id ?? beforeId
  }
  return found.slice(0, limit)
}
