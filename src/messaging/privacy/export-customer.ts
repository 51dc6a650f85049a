import { firstId } from '../../lib/ids.ts'
import type { Json } from '../../lib/json.ts'
import { type LogStore, logNames } from '../../stores/log-store.ts'
import type { Database, Transaction } from '../../stores/postgres/database.ts'
import { json, nullable, nullableJson, type RowOf, statement } from '../../stores/postgres/statement.ts'
import { listConsents } from '../consent.ts'

// All that is known of a customer, as the text of one JSON object, made piece by piece: as much of it as one page is in
// memory at a time, however long somebody has been a customer.

const pageRows = 200

const findCustomer = statement({
  name: 'export_customer',
  params: ['tenant_id', 'id'],
  row: {
    id: 'uuid',
    name: 'text',
    phone: nullable('text'),
    email: nullable('text'),
    variables: json<Json>(),
    tags: json<readonly string[]>(),
    opted_out_at: nullable('timestamptz'),
    created_at: 'timestamptz',
    updated_at: 'timestamptz',
    identities: json<readonly { readonly bot_id: string; readonly kind: string; readonly value: string }[]>(),
  },
  sql: `select c.id, c.name, c.phone, c.email, c.variables, to_jsonb(c.tags) as tags, c.opted_out_at, c.created_at,
      c.updated_at,
      (select coalesce(jsonb_agg(jsonb_build_object('bot_id', bot_id, 'kind', kind, 'value', value)
          order by bot_id, kind, value), '[]')
        from customer_identities where tenant_id = c.tenant_id and customer_id = c.id) as identities
    from customers c where c.tenant_id = $1 and c.id = $2 and not c.is_erased`,
})

const conversationRow = {
  id: 'uuid',
  bot_id: 'uuid',
  seller_id: nullable('uuid'),
  status: 'text',
  window_expires_at: nullable('timestamptz'),
  last_message_at: 'timestamptz',
  created_at: 'timestamptz',
} as const
const readConversations = statement({
  name: 'export_conversations',
  params: ['tenant_id', 'customer_id', 'after_id', 'limit'],
  row: conversationRow,
  sql: `select id, bot_id, seller_id, status, window_expires_at, last_message_at, created_at from conversations
    where tenant_id = $1 and customer_id = $2 and id > $3::uuid order by id limit $4`,
})

const messageRow = {
  id: 'uuid',
  direction: 'text',
  source: nullable('text'),
  content: 'jsonb',
  status: 'text',
  error: nullableJson<Json>(),
  provider_message_id: nullable('text'),
  provider_at: nullable('timestamptz'),
  created_at: 'timestamptz',
} as const
const readMessages = statement({
  name: 'export_messages',
  params: ['tenant_id', 'conversation_id', 'after_id', 'limit'],
  row: messageRow,
  sql: `select id, direction, source, content, status, error, provider_message_id, provider_at, created_at from messages
    where tenant_id = $1 and conversation_id = $2 and id > $3::uuid order by id limit $4`,
})

const eventRow = { seq: 'int8', type: 'text', data: 'jsonb', at: 'timestamptz' } as const
const readEvents = statement({
  name: 'export_events',
  params: ['tenant_id', 'conversation_id', 'after_seq', 'limit'],
  row: eventRow,
  sql: `select seq, type, data, at from conversation_events
    where tenant_id = $1 and conversation_id = $2 and seq > $3 order by seq limit $4`,
})

const orderRow = {
  id: 'uuid',
  number: 'int8',
  status: 'text',
  total_minor: 'int8',
  currency: 'text',
  notes: nullable('text'),
  seller_id: nullable('uuid'),
  conversation_id: nullable('uuid'),
  items: json<readonly Json[]>(),
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
} as const
const readOrders = statement({
  name: 'export_orders',
  params: ['tenant_id', 'customer_id', 'after_id', 'limit'],
  row: orderRow,
  sql: `select o.id, o.number, o.status, o.total_minor, o.currency, o.notes, o.seller_id, o.conversation_id,
      (select coalesce(jsonb_agg(jsonb_build_object('product_id', i.product_id, 'name', i.name, 'quantity', i.quantity,
          'price_minor', i.price_minor) order by i.line), '[]')
        from order_items i where i.tenant_id = o.tenant_id and i.order_id = o.id) as items,
      o.created_at, o.updated_at
    from orders o where o.tenant_id = $1 and o.customer_id = $2 and o.id > $3::uuid order by o.id limit $4`,
})

const cartRow = {
  bot_id: 'uuid',
  product_id: 'uuid',
  name: 'text',
  quantity: 'int4',
  seen_at: 'timestamptz',
} as const
const readCarts = statement({
  name: 'export_carts',
  params: ['tenant_id', 'customer_id'],
  row: cartRow,
  sql: `select bot_id, product_id, name, quantity, seen_at from carts where tenant_id = $1 and customer_id = $2
    order by bot_id, line`,
})

const mediaRow = {
  id: 'uuid',
  conversation_id: nullable('uuid'),
  message_id: nullable('uuid'),
  kind: 'text',
  mime_type: 'text',
  filename: nullable('text'),
  bytes: nullable('int8'),
  sha256: nullable('text'),
  state: 'text',
  created_at: 'timestamptz',
} as const
const readMedia = statement({
  name: 'export_media',
  params: ['tenant_id', 'conversation_ids'],
  row: mediaRow,
  sql: `select id, conversation_id, message_id, kind, mime_type, filename, bytes, sha256, state, created_at from media
    where tenant_id = $1 and conversation_id = any ($2::uuid[]) order by id`,
})

