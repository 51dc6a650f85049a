import { sqlState, type Transaction } from '../stores/postgres/database.ts'
import { nullable, type RowOf, statement } from '../stores/postgres/statement.ts'

const columns = 'id, name, time_zone, requests_per_minute, created_at'
const row = {
  id: 'uuid',
  name: 'text',
  time_zone: 'text',
  requests_per_minute: nullable('int4'),
  created_at: 'timestamptz',
} as const

/** A business. `requests_per_minute` is null where it has the installation's limit. */
export type Tenant = RowOf<typeof row>

/** What a tenant may be given as `requests_per_minute`. */
export const requestsPerMinuteMax = 10_000_000

const insertTenant = statement({
  name: 'tenant_insert',
  params: ['id', 'name'],
  row: {},
  sql: 'insert into tenants (id, name) values ($1, $2)',
})

const selectOne = statement({
  name: 'tenant_find',
  params: ['id'],
  row,
  sql: `select ${columns} from tenants where id = $1`,
})

const lockOne = statement({
  name: 'tenant_lock',
  params: ['id'],
  row,
  sql: `select ${columns} from tenants where id = $1 for no key update`,
})

// What is written in a time zone that PostgreSQL does not know could not be counted by its hours later.
const updateRow = statement({
  name: 'tenant_update',
  params: ['id', 'name', 'time_zone'],
  row,
  sql: `update tenants set name = $2, time_zone = $3 where id = $1 and (now() at time zone $3::text) is not null
    returning ${columns}`,
})

const selectPage = statement({
  name: 'tenant_list',
  params: ['before_id', 'limit'],
  row,
  sql: `select ${columns} from tenants where id < $1::uuid order by id desc limit $2`,
})

const updateLimit = statement({
  name: 'tenant_limit',
  params: ['id', 'requests_per_minute'],
  row: { name: 'text' },
  sql: 'update tenants set requests_per_minute = $2 where id = $1 returning name',
})

export async function addTenant(tx: Transaction, tenant: { id: string; name: string }): Promise<void> {
  await tx.run(insertTenant, tenant)
}

export async function findTenant(tx: Transaction, id: string): Promise<Tenant | undefined> {
  const [tenant] = await tx.run(selectOne, { id })
  return tenant
}

/** The same, held against every other change until the transaction ends. */
export async function lockTenant(tx: Transaction, id: string): Promise<Tenant | undefined> {
  const [tenant] = await tx.run(lockOne, { id })
  return tenant
}

/** Undefined where the database does not know the time zone: the transaction is spent then, let it roll back. */
export async function updateTenant(
  tx: Transaction,
  before: Tenant,
  changes: { readonly name?: string | undefined; readonly time_zone?: string | undefined },
): Promise<Tenant | undefined> {
  const { name = before.name, time_zone = before.time_zone } = changes
  try {
    const [tenant] = await tx.run(updateRow, { id: before.id, name, time_zone })
    return tenant
  } catch (error) {
    if (sqlState(error) === unknownTimeZone) return undefined
    throw error
  }
}

/** invalid_parameter_value */
const unknownTimeZone = '22023'

/** Of the whole installation, under the `worker` role; newest first. */
export async function listTenants(
  tx: Transaction,
  page: { readonly beforeId: string; readonly limit: number },
): Promise<Tenant[]> {
  return await tx.run(selectPage, { before_id: page.beforeId, limit: page.limit })
}

/** Sets what a tenant may ask a minute, under the `worker` role; null is the installation's limit. Returns its name. */
export async function limitTenant(
  tx: Transaction,
  id: string,
  requestsPerMinute: number | null,
): Promise<string | undefined> {
  const [tenant] = await tx.run(updateLimit, { id, requests_per_minute: requestsPerMinute })
  return tenant?.name
}
