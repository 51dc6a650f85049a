import type { InboundContent } from '../flow/content.ts'
import type { Sealer } from '../lib/crypto.ts'
import type { Ids } from '../lib/ids.ts'
import { type Json, storableJson } from '../lib/json.ts'
import type { Database, Transaction } from '../stores/postgres/database.ts'
import { nullable, statement } from '../stores/postgres/statement.ts'
import { type InboundMedia, insertInboundMedia, type MediaOfMessage } from './insert-media.ts'
import { RaceLost, type Resolved, resolveCustomers, type Sender } from './resolve-customers.ts'
import { retryRaces } from './retry-races.ts'

/** A customer's message as a provider's webhook brought it, for a bot that is known. */
export type InboundMessage = {
  readonly tenantId: string
  readonly botId: string
  /** Whether the bot stands in for others: the customer may be talking with one of those. */
  readonly isFallback?: boolean
  /** The provider's id: the same message brought again has the same. */
  readonly providerMessageId: string
  readonly sender: Sender
  readonly content: InboundContent
  /** The file that the content names, where it is kept here. */
  readonly media?: InboundMedia | undefined
  /** When the customer wrote, by the provider's clock. */
  readonly at: Date
}

/** Whether a message is new, or was stored before. */
export type Receipt = 'stored' | 'duplicate'

/** A message as it was stored. */
export type StoredMessage = {
  readonly message: InboundMessage
  readonly conversationId: string
  readonly id: string
  readonly createdAt: Date
}

/** What came of some messages: their receipts in their order, and what is to be told of it (`tellOfReceived`). */
export type Received = Pick<Resolved, 'changedTenants' | 'moved'> & {
  readonly receipts: readonly Receipt[]
  readonly stored: readonly StoredMessage[]
}

const findKnown = statement({
  name: 'inbound_find_known',
  params: ['tenant_ids', 'bot_ids', 'provider_message_ids'],
  row: { provider_message_id: 'text', bot_id: 'uuid' },
  sql: `select m.provider_message_id, m.bot_id
    from unnest($1::uuid[], $2::uuid[], $3::text[]) as g (tenant_id, bot_id, provider_message_id)
    join messages m using (tenant_id, bot_id, provider_message_id)`,
})

const findConversations = statement({
  name: 'inbound_find_conversations',
  params: ['tenant_ids', 'bot_ids', 'customer_ids'],
  row: { id: 'uuid', bot_id: 'uuid', customer_id: 'uuid', is_via: 'bool' },
  sql: `select c.id, c.bot_id, c.customer_id, c.via_bot_id is not null as is_via
    from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as g (tenant_id, bot_id, customer_id)
    join conversations c on c.tenant_id = g.tenant_id and c.bot_id = g.bot_id and c.customer_id = g.customer_id
      and c.status <> 'closed'`,
})

// Of bots that stand in for others: a conversation of one of those that goes by this bot now.
const findVia = statement({
  name: 'inbound_find_via',
  params: ['tenant_ids', 'bot_ids', 'customer_ids'],
  row: { id: 'uuid', bot_id: 'uuid', customer_id: 'uuid' },
  sql: `select c.id, c.via_bot_id as bot_id, c.customer_id
    from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as g (tenant_id, bot_id, customer_id)
    join conversations c on c.tenant_id = g.tenant_id and c.via_bot_id = g.bot_id and c.customer_id = g.customer_id
      and c.status <> 'closed'
    order by c.last_message_at`,
})

// The customer is back with the conversation's own bot.
const endVia = statement({
  name: 'inbound_end_via',
  params: ['tenant_ids', 'ids'],
  row: {},
  sql: `update conversations c set via_bot_id = null
    from unnest($1::uuid[], $2::uuid[]) as g (tenant_id, id)
    where c.tenant_id = g.tenant_id and c.id = g.id and c.via_bot_id is not null`,
})

