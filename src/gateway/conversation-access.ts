import type { Caller } from '../identity/callers.ts'
import { AppError } from '../lib/errors.ts'
import { type Conversation, findConversation } from '../messaging/list-conversations.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { found, notFound } from './steps.ts'

/** The conversation, where the caller may see it: who is tied to a seller sees that seller's only. Else `not_found`. */
export async function seenConversation(tx: Transaction, caller: Caller, id: string): Promise<Conversation> {
  const conversation = found(await findConversation(tx, caller.tenantId, id), 'conversation')
  if (caller.sellerId !== null && conversation.seller_id !== caller.sellerId) throw notFound('conversation')
  return conversation
}

/** The same of one that is to be written into. Throws `conflict` where it is closed. */
export async function openConversation(tx: Transaction, caller: Caller, id: string): Promise<Conversation> {
  const conversation = await seenConversation(tx, caller, id)
  if (conversation.status === 'closed') throw new AppError('conflict', 'The conversation is closed.')
  return conversation
}