type Options = { readonly database: Database; readonly logs: LogStore }

/** Whose data is handed out. */
export type ExportedCustomer = RowOf<typeof findCustomer.row>

/** Undefined where the tenant has no such customer. The role `app`. */
export async function findExportedCustomer(
  tx: Transaction,
  tenantId: string,
  id: string,
): Promise<ExportedCustomer | undefined> {
  return (await tx.run(findCustomer, { tenant_id: tenantId, id }))[0]
}

/** The pieces of a JSON object, as text. What is written meanwhile may be in it, or not. */
export async function* exportCustomer(
  options: Options,
  tenantId: string,
  customer: ExportedCustomer,
  at: Date,
): AsyncGenerator<string> {
  const conversationIds: string[] = []
  yield `{"exported_at":${JSON.stringify(at)},"customer":${JSON.stringify(customer)}`
  yield* list('consents', consentsOf(options, tenantId, customer.id))
  yield ',"conversations":['
  for await (const conversation of conversationsOf(options, tenantId, customer.id)) {
    yield `${conversationIds.length === 0 ? '' : ','}${JSON.stringify(conversation).slice(0, -1)}`
    conversationIds.push(conversation.id)
    yield* list('messages', messagesOf(options, tenantId, conversation.id))
    yield* list('events', eventsOf(options, tenantId, conversation.id))
    yield '}'
  }
  yield ']'
  yield* list('orders', ordersOf(options, tenantId, customer.id))
  yield* list('carts', cartsOf(options, tenantId, customer.id))
  yield* list('media', mediaOf(options, tenantId, conversationIds))
  yield* list('log_entries', entriesOf(options, tenantId, conversationIds))
  yield '}'
}

async function* list(name: string, items: AsyncGenerator<object>): AsyncGenerator<string> {
  yield `,"${name}":[`
  let isFirst = true
  for await (const item of items) {
    yield `${isFirst ? '' : ','}${JSON.stringify(item)}`
    isFirst = false
  }
  yield ']'
}

/** Pages of one statement, row by row. */
async function* paged<R>(
  { database }: Options,
  tenantId: string,
  read: (tx: Transaction, last: R | undefined) => Promise<readonly R[]>,
): AsyncGenerator<R> {
  let last: R | undefined
  for (let isMore = true; isMore; ) {
    const rows = await database.read({ role: 'app', tenantId }, tx => read(tx, last))
    yield* rows
    last = rows.at(-1)
    isMore = rows.length === pageRows
  }
}

/** Newest first, as the API lists them. */
function consentsOf(options: Options, tenantId: string, customerId: string) {
  return paged<{ readonly id: string }>(options, tenantId, (tx, last) =>
    listConsents(tx, { tenantId, customerId, beforeId: last?.id ?? null, limit: pageRows }),
  )
}

function conversationsOf(options: Options, tenant_id: string, customer_id: string) {
  return paged<RowOf<typeof conversationRow>>(options, tenant_id, (tx, last) =>
    tx.run(readConversations, { tenant_id, customer_id, after_id: last?.id ?? firstId, limit: pageRows }),
  )
}

function messagesOf(options: Options, tenant_id: string, conversation_id: string) {
  return paged<RowOf<typeof messageRow>>(options, tenant_id, (tx, last) =>
    tx.run(readMessages, { tenant_id, conversation_id, after_id: last?.id ?? firstId, limit: pageRows }),
  )
}

function eventsOf(options: Options, tenant_id: string, conversation_id: string) {
  return paged<RowOf<typeof eventRow>>(options, tenant_id, (tx, last) =>
    tx.run(readEvents, { tenant_id, conversation_id, after_seq: last?.seq ?? 0, limit: pageRows }),
  )
}

function ordersOf(options: Options, tenant_id: string, customer_id: string) {
  return paged<RowOf<typeof orderRow>>(options, tenant_id, (tx, last) =>
    tx.run(readOrders, { tenant_id, customer_id, after_id: last?.id ?? firstId, limit: pageRows }),
  )
}

async function* cartsOf({ database }: Options, tenantId: string, customer_id: string) {
  yield* await database.read({ role: 'app', tenantId }, tx => tx.run(readCarts, { tenant_id: tenantId, customer_id }))
}

async function* mediaOf({ database }: Options, tenantId: string, conversationIds: readonly string[]) {
  for (let from = 0; from < conversationIds.length; from += pageRows) {
    const conversation_ids = conversationIds.slice(from, from + pageRows)
    const given = { tenant_id: tenantId, conversation_ids }
    yield* await database.read({ role: 'app', tenantId }, tx => tx.run(readMedia, given))
  }
}

async function* entriesOf({ logs }: Options, tenantId: string, conversationIds: readonly string[]) {
  if (conversationIds.length === 0) return
  for (const log of logNames)
    for await (const bulk of logs.exportOf(log, { tenantId, conversationIds }))
      for (const { key: _key, value: _value, bucket: _bucket, ...entry } of bulk) yield { log, ...entry }
}
