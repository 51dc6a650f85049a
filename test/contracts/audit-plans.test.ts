import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { ReservedSQL, SQL } from 'bun'
import { type AuditFilter, listAudit } from '../../src/identity/audit.ts'
import { uuids } from '../../src/lib/ids.ts'
import { connect } from '../../src/stores/postgres/database.ts'
import { cacheModes, explainList } from '../support/explain.ts'
import { createTestDatabase } from '../support/postgres.ts'

// What PostgreSQL does for a page of an audit log of 300,000 lines, by each filter, where the few lines that fit are the
// oldest of all.

const lines = 300_000
const rare = 5
const buffersMax = 200

const [tenant, actor, rareActor, rareThing] = [uuids.next(), uuids.next(), uuids.next(), uuids.next()]
let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let connection: ReservedSQL

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 1)
  connection = await admin.reserve()
  await connection`insert into tenants (id, name) values (${tenant}, 'T')`
  // One a second, the last of them now.
  await connection`insert into audit_log (tenant_id, id, actor_kind, actor_id, action, resource, resource_id, request_id, at)
    select ${tenant}, uuidv7(make_interval(secs => i - ${lines}::int)), 'user',
      case when i <= ${rare}::int then ${rareActor}::uuid else ${actor}::uuid end,
      case when i <= ${rare}::int then 'tenant.updated' else 'product.updated' end,
      case when i <= ${rare}::int then 'tenant' else 'products' end,
      case when i <= ${rare}::int then ${rareThing}::uuid else gen_random_uuid() end, 'request',
      now() + make_interval(secs => i - ${lines}::int)
    from generate_series(1, ${lines}::int) i`
  // As where a sample meets none of the few: the database then takes all lines for alike.
  await connection`set default_statistics_target = 1`
  await connection`vacuum (analyze) audit_log`
})
afterAll(async () => {
  connection.release()
  await admin.close()
  await created.drop()
})

const all = { actorId: null, resource: null, resourceId: null, action: null, from: null, to: null }
const ago = (seconds: number) => new Date(Date.now() - seconds * 1000)
const filters: Readonly<Record<string, readonly [Partial<AuditFilter>, number]>> = {
  'the newest lines': [{}, 21],
  'lines of somebody who did little': [{ actorId: rareActor }, rare],
  'lines of somebody who did much': [{ actorId: actor }, 21],
  'lines of a rare action': [{ action: 'tenant.updated' }, rare],
  'lines of a frequent action': [{ action: 'product.updated' }, 21],
  'lines of a rare resource': [{ resource: 'tenant' }, rare],
  'lines of a frequent resource': [{ resource: 'products' }, 21],
  'lines of one thing': [{ resourceId: rareThing }, rare],
  'lines of one hour long ago': [{ from: ago(200_000), to: ago(196_400) }, 21],
  'lines of one hour long ago by a frequent action': [
    { from: ago(200_000), to: ago(196_400), action: 'product.updated' },
    21,
  ],
}

for (const [name, [filter, rows]] of Object.entries(filters))
  test(`${name} are found in few pages`, async () => {
    for (const cacheMode of cacheModes) {
      const page = { tenantId: tenant, beforeId: null, limit: 21, ...all, ...filter }
      const found = await explainList(connection, tenant, cacheMode, tx => listAudit(tx, page))
      expect(found.rows).toBe(rows)
      expect(found.buffers).toBeLessThan(buffersMax)
    }
  })
