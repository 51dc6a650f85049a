import { type Ids, lastId } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, type RowOf, statement } from '../stores/postgres/statement.ts'

const columns = 'id, name, email, phone, active, created_at, updated_at'
const row = {
  id: 'uuid',
  name: 'text',
  email: nullable('text'),
  phone: nullable('text'),
  active: 'bool',
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
} as const

/** A person who sells for a tenant: orders and conversations can be theirs. */
export type Seller = RowOf<typeof row>

/** What is decided about a seller. */
export type SellerFields = Pick<Seller, 'name' | 'email' | 'phone' | 'active'>

const fieldParams = ['tenant_id', 'id', 'name', 'email', 'phone', 'active'] as const

const insertSeller = statement({
  name: 'seller_insert',
  params: fieldParams,
  row,
  sql: `insert into sellers (tenant_id, id, name, email, phone, active) values ($1, $2, $3, $4, $5, $6)
    returning ${columns}`,
})

const updateRow = statement({
  name: 'seller_update',
  params: fieldParams,
  row,
  sql: `update sellers set name = $3, email = $4, phone = $5, active = $6, updated_at = now()
    where tenant_id = $1 and id = $2 returning ${columns}`,
})

const selectPage = statement({
  name: 'seller_list',
  params: ['tenant_id', 'before_id', 'active', 'search', 'limit'],
  row,
  sql: `select ${columns} from sellers
    where tenant_id = $1 and id < $2::uuid and ($3::bool is null or active = $3)
      and ($4::text is null or position(plain_text($4) in plain_text(name)) > 0 or position(lower($4) in lower(email)) > 0
        or position($4 in phone) > 0)
    order by id desc limit $5`,
})

const selectOne = statement({
  name: 'seller_find',
  params: ['tenant_id', 'id'],
  row,
  sql: `select ${columns} from sellers where tenant_id = $1 and id = $2`,
})

const lockOne = statement({
  name: 'seller_lock',
  params: ['tenant_id', 'id'],
  row,
  sql: `select ${columns} from sellers where tenant_id = $1 and id = $2 for update`,
})

const holdActive = statement({
  name: 'seller_hold_active',
  params: ['tenant_id', 'id'],
  row: { id: 'uuid' },
  sql: 'select id from sellers where tenant_id = $1 and id = $2 and active for key share',
})

const deleteUnused = statement({
  name: 'seller_delete_unused',
  params: ['tenant_id', 'id'],
  row: { id: 'uuid' },
  sql: `delete from sellers where tenant_id = $1 and id = $2
      and not exists (select from orders where tenant_id = $1 and seller_id = $2)
      and not exists (select from conversations where tenant_id = $1 and seller_id = $2)
      and not exists (select from users where tenant_id = $1 and seller_id = $2)
    returning id`,
})

/** Adds a seller. */
export async function createSeller(
  tx: Transaction,
  ids: Ids,
  tenantId: string,
  { name, email, phone, active }: SellerFields,
): Promise<Seller> {
  const [seller] = await tx.run(insertSeller, { tenant_id: tenantId, id: ids.next(), name, email, phone, active })
  if (seller === undefined) throw new Error('A seller was not written')
  return seller
}

/** Changes the fields given; undefined where the tenant has no such seller. */
export async function updateSeller(
  tx: Transaction,
  tenantId: string,
  id: string,
  changes: { readonly [K in keyof SellerFields]?: SellerFields[K] | undefined },
): Promise<Seller | undefined> {
  const before = await lockSeller(tx, tenantId, id)
  if (before === undefined) return undefined
  const [seller] = await tx.run(updateRow, {
    tenant_id: tenantId,
    id,
    name: changes.name ?? before.name,
    email: changes.email === undefined ? before.email : changes.email,
    phone: changes.phone === undefined ? before.phone : changes.phone,
    active: changes.active ?? before.active,
  })
  return seller
}

/** Newest first; `beforeId` is the last one of the page before. `search`: part of the name, address or phone. */
export async function listSellers(
  tx: Transaction,
  page: {
    readonly tenantId: string
    readonly beforeId: string | null
    readonly active: boolean | null
    readonly search: string | null
    readonly limit: number
  },
): Promise<Seller[]> {
  const { tenantId, beforeId, active, search, limit } = page
  return await tx.run(selectPage, { tenant_id: tenantId, before_id: beforeId ?? lastId, active, search, limit })
}

/** Undefined where the tenant has no such seller. */
export async function findSeller(tx: Transaction, tenantId: string, id: string): Promise<Seller | undefined> {
  const [seller] = await tx.run(selectOne, { tenant_id: tenantId, id })
  return seller
}

/** The same, held against every other change until the transaction ends. */
export async function lockSeller(tx: Transaction, tenantId: string, id: string): Promise<Seller | undefined> {
  const [seller] = await tx.run(lockOne, { tenant_id: tenantId, id })
  return seller
}

/** Whether something can be given to this seller; they are not removed before the transaction ends. */
export async function isActiveSeller(tx: Transaction, tenantId: string, id: string): Promise<boolean> {
  return (await tx.run(holdActive, { tenant_id: tenantId, id })).length > 0
}

/** Removes a seller of whom nothing is; one who has orders, conversations or users becomes inactive, and is returned. */
export async function removeSeller(tx: Transaction, tenantId: string, id: string): Promise<Seller | null> {
  const deleted = await tx.run(deleteUnused, { tenant_id: tenantId, id })
  return deleted.length > 0 ? null : ((await updateSeller(tx, tenantId, id, { active: false })) ?? null)
}
