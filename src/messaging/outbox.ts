import type { OutboundContent } from '../flow/content.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { json, nullable, type RowOf, statement } from '../stores/postgres/statement.ts'

/** Of the rows claimed together, how many more may be such as nobody waits for. */
const bulkShare = 0.25

/** A message whose turn it is: the first of its conversation that has not ended, and due. */
export type DueMessage = {
  readonly tenant_id: string
  readonly conversation_id: string
  readonly id: string
  /** The conversation's. */
  readonly bot_id: string
  /** Tries that were refused so far. */
  readonly attempts: number
  /** Of a message that goes out in several: those that have been sent. */
  readonly parts_sent: number
  /** Sends of it that have begun before this one. */
  readonly sends: number
  /** 0: somebody waits for it; 1: nobody does. */
  readonly urgency: number
  /** Goes out although the customer wants no messages: it tells them that they get none. */
  readonly consent: boolean
  readonly content: OutboundContent
  readonly customer_id: string
  readonly is_opted_out: boolean
  /** Until when the customer can be written to freely. */
  readonly window_expires_at: Date | null
  /** What the bot knows the customer by. */
  readonly phone: string | null
  readonly bsuid: string | null
  readonly lid: string | null
  /** The customer's own, whatever bot knows it. */
  readonly customer_phone: string | null
  /** Null where the bot was deleted. */
  readonly bot_status: string | null
  /** The bot that it goes by, or went by in its last try. */
  readonly message_bot_id: string
  /** The bot that messages go by where this one's cannot; null where there is none. */
  readonly other_bot_id: string | null
  readonly other_status: string | null
  /** Whether the customer is being talked to by that one now. */
  readonly is_via_other: boolean
  /** Until when that one may write to the customer freely. */
  readonly other_window_expires_at: Date | null
  readonly created_at: Date
}

const claimedRow = {
  tenant_id: 'uuid',
  conversation_id: 'uuid',
  id: 'uuid',
  bot_id: 'uuid',
  attempts: 'int4',
  parts_sent: 'int4',
  sends: 'int4',
  urgency: 'int4',
  consent: 'bool',
  created_at: 'timestamptz',
  head_id: nullable('uuid'),
  head_due_at: nullable('timestamptz'),
} as const

/**
 * Rows that are due, of one urgency. What is before a row in its conversation is found by the conversation, and ordered
 * after: in an order of the whole queue all of it would be walked, with all that was deleted since the last vacuum.
 */
function due(urgency: 0 | 1, limit: string): string {
  return `select o.tenant_id, o.conversation_id, o.id, o.bot_id, o.attempts, o.parts_sent::int, o.sends, o.urgency::int,
      o.consent, o.created_at, h.id as head_id, h.due_at as head_due_at
    from outbox o
    left join lateral (
      select id, due_at from (
        select e.id, e.due_at, e.seq from outbox e
        where e.tenant_id = o.tenant_id and e.conversation_id = o.conversation_id and e.seq < o.seq offset 0) before
      order by seq limit 1) h on true
    where o.state = 'queued' and o.urgency = ${urgency} and o.due_at <= now()
    order by o.due_at, o.id
    limit ${limit}
    for update of o skip locked`
}

// What nobody waits for goes behind, and has a share of its own: it is not starved by what somebody does.
const claimDue = statement({
  name: 'outbox_claim',
  params: ['limit', 'bulk_limit'],
  row: claimedRow,
  sql: `with answers as (${due(0, '$1')}), bulk as (${due(1, '$2')})
    select * from answers union all select * from bulk`,
})

