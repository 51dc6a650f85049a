import type { Transaction } from '../../stores/postgres/database.ts'
import { statement } from '../../stores/postgres/statement.ts'
import { listCatalog } from '../catalog.ts'
import type { CustomerProfile } from '../customer-profile.ts'
import { type MemoryShopStart, openMemoryShop } from './memory-shop.ts'
import type { Shop } from './shop.ts'

/** As many products as a simulation knows, the first of the catalogue: each may have some kilobytes, and several run at once. */
export const simulatedProductsMax = 1_000
const simulatedSellersMax = 1_000

const selectTenant = statement({
  name: 'shop_load',
  params: ['tenant_id'],
  row: { language: 'text', next_order_number: 'int8' },
  sql: `select coalesce(settings->>'language', 'es') as language, next_order_number from tenants where id = $1`,
})

const selectSellers = statement({
  name: 'shop_load_sellers',
  params: ['tenant_id', 'limit'],
  row: { id: 'uuid', name: 'text', active: 'bool', turn: 'int8', open: 'int8' },
  sql: `select s.id, s.name, s.active, s.assigned_turn as turn, (select count(*) from conversations c
      where c.tenant_id = $1 and c.seller_id = s.id and c.status in ('bot', 'waiting', 'agent')) as open
    from sellers s where s.tenant_id = $1 and s.active order by s.id limit $2::int`,
})

/**
 * A tenant's shop as it is now, in memory: what a simulation does in it goes on from one action to the next, takes no
 * stock, no number and nobody's turn, and holds nobody up.
 */
export async function loadShop(
  tx: Transaction,
  tenantId: string,
  { customer, now, callPerson }: Pick<MemoryShopStart, 'now' | 'callPerson'> & { readonly customer: CustomerProfile },
): Promise<Shop> {
  const [[tenant], products, sellers] = await Promise.all([
    tx.run(selectTenant, { tenant_id: tenantId }),
    listCatalog(tx, { tenantId, search: '', offset: 0, limit: simulatedProductsMax }),
    tx.run(selectSellers, { tenant_id: tenantId, limit: simulatedSellersMax }),
  ])
  return openMemoryShop({
    ...{ products, customer, now, callPerson },
    language: tenant?.language ?? 'es',
    nextOrderNumber: tenant?.next_order_number ?? 1,
    sellers: sellers.map(({ open, ...seller }) => ({ ...seller, openConversations: open })),
  })
}
