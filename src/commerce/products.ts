import { firstId, type Ids, lastId } from '../lib/ids.ts'
import { isDuplicate, type Transaction } from '../stores/postgres/database.ts'
import { firstRows, ifGiven } from '../stores/postgres/list-sql.ts'
import { nullable, type RowOf, statement } from '../stores/postgres/statement.ts'

const columns = `id, sku, name, description, price_minor, currency, stock, active, image_url, created_at, updated_at`
const row = {
  id: 'uuid',
  sku: 'text',
  name: 'text',
  description: 'text',
  price_minor: 'int8',
  currency: 'text',
  stock: 'int4',
  active: 'bool',
  image_url: nullable('text'),
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
} as const

/** Something a tenant sells. `price_minor` is in minor units of `currency` (ISO 4217). */
export type Product = RowOf<typeof row>

/** As many pieces as a product can have. */
export const stockMax = 1_000_000_000

/** What a person decides about a product. */
export type ProductFields = Pick<
  Product,
  'sku' | 'name' | 'description' | 'price_minor' | 'currency' | 'stock' | 'active' | 'image_url'
>

const fieldParams = [
  'tenant_id',
  'id',
  'sku',
  'name',
  'description',
  'price_minor',
  'currency',
  'stock',
  'active',
  'image_url',
] as const

const insertProduct = statement({
  name: 'product_insert',
  params: fieldParams,
  row,
  sql: `insert into products (tenant_id, id, sku, name, description, price_minor, currency, stock, active, image_url)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning ${columns}`,
})

const updateRow = statement({
  name: 'product_update',
  params: fieldParams,
  row,
  sql: `update products set sku = $3, name = $4, description = $5, price_minor = $6, currency = $7, stock = $8,
      active = $9, image_url = $10, updated_at = now()
    where tenant_id = $1 and id = $2 returning ${columns}`,
})

const pageParams = ['tenant_id', 'before_id', 'active', 'in_stock', 'search', 'sku', 'limit'] as const

const filters = ifGiven(
  '$5::text',
  '(position(plain_text($5) in plain_text(p.name)) > 0 or position(plain_text($5) in plain_text(p.sku)) > 0)',
)
const shown = `${ifGiven('$3::bool', 'p.active = $3')} and ${ifGiven('$4::bool', 'p.in_stock = $4')}`
const ofSku = ifGiven('$6::text', 'p.sku = $6')

const selectNewest = statement({
  name: 'product_list',
  params: pageParams,
  row,
  sql: firstRows(
    `select ${columns} from products p
      where p.tenant_id = $1 and p.id < $2::uuid and ${filters} and ${shown} and ${ofSku} order by p.id desc`,
    '$7',
  ),
})

// A page out of each of the two or four parts that the filters leave, of which the newest are taken. Columns are compared
// as rows, not one by one: so no other index will do, which could read a million products to find the few that fit.
const selectShown = statement({
  name: 'product_list_shown',
  params: pageParams,
  row,
  sql: `select p.* from unnest(array[true, false]) as a (active) cross join unnest(array[true, false]) as s (in_stock)
    cross join lateral (${firstRows(
      `select ${columns} from products p
        where p.tenant_id = $1 and (p.active, p.in_stock, p.id) < (a.active, s.in_stock, $2::uuid)
          and (p.active, p.in_stock, p.id) >= (a.active, s.in_stock, '${firstId}'::uuid) and ${filters} and ${ofSku}
        order by p.active desc, p.in_stock desc, p.id desc`,
      '$7',
    )}) p
    where ${ifGiven('$3::bool', 'a.active = $3')} and ${ifGiven('$4::bool', 's.in_stock = $4')}
    order by p.id desc limit $7`,
})

const selectBySku = statement({
  name: 'product_list_by_sku',
  params: pageParams,
  row,
  sql: `select ${columns} from products p
    where p.tenant_id = $1 and p.sku = $6::text and p.id < $2::uuid and ${filters} and ${shown} limit $7`,
})

const selectOne = statement({
  name: 'product_find',
  params: ['tenant_id', 'id'],
  row,
  sql: `select ${columns} from products where tenant_id = $1 and id = $2`,
})

const lockOne = statement({
  name: 'product_lock',
  params: ['tenant_id', 'id'],
  row,
  sql: `select ${columns} from products where tenant_id = $1 and id = $2 for update`,
})

