import type { Ids } from '../../lib/ids.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { statement } from '../../stores/postgres/statement.ts'
import type { Person } from './person.ts'

// What is erased of a person by what names them: under the role `privacy`, of one tenant.

const byConversation = ['tenant_id', 'conversation_ids'] as const

// Whichever bot a message went by, its statuses are that bot's.
const removeStatuses = statement({
  name: 'erase_statuses',
  params: byConversation,
  row: {},
  sql: `with known as materialized (
      select m.id, m.bot_id, m.provider_message_id from messages m
      where m.tenant_id = $1 and m.conversation_id = any ($2::uuid[])
    ), named as materialized (
      select provider_message_id from known where provider_message_id is not null
      union
      select o.provider_message_id from known k join own_message_ids o on o.tenant_id = $1 and o.message_id = k.id
    ), bot as materialized (
      select bot_id from known union select id from bots where tenant_id = $1
    )
    delete from message_statuses s using bot b, named n
    where s.tenant_id = $1 and s.bot_id = b.bot_id and s.provider_message_id = n.provider_message_id`,
})

const removeOwnIds = statement({
  name: 'erase_own_ids',
  params: byConversation,
  row: {},
  sql: `delete from own_message_ids o using messages m
    where m.tenant_id = $1 and m.conversation_id = any ($2::uuid[]) and o.tenant_id = $1 and o.message_id = m.id`,
})

// In this order: what is found by its message goes before it.
const removeByConversation = [
  removeStatuses,
  removeOwnIds,
  ...(['messages', 'conversation_events', 'inbox', 'outbox', 'timers', 'calls'] as const).map(table =>
    statement({
      name: `erase_${table}`,
      params: byConversation,
      row: {},
      sql: `delete from ${table} where tenant_id = $1 and conversation_id = any ($2::uuid[])`,
    }),
  ),
]

const removeConversations = statement({
  name: 'erase_conversations',
  params: byConversation,
  row: {},
  sql: 'delete from conversations where tenant_id = $1 and id = any ($2::uuid[])',
})

// What was under way came after: by what providers call what was sent.
const removeLateStatuses = statement({
  name: 'erase_late_statuses',
  params: ['tenant_id', 'provider_ids'],
  row: {},
  sql: `delete from message_statuses s using bots b, unnest($2::text[]) as n (provider_message_id)
    where b.tenant_id = $1 and s.tenant_id = $1 and s.bot_id = b.id and s.provider_message_id = n.provider_message_id`,
})

const removeLateOwnIds = statement({
  name: 'erase_late_own_ids',
  params: ['tenant_id', 'message_ids'],
  row: {},
  sql: 'delete from own_message_ids where tenant_id = $1 and message_id = any ($2::uuid[])',
})

const removeMedia = statement({
  name: 'erase_media',
  params: ['tenant_id', 'ids'],
  row: {},
  sql: 'delete from media where tenant_id = $1 and id = any ($2::uuid[])',
})

// What a line says of the thing before and after; of an order, whose it is.
const blankAudit = statement({
  name: 'erase_audit',
  params: ['tenant_id', 'ids'],
  row: {},
  sql: `update audit_log
    set before = case when resource = 'orders' then before - array['customer_id', 'conversation_id', 'notes'] end,
      after = case when resource = 'orders' then after - array['customer_id', 'conversation_id', 'notes'] end
    where tenant_id = $1 and resource_id = any ($2::uuid[]) and (before is not null or after is not null)`,
})

const addErased = statement({
  name: 'erase_add_nobody',
  params: ['tenant_id', 'id', 'name'],
  row: {},
  sql: `insert into customers (tenant_id, id, name, is_erased) values ($1, $2, $3, true)
    on conflict (tenant_id) where is_erased do nothing`,
})

// Numbers and amounts stay, for the books.
const freeOrders = statement({
  name: 'erase_orders',
  params: ['tenant_id', 'customer_id'],
  row: {},
  sql: `update orders o set customer_id = k.id, conversation_id = null, notes = null
    from customers k
    where o.tenant_id = $1 and o.customer_id = $2 and k.tenant_id = $1 and k.is_erased`,
})

// Identities, tags, carts and consents go with it.
const removeCustomer = statement({
  name: 'erase_customer',
  params: ['tenant_id', 'id'],
  row: {},
  sql: 'delete from customers where tenant_id = $1 and id = $2',
})

/** What the customer of erased orders is called. */
export const erasedName = 'erased'

/** Erases what names a person, all at once: they are locked, with their conversations. */
export async function erasePersonRows(tx: Transaction, ids: Ids, tenantId: string, person: Person): Promise<void> {
  await eraseConversationRows(tx, tenantId, person)
  await tx.run(removeMedia, { tenant_id: tenantId, ids: person.mediaIds })
  const { customerId, conversationIds, orderIds, mediaIds } = person
  const audited = [customerId, ...conversationIds, ...orderIds, ...mediaIds]
  await tx.run(blankAudit, { tenant_id: tenantId, ids: audited })
  if (orderIds.length > 0) {
    await tx.run(addErased, { tenant_id: tenantId, id: ids.next(), name: erasedName })
    await tx.run(freeOrders, { tenant_id: tenantId, customer_id: customerId })
  }
  await tx.run(removeConversations, { tenant_id: tenantId, conversation_ids: conversationIds })
  await tx.run(removeCustomer, { tenant_id: tenantId, id: customerId })
}

/** Erases what was still under way when the person was erased, and has come since. */
export async function eraseLateRows(tx: Transaction, tenantId: string, person: Person): Promise<void> {
  await eraseConversationRows(tx, tenantId, person)
  await tx.run(removeLateStatuses, { tenant_id: tenantId, provider_ids: person.providerIds })
  await tx.run(removeLateOwnIds, { tenant_id: tenantId, message_ids: person.sendIds })
}

async function eraseConversationRows(tx: Transaction, tenantId: string, { conversationIds }: Person): Promise<void> {
  const theirs = { tenant_id: tenantId, conversation_ids: conversationIds }
  for (const one of removeByConversation) await tx.run(one, theirs)
}