// Sorted, so that two transactions that open the same conversations wait for each other instead of deadlocking. By
// customer before bot: each row shares a lock on its customer, and a merge locks customers in the order of their ids.
const openConversations = statement({
  name: 'inbound_open_conversations',
  params: ['tenant_ids', 'ids', 'bot_ids', 'customer_ids'],
  row: { id: 'uuid' },
  sql: `insert into conversations (tenant_id, id, bot_id, customer_id)
    select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) as g (tenant_id, id, bot_id, customer_id)
    order by tenant_id, customer_id, bot_id
    on conflict (tenant_id, bot_id, customer_id) where status <> 'closed' do nothing
    returning id`,
})

const storeMessages = statement({
  name: 'inbound_store',
  params: ['tenant_ids', 'conversation_ids', 'ids', 'bot_ids', 'provider_message_ids', 'contents', 'provider_ats'],
  row: { stored: 'int4', at: nullable('timestamptz') },
  sql: `with message as (
      insert into messages
        (tenant_id, conversation_id, id, bot_id, direction, content, status, provider_message_id, provider_at)
      select tenant_id, conversation_id, id, bot_id, 'inbound', content::jsonb, 'received', provider_message_id, provider_at
      from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[])
        as g (tenant_id, conversation_id, id, bot_id, provider_message_id, content, provider_at)
      order by tenant_id, bot_id, provider_message_id
      on conflict (tenant_id, bot_id, provider_message_id) where provider_message_id is not null do nothing
      returning tenant_id, conversation_id, id, bot_id
    ), mail as (
      insert into inbox (tenant_id, conversation_id, id, kind, body, bot_id)
      select tenant_id, conversation_id, id, 'message', '{}', bot_id from message
      returning received_at
    )
    select count(*)::int as stored, max(received_at) as at from mail`,
})

/**
 * Stores messages in one transaction: finds or makes each customer and their one open conversation, and leaves each
 * message once, however often it comes, with a row in the inbox. Only inserts, so that it never waits for a turn; but
 * where two customers become one, it waits for the turns of their conversations.
 */
export async function receiveMessages(
  database: Database,
  ids: Ids,
  messages: readonly InboundMessage[],
  sealer: Sealer,
): Promise<Received> {
  return await retryRaces(database, tx => receive(tx, ids, messages, sealer))
}

async function receive(
  tx: Transaction,
  ids: Ids,
  messages: readonly InboundMessage[],
  sealer: Sealer,
): Promise<Received> {
  const unique = await withoutKnown(tx, messages)
  const isStored = new Set(unique)
  const receipts = messages.map(message => (isStored.has(message) ? 'stored' : 'duplicate'))
  if (unique.length === 0) return { receipts, stored: [], changedTenants: new Set(), moved: [] }
  const { customerIds, changedTenants, moved } = await resolveCustomers(tx, ids, unique, sealer)
  const conversations = await resolveConversations(tx, ids, unique, customerIds, { isInbound: true })
  return { receipts, stored: await store(tx, ids, unique, conversations), changedTenants, moved }
}

/** The messages not stored yet, each once, in their order. */
async function withoutKnown(tx: Transaction, messages: readonly InboundMessage[]): Promise<InboundMessage[]> {
  const fresh = new Map<string, InboundMessage>()
  for (const message of messages) {
    const key = messageKey(message.botId, message)
    if (!fresh.has(key)) fresh.set(key, message)
  }
  const known = await tx.run(findKnown, {
    tenant_ids: messages.map(message => message.tenantId),
    bot_ids: messages.map(message => message.botId),
    provider_message_ids: messages.map(message => message.providerMessageId),
  })
  for (const row of known) fresh.delete(messageKey(row.bot_id, { providerMessageId: row.provider_message_id }))
  return [...fresh.values()]
}

function messageKey(botId: string, message: { providerMessageId: string }): string {
  return `${botId} ${message.providerMessageId}`
}

/**
 * The open conversation of each bot and customer, made where there is none: `customerIds` are those of `messages`, in
 * their order. `isInbound`: the customers have written, so that a conversation that went by another bot goes by its own
 * again. Throws `RaceLost`.
 */
