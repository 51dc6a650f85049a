import type { Caller } from '../identity/callers.ts'
import { AppError } from '../lib/errors.ts'
import { lockHolder } from '../messaging/find-holder.ts'
import type { Conversation } from '../messaging/list-conversations.ts'
import type { Transaction } from '../stores/postgres/database.ts'

/**
 * Throws `conflict` where another person has the conversation: two must not answer one customer. Whoever is tied to the
 * seller that it was given to takes it from those who are not.
 */
export async function refuseHeld(tx: Transaction, caller: Caller, conversation: Conversation): Promise<void> {
  const holder = await lockHolder(tx, { tenantId: caller.tenantId, id: conversation.id })
  if (holder === undefined || holder.agentId === caller.id) return
  const isForCaller = caller.sellerId !== null && conversation.seller_id === caller.sellerId
  if (isForCaller && holder.sellerId !== caller.sellerId) return
  const who = holder.name ?? 'Somebody else'
  throw new AppError(
    'conflict',
    `${who} has this conversation: ask them, or take it all the same: hand it over with "force": true.`,
  )
}
