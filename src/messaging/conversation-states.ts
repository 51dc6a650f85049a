import { type ConversationState, initialState } from '../flow/state.ts'
import { foldStored, type StoredEvent } from '../flow/upcast.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { nullableJson, statement } from '../stores/postgres/statement.ts'
import type { StateSnapshots } from '../stores/state-snapshots.ts'

// A conversation's row holds the fold of its events, but for the last `unfolded` of them: a state that is long is not
// written with every turn. Whoever reads it folds those on top.

/** Events that a stored state may be behind: as many are read and folded where no snapshot is found. */
export const unfoldedMax = 100
/** Reading and folding one event costs as much as writing so much of a state: docs/decisions/state.md has the figures. */
const eventCharacters = 1_000

/** How many events the row is behind after a turn; 0: its state is written. `characters`: of the state's JSON. */
export function unfoldedAfter(
  before: { readonly state: ConversationState; readonly unfolded: number },
  state: ConversationState,
  characters: number,
): number {
  const unfolded = before.unfolded + state.seq - before.state.seq
  // Which flows a conversation is in, and whose turn it is, is asked of the stored states of many conversations at once.
  const isElsewhere = state.run?.frames !== before.state.run?.frames || state.status !== before.state.status
  return isElsewhere || unfolded >= Math.min(characters / eventCharacters, unfoldedMax) ? 0 : unfolded
}

/** The events that the stored state of a row of `conversations` does not fold, as a column; null where it folds all. */
export function unfoldedEvents(row: string): string {
  return `case when ${row}.unfolded > 0 then (
      select jsonb_agg(jsonb_build_object('type', e.type, 'version', e.version, 'data', e.data) order by e.seq)
      from conversation_events e
      where e.tenant_id = ${row}.tenant_id and e.conversation_id = ${row}.id and e.seq > ${row}.seq - ${row}.unfolded) end`
}

/** The state of a row that was read with its `unfoldedEvents`. */
export function stateOf(row: {
  readonly state: ConversationState | null
  readonly unfolded_events: readonly StoredEvent[] | null
}): ConversationState {
  return foldStored(row.unfolded_events ?? [], row.state ?? initialState)
}

const readStates = statement({
  name: 'conversation_read_states',
  params: ['tenant_ids', 'ids'],
  row: {
    id: 'uuid',
    state: nullableJson<ConversationState>(),
    unfolded_events: nullableJson<readonly StoredEvent[]>(),
  },
  sql: `select g.id, c.state, ${unfoldedEvents('c')} as unfolded_events
    from unnest($1::uuid[], $2::uuid[]) as g (tenant_id, id)
    cross join lateral (
      select tenant_id, id, state, seq, unfolded from conversations where tenant_id = g.tenant_id and id = g.id offset 0) c`,
})

type Behind = {
  readonly tenant_id: string
  readonly id: string
  readonly seq: number
  readonly unfolded: number
  readonly state: ConversationState | null
}

/**
 * Locked conversations with their states as they are now. A state that is behind is taken from the snapshots, else from
 * the row and the events since.
 */
export async function withStates<T extends Behind>(
  tx: Transaction,
  snapshots: StateSnapshots | undefined,
  conversations: readonly T[],
): Promise<readonly T[]> {
  const behind = conversations.filter(one => one.unfolded > 0)
  if (behind.length === 0) return conversations
  const states = snapshots === undefined ? new Map<string, ConversationState>() : await findSnapshots(snapshots, behind)
  const missing = behind.filter(one => !states.has(one.id))
  if (missing.length > 0)
    for (const row of await tx.run(readStates, {
      tenant_ids: missing.map(one => one.tenant_id),
      ids: missing.map(one => one.id),
    }))
      states.set(row.id, stateOf(row))
  return conversations.map(one => ({ ...one, state: states.get(one.id) ?? one.state }))
}

async function findSnapshots(
  snapshots: StateSnapshots,
  conversations: readonly Behind[],
): Promise<Map<string, ConversationState>> {
  const states = new Map<string, ConversationState>()
  const keys = conversations.map(one => ({ tenantId: one.tenant_id, conversationId: one.id }))
  for (const [index, found] of (await snapshots.getMany(keys)).entries()) {
    const one = conversations[index]
    // What was put in was written by this code from a state.
    if (one !== undefined && found?.seq === one.seq) states.set(one.id, JSON.parse(found.state) as ConversationState)
  }
  return states
}