const readDue = statement({
  name: 'outbox_read',
  params: ['tenant_ids', 'conversation_ids', 'ids'],
  row: {
    tenant_id: 'uuid',
    conversation_id: 'uuid',
    id: 'uuid',
    content: json<OutboundContent>(),
    customer_id: 'uuid',
    is_opted_out: 'bool',
    window_expires_at: nullable('timestamptz'),
    phone: nullable('text'),
    bsuid: nullable('text'),
    lid: nullable('text'),
    customer_phone: nullable('text'),
    bot_status: nullable('text'),
    message_bot_id: 'uuid',
    other_bot_id: nullable('uuid'),
    other_status: nullable('text'),
    is_via_other: 'bool',
    other_window_expires_at: nullable('timestamptz'),
  },
  sql: `select g.tenant_id, g.conversation_id, g.id, m.content, c.customer_id, c.window_expires_at,
      b.status as bot_status, m.bot_id as message_bot_id, i.phone, i.bsuid, i.lid, k.phone as customer_phone,
      coalesce(k.is_opted_out, false) as is_opted_out,
      f.id as other_bot_id, f.status as other_status, f.id is not null and f.id = c.via_bot_id as is_via_other,
      f.window_expires_at as other_window_expires_at
    from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as g (tenant_id, conversation_id, id)
    cross join lateral (
      select content, bot_id from messages
      where tenant_id = g.tenant_id and conversation_id = g.conversation_id and id = g.id offset 0) m
    cross join lateral (
      select bot_id, customer_id, window_expires_at, via_bot_id from conversations
      where tenant_id = g.tenant_id and id = g.conversation_id offset 0) c
    left join lateral (
      select status, fallback_bot_id from bots where tenant_id = g.tenant_id and id = c.bot_id offset 0) b on true
    left join lateral (
      select phone, opted_out_at is not null as is_opted_out from customers
      where tenant_id = g.tenant_id and id = c.customer_id offset 0) k on true
    cross join lateral (
      select (array_agg(n.value order by n.value = k.phone desc, n.created_at desc) filter (where n.kind = 'phone'))[1] as phone,
        (array_agg(n.value order by n.created_at desc) filter (where n.kind = 'bsuid'))[1] as bsuid,
        (array_agg(n.value order by n.created_at desc) filter (where n.kind = 'lid'))[1] as lid
      from customer_identities n
      where n.tenant_id = g.tenant_id and n.customer_id = c.customer_id and n.bot_id = c.bot_id) i
    left join lateral (
      select o.id, o.status, greatest(
          (select max(q.window_expires_at) from conversations q
            where q.tenant_id = o.tenant_id and q.bot_id = o.id and q.customer_id = c.customer_id and q.status <> 'closed'),
          (select max(r.provider_at) + interval '24 hours' from messages r
            where r.tenant_id = o.tenant_id and r.conversation_id = g.conversation_id and r.bot_id = o.id
              and r.direction = 'inbound')) as window_expires_at
      from bots o where o.tenant_id = g.tenant_id and o.id = coalesce(c.via_bot_id, b.fallback_bot_id)
      offset 0) f on true`,
})

// The statements below find their rows by id alone: a join would be planned by what the planner thinks of the table, and
// a queue that was empty when it was last vacuumed counts as empty for a while. That plan reads the whole queue for each
// row.
const updateRows = statement({
  name: 'outbox_update',
  params: ['ids', 'states', 'waits_ms', 'attempts', 'parts_sent', 'of_sends'],
  row: {},
  sql: `with given as materialized (
      select * from unnest($1::uuid[], $2::text[], $3::float8[], $4::int[], $5::int[], $6::int[]) as g
        (id, state, wait_ms, attempts, parts_sent, of_send))
    update outbox o set (state, due_at, attempts, sent_at, parts_sent, sends) = (
      select g.state, now() + make_interval(secs => g.wait_ms / 1000), g.attempts, case when g.state = 'sending' then now() else o.sent_at end,
        coalesce(g.parts_sent, o.parts_sent), o.sends + case when g.state = 'sending' then 1 else 0 end
      from given g where g.id = o.id)
    where o.id = any ($1::uuid[])
      and (select g.of_send is null or g.of_send = o.sends from given g where g.id = o.id)`,
})

const deleteRows = statement({
  name: 'outbox_end',
  params: ['ids'],
  row: { tenant_id: 'uuid', conversation_id: 'uuid' },
  sql: 'delete from outbox where id = any ($1::uuid[]) returning tenant_id, conversation_id',
})

// After the rows before them are deleted, in a statement of its own: it then sees a row that came, and was put off, while
// the deletion waited. The next is touched whether it is due or not: a claim that puts it off at this moment holds its
// row, and is waited for.
const touchNext = statement({
  name: 'outbox_touch_next',
  params: ['tenant_ids', 'conversation_ids'],
  row: { conversation_id: 'uuid' },
  sql: `update outbox o set due_at = now()
    where o.state = 'queued' and o.attempts = 0 and o.id = any (array(
      select n.id
      from (select distinct * from unnest($1::uuid[], $2::uuid[]) as g (tenant_id, conversation_id)) e
      cross join lateral (
        select id from (
          select id, seq from outbox where tenant_id = e.tenant_id and conversation_id = e.conversation_id offset 0) own
        order by seq limit 1) n))
    returning o.conversation_id`,
})

