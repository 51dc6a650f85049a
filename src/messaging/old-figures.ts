import { idAt } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, statement } from '../stores/postgres/statement.ts'

// What was made of what happened: reports, and the figures of hours.

// An id tells when its report was made. Whom it was sent to goes with it.
const removeReports = statement({
  name: 'clean_reports',
  params: ['tenant_id', 'before_id', 'limit'],
  row: { removed: 'int4' },
  sql: `with gone as (
      delete from reports where ctid = any (array(
        select ctid from reports where tenant_id = $1 and id < $2::uuid order by id limit $3 for update skip locked))
      returning 1)
    select count(*)::int as removed from gone`,
})

/** Removes up to `limit` of a tenant's reports from before a moment, the oldest first. Says how many. */
export async function removeOldReports(
  tx: Transaction,
  tenantId: string,
  before: Date,
  limit: number,
): Promise<number> {
  const [gone] = await tx.run(removeReports, { tenant_id: tenantId, before_id: idAt(before.getTime()), limit })
  return gone?.removed ?? 0
}

// Figures are found by their tenant: the oldest of some tenants, one after the other.
const removeFigures = statement({
  name: 'clean_analytics_rollups',
  params: ['after_tenant', 'tenants_max', 'before', 'limit'],
  row: { removed: 'int4', last_tenant: nullable('uuid'), tenants: 'int4' },
  sql: `with tenant as materialized (
      select id from tenants where id > $1::uuid order by id limit $2
    ), gone as (
      delete from analytics_rollups where ctid = any (array(
        select r.place from tenant t
        cross join lateral (
          select ctid as place from analytics_rollups where tenant_id = t.id and hour < $3 order by hour limit $4) r
        limit $4))
      returning 1)
    select (select count(*)::int from gone) as removed, (select max(id::text)::uuid from tenant) as last_tenant,
      (select count(*)::int from tenant) as tenants`,
})

/**
 * Removes up to `limit` figures of hours before a moment, of up to `tenantsMax` tenants from after `afterTenant`. `next` is
 * where to go on; null once there is no more.
 */
export async function removeOldFigures(
  tx: Transaction,
  asked: { readonly afterTenant: string; readonly tenantsMax: number; readonly before: Date; readonly limit: number },
): Promise<{ readonly removed: number; readonly next: string | null }> {
  const { afterTenant, tenantsMax, before, limit } = asked
  const [bite] = await tx.run(removeFigures, { after_tenant: afterTenant, tenants_max: tenantsMax, before, limit })
  if (bite === undefined) return { removed: 0, next: null }
  if (bite.removed === limit) return { removed: limit, next: afterTenant }
  return { removed: bite.removed, next: bite.tenants < tenantsMax ? null : bite.last_tenant }
}
