import { firstId } from '../lib/ids.ts'
import type { FilePlace } from '../stores/files.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, statement } from '../stores/postgres/statement.ts'

// Closed conversations that their tenant keeps no longer. The conversation goes first, all at once, so that nobody sees half
// of one; what it consisted of follows in small pieces, by a list of those that are gone (`clear-conversations.ts`).

// Looks at so many of the longest silent, from after a position, and removes those of them that were closed long enough
// ago: one can be closed long after its last message, which its last event says. One for which there still is mail, a
// message to send or a call of the outside stays. Rows are told by where they lie: that is one look a row, whatever the
// planner thinks of the table.
const removeBite = statement({
  name: 'clean_closed_conversations',
  params: ['tenant_id', 'after_micros', 'after_id', 'before', 'limit'],
  row: { looked_at: 'int4', removed: 'int4', last_micros: nullable('int8'), last_id: nullable('uuid') },
  sql: `with candidate as materialized (
      select c.ctid as place, c.id, c.seq, c.last_message_at
      from conversations c
      where c.tenant_id = $1 and c.status = 'closed' and c.last_message_at < $4
        and (c.last_message_at, c.id) > ('epoch'::timestamptz + $2::bigint * interval '1 microsecond', $3::uuid)
      order by c.last_message_at, c.id limit $5
    ), old as materialized (
      select k.place from candidate k
      where not exists (
          select from conversation_events e
          where e.tenant_id = $1 and e.conversation_id = k.id and e.seq = k.seq and e.at >= $4)
        and not exists (
          select from inbox i where i.tenant_id = $1 and i.conversation_id = k.id and i.failed_reason is null)
        and not exists (select from outbox o where o.tenant_id = $1 and o.conversation_id = k.id)
        and not exists (select from calls a where a.tenant_id = $1 and a.conversation_id = k.id)
    ), gone as (
      delete from conversations c
      where c.ctid = any (array(select place from old)) and c.tenant_id = $1 and c.status = 'closed'
      returning c.tenant_id, c.id
    ), noted as (
      insert into gone_conversations (tenant_id, id) select tenant_id, id from gone
    )
    select (select count(*)::int from candidate) as looked_at, (select count(*)::int from gone) as removed,
      (extract(epoch from l.last_message_at) * 1000000)::bigint as last_micros, l.id as last_id
    from (select) as always
    left join lateral (select last_message_at, id from candidate order by last_message_at desc, id desc limit 1) l on true`,
})

/** Where the look at a tenant's closed conversations has come to. */
export type ClosedPosition = { readonly lastMessageMicros: number; readonly id: string }

/** Before every conversation there is. */
export const firstClosed: ClosedPosition = { lastMessageMicros: 0, id: firstId }

/**
 * Looks at up to `limit` closed conversations of a tenant from after a position, those first in which nobody wrote for
 * longest, and removes those that were closed before a moment. `next` is null once all were looked at.
 */
export async function removeClosedConversations(
  tx: Transaction,
  asked: { readonly tenantId: string; readonly before: Date; readonly after: ClosedPosition; readonly limit: number },
): Promise<{ readonly removed: number; readonly next: ClosedPosition | null }> {
  const { tenantId, before, after, limit } = asked
  const [bite] = await tx.run(removeBite, {
    ...{ tenant_id: tenantId, after_micros: after.lastMessageMicros, after_id: after.id, before, limit },
  })
  if (bite === undefined) return { removed: 0, next: null }
  const { looked_at, removed, last_micros, last_id } = bite
  const isOver = looked_at < limit || last_micros === null || last_id === null
  return { removed, next: isOver ? null : { lastMessageMicros: last_micros, id: last_id } }
}

const claimGone = statement({
  name: 'gone_claim',
  params: ['limit'],
  row: { place: 'text', tenant_id: 'uuid', id: 'uuid' },
  sql: `select ctid::text as place, tenant_id, id from gone_conversations
    order by tenant_id, id limit $1 for update skip locked`,
})

// They are locked: where they lie does not change.
const forgetGone = statement({
  name: 'gone_forget',
  params: ['places'],
  row: {},
  sql: 'delete from gone_conversations where ctid = any ($1::tid[])',
})

