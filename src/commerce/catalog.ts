import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, type RowOf, statement } from '../stores/postgres/statement.ts'
import type { SearchWords } from './match-products.ts'

const columns = 'id, sku, name, description, price_minor, currency, stock, active, image_url'
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
} as const

/** What a customer may see of a product. */
export type CatalogProduct = RowOf<typeof row>

/** Of so many products that fit a search, the first of the catalogue, the best are found. */
export const searchedMax = 1_000

// The order of the catalogue, and of the index products_catalog.
const inOrder = 'in_stock desc, name, id'

const selectPage = statement({
  name: 'catalog_list',
  params: ['tenant_id', 'search', 'offset', 'limit'],
  row,
  sql: `select ${columns} from products
    where tenant_id = $1 and active and case when $2 = '' then true
      else position(plain_text($2) in plain_text(name)) > 0 or position(lower($2) in lower(sku)) > 0 end
    order by ${inOrder} offset $3::int limit $4::int`,
})

// Patterns of LIKE: each word anywhere; each where a word of the name begins.
const selectFitting = statement({
  name: 'catalog_search',
  params: ['tenant_id', 'anywhere', 'in_name', 'whole', 'limit'],
  row,
  sql: `select ${columns} from (
      select ${columns}, in_stock from products
      where tenant_id = $1 and active and search_text like all ($2::text[])
      order by ${inOrder} limit ${searchedMax}) p
    order by case when plain_text(sku) = $4 then 0
        when plain_text(name) = $4 then 1
        when starts_with(plain_text(name), $4) then 2
        when ' ' || plain_text(name) like all ($3::text[]) then 3
        else 4 end, ${inOrder} limit $5::int`,
})

const selectNames = statement({
  name: 'catalog_names',
  params: ['tenant_id', 'limit'],
  row: { id: 'uuid', name: 'text' },
  sql: `select id, name from products where tenant_id = $1 and active order by ${inOrder} limit $2::int`,
})

const selectSome = statement({
  name: 'catalog_find',
  params: ['tenant_id', 'ids'],
  row,
  sql: `select ${columns} from products where tenant_id = $1 and id = any ($2::uuid[])`,
})

/** Active products, those in stock first, by name. `search` is part of a name or SKU; empty takes all. */
export async function listCatalog(
  tx: Transaction,
  page: { readonly tenantId: string; readonly search: string; readonly offset: number; readonly limit: number },
): Promise<CatalogProduct[]> {
  const { tenantId, search, offset, limit } = page
  return await tx.run(selectPage, { tenant_id: tenantId, search, offset, limit })
}

/** Active products that have each of the words somewhere, in the order of `fitOf`. */
export async function searchCatalog(
  tx: Transaction,
  query: { readonly tenantId: string; readonly wanted: SearchWords; readonly limit: number },
): Promise<CatalogProduct[]> {
  const { tenantId, wanted, limit } = query
  return await tx.run(selectFitting, {
    tenant_id: tenantId,
    anywhere: wanted.words.map(word => `%${literal(word)}%`),
    in_name: wanted.words.map(word => `% ${literal(word)}%`),
    whole: wanted.whole,
    limit,
  })
}

/** A text as a pattern of LIKE that fits itself only. */
function literal(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&')
}

/** What active products are called, the first of the catalogue. */
export async function nameCatalog(
  tx: Transaction,
  tenantId: string,
  limit: number,
): Promise<readonly { readonly id: string; readonly name: string }[]> {
  return await tx.run(selectNames, { tenant_id: tenantId, limit })
}

/** Some products, sold or not, in no order; those that there are not are left out. */
export async function findInCatalog(
  tx: Transaction,
  tenantId: string,
  ids: readonly string[],
): Promise<CatalogProduct[]> {
  return await tx.run(selectSome, { tenant_id: tenantId, ids })
}
