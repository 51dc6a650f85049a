import type { ConversationEvent } from '../flow/events.ts'
import { type ConversationState, foldEvents, initialState } from '../flow/state.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { json, nullableJson, statement } from '../stores/postgres/statement.ts'

/** A conversation from its first event, the state they fold to, and the state that is stored. */
export type History = {
  readonly events: readonly { readonly seq: number; readonly at: Date; readonly type: string; readonly data: unknown }[]
  readonly folded: ConversationState
  readonly stored: ConversationState
}

const findState = statement({
  name: 'replay_find_state',
  params: ['id'],
  row: { tenant_id: 'uuid', state: nullableJson<ConversationState>() },
  sql: 'select tenant_id, state from conversations where id = $1',
})

const readEvents = statement({
  name: 'replay_read_events',
  params: ['tenant_id', 'conversation_id'],
  row: {
    seq: 'int8',
    at: 'timestamptz',
    type: json<ConversationEvent['type']>(),
    data: json<ConversationEvent['data']>(),
  },
  sql: `select seq, at, to_jsonb(type) as type, data from conversation_events
    where tenant_id = $1 and conversation_id = $2 order by seq`,
})

/** Reads a conversation of any tenant; undefined where there is none. */
export async function readHistory(tx: Transaction, conversationId: string): Promise<History | undefined> {
  const [found] = await tx.run(findState, { id: conversationId })
  if (found === undefined) return undefined
  const events = await tx.run(readEvents, { tenant_id: found.tenant_id, conversation_id: conversationId })
  // What was written as an event is read as one; folding only counts a type that it does not know.
  const folded = foldEvents(events as unknown as ConversationEvent[])
  return { events, folded, stored: found.state ?? initialState }
}
