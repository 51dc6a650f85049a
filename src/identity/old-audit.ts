import { idAt } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'

// An id tells when its line was written.
const remove = statement({
  name: 'clean_audit_log',
  params: ['tenant_id', 'before_id', 'limit'],
  row: { removed: 'int4' },
  sql: `with gone as (
      delete from audit_log where ctid = any (array(
        select ctid from audit_log where tenant_id = $1 and id < $2::uuid order by id limit $3 for update skip locked))
      returning 1)
    select count(*)::int as removed from gone`,
})

/** Removes up to `limit` of a tenant's lines from before a moment, the oldest first. Says how many. */
export async function removeOldAudit(tx: Transaction, tenantId: string, before: Date, limit: number): Promise<number> {
  const [gone] = await tx.run(remove, { tenant_id: tenantId, before_id: idAt(before.getTime()), limit })
  return gone?.removed ?? 0
}
