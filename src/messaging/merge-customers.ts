import { unknownBusiness } from '../flow/business.ts'
import type { FlowLibrary } from '../flow/library.ts'
import type { ConversationState } from '../flow/state.ts'
import { isAwaitingAction, step } from '../flow/step.ts'
import type { StoredEvent } from '../flow/upcast.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { nullableJson, type RowOf, statement } from '../stores/postgres/statement.ts'
import { stateOf, unfoldedEvents } from './conversation-states.ts'
import { saveTurns } from './save-turns.ts'

// Conversations first, then customers, each in the order of their ids: a turn that makes an order, or opens the next
// conversation, holds its conversation when it comes to the customer.
const lockConversations = statement({
  name: 'merge_lock_conversations',
  params: ['tenant_ids', 'customer_ids'],
  row: { id: 'uuid' },
  sql: `select c.id from unnest($1::uuid[], $2::uuid[]) as g (tenant_id, customer_id)
    join conversations c using (tenant_id, customer_id)
    order by c.id for no key update of c`,
})

const lockCustomers = statement({
  name: 'merge_lock_customers',
  params: ['tenant_ids', 'ids'],
  row: { id: 'uuid' },
  sql: `select k.id from unnest($1::uuid[], $2::uuid[]) as g (tenant_id, id)
    join customers k using (tenant_id, id)
    order by k.tenant_id, k.id for update of k`,
})

const findConversations = statement({
  name: 'merge_find_conversations',
  params: ['tenant_ids', 'customer_ids'],
  row: { id: 'uuid' },
  sql: `select c.id from unnest($1::uuid[], $2::uuid[]) as g (tenant_id, customer_id)
    join conversations c using (tenant_id, customer_id)`,
})

const moveIdentities = statement({
  name: 'merge_move_identities',
  params: ['tenant_id', 'from_id', 'into_id'],
  row: {},
  sql: 'update customer_identities set customer_id = $3 where tenant_id = $1 and customer_id = $2',
})

const moveOrders = statement({
  name: 'merge_move_orders',
  params: ['tenant_id', 'from_id', 'into_id'],
  row: {},
  sql: 'update orders set customer_id = $3 where tenant_id = $1 and customer_id = $2',
})

// Where both have a cart with a bot, the one that stays keeps its own.
const moveCarts = statement({
  name: 'merge_move_carts',
  params: ['tenant_id', 'from_id', 'into_id'],
  row: {},
  sql: `update carts c set customer_id = $3
    where c.tenant_id = $1 and c.customer_id = $2
      and not exists (
        select from carts o where o.tenant_id = $1 and o.customer_id = $3 and o.bot_id = c.bot_id)`,
})

const moveConsents = statement({
  name: 'merge_move_consents',
  params: ['tenant_id', 'from_id', 'into_id'],
  row: {},
  sql: 'update consents set customer_id = $3 where tenant_id = $1 and customer_id = $2',
})

const lockRivals = statement({
  name: 'merge_lock_rivals',
  params: ['tenant_id', 'from_id', 'into_id'],
  row: {
    id: 'uuid',
    bot_id: 'uuid',
    state: nullableJson<ConversationState>(),
    unfolded_events: nullableJson<readonly StoredEvent[]>(),
  },
  sql: `select c.id, c.bot_id, c.state, ${unfoldedEvents('c')} as unfolded_events
    from conversations c
    where c.tenant_id = $1 and c.customer_id = $2 and c.status <> 'closed' and exists (
      select from conversations o
      where o.tenant_id = $1 and o.customer_id = $3 and o.bot_id = c.bot_id and o.status <> 'closed')
    order by c.id for no key update`,
})

const moveConversations = statement({
  name: 'merge_move_conversations',
  params: ['tenant_id', 'from_id', 'into_id'],
  row: { id: 'uuid', bot_id: 'uuid', customer_id: 'uuid', status: 'text' },
  sql: `update conversations set customer_id = $3 where tenant_id = $1 and customer_id = $2
    returning id, bot_id, customer_id, status`,
})

