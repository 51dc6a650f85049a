import type { Transaction } from '../stores/postgres/database.ts'
import { nullableJson, statement } from '../stores/postgres/statement.ts'
import type { CartLine, CartRow } from './cart.ts'
import type { CatalogProduct } from './catalog.ts'

// A cart is of one customer at one bot. What it holds is not held back: whoever orders first has it. A cart that nobody
// has looked at for a week is as good as empty: what was wanted then is not what is wanted now. Its rows go when the
// customer comes back, or when somebody else of the tenant fills a cart.

const expiry = "interval '7 days'"
/** Rows of given-up carts that go each time one is written. */
const sweptMax = 100

/** Whose cart: that of the conversation's customer at its bot. */
export type CartKey = { readonly tenantId: string; readonly customerId: string; readonly conversationId: string }

const params = ['tenant_id', 'conversation_id', 'customer_id'] as const
const isOfCart = `c.tenant_id = $1 and c.customer_id = $3
      and c.bot_id = (select bot_id from conversations where tenant_id = $1 and id = $2)`

const selectRows = statement({
  name: 'cart_read',
  params,
  row: { product_id: 'uuid', name: 'text', quantity: 'int4', product: nullableJson<CatalogProduct>() },
  sql: `select c.product_id, c.name, c.quantity, case when p.id is null then null else jsonb_build_object(
        'id', p.id, 'sku', p.sku, 'name', p.name, 'description', p.description, 'price_minor', p.price_minor,
        'currency', p.currency, 'stock', p.stock, 'active', p.active, 'image_url', p.image_url) end as product
    from carts c left join products p on p.tenant_id = c.tenant_id and p.id = c.product_id
    where ${isOfCart} and c.seen_at >= now() - ${expiry} order by c.line`,
})

const deleteOthers = statement({
  name: 'cart_delete_others',
  params: [...params, 'product_ids'],
  row: {},
  sql: `delete from carts c where ${isOfCart} and c.product_id <> all ($4::uuid[])`,
})

const writeRows = statement({
  name: 'cart_write',
  params: [...params, 'product_ids', 'names', 'quantities'],
  row: {},
  sql: `insert into carts (tenant_id, bot_id, customer_id, product_id, line, name, quantity, seen_at)
    select $1, c.bot_id, $3, g.product_id, g.line, g.name, g.quantity, now()
    from conversations c
    cross join unnest($4::uuid[], $5::text[], $6::int[]) with ordinality as g (product_id, name, quantity, line)
    where c.tenant_id = $1 and c.id = $2
    on conflict (tenant_id, bot_id, customer_id, product_id) do update
      set line = excluded.line, name = excluded.name, quantity = excluded.quantity, seen_at = excluded.seen_at`,
})

// Another customer's rows that are being written right now are not given up.
const sweep = statement({
  name: 'cart_sweep',
  params: ['tenant_id'],
  row: {},
  sql: `with old as (
      select bot_id, customer_id, product_id from carts
      where tenant_id = $1 and seen_at < now() - ${expiry} limit ${sweptMax} for update skip locked
    )
    delete from carts c using old where c.tenant_id = $1 and c.bot_id = old.bot_id
      and c.customer_id = old.customer_id and c.product_id = old.product_id`,
})

/** What is in the cart, in the order in which it was put in; nothing of a cart that was given up. */
export async function readCart(tx: Transaction, key: CartKey): Promise<readonly CartRow[]> {
  return await tx.run(selectRows, columnsOf(key))
}

/** Makes this the cart, seen now. The conversation's lock, which the turn holds, is the cart's. */
export async function writeCart(tx: Transaction, key: CartKey, lines: readonly CartLine[]): Promise<void> {
  const product_ids = lines.map(line => line.product.id)
  await Promise.all([
    tx.run(sweep, { tenant_id: key.tenantId }),
    tx.run(deleteOthers, { ...columnsOf(key), product_ids }),
    tx.run(writeRows, {
      ...columnsOf(key),
      product_ids,
      names: lines.map(line => line.product.name),
      quantities: lines.map(line => line.quantity),
    }),
  ])
}

function columnsOf({ tenantId, conversationId, customerId }: CartKey) {
  return { tenant_id: tenantId, conversation_id: conversationId, customer_id: customerId }
}
