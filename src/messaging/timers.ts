import type { Ids } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'
import { botOf } from './inbox.ts'

const findDue = statement({
  name: 'timer_take_due',
  params: ['limit'],
  row: { tenant_id: 'uuid', conversation_id: 'uuid', token: 'text' },
  sql: `delete from timers t using (
      select tenant_id, conversation_id, kind from timers where due_at <= now()
      order by due_at limit $1 for update skip locked) d
    where t.tenant_id = d.tenant_id and t.conversation_id = d.conversation_id and t.kind = d.kind
    returning t.tenant_id, t.conversation_id, t.token`,
})

// Where a flow waits for a time, its conversation is not over, however long that is.
const findSilent = statement({
  name: 'conversation_find_silent',
  params: ['before', 'limit'],
  row: { tenant_id: 'uuid', conversation_id: 'uuid' },
  sql: `select s.tenant_id, s.id as conversation_id
    from tenants t
    cross join lateral unnest(array['bot', 'waiting', 'agent']) as o (status)
    cross join lateral (
      select c.tenant_id, c.id from conversations c
      where c.tenant_id = t.id and c.status = o.status and c.last_message_at < $1
        and not exists (select from timers w where w.tenant_id = c.tenant_id and w.conversation_id = c.id)
        and not exists (
          select from inbox i where i.tenant_id = c.tenant_id and i.conversation_id = c.id and i.failed_reason is null)
      order by c.last_message_at limit $2) s
    limit $2`,
})

const postRows = statement({
  name: 'inbox_post_many',
  params: ['tenant_ids', 'conversation_ids', 'ids', 'kind', 'bodies'],
  row: {},
  sql: `insert into inbox (tenant_id, conversation_id, id, kind, body, bot_id)
    select tenant_id, conversation_id, id, $4, body::jsonb, ${botOf('g.tenant_id', 'g.conversation_id')}
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $5::text[]) as g (tenant_id, conversation_id, id, body)`,
})

/** Turns up to `limit` timers that are due into mail. Returns how many. */
export async function fireTimers(tx: Transaction, ids: Ids, limit: number): Promise<number> {
  const due = await tx.run(findDue, { limit })
  await post(
    tx,
    ids,
    'timer',
    due.map(row => ({ ...row, body: { token: row.token } })),
  )
  return due.length
}

/** Asks up to `limit` conversations in which nobody wrote since `before` to close. Returns how many. */
export async function closeSilent(tx: Transaction, ids: Ids, before: Date, limit: number): Promise<number> {
  const silent = await tx.run(findSilent, { before, limit })
  await post(
    tx,
    ids,
    'close',
    silent.map(row => ({ ...row, body: { reason: 'silence' } })),
  )
  return silent.length
}

type Row = { readonly tenant_id: string; readonly conversation_id: string; readonly body: unknown }

async function post(tx: Transaction, ids: Ids, kind: 'timer' | 'close', rows: readonly Row[]): Promise<void> {
  if (rows.length === 0) return
  await tx.run(postRows, {
    tenant_ids: rows.map(row => row.tenant_id),
    conversation_ids: rows.map(row => row.conversation_id),
    ids: rows.map(() => ids.next()),
    kind,
    bodies: rows.map(row => JSON.stringify(row.body)),
  })
}