/** A conversation that is another customer's now. */
export type MovedConversation = RowOf<typeof moveConversations.row>

// Who wanted no messages under one of the two wants none: since the first time they said so.
const fillCustomer = statement({
  name: 'merge_fill_customer',
  params: ['tenant_id', 'from_id', 'into_id'],
  row: {},
  sql: `update customers k
    set name = case when k.name = '' then f.name else k.name end, phone = coalesce(k.phone, f.phone),
      email = coalesce(k.email, f.email), variables = f.variables || k.variables,
      opted_out_at = least(k.opted_out_at, f.opted_out_at),
      tags = k.tags || array(select t from unnest(f.tags) as t where t <> all (k.tags)), updated_at = now()
    from customers f
    where k.tenant_id = $1 and k.id = $3 and f.tenant_id = $1 and f.id = $2`,
})

const deleteCustomer = statement({
  name: 'merge_delete_customer',
  params: ['tenant_id', 'id'],
  row: {},
  sql: 'delete from customers where tenant_id = $1 and id = $2',
})

/** A customer, by its two keys. */
export type CustomerKey = { readonly tenantId: string; readonly id: string }

/**
 * Locks customers that are to be merged, and the conversations of those that go: nobody else opens one for any of them,
 * merges or deletes them until the end of the transaction. Returns false where somebody just did: look again, in another
 * transaction.
 */
export async function lockCustomersToMerge(
  tx: Transaction,
  customers: readonly CustomerKey[],
  leaving: readonly CustomerKey[],
): Promise<boolean> {
  const theirs = {
    tenant_ids: leaving.map(customer => customer.tenantId),
    customer_ids: leaving.map(customer => customer.id),
  }
  const locked = await tx.run(lockConversations, theirs)
  const left = await tx.run(lockCustomers, {
    tenant_ids: customers.map(customer => customer.tenantId),
    ids: customers.map(customer => customer.id),
  })
  const known = new Set(locked.map(conversation => conversation.id))
  const found = await tx.run(findConversations, theirs)
  return left.length === customers.length && found.every(conversation => known.has(conversation.id))
}

/**
 * Makes one customer of two that turned out to be the same person: identities, orders and conversations of `fromId`
 * go to `intoId`. Where both have an open conversation with a bot, the moved one is closed; its waiting mail then goes
 * to the other. Both are locked (`lockCustomersToMerge`) or were made by this transaction. Returns the conversations
 * that were moved, as they are now.
 */
export async function mergeCustomer(
  tx: Transaction,
  tenantId: string,
  fromId: string,
  intoId: string,
): Promise<MovedConversation[]> {
  const both = { tenant_id: tenantId, from_id: fromId, into_id: intoId }
  const rivals = await tx.run(lockRivals, both)
  const turns = rivals.map(rival => {
    const before = stateOf(rival)
    const context = { ...nowhere, conversation: { id: rival.id, bot_id: rival.bot_id }, now: Date.now() }
    const { state, events } = step(noFlows, before, { kind: 'close', reason: 'merged' }, context)
    return {
      ...{ tenantId, conversationId: rival.id, botId: rival.bot_id, state, seqBefore: before.seq, events },
      ...{ sends: [], timer: null, doneIds: [], heldIds: [], releases: isAwaitingAction(before), lastInboundAt: null },
    }
  })
  await saveTurns(tx, turns, new Date())
  await tx.run(moveIdentities, both)
  await tx.run(moveOrders, both)
  await tx.run(moveConsents, both)
  await tx.run(moveCarts, both)
  const moved = await tx.run(moveConversations, both)
  await tx.run(fillCustomer, both)
  await tx.run(deleteCustomer, { tenant_id: tenantId, id: fromId })
  return moved
}

// Closing runs no step of a flow and reads no expression.
const noFlows: FlowLibrary = { byId: () => undefined, published: () => undefined }
const nobody = { id: '', name: null, phone: null, email: null, variables: {}, tags: [], opted_out: false }
const nowhere = { customer: nobody, business: unknownBusiness, window_expires_at: null }