const deleteUnused = statement({
  name: 'product_delete_unused',
  params: ['tenant_id', 'id'],
  row: { id: 'uuid' },
  sql: `delete from products where tenant_id = $1 and id = $2 and not exists (
      select from order_items where tenant_id = $1 and product_id = $2)
    returning id`,
})

const deactivate = statement({
  name: 'product_deactivate',
  params: ['tenant_id', 'id'],
  row: {},
  sql: 'update products set active = false, updated_at = now() where tenant_id = $1 and id = $2',
})

/** What came of writing a product. */
export type ProductWritten =
  | { readonly kind: 'written'; readonly product: Product }
  | { readonly kind: 'unknown' }
  /** Another product of the tenant has the SKU. The transaction is spent: let it roll back. */
  | { readonly kind: 'sku_taken' }

/** Adds a product. */
export async function createProduct(
  tx: Transaction,
  ids: Ids,
  tenantId: string,
  fields: ProductFields,
): Promise<ProductWritten> {
  return await written(tx.run(insertProduct, { tenant_id: tenantId, id: ids.next(), ...picked(fields) }))
}

/** Changes the fields given, and leaves the others as they are. */
export async function updateProduct(
  tx: Transaction,
  tenantId: string,
  id: string,
  changes: { readonly [K in keyof ProductFields]?: ProductFields[K] | undefined },
): Promise<ProductWritten> {
  const before = await lockProduct(tx, tenantId, id)
  if (before === undefined) return { kind: 'unknown' }
  return await written(tx.run(updateRow, { tenant_id: tenantId, id, ...picked({ ...before, ...given(changes) }) }))
}

async function written(rows: Promise<Product[]>): Promise<ProductWritten> {
  try {
    const [product] = await rows
    return product === undefined ? { kind: 'unknown' } : { kind: 'written', product }
  } catch (error) {
    if (isDuplicate(error, 'products_sku')) return { kind: 'sku_taken' }
    throw error
  }
}

/** The changes that are there: a key that is undefined is no change. */
function given<T extends object>(changes: { readonly [K in keyof T]?: T[K] | undefined }): Partial<T> {
  // Only undefined values are left out, so what remains has the values of a Partial<T>.
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)) as Partial<T>
}

function picked(fields: ProductFields): ProductFields {
  const { sku, name, description, price_minor, currency, stock, active, image_url } = fields
  return { sku, name, description, price_minor, currency, stock, active, image_url }
}

/** What a list of products is narrowed by; null takes everything. */
export type ProductFilter = {
  readonly active: boolean | null
  readonly inStock: boolean | null
  /** Part of the name or the SKU. */
  readonly search: string | null
  readonly sku: string | null
}

/** Newest first; `beforeId` is the last one of the page before. */
export async function listProducts(
  tx: Transaction,
  page: { readonly tenantId: string; readonly beforeId: string | null; readonly limit: number } & ProductFilter,
): Promise<Product[]> {
  const { tenantId, limit, active, inStock, search, sku } = page
  const values = {
    tenant_id: tenantId,
    before_id: page.beforeId ?? lastId,
    active,
    in_stock: inStock,
    search,
    sku,
    limit,
  }
  return await tx.run(byBestIndex(page), values)
}

function byBestIndex(filter: ProductFilter) {
  if (filter.sku !== null) return selectBySku
  return filter.active === null && filter.inStock === null ? selectNewest : selectShown
}

/** Undefined where the tenant has no such product. */
export async function findProduct(tx: Transaction, tenantId: string, id: string): Promise<Product | undefined> {
  const [product] = await tx.run(selectOne, { tenant_id: tenantId, id })
  return product
}

/** The same, held against every other change until the transaction ends. */
export async function lockProduct(tx: Transaction, tenantId: string, id: string): Promise<Product | undefined> {
  const [product] = await tx.run(lockOne, { tenant_id: tenantId, id })
  return product
}

/** Removes a product that no order names; one that was ordered stays, inactive, so that its orders remain readable. */
export async function removeProduct(
  tx: Transaction,
  tenantId: string,
  id: string,
): Promise<'deleted' | 'deactivated' | 'unknown'> {
  // The lock holds off an order that is about to name it.
  if ((await lockProduct(tx, tenantId, id)) === undefined) return 'unknown'
  const deleted = await tx.run(deleteUnused, { tenant_id: tenantId, id })
  if (deleted.length > 0) return 'deleted'
  await tx.run(deactivate, { tenant_id: tenantId, id })
  return 'deactivated'
}
