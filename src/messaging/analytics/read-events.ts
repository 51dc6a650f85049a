import type { JsonObject } from '../../flow/json.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { json, nullable, type RowOf, statement } from '../../stores/postgres/statement.ts'
import type { Part } from './read-source.ts'

// Events of conversations, for the log. What customers and agents wrote is left behind in the database.

const texts = `'{value,choices,note,word,message,data}'::text[]`

// Whole numbers far below 2^53, in the form that takes no second look at each row.
const eventRow = {
  tx: nullable('float8'),
  tenant_id: 'uuid',
  conversation_id: 'uuid',
  seq: 'float8',
  type: 'text',
  version: 'int4',
  data: json<JsonObject>(),
  at: 'timestamptz',
} as const

/** An event without what was written. `bot_id` is null where its conversation is gone. */
export type EventRow = RowOf<typeof eventRow> & { readonly bot_id: string | null }

const columns = `tx::float8 as tx, tenant_id, conversation_id, seq::float8 as seq, type, version, data - ${texts} as data, at`

const readCommitted = statement({
  name: 'events_committed',
  params: ['tx', 'tenant_id', 'conversation_id', 'seq', 'below', 'limit'],
  row: eventRow,
  sql: `select ${columns} from conversation_events e
    where e.tx is not null and e.tx < $5 and (e.tx, tenant_id, conversation_id, e.seq) > ($1, $2, $3, $4)
    order by e.tx, tenant_id, conversation_id, e.seq limit $6`,
})

const readAll = statement({
  name: 'events_all',
  params: ['tenant_id', 'conversation_id', 'seq', 'limit'],
  row: eventRow,
  sql: `select ${columns} from conversation_events e
    where (tenant_id, conversation_id, e.seq) > ($1, $2, $3)
    order by tenant_id, conversation_id, e.seq limit $4`,
})

const readBots = statement({
  name: 'events_bots',
  params: ['tenant_ids', 'conversation_ids'],
  row: { id: 'uuid', bot_id: 'uuid' },
  sql: `select c.id, c.bot_id from unnest($1::uuid[], $2::uuid[]) as g (tenant_id, id)
    cross join lateral (select id, bot_id from conversations where tenant_id = g.tenant_id and id = g.id offset 0) c`,
})

/** The events that were committed after a place, in the order of their transactions. */
export async function readCommittedEvents(tx: Transaction, { from, key, below, limit }: Part): Promise<EventRow[]> {
  const [tenant_id, conversation_id, seq] = key
  return await withBots(tx, await tx.run(readCommitted, { tx: from, tenant_id, conversation_id, seq, below, limit }))
}

/** Events in the order of their keys, from after one. */
export async function readAllEvents(tx: Transaction, { key, limit }: Pick<Part, 'key' | 'limit'>): Promise<EventRow[]> {
  const [tenant_id, conversation_id, seq] = key
  return await withBots(tx, await tx.run(readAll, { tenant_id, conversation_id, seq, limit }))
}

/** Most events have another of the same conversation beside them. */
async function withBots(tx: Transaction, events: readonly RowOf<typeof eventRow>[]): Promise<EventRow[]> {
  const conversations = new Map(events.map(event => [event.conversation_id, event.tenant_id]))
  const tenant_ids = [...conversations.values()]
  const conversation_ids = [...conversations.keys()]
  const rows = events.length === 0 ? [] : await tx.run(readBots, { tenant_ids, conversation_ids })
  const bots = new Map(rows.map(row => [row.id, row.bot_id]))
  return events.map(event => Object.assign(event, { bot_id: bots.get(event.conversation_id) ?? null }))
}

const runRow = {
  conversation_id: 'uuid',
  type: 'text',
  version: 'int4',
  data: json<JsonObject>(),
} as const

// The run that goes on, or ended last: from its beginning to the event. Where there is none, there are no rows.
const readRuns = statement({
  name: 'events_of_runs',
  params: ['tenant_ids', 'conversation_ids', 'seqs'],
  row: runRow,
  sql: `select g.conversation_id, e.type, e.version, e.data
    from unnest($1::uuid[], $2::uuid[], $3::bigint[]) as g (tenant_id, conversation_id, seq)
    cross join lateral (
      select seq, type, version, data - ${texts} as data from conversation_events
      where tenant_id = g.tenant_id and conversation_id = g.conversation_id and seq < g.seq and seq >= (
        select max(seq) from conversation_events
        where tenant_id = g.tenant_id and conversation_id = g.conversation_id and seq < g.seq and type = 'flow.started')
      ) e
    order by g.conversation_id, e.seq`,
})

/** An event, by its keys. */
export type EventKey = { readonly tenantId: string; readonly conversationId: string; readonly seq: number }

/** Of each conversation the events since the last run began, up to before an event of it; in order. */
export async function readEventsOfRuns(
  tx: Transaction,
  events: readonly EventKey[],
): Promise<ReadonlyMap<string, readonly RowOf<typeof runRow>[]>> {
  if (events.length === 0) return new Map()
  return Map.groupBy(await tx.run(readRuns, keyColumns(events)), row => row.conversation_id)
}

const firstRow = {
  tenant_id: 'uuid',
  conversation_id: 'uuid',
  seq: 'int8',
  order_id: nullable('uuid'),
  total_minor: nullable('int8'),
  currency: nullable('text'),
} as const

/** A conversion, with the order that it is, or that followed. */
export type FirstConversion = RowOf<typeof firstRow>

// One turn of a conversation comes after the other: whoever sees an event sees all that are before it.
const findFirst = statement({
  name: 'events_first_conversions',
  params: ['tenant_ids', 'conversation_ids', 'seqs', 'handlers'],
  row: firstRow,
  sql: `select g.tenant_id, g.conversation_id, g.seq, o.id as order_id, o.total_minor, o.currency
    from unnest($1::uuid[], $2::uuid[], $3::bigint[]) as g (tenant_id, conversation_id, seq)
    left join lateral (
      select id, total_minor, currency from orders
      where tenant_id = g.tenant_id and conversation_id = g.conversation_id order by id limit 1) o on true
    where not exists (
      select from conversation_events e
      where e.tenant_id = g.tenant_id and e.conversation_id = g.conversation_id and e.seq < g.seq
        and (e.type = 'goal.reached' or (e.type = 'action.completed' and exists (
          select from conversation_events r
          where r.tenant_id = g.tenant_id and r.conversation_id = g.conversation_id and r.seq < e.seq
            and r.type = 'action.requested' and r.data->>'call_id' = e.data->>'call_id'
            and r.data->>'handler' = any ($4::text[])))))`,
})

/** Those of these events that no goal and no order of the same conversation came before. */
export async function findFirstConversions(
  tx: Transaction,
  events: readonly EventKey[],
  orderHandlers: readonly string[],
): Promise<FirstConversion[]> {
  if (events.length === 0) return []
  return await tx.run(findFirst, { ...keyColumns(events), handlers: orderHandlers })
}

function keyColumns(events: readonly EventKey[]) {
  return {
    tenant_ids: events.map(event => event.tenantId),
    conversation_ids: events.map(event => event.conversationId),
    seqs: events.map(event => event.seq),
  }
}
