import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, statement } from '../stores/postgres/statement.ts'

const setSeller = statement({
  name: 'conversation_assign',
  params: ['tenant_id', 'id', 'seller_id'],
  row: {},
  sql: `update conversations set seller_id = $3
    where tenant_id = $1 and id = $2 and seller_id is distinct from $3::uuid`,
})

/** Gives a conversation to a seller, or to nobody in particular. */
export async function assignConversation(
  tx: Transaction,
  conversation: { readonly tenantId: string; readonly id: string },
  sellerId: string | null,
): Promise<void> {
  await tx.run(setSeller, { tenant_id: conversation.tenantId, id: conversation.id, seller_id: sellerId })
}

// Made in this very transaction, and nobody's: of what was there before, somebody knows whose it is.
const setSellerOfNew = statement({
  name: 'conversation_assign_new',
  params: ['tenant_id', 'id', 'seller_id'],
  row: {},
  sql: `update conversations set seller_id = $3
    where tenant_id = $1 and id = $2 and seller_id is null and created_at = now()`,
})

/** Gives a conversation that this transaction has made to a seller; any other stays whose it is. */
export async function assignNew(
  tx: Transaction,
  conversation: { readonly tenantId: string; readonly id: string },
  sellerId: string,
): Promise<void> {
  await tx.run(setSellerOfNew, { tenant_id: conversation.tenantId, id: conversation.id, seller_id: sellerId })
}

const selectSellers = statement({
  name: 'conversation_sellers',
  params: ['tenant_id', 'ids'],
  row: { id: 'uuid', seller_id: nullable('uuid') },
  sql: 'select id, seller_id from conversations where tenant_id = $1 and id = any ($2::uuid[])',
})

/** Whose each of some conversations is; those that there are not are left out. */
export async function sellersOf(
  tx: Transaction,
  tenantId: string,
  ids: readonly string[],
): Promise<readonly { readonly id: string; readonly seller_id: string | null }[]> {
  return await tx.run(selectSellers, { tenant_id: tenantId, ids })
}
