import type { Transaction } from '../../stores/postgres/database.ts'
import { json, nullableJson, type RowOf, statement } from '../../stores/postgres/statement.ts'

// Rows are read in the order of the transactions that wrote them, and only those of transactions below which none is
// under way: what commits later has a later one, so nothing can appear behind the position.

const horizonRow = { below: 'int8', next: 'int8', cluster: 'text' } as const

/**
 * How far rows may be read now: up to, without it, the transaction `below`. `next` is the number of the next transaction.
 * The numbers are those of the `cluster`: a database that was restored into another one begins anew.
 */
export type Horizon = RowOf<typeof horizonRow>

// Transactions of other databases of the server count in the snapshot, but write nothing here. One of which it is not known
// whose it is may be ours: its lock is there a moment after its number.
const readHorizonRow = statement({
  name: 'projector_horizon',
  params: [],
  row: horizonRow,
  sql: `select coalesce(u.oldest, pg_snapshot_xmax(s))::text::bigint as below,
      pg_snapshot_xmax(s)::text::bigint as next,
      (select system_identifier::text from pg_control_system()) as cluster
    from pg_current_snapshot() s,
    lateral (
      select min(xid) as oldest from pg_snapshot_xip(s) xid where not exists (
        select from pg_locks l join pg_stat_activity a using (pid)
        where l.locktype = 'transactionid' and l.transactionid = xid::xid and l.mode = 'ExclusiveLock'
          and a.datid <> (select oid from pg_database where datname = current_database()))) u`,
})

const positionRow = {
  cluster: 'text',
  position: 'int8',
  after_key: json<readonly string[]>(),
  walk: nullableJson<readonly string[]>(),
} as const

/**
 * Where a source is to be read from: rows of the transaction `position` after `after_key` (all of them, where that is
 * empty), and of those after it. `walk`: the key up to which the whole source was read, in the order of its keys; null once
 * that is done.
 */
export type Position = RowOf<typeof positionRow>

const findPosition = statement({
  name: 'projector_find_position',
  params: ['name'],
  row: positionRow,
  sql: `select cluster, position, to_jsonb(after_key) as after_key, to_jsonb(walk) as walk
    from projector_positions where name = $1`,
})

const setPosition = statement({
  name: 'projector_set_position',
  params: ['name', 'cluster', 'position'],
  row: {},
  sql: `insert into projector_positions (name, cluster, position, after_key, walk) values ($1, $2, $3, '{}', '{}')
    on conflict (name) do update
    set cluster = excluded.cluster, position = excluded.position, after_key = '{}', walk = '{}', at = now()`,
})

// Nobody else has moved it since it was read: who has told the same has marked it too.
const moveAndMark = statement({
  name: 'projector_move',
  params: [
    'name',
    'cluster',
    'old_position',
    'old_after_key',
    'old_walk',
    'position',
    'after_key',
    'walk',
    'hours',
    'tenant_ids',
  ],
  row: { moved: 'int4' },
  sql: `with moved as (
      update projector_positions set position = $6::bigint, after_key = $7::text[], walk = $8::text[], at = now()
      where name = $1 and cluster = $2 and position = $3::bigint and after_key = $4::text[]
        and walk is not distinct from $5::text[]
      returning 1
    ), marked as (
      insert into analytics_dirty_hours (hour, tenant_id, mark)
      select hour, tenant_id, nextval('analytics_marks')
      from (select * from unnest($9::timestamptz[], $10::uuid[]) as g (hour, tenant_id) order by hour, tenant_id) d
      where exists (select from moved)
      on conflict (hour, tenant_id) do update set mark = excluded.mark
    )
    select count(*)::int as moved from moved`,
})

export async function readHorizon(tx: Transaction): Promise<Horizon> {
  const [horizon] = await tx.run(readHorizonRow, {})
  if (horizon === undefined) throw new Error('The database did not say which transactions are under way')
  return horizon
}

/**
 * The position of a source. Where there is none, or it is one of another cluster, the source begins anew: whatever is
 * committed by now is read by its keys, and what comes later by its transactions.
 */
export async function loadPosition(
  tx: Transaction,
  name: string,
  { below, next, cluster }: Horizon,
): Promise<Position> {
  const [found] = await tx.run(findPosition, { name })
  if (found !== undefined && found.cluster === cluster && found.position <= next) return found
  await tx.run(setPosition, { name, cluster, position: below })
  return { cluster, position: below, after_key: [], walk: [] }
}

/** An hour of a tenant, of which the log knows more now. */
export type DirtyHour = { readonly hour: Date; readonly tenantId: string }

/** Moves a position on, and notes which hours are to be summed up again. Returns false where another process has moved it. */
export async function movePosition(
  tx: Transaction,
  name: string,
  { before, after }: { readonly before: Position; readonly after: Position },
  dirty: readonly DirtyHour[],
): Promise<boolean> {
  const [row] = await tx.run(moveAndMark, {
    ...{ name, cluster: before.cluster },
    ...{ old_position: before.position, old_after_key: before.after_key, old_walk: before.walk },
    ...{ position: after.position, after_key: after.after_key, walk: after.walk },
    hours: dirty.map(one => one.hour.toISOString()),
    tenant_ids: dirty.map(one => one.tenantId),
  })
  return row?.moved === 1
}