export async function resolveConversations(
  tx: Transaction,
  ids: Ids,
  messages: readonly Pick<InboundMessage, 'tenantId' | 'botId' | 'isFallback'>[],
  customerIds: readonly string[],
  { isInbound = false }: { readonly isInbound?: boolean } = {},
): Promise<string[]> {
  const pairs = messages.map((message, index) => ({ message, customerId: customerIds[index] ?? '' }))
  const known = new Map<string, string>()
  const asked = [...new Map(pairs.map(pair => [pairKey(pair.message.botId, pair.customerId), pair])).values()]
  const rows = await tx.run(findConversations, columnsOf(asked))
  for (const row of rows) known.set(pairKey(row.bot_id, row.customer_id), row.id)
  const own = rows.filter(row => row.is_via).map(row => row.id)
  const mayBeVia = asked.filter(pair => pair.message.isFallback)
  if (mayBeVia.length > 0)
    for (const row of await tx.run(findVia, columnsOf(mayBeVia)))
      known.set(pairKey(row.bot_id, row.customer_id), row.id)
  if (isInbound && own.length > 0) await endViaOf(tx, asked, known, own)
  const missing = asked.filter(pair => !known.has(pairKey(pair.message.botId, pair.customerId)))
  if (missing.length > 0) {
    const opened = missing.map(pair => ({ ...pair, id: ids.next() }))
    for (const { message, customerId, id } of opened) known.set(pairKey(message.botId, customerId), id)
    const made = await tx.run(openConversations, {
      tenant_ids: opened.map(pair => pair.message.tenantId),
      ids: opened.map(pair => pair.id),
      bot_ids: opened.map(pair => pair.message.botId),
      customer_ids: opened.map(pair => pair.customerId),
    })
    if (made.length < opened.length) throw new RaceLost()
  }
  return pairs.map(pair => known.get(pairKey(pair.message.botId, pair.customerId)) ?? '')
}

type Pair = { readonly message: { readonly tenantId: string; readonly botId: string }; readonly customerId: string }

function columnsOf(pairs: readonly Pair[]) {
  return {
    tenant_ids: pairs.map(pair => pair.message.tenantId),
    bot_ids: pairs.map(pair => pair.message.botId),
    customer_ids: pairs.map(pair => pair.customerId),
  }
}

async function endViaOf(
  tx: Transaction,
  pairs: readonly Pair[],
  known: ReadonlyMap<string, string>,
  ids: readonly string[],
): Promise<void> {
  const back = pairs.flatMap(({ message, customerId }) => {
    const id = known.get(pairKey(message.botId, customerId)) ?? ''
    return ids.includes(id) ? [{ tenantId: message.tenantId, id }] : []
  })
  await tx.run(endVia, { tenant_ids: back.map(one => one.tenantId), ids: back.map(one => one.id) })
}

function pairKey(botId: string, customerId: string): string {
  return `${botId} ${customerId}`
}

async function store(
  tx: Transaction,
  ids: Ids,
  messages: readonly InboundMessage[],
  conversationIds: readonly string[],
): Promise<StoredMessage[]> {
  const messageIds = messages.map(() => ids.next())
  const [result] = await tx.run(storeMessages, {
    tenant_ids: messages.map(message => message.tenantId),
    conversation_ids: conversationIds,
    ids: messageIds,
    bot_ids: messages.map(message => message.botId),
    provider_message_ids: messages.map(message => message.providerMessageId),
    contents: messages.map(message => JSON.stringify(storableJson(message.content as Json))),
    provider_ats: messages.map(message => message.at.toISOString()),
  })
  // A copy was stored by another process between our look and our insert: it is a duplicate, and this one must not
  // leave a customer or a conversation behind that only it asked for.
  const createdAt = result?.at ?? null
  if (createdAt === null || result?.stored !== messages.length) throw new RaceLost()
  const stored = messages.map((message, index) => ({
    message,
    conversationId: conversationIds[index] ?? '',
    id: messageIds[index] ?? '',
    createdAt,
  }))
  await insertInboundMedia(tx, stored.flatMap(mediaOf))
  return stored
}

function mediaOf({ message: { botId, media }, conversationId, id: messageId }: StoredMessage): MediaOfMessage[] {
  return media === undefined ? [] : [{ media, botId, conversationId, messageId }]
}