// The row before is held while the next is put off. Where it is being ended at this moment, or is claimed, it is locked:
// whoever ends it may not see the next, so that stays due.
const putOff = statement({
  name: 'outbox_put_off',
  params: ['ids', 'head_ids', 'due_ats', 'waits_ms'],
  row: { id: 'uuid' },
  sql: `with given as materialized (
      select * from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::float8[]) as g (id, head_id, due_at, wait_ms))
    update outbox o set due_at = (
      select greatest(g.due_at, now() + make_interval(secs => g.wait_ms / 1000)) from given g where g.id = o.id)
    where o.id = any (array(
      select g.id from given g
      cross join lateral (select from outbox where id = g.head_id for key share skip locked) h))
    returning o.id`,
})

const releaseBot = statement({
  name: 'outbox_release_bot',
  params: ['bot_id'],
  row: {},
  sql: `update outbox set due_at = now() where bot_id = $1 and state = 'queued' and due_at > now()`,
})

/** The keys of a row of the outbox, which are those of its message. */
export type OutboxKey = { readonly tenant_id: string; readonly conversation_id: string; readonly id: string }

/**
 * What becomes of a row, and how long from now until it is tried next, or taken for dead (`sending`), or settled
 * (`unknown`). By the database's clock: those of the processes may be off.
 */
export type OutboxChange = OutboxKey & {
  readonly state: 'queued' | 'sending' | 'unknown'
  readonly waitMs: number
  readonly attempts: number
  /** As it is, where it is left out. */
  readonly partsSent?: number
  /** The send that leads to this, counted from 1: where another has begun since, nothing is changed. */
  readonly ofSend?: number
}

/** A row that is due but has an earlier one of its conversation before it. */
export type WaitingMessage = OutboxKey & { readonly headId: string; readonly headDueAt: Date }

/**
 * Locks up to `limit` rows that are due, and a quarter as many that nobody waits for: the first of each conversation with what its sender needs, and those that
 * wait behind another (see `putOffMessages`).
 */
export async function claimDueMessages(
  tx: Transaction,
  limit: number,
): Promise<{ heads: DueMessage[]; waiting: WaitingMessage[]; hasMore: boolean }> {
  const bulkLimit = Math.ceil(limit * bulkShare)
  const rows = await tx.run(claimDue, { limit, bulk_limit: bulkLimit })
  const bulk = rows.filter(row => row.urgency === 1).length
  const first = rows.filter(row => row.head_id === null)
  const details = new Map<string, RowOf<typeof readDue.row>>()
  if (first.length > 0) for (const row of await tx.run(readDue, keyColumns(first))) details.set(row.id, row)
  const heads = first.flatMap(row => {
    const detail = details.get(row.id)
    return detail === undefined ? [] : [{ ...row, ...detail }]
  })
  const waiting = rows.flatMap(({ tenant_id, conversation_id, id, head_id, head_due_at }) =>
    head_id === null || head_due_at === null
      ? []
      : [{ tenant_id, conversation_id, id, headId: head_id, headDueAt: head_due_at }],
  )
  return { heads, waiting, hasMore: bulk === bulkLimit || rows.length - bulk === limit }
}

/** When such a row is due again: after `waitMs` from now, and not before `headDueAt`, where that is still so. */
export type PutOff = Omit<WaitingMessage, 'headDueAt'> & { readonly headDueAt: Date | null; readonly waitMs: number }

/**
 * Makes rows due when the one before them is, so that they are not looked at again and again until then. Returns whether
 * all were put off: the others, whose first is ending at this moment, are to be looked at again soon.
 */
export async function putOffMessages(tx: Transaction, waiting: readonly PutOff[]): Promise<boolean> {
  if (waiting.length === 0) return true
  const rows = await tx.run(putOff, {
    ids: waiting.map(row => row.id),
    head_ids: waiting.map(row => row.headId),
    due_ats: waiting.map(row => row.headDueAt?.toISOString() ?? null),
    waits_ms: waiting.map(row => row.waitMs),
  })
  return rows.length === waiting.length
}

