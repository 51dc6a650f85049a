import type { OutboundContent } from '../flow/content.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { json, nullable, type RowOf, statement } from '../stores/postgres/statement.ts'

/** A message whose turn it is: the first of its conversation that has not ended, and due. */
export type DueMessage = {
  readonly tenant_id: string
  readonly conversation_id: string
  readonly id: string
  readonly bot_id: string
  /** Tries that were refused so far. */
  readonly attempts: number
  readonly content: OutboundContent
  readonly window_expires_at: Date | null
  readonly phone: string | null
  readonly bsuid: string | null
  /** Null where the bot was deleted. */
  readonly bot_status: string | null
  readonly created_at: Date
}

const claimDue = statement({
  name: 'outbox_claim',
  params: ['limit'],
  row: {
    tenant_id: 'uuid',
    conversation_id: 'uuid',
    id: 'uuid',
    bot_id: 'uuid',
    attempts: 'int4',
    created_at: 'timestamptz',
    head_id: nullable('uuid'),
    head_due_at: nullable('timestamptz'),
  },
  sql: `select o.tenant_id, o.conversation_id, o.id, o.bot_id, o.attempts, o.created_at,
      h.id as head_id, h.due_at as head_due_at
    from outbox o
    left join lateral (
      select e.id, e.due_at from outbox e
      where e.tenant_id = o.tenant_id and e.conversation_id = o.conversation_id and e.id < o.id
      order by e.id limit 1) h on true
    where o.state = 'queued' and o.due_at <= now()
    order by o.due_at, o.id
    limit $1
    for update of o skip locked`,
})

const readDue = statement({
  name: 'outbox_read',
  params: ['tenant_ids', 'conversation_ids', 'ids'],
  row: {
    tenant_id: 'uuid',
    conversation_id: 'uuid',
    id: 'uuid',
    content: json<OutboundContent>(),
    window_expires_at: nullable('timestamptz'),
    phone: nullable('text'),
    bsuid: nullable('text'),
    bot_status: nullable('text'),
  },
  sql: `select g.tenant_id, g.conversation_id, g.id, m.content, c.window_expires_at, b.status as bot_status,
      i.phone, i.bsuid
    from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as g (tenant_id, conversation_id, id)
    cross join lateral (
      select content, bot_id from messages
      where tenant_id = g.tenant_id and conversation_id = g.conversation_id and id = g.id offset 0) m
    cross join lateral (
      select customer_id, window_expires_at from conversations
      where tenant_id = g.tenant_id and id = g.conversation_id offset 0) c
    left join lateral (select status from bots where tenant_id = g.tenant_id and id = m.bot_id offset 0) b on true
    cross join lateral (
      select (array_agg(n.value order by n.value = k.phone desc, n.created_at desc) filter (where n.kind = 'phone'))[1] as phone,
        (array_agg(n.value order by n.created_at desc) filter (where n.kind = 'bsuid'))[1] as bsuid
      from customers k join customer_identities n on n.tenant_id = k.tenant_id and n.customer_id = k.id
      where k.tenant_id = g.tenant_id and k.id = c.customer_id and n.bot_id = m.bot_id) i`,
})

// The statements below find their rows by id alone: a join would be planned by what the planner thinks of the table, and
// a queue that was empty when it was last vacuumed counts as empty for a while. That plan reads the whole queue for each
// row.
const updateRows = statement({
  name: 'outbox_update',
  params: ['ids', 'states', 'due_ats', 'attempts'],
  row: {},
  sql: `with given as materialized (
      select * from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::int[]) as g (id, state, due_at, attempts))
    update outbox o set (state, due_at, attempts, sent_at) = (
      select g.state, g.due_at, g.attempts, case when g.state = 'sending' then now() else o.sent_at end
      from given g where g.id = o.id)
    where o.id = any ($1::uuid[])`,
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
        select id from outbox where tenant_id = e.tenant_id and conversation_id = e.conversation_id
        order by id limit 1) n))
    returning o.conversation_id`,
})

// The row before is held while the next is put off. Where it is being ended at this moment, or is claimed, it is locked:
// whoever ends it may not see the next, so that stays due.
const putOff = statement({
  name: 'outbox_put_off',
  params: ['ids', 'head_ids', 'due_ats'],
  row: { id: 'uuid' },
  sql: `with given as materialized (
      select * from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as g (id, head_id, due_at))
    update outbox o set due_at = (select g.due_at from given g where g.id = o.id)
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

/** What becomes of a row: when it is tried next, or taken for dead (`sending`), or settled (`unknown`). */
export type OutboxChange = OutboxKey & {
  readonly state: 'queued' | 'sending' | 'unknown'
  readonly dueAt: Date
  readonly attempts: number
}

/** A row that is due but has an earlier one of its conversation before it. */
export type WaitingMessage = OutboxKey & { readonly headId: string; readonly headDueAt: Date }

/**
 * Locks up to `limit` rows that are due: the first of each conversation with what its sender needs, and those that
 * wait behind another (see `putOffMessages`).
 */
export async function claimDueMessages(
  tx: Transaction,
  limit: number,
): Promise<{ heads: DueMessage[]; waiting: WaitingMessage[]; claimed: number }> {
  const rows = await tx.run(claimDue, { limit })
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
  return { heads, waiting, claimed: rows.length }
}

/**
 * Makes rows due when the one before them is, so that they are not looked at again and again until then. Returns whether
 * all were put off: the others, whose first is ending at this moment, are to be looked at again soon.
 */
export async function putOffMessages(tx: Transaction, waiting: readonly WaitingMessage[]): Promise<boolean> {
  if (waiting.length === 0) return true
  const rows = await tx.run(putOff, {
    ids: waiting.map(row => row.id),
    head_ids: waiting.map(row => row.headId),
    due_ats: waiting.map(row => row.headDueAt.toISOString()),
  })
  return rows.length === waiting.length
}

export async function changeOutbox(tx: Transaction, changes: readonly OutboxChange[]): Promise<void> {
  if (changes.length === 0) return
  await tx.run(updateRows, {
    ids: changes.map(change => change.id),
    states: changes.map(change => change.state),
    due_ats: changes.map(change => change.dueAt.toISOString()),
    attempts: changes.map(change => change.attempts),
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
