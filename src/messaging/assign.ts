import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'

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

const setSellerWhereNone = statement({
  name: 'conversation_assign_unassigned',
  params: ['tenant_id', 'id', 'seller_id'],
  row: {},
  sql: 'update conversations set seller_id = $3 where tenant_id = $1 and id = $2 and seller_id is null',
})

/** Gives a conversation that is nobody's to a seller. */
export async function assignUnassigned(
  tx: Transaction,
  conversation: { readonly tenantId: string; readonly id: string },
  sellerId: string,
): Promise<void> {
  await tx.run(setSellerWhereNone, { tenant_id: conversation.tenantId, id: conversation.id, seller_id: sellerId })
}
