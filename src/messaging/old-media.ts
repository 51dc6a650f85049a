import type { FilePlace } from '../stores/files.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'

/** How long the files of customers are kept. What was uploaded stays until somebody deletes it. */
export const inboundMediaDays = 90

const deleteOld = statement({
  name: 'media_delete_old',
  params: ['before', 'limit'],
  row: { tenant_id: 'uuid', id: 'uuid' },
  sql: `delete from media where id = any (array(
      select id from media where origin = 'inbound' and created_at < $1 order by created_at limit $2
      for update skip locked))
    returning tenant_id, id`,
})

const selectKnown = statement({
  name: 'media_find_known',
  params: ['tenant_ids', 'ids'],
  row: { tenant_id: 'uuid', id: 'uuid' },
  sql: `select m.tenant_id, m.id from unnest($1::uuid[], $2::uuid[]) as g (tenant_id, id)
    join media m using (tenant_id, id)`,
})

/** Forgets files of customers of before `before`, of all tenants, `limit` at most. Their bytes are to be removed then. */
export async function deleteOldMedia(tx: Transaction, before: Date, limit: number): Promise<FilePlace[]> {
  const rows = await tx.run(deleteOld, { before, limit })
  return rows.map(({ tenant_id, id }) => ({ tenantId: tenant_id, id }))
}

/** Those of some files that nothing is known of. */
export async function findOrphans<T extends FilePlace>(tx: Transaction, files: readonly T[]): Promise<T[]> {
  const rows = await tx.run(selectKnown, {
    tenant_ids: files.map(file => file.tenantId),
    ids: files.map(file => file.id),
  })
  const known = new Set(rows.map(row => `${row.tenant_id} ${row.id}`))
  return files.filter(file => !known.has(`${file.tenantId} ${file.id}`))
}