export async function changeOutbox(tx: Transaction, changes: readonly OutboxChange[]): Promise<void> {
  if (changes.length === 0) return
  await tx.run(updateRows, {
    ids: changes.map(change => change.id),
    states: changes.map(change => change.state),
    waits_ms: changes.map(change => change.waitMs),
    attempts: changes.map(change => change.attempts),
    parts_sent: changes.map(change => change.partsSent ?? null),
    of_sends: changes.map(change => change.ofSend ?? null),
  })
}

/** Removes rows that have ended, and makes those that waited behind them due. Returns whether there were any. */
export async function endOutbox(tx: Transaction, keys: readonly OutboxKey[]): Promise<boolean> {
  if (keys.length === 0) return false
  const ended = await tx.run(deleteRows, { ids: keys.map(key => key.id) })
  if (ended.length === 0) return false
  const touched = await tx.run(touchNext, {
    tenant_ids: ended.map(row => row.tenant_id),
    conversation_ids: ended.map(row => row.conversation_id),
  })
  return touched.length > 0
}

/** Makes all that a bot has to send due: what held it up is put right. */
export async function releaseBotMessages(tx: Transaction, botId: string): Promise<void> {
  await tx.run(releaseBot, { bot_id: botId })
}

/** The keys as arrays, for `unnest`. */
export function keyColumns(keys: readonly OutboxKey[]) {
  return {
    tenant_ids: keys.map(key => key.tenant_id),
    conversation_ids: keys.map(key => key.conversation_id),
    ids: keys.map(key => key.id),
  }
}

const routeMessages = statement({
  name: 'outbox_route',
  params: ['tenant_ids', 'conversation_ids', 'ids', 'bot_ids'],
  row: {},
  sql: `update messages m set bot_id = g.bot_id
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) as g (tenant_id, conversation_id, id, bot_id)
    where m.tenant_id = g.tenant_id and m.conversation_id = g.conversation_id and m.id = g.id`,
})

const routeConversations = statement({
  name: 'outbox_route_conversations',
  params: ['tenant_ids', 'ids', 'bot_ids'],
  row: {},
  sql: `update conversations c set via_bot_id = g.bot_id
    from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as g (tenant_id, id, bot_id)
    where c.tenant_id = g.tenant_id and c.id = g.id and c.via_bot_id is distinct from g.bot_id`,
})

// Whoever answers the other bot is known there as the same customer.
const introduceCustomers = statement({
  name: 'outbox_introduce',
  params: ['tenant_ids', 'bot_ids', 'phones', 'customer_ids'],
  row: {},
  sql: `insert into customer_identities (tenant_id, bot_id, kind, value, customer_id)
    select distinct tenant_id, bot_id, 'phone', phone, customer_id
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[]) as g (tenant_id, bot_id, phone, customer_id)
    order by tenant_id, bot_id, phone, customer_id
    on conflict do nothing`,
})

/** A message that goes by another bot than the one of its last try. */
export type Rerouted = OutboxKey & {
  readonly botId: string
  /** Of one that goes by the bot beside the conversation's: to whom. */
  readonly introduce: { readonly phone: string; readonly customerId: string } | null
}

/**
 * Notes which bots messages go by: their statuses come from there. A conversation that goes by another bot than its own
 * takes what the customer writes to that one.
 */
export async function rerouteMessages(tx: Transaction, rerouted: readonly Rerouted[]): Promise<void> {
  if (rerouted.length === 0) return
  const introduced = rerouted.flatMap(({ introduce, ...rest }) => (introduce === null ? [] : [{ ...rest, introduce }]))
  await tx.run(routeMessages, { ...keyColumns(rerouted), bot_ids: rerouted.map(one => one.botId) })
  if (introduced.length === 0) return
  const tenant_ids = introduced.map(one => one.tenant_id)
  const bot_ids = introduced.map(one => one.botId)
  await tx.run(introduceCustomers, {
    ...{ tenant_ids, bot_ids },
    phones: introduced.map(one => one.introduce.phone),
    customer_ids: introduced.map(one => one.introduce.customerId),
  })
  await tx.run(routeConversations, { tenant_ids, ids: introduced.map(one => one.conversation_id), bot_ids })
}
