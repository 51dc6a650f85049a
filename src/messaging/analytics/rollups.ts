import { firstId } from '../../lib/ids.ts'
import type { HourFigures } from '../../stores/log-store.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { type RowOf, statement } from '../../stores/postgres/statement.ts'

// The figures of each hour, summed up from the logs. They are derived: any hour may be summed up again.

const dirtyRow = { hour: 'timestamptz', tenant_id: 'uuid', mark: 'int8' } as const

/** An hour of a tenant that is to be summed up again, as it was marked last. */
export type Mark = RowOf<typeof dirtyRow>

const findDirty = statement({
  name: 'rollup_find_dirty',
  params: ['limit'],
  row: { hour: 'timestamptz', tenant_id: 'uuid' },
  sql: 'select hour, tenant_id from analytics_dirty_hours order by hour, tenant_id limit $1',
})

const readMarks = statement({
  name: 'rollup_read_marks',
  params: ['hour', 'tenant_ids'],
  row: dirtyRow,
  sql: `select hour, tenant_id, mark from analytics_dirty_hours
    where hour = $1 and ($2::uuid[] is null or tenant_id = any ($2::uuid[]))`,
})

// Whoever marks an hour again meanwhile is waited for, in the order in which they lock.
const removeMarks = statement({
  name: 'rollup_remove_marks',
  params: ['hours', 'tenant_ids', 'marks'],
  row: {},
  sql: `with seen as materialized (
      select d.hour, d.tenant_id from unnest($1::timestamptz[], $2::uuid[], $3::bigint[]) as g (hour, tenant_id, mark)
      join analytics_dirty_hours d using (hour, tenant_id, mark)
      order by d.hour, d.tenant_id for update of d)
    delete from analytics_dirty_hours d using seen s where d.hour = s.hour and d.tenant_id = s.tenant_id`,
})

// Beside the keys of migrations and accounts: two numbers are locks of their own.
const lockHour = statement({
  name: 'rollup_lock_hour',
  params: ['hour'],
  row: { is_locked: 'bool' },
  sql: `select pg_advisory_xact_lock(7246019, (extract(epoch from $1::timestamptz) / 3600)::int) is not null as is_locked`,
})

const replaceFigures = statement({
  name: 'rollup_replace',
  params: [
    'hour',
    'only_tenant_ids',
    'not_tenant_ids',
    'tenant_ids',
    'bot_ids',
    'log_types',
    'keys',
    'counts',
    'sums',
    'buckets',
  ],
  row: { tenant_id: 'uuid' },
  sql: `with given as materialized (
      select * from unnest($4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::bigint[], $9::float8[], $10::text[])
        as g (tenant_id, bot_id, log_type, key, count, sum, buckets)
    ), gone as (
      delete from analytics_rollups r
      where r.hour = $1 and ($2::uuid[] is null or r.tenant_id = any ($2::uuid[])) and r.tenant_id <> all ($3::uuid[])
        and not exists (select from given g where g.tenant_id = r.tenant_id and g.bot_id = r.bot_id
          and g.log_type = r.log_type and g.key = r.key)
      returning r.tenant_id
    ), put as (
      insert into analytics_rollups as r (tenant_id, hour, bot_id, log_type, key, count, sum, buckets)
      select tenant_id, $1, bot_id, log_type, key, count, sum, buckets::bigint[] from given
      order by tenant_id, bot_id, log_type, key
      on conflict (tenant_id, hour, bot_id, log_type, key) do update
        set count = excluded.count, sum = excluded.sum, buckets = excluded.buckets
        where (r.count, r.sum, r.buckets) is distinct from (excluded.count, excluded.sum, excluded.buckets)
      returning r.tenant_id
    )
    select tenant_id from gone union select tenant_id from put`,
})

/** Hours that are to be summed up again, the oldest first. */
export async function findDirtyHours(
  tx: Transaction,
  limit: number,
): Promise<readonly { readonly hour: Date; readonly tenant_id: string }[]> {
  return await tx.run(findDirty, { limit })
}

/** Until the transaction ends nobody else sums up this hour. */
export async function lockForSums(tx: Transaction, hour: Date): Promise<void> {
  await tx.run(lockHour, { hour })
}

/** What is marked of an hour: of some tenants, or of all. To be read before the log is. */
export async function marksOf(
  tx: Transaction,
  { hour, tenantIds }: { readonly hour: Date; readonly tenantIds: readonly string[] | 'all' },
): Promise<Mark[]> {
  return await tx.run(readMarks, { hour, tenant_ids: tenantIds === 'all' ? null : tenantIds })
}

/** Takes marks away that nobody has set again since they were read. */
export async function clearMarks(tx: Transaction, marks: readonly Mark[]): Promise<void> {
  if (marks.length === 0) return
  await tx.run(removeMarks, {
    hours: marks.map(mark => mark.hour.toISOString()),
    tenant_ids: marks.map(mark => mark.tenant_id),
    marks: marks.map(mark => mark.mark),
  })
}

/** Which figures of an hour are replaced: those of some tenants, or of all but some. */
export type Replaced = {
  readonly hour: Date
  readonly tenantIds: readonly string[] | 'all'
  readonly except: readonly string[]
}

/** Puts the figures of an hour in the place of what they were. Returns the tenants whose figures are others now. */
export async function replaceHour(
  tx: Transaction,
  { hour, tenantIds, except }: Replaced,
  figures: readonly HourFigures[],
): Promise<readonly string[]> {
  const left = new Set(except)
  const given = figures.flatMap(one =>
    one.tenant_id === null || left.has(one.tenant_id) ? [] : [{ ...one, tenant_id: one.tenant_id }],
  )
  const rows = await tx.run(replaceFigures, {
    hour,
    only_tenant_ids: tenantIds === 'all' ? null : tenantIds,
    not_tenant_ids: except,
    tenant_ids: given.map(one => one.tenant_id),
    bot_ids: given.map(one => one.bot_id ?? firstId),
    log_types: given.map(one => one.log_type),
    keys: given.map(one => one.key),
    counts: given.map(one => one.count),
    sums: given.map(one => one.sum),
    buckets: given.map(one => `{${one.buckets.join(',')}}`),
  })
  return rows.map(row => row.tenant_id)
}