/** The rows of these conversations in a table, `limit` at most, told by where they lie. */
function placesOf(table: string): string {
  return `array(
      select r.place from unnest($1::uuid[], $2::uuid[]) as g (tenant_id, conversation_id)
      cross join lateral (
        select t.ctid as place from ${table} t
        where t.tenant_id = g.tenant_id and t.conversation_id = g.conversation_id limit $3) r
      limit $3)`
}

const params = ['tenant_ids', 'conversation_ids', 'limit'] as const

/** Tables that have nothing of their own to be cleared with a row. */
const plainTables = ['conversation_events', 'inbox', 'outbox', 'timers', 'calls'] as const

const removePlain = plainTables.map(table => ({
  table,
  statement: statement({
    name: `gone_clear_${table}`,
    params,
    row: { removed: 'int4' },
    sql: `with gone as (delete from ${table} where ctid = any (${placesOf(table)}) returning 1)
    select count(*)::int as removed from gone`,
  }),
}))

const removeMessages = statement({
  name: 'gone_clear_messages',
  params,
  row: { messages: 'int4', statuses: 'int4', own_ids: 'int4' },
  sql: `with gone as (
      delete from messages where ctid = any (${placesOf('messages')})
      returning tenant_id, bot_id, id, provider_message_id
    ), statuses as (
      delete from message_statuses s using gone m
      where s.tenant_id = m.tenant_id and s.bot_id = m.bot_id and s.provider_message_id = m.provider_message_id
      returning 1
    ), own_ids as (
      delete from own_message_ids o using gone m where o.tenant_id = m.tenant_id and o.message_id = m.id
      returning 1
    )
    select (select count(*)::int from gone) as messages, (select count(*)::int from statuses) as statuses,
      (select count(*)::int from own_ids) as own_ids`,
})

const removeMedia = statement({
  name: 'gone_clear_media',
  params,
  row: { tenant_id: 'uuid', id: 'uuid' },
  sql: `delete from media where ctid = any (${placesOf('media')}) returning tenant_id, id`,
})

const freeOrders = statement({
  name: 'gone_free_orders',
  params,
  row: { freed: 'int4' },
  sql: `with freed as (update orders set conversation_id = null where ctid = any (${placesOf('orders')}) returning 1)
    select count(*)::int as freed from freed`,
})

/** What was cleared of conversations that are gone: rows by table, and the files whose bytes are to be removed now. */
export type Cleared = {
  readonly rows: Readonly<Record<string, number>>
  readonly files: readonly FilePlace[]
  /** Whether nothing is left to clear, or somebody else does it. */
  readonly isOver: boolean
}

/**
 * Clears what conversations that are gone consisted of: of up to `conversationsMax` of them, `limit` rows of each table at
 * most. An order stays, and names its conversation no more. Several may do it at the same time.
 */
export async function clearGoneConversations(
  tx: Transaction,
  { conversationsMax, limit }: { readonly conversationsMax: number; readonly limit: number },
): Promise<Cleared> {
  const claimed = await tx.run(claimGone, { limit: conversationsMax })
  if (claimed.length === 0) return { rows: {}, files: [], isOver: true }
  const [tenant_ids, ids] = [claimed.map(one => one.tenant_id), claimed.map(one => one.id)]
  const given = { tenant_ids, conversation_ids: ids, limit }
  const plain = await Promise.all(
    removePlain.map(async one => [one.table, (await tx.run(one.statement, given))[0]?.removed ?? 0] as const),
  )
  const [messages] = await tx.run(removeMessages, given)
  const media = await tx.run(removeMedia, given)
  const [orders] = await tx.run(freeOrders, given)
  const first = { ...Object.fromEntries(plain), messages: messages?.messages ?? 0, media: media.length }
  const isCleared = [...Object.values(first), orders?.freed ?? 0].every(count => count < limit)
  if (isCleared) await tx.run(forgetGone, { places: claimed.map(one => one.place) })
  return {
    rows: { ...first, message_statuses: messages?.statuses ?? 0, own_message_ids: messages?.own_ids ?? 0 },
    files: media.map(row => ({ tenantId: row.tenant_id, id: row.id })),
    isOver: isCleared && claimed.length < conversationsMax,
  }
}
