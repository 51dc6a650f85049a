import type { OutboundContent } from '../flow/content.ts'
import { type ConversationEvent, EVENT_VERSIONS } from '../flow/events.ts'
import { WINDOW_MS } from '../flow/limits.ts'
import type { ConversationState } from '../flow/state.ts'
import { type Json, storableJson } from '../lib/json.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'
import type { NewSnapshot } from '../stores/state-snapshots.ts'
import { unfoldedAfter } from './conversation-states.ts'

/** A conversation, by its two keys. */
export type ConversationKey = { readonly tenantId: string; readonly conversationId: string }

/** What one turn leaves behind. */
export type Turn = ConversationKey & {
  readonly botId: string
  readonly state: ConversationState
  /** The `seq` before the first event. */
  readonly seqBefore: number
  /** The state before, and how many events the stored one is behind it; where it is not said, the new one is written. */
  readonly before?: { readonly state: ConversationState; readonly unfolded: number }
  readonly events: readonly ConversationEvent[]
  /** In the order to send them. */
  readonly sends: readonly {
    readonly id: string
    readonly content: OutboundContent
    /** Says that the customer is out, or in again: it goes out although they want no messages. */
    readonly isConsent: boolean
  }[]
  /** The one answer timer after the turn; undefined leaves it as it is. */
  readonly timer: { readonly token: string; readonly dueAt: Date } | null | undefined
  /** The rows of the mailbox that are done. */
  readonly doneIds: readonly string[]
  /** Rows that wait for the answer from outside which the flow waits for: they are taken with it. */
  readonly heldIds: readonly string[]
  /** Whether what was held for that answer is to be taken now: the answer has come. */
  readonly releases: boolean
  /** When the customer last wrote, by the provider's clock; null when the turn was about something else. */
  readonly lastInboundAt: Date | null
}

const appendEvents = statement({
  name: 'turn_append_events',
  params: ['tenant_ids', 'conversation_ids', 'seqs', 'types', 'datas', 'at', 'versions'],
  row: {},
  sql: `insert into conversation_events (tenant_id, conversation_id, seq, type, data, at, version)
    select tenant_id, conversation_id, seq, type, data::jsonb, $6::timestamptz, version
    from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $7::int[]) as g
      (tenant_id, conversation_id, seq, type, data, version)`,
})

const queueMessages = statement({
  name: 'turn_queue_messages',
  params: ['tenant_ids', 'conversation_ids', 'ids', 'bot_ids', 'contents', 'at', 'are_consent', 'reply_to_ats'],
  row: {},
  sql: `with given as (
      select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $7::bool[], $8::timestamptz[]) as g
        (tenant_id, conversation_id, id, bot_id, content, consent, reply_to_at)
    ), message as (
      insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status, created_at, reply_to_at, tx)
      select tenant_id, conversation_id, id, bot_id, 'outbound', content::jsonb, 'queued', $6::timestamptz, reply_to_at, null
      from given
    )
    insert into outbox (tenant_id, conversation_id, id, bot_id, consent)
    select tenant_id, conversation_id, id, bot_id, consent from given`,
})

const setTimers = statement({
  name: 'turn_set_timers',
  params: ['tenant_ids', 'conversation_ids', 'tokens', 'due_ats'],
  row: {},
  sql: `insert into timers (tenant_id, conversation_id, kind, token, due_at)
    select tenant_id, conversation_id, 'answer', token, due_at
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[]) as g (tenant_id, conversation_id, token, due_at)
    on conflict (tenant_id, conversation_id, kind) do update set token = excluded.token, due_at = excluded.due_at`,
})

const clearTimers = statement({
  name: 'turn_clear_timers',
  params: ['tenant_ids', 'conversation_ids'],
  row: {},
  sql: `delete from timers t using unnest($1::uuid[], $2::uuid[]) as g (tenant_id, conversation_id)
    where t.tenant_id = g.tenant_id and t.conversation_id = g.conversation_id and t.kind = 'answer'`,
})

// By id alone: a join would be planned by what the planner thinks of the table, and a queue that was empty when it was
// last vacuumed counts as empty for a while. That plan reads the whole queue for each row.
const endInbox = statement({
  name: 'turn_end_inbox',
  params: ['ids'],
  row: {},
  sql: 'delete from inbox where id = any ($1::uuid[])',
})

const holdInbox = statement({
  name: 'turn_hold_inbox',
  params: ['ids'],
  row: {},
  sql: 'update inbox set held = true where id = any ($1::uuid[]) and not held',
})

// What a turn has held and done itself is gone by then: this is for more than one turn takes.
const releaseInbox = statement({
  name: 'turn_release_inbox',
  params: ['tenant_ids', 'conversation_ids'],
  row: {},
  sql: `update inbox i set held = false
    from unnest($1::uuid[], $2::uuid[]) as g (tenant_id, conversation_id)
    where i.tenant_id = g.tenant_id and i.conversation_id = g.conversation_id and i.held`,
})

const updateConversations = statement({
  name: 'turn_update_conversations',
  params: ['tenant_ids', 'ids', 'states', 'seqs', 'statuses', 'window_expires_ats', 'are_active', 'at', 'unfoldeds'],
  row: {},
  sql: `update conversations c
    set state = coalesce(g.state::jsonb, c.state), unfolded = g.unfolded, seq = g.seq, status = g.status,
      waiting_since = case when g.status = 'waiting' then coalesce(c.waiting_since, $8::timestamptz) end,
      window_expires_at = greatest(c.window_expires_at, g.window_expires_at),
      last_message_at = case when g.is_active then $8::timestamptz else c.last_message_at end
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::timestamptz[], $7::bool[],
      $9::int[]) as g (tenant_id, id, state, seq, status, window_expires_at, is_active, unfolded)
    where c.tenant_id = g.tenant_id and c.id = g.id`,
})

