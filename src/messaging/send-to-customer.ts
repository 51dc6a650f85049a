import type { OutboundContent } from '../flow/content.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sealer } from '../lib/crypto.ts'
import { AppError } from '../lib/errors.ts'
import type { Ids } from '../lib/ids.ts'
import type { FeedEvent } from '../stores/feed.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { assignNew } from './assign.ts'
import { findBot } from './bots.ts'
import { findConversation } from './list-conversations.ts'
import { messageEvent } from './news.ts'
import { refuseUnsendable } from './refuse-unsendable.ts'
import { refuseUnsendableMedia } from './refuse-unsendable-media.ts'
import type { Identity } from './resolve-customers.ts'
import { queueMessage, type Reached, reachCustomer, reachOf } from './send.ts'

/** A message to somebody, who may not be known yet. */
export type ToCustomer = {
  readonly tenantId: string
  /** Who sends: the user, or the API key. */
  readonly caller: { readonly kind: 'user' | 'api_key'; readonly id: string }
  /** Of whoever sends, where they are tied to a seller. */
  readonly sellerId: string | null
  readonly botId: string
  readonly to: Identity
  readonly content: OutboundContent
}

/** What sending has changed, for the audit log, the caches and the sockets. */
type Changed = {
  readonly action: string
  readonly resource: 'customers' | 'conversations'
  readonly id: string
  readonly before: object | null
  readonly after: object
  readonly events?: readonly FeedEvent[]
}

type Options = {
  readonly ids: Ids
  readonly clock: Clock
  readonly sealer: Sealer
  /** A customer as the API shows them. */
  readonly findCustomer: (tx: Transaction, tenantId: string, id: string) => Promise<object | undefined>
  readonly record: (change: Changed) => void
}

/**
 * Queues a message to whoever has this identity: the customer and the conversation are made where there are none. Throws
 * `not_found`, `invalid`, `conflict`, `window_closed` or `customer_opted_out`, and `RaceLost`. Publish `outbox` on the bus once it is committed.
 */
export async function sendToCustomer(
  tx: Transaction,
  options: Options,
  message: ToCustomer,
): Promise<{ readonly message_id: string; readonly conversation_id: string }> {
  const { ids, clock, sealer, record } = options
  const { tenantId, caller, sellerId, botId, to, content } = message
  if ((await findBot(tx, tenantId, botId)) === undefined) throw new AppError('not_found', 'There is no such bot.')
  await refuseUnsendableMedia(tx, { tenantId, id: caller.id, sellerId }, content)
  const reached = await reachCustomer(tx, ids, { tenantId, botId, identity: to }, sealer)
  const { conversationId } = reached
  await takeForSeller(tx, message, conversationId)
  const reach = await reachOf(tx, tenantId, conversationId)
  const nowMs = clock.now()
  refuseUnsendable(reach, content, nowMs)
  const queued = await queueMessage(tx, ids, {
    ...{ tenantId, conversationId, botId, content, nowMs },
    source: caller.kind === 'user' ? 'agent' : 'api',
    windowExpiresAt: reach.windowExpiresAt,
  })
  await recordCustomer(tx, options, tenantId, reached)
  record({
    ...{ action: 'message.queued', resource: 'conversations', id: conversationId, before: null },
    after: { message_id: queued.id, content },
    events: [messageEvent(conversationId, queued)],
  })
  return { message_id: queued.id, conversation_id: conversationId }
}

async function recordCustomer(
  tx: Transaction,
  { findCustomer, record }: Options,
  tenantId: string,
  { customer, customerId: id }: Reached,
): Promise<void> {
  if (customer === 'known') return
  const after = await findCustomer(tx, tenantId, id)
  if (after === undefined) throw new AppError('not_found', 'There is no such customer.')
  const [action, before] =
    customer === 'made' ? ['customer.created', null] : ['customer.updated', { ...after, phone: null }]
  record({ action, resource: 'customers', id, before, after })
}

/** Who is tied to a seller writes to customers who talk with that seller, and to those who talk with nobody yet. */
async function takeForSeller(
  tx: Transaction,
  { tenantId, sellerId }: ToCustomer,
  conversationId: string,
): Promise<void> {
  if (sellerId === null) return
  await assignNew(tx, { tenantId, id: conversationId }, sellerId)
  const conversation = await findConversation(tx, tenantId, conversationId)
  if (conversation?.seller_id !== sellerId)
    throw new AppError(
      'conflict',
      'There is a conversation with this customer that is not your seller’s: have it given to them first.',
    )
}
