import type { Transaction } from '../../stores/postgres/database.ts'
import { statement } from '../../stores/postgres/statement.ts'

/** Who does what one process is enough for, until when. By the clock of the database. */
export type Lease = { readonly name: string; readonly owner: string; readonly ttlMs: number }

// Whoever has it keeps it; another has it once its time is over.
const take = statement({
  name: 'analytics_lease_take',
  params: ['name', 'owner', 'ttl_ms'],
  row: { left_ms: 'float8', is_mine: 'bool' },
  sql: `with taken as (
      insert into analytics_leases as l (name, owner, until)
      values ($1, $2::uuid, now() + $3::float8 * interval '1 millisecond')
      on conflict (name) do update set owner = excluded.owner, until = excluded.until
        where l.owner = excluded.owner or l.until <= now()
      returning until)
    select extract(epoch from until - now())::float8 * 1000 as left_ms, true as is_mine from taken
    union all
    select extract(epoch from until - now())::float8 * 1000, false from analytics_leases
    where name = $1 and not exists (select from taken)`,
})

const steal = statement({
  name: 'analytics_lease_steal',
  params: ['name', 'owner', 'ttl_ms'],
  row: {},
  sql: `insert into analytics_leases (name, owner, until) values ($1, $2, now() + $3::float8 * interval '1 millisecond')
    on conflict (name) do update set owner = excluded.owner, until = excluded.until`,
})

const giveUp = statement({
  name: 'analytics_lease_give_up',
  params: ['name', 'owner'],
  row: {},
  sql: 'delete from analytics_leases where name = $1 and owner = $2',
})

/** Takes a lease, or makes one's own longer. Where another process has it, says how long it has it at least. */
export async function takeLease(
  tx: Transaction,
  { name, owner, ttlMs }: Lease,
): Promise<{ readonly isMine: true } | { readonly isMine: false; readonly leftMs: number }> {
  const [row] = await tx.run(take, { name, owner, ttl_ms: ttlMs })
  if (row?.is_mine) return { isMine: true }
  // No row: another process took it at this very moment.
  return { isMine: false, leftMs: row === undefined ? ttlMs : Math.max(0, row.left_ms) }
}

/** Takes a lease from whoever has it. */
export async function stealLease(tx: Transaction, { name, owner, ttlMs }: Lease): Promise<void> {
  await tx.run(steal, { name, owner, ttl_ms: ttlMs })
}

export async function giveUpLease(tx: Transaction, { name, owner }: Omit<Lease, 'ttlMs'>): Promise<void> {
  await tx.run(giveUp, { name, owner })
}