/**
 * Writes turns of conversations that the transaction has locked: their events, messages to send, timers and states,
 * and that their mail is done. All statements go out together: one round trip for any number of turns. Returns the states,
 * to be kept as snapshots once they are committed.
 */
export async function saveTurns(tx: Transaction, turns: readonly Turn[], at: Date): Promise<readonly NewSnapshot[]> {
  const [snapshots] = await Promise.all([
    saveStates(tx, turns, at),
    saveEvents(tx, turns, at),
    saveSends(tx, turns, at),
    saveTimers(tx, turns),
    saveDone(tx, turns),
    saveHeld(tx, turns),
  ])
  return snapshots
}

async function saveEvents(tx: Transaction, turns: readonly Turn[], at: Date): Promise<void> {
  const rows = turns.flatMap(turn =>
    turn.events.map((event, index) => ({ turn, event, seq: turn.seqBefore + 1 + index })),
  )
  if (rows.length === 0) return
  await tx.run(appendEvents, {
    tenant_ids: rows.map(row => row.turn.tenantId),
    conversation_ids: rows.map(row => row.turn.conversationId),
    seqs: rows.map(row => row.seq),
    types: rows.map(row => row.event.type),
    datas: rows.map(row => storable(row.event.data)),
    at,
    versions: rows.map(row => EVENT_VERSIONS[row.event.type]),
  })
}

async function saveSends(tx: Transaction, turns: readonly Turn[], at: Date): Promise<void> {
  const rows = turns.flatMap(turn => turn.sends.map((send, index) => ({ turn, send, isFirst: index === 0 })))
  if (rows.length === 0) return
  await tx.run(queueMessages, {
    tenant_ids: rows.map(row => row.turn.tenantId),
    conversation_ids: rows.map(row => row.turn.conversationId),
    ids: rows.map(row => row.send.id),
    bot_ids: rows.map(row => row.turn.botId),
    contents: rows.map(row => storable(row.send.content)),
    at,
    are_consent: rows.map(row => row.send.isConsent),
    reply_to_ats: rows.map(({ turn, isFirst }) => (isFirst ? (turn.lastInboundAt?.toISOString() ?? null) : null)),
  })
}

async function saveTimers(tx: Transaction, turns: readonly Turn[]): Promise<void> {
  const set = turns.flatMap(turn => (turn.timer ? [{ turn, ...turn.timer }] : []))
  const cleared = turns.filter(turn => turn.timer === null)
  const work: Promise<unknown>[] = []
  if (set.length > 0)
    work.push(
      tx.run(setTimers, {
        tenant_ids: set.map(row => row.turn.tenantId),
        conversation_ids: set.map(row => row.turn.conversationId),
        tokens: set.map(row => row.token),
        due_ats: set.map(row => row.dueAt.toISOString()),
      }),
    )
  if (cleared.length > 0)
    work.push(
      tx.run(clearTimers, {
        tenant_ids: cleared.map(turn => turn.tenantId),
        conversation_ids: cleared.map(turn => turn.conversationId),
      }),
    )
  await Promise.all(work)
}

async function saveDone(tx: Transaction, turns: readonly Turn[]): Promise<void> {
  const ids = turns.flatMap(turn => turn.doneIds)
  if (ids.length > 0) await tx.run(endInbox, { ids })
}

async function saveHeld(tx: Transaction, turns: readonly Turn[]): Promise<void> {
  const ids = turns.flatMap(turn => turn.heldIds)
  const released = turns.filter(turn => turn.releases)
  if (ids.length > 0) await tx.run(holdInbox, { ids })
  if (released.length === 0) return
  await tx.run(releaseInbox, {
    tenant_ids: released.map(turn => turn.tenantId),
    conversation_ids: released.map(turn => turn.conversationId),
  })
}

async function saveStates(tx: Transaction, turns: readonly Turn[], at: Date): Promise<readonly NewSnapshot[]> {
  const changed = turns.filter(turn => turn.events.length > 0)
  if (changed.length === 0) return []
  const states = changed.map(turn => storable(turn.state))
  const unfoldeds = changed.map(({ before, state }, index) =>
    before === undefined ? 0 : unfoldedAfter(before, state, states[index]?.length ?? 0),
  )
  await tx.run(updateConversations, {
    tenant_ids: changed.map(turn => turn.tenantId),
    ids: changed.map(turn => turn.conversationId),
    states: states.map((state, index) => (unfoldeds[index] === 0 ? state : null)),
    seqs: changed.map(turn => turn.state.seq),
    statuses: changed.map(turn => turn.state.status),
    window_expires_ats: changed.map(turn => windowEnd(turn.lastInboundAt)),
    are_active: changed.map(turn => turn.lastInboundAt !== null || turn.sends.length > 0),
    at,
    unfoldeds,
  })
  return changed.map(({ tenantId, conversationId, state: { seq } }, index) => ({
    ...{ tenantId, conversationId, seq },
    ...{ state: states[index] ?? '', isInRow: unfoldeds[index] === 0 },
  }))
}

function windowEnd(lastInboundAt: Date | null): string | null {
  return lastInboundAt === null ? null : new Date(lastInboundAt.getTime() + WINDOW_MS).toISOString()
}

/** What the flow made may hold texts of customers: none of them may break the insert. */
function storable(value: object): string {
  const text = JSON.stringify(value)
  return unstorable.test(text) ? JSON.stringify(storableJson(JSON.parse(text) as Json)) : text
}

/** JSON.stringify writes NUL and lone surrogates as escapes, and nothing else that looks like these. */
const unstorable = /\\u(?:0000|d[89a-f][0-9a-f]{2})/i
