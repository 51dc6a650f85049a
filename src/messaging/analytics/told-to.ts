import type { Transaction } from '../../stores/postgres/database.ts'
import { nullable, statement } from '../../stores/postgres/statement.ts'
import type { Hours } from './kpis.ts'

// How far the figures go: what happened is told to the logs first, and its hours are summed up then.

// Beyond its position a source has few rows: those that were written since. The first keys of a position's own transaction
// are told.
const findUntold = statement({
  name: 'report_untold',
  params: ['sources'],
  row: { is_through: 'bool', untold_since: nullable('timestamptz') },
  sql: `with place as materialized (
      select name, position, nullif(after_key, '{}') as after_key, walk from projector_positions where name = any ($1::text[])
    )
    select (select count(*) = cardinality($1::text[]) and coalesce(bool_and(walk is null), false) from place) as is_through,
      least(
        (select min(e.at) from place p join conversation_events e on e.tx >= p.position
          where p.name = 'conversation_events' and (e.tx > p.position or p.after_key is null
            or (e.tenant_id, e.conversation_id, e.seq)
              > (p.after_key[1]::uuid, p.after_key[2]::uuid, p.after_key[3]::bigint))),
        (select min(greatest(m.created_at, m.sent_at, m.delivered_at, m.read_at, m.failed_at, m.unknown_at))
          from place p join messages m on m.tx >= p.position
          where p.name = 'messages' and (m.tx > p.position or p.after_key is null
            or (m.tenant_id, m.conversation_id, m.id) > (p.after_key[1]::uuid, p.after_key[2]::uuid, p.after_key[3]::uuid)))
      ) as untold_since`,
})

/** All that happened before it is in the logs; null while their history is still being written. */
export async function findToldTo(tx: Transaction, nowMs: number): Promise<Date | null> {
  const [found] = await tx.run(findUntold, { sources: ['conversation_events', 'messages'] })
  if (found === undefined || !found.is_through) return null
  return new Date(Math.min(nowMs, found.untold_since?.getTime() ?? nowMs))
}

const findDirty = statement({
  name: 'report_has_dirty_hours',
  params: ['tenant_id', 'from', 'to'],
  row: { is_dirty: 'bool' },
  sql: `select exists (select from analytics_dirty_hours where tenant_id = $1
      and hour > $2::timestamptz - interval '1 hour' and hour < $3) as is_dirty`,
})

/** Whether the logs know more of some hours of a tenant than their sums. */
export async function hasDirtyHours(tx: Transaction, tenantId: string, { from, to }: Hours): Promise<boolean> {
  const [found] = await tx.run(findDirty, { tenant_id: tenantId, from, to })
  return found?.is_dirty !== false
}
