import type { InboundContent, OutboundContent } from '../flow/content.ts'
import type { ConversationState, Run } from '../flow/state.ts'
import type { StoredEvent } from '../flow/upcast.ts'
import { firstId, lastId } from '../lib/ids.ts'
import type { Json } from '../lib/json.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { firstRows, ifGiven } from '../stores/postgres/list-sql.ts'
import { json, nullable, nullableJson, type RowOf, statement } from '../stores/postgres/statement.ts'
import { stateOf, unfoldedEvents } from './conversation-states.ts'
import type { MessageError } from './status.ts'

export const conversationStatuses = ['bot', 'waiting', 'agent', 'closed'] as const
export type ConversationStatus = (typeof conversationStatuses)[number]

/** A conversation as it is shown; the flow and its variables are the run's that goes on, else the last one's. */
export type Conversation = {
  readonly id: string
  readonly bot_id: string
  /** The bot that its messages go by for now, where its own cannot send. */
  readonly via_bot_id: string | null
  readonly customer_id: string
  /** Who writes, for a list that people read. */
  readonly customer: { readonly id: string; readonly name: string; readonly phone: string | null }
  readonly seller_id: string | null
  readonly status: string
  /** Since when it waits for a person; null while it does not. */
  readonly waiting_since: Date | null
  /** Messages and commands that could not be processed, see its problems. */
  readonly problems: number
  readonly flow_id: string | null
  readonly flow_version: number | null
  readonly current_step: string | null
  readonly variables: Readonly<Record<string, Json>>
  readonly window_expires_at: Date | null
  readonly last_message_at: Date
  readonly created_at: Date
}

/** Where a page of conversations begins: after the one written in last at `lastMessageMicros`, with this id. */
export type ConversationPosition = { readonly lastMessageMicros: number; readonly id: string }

const row = {
  id: 'uuid',
  bot_id: 'uuid',
  via_bot_id: nullable('uuid'),
  customer_id: 'uuid',
  customer_name: 'text',
  customer_phone: nullable('text'),
  seller_id: nullable('uuid'),
  problems: 'int4',
  status: 'text',
  waiting_since: nullable('timestamptz'),
  state: nullableJson<ConversationState>(),
  unfolded_events: nullableJson<readonly StoredEvent[]>(),
  window_expires_at: nullable('timestamptz'),
  last_message_at: 'timestamptz',
  created_at: 'timestamptz',
  last_message_micros: 'int8',
} as const
const columns = `c.id, c.bot_id, c.via_bot_id, c.customer_id, p.name as customer_name, p.phone as customer_phone, c.seller_id,
  (select count(*)::int from inbox i
    where i.tenant_id = c.tenant_id and i.conversation_id = c.id and i.failed_reason is not null) as problems,
  c.status, c.waiting_since, c.state, ${unfoldedEvents('c')} as unfolded_events, c.window_expires_at, c.last_message_at, c.created_at,
  (extract(epoch from c.last_message_at) * 1000000)::bigint as last_message_micros`

const pageParams = [
  'tenant_id',
  'statuses',
  'before_micros',
  'before_id',
  'bot_id',
  'customer_id',
  'seller_id',
  'search',
  'limit',
] as const
const isSearched = `exists (
          select from customers p where p.tenant_id = k.tenant_id and p.id = k.customer_id
            and (position(plain_text($8) in plain_text(p.name)) > 0 or position($8 in p.phone) > 0))`
const filters = {
  bot_id: ifGiven('$5::uuid', 'k.bot_id = $5'),
  customer_id: ifGiven('$6::uuid', 'k.customer_id = $6'),
  seller_id: ifGiven('$7::uuid', 'k.seller_id = $7'),
  search: ifGiven('$8::text', isSearched),
}
const beforeAt = `timestamptz 'epoch' + $3::bigint * interval '1 microsecond'`

/** Which conversations a page is taken from, in the order of the list, and the filter that this is instead of. */
type Source = { readonly where: string; readonly order: string; readonly instead?: string }

const inOrder = 'k.last_message_at desc, k.id desc'
const isBefore = `(k.last_message_at, k.id) < (${beforeAt}, $4::uuid)`

// Each status has its part of an index, in order: what is asked for is merged from the tops of those parts.
function selectPage(name: string, source: Source) {
  const others = Object.entries(filters).flatMap(([filter, sql]) => (filter === source.instead ? [] : [sql]))
  const ofStatus = firstRows(
    `select k.* from conversations k
        where k.tenant_id = $1 and ${[source.where, ...others].join(' and ')}
        order by ${source.order}`,
    '$9',
  )
  const page = firstRows(
    `select k.* from unnest($2::text[]) as s (status) cross join lateral (${ofStatus}) k order by ${inOrder}`,
    '$9',
  )
  return statement({
    name,
    params: pageParams,
    row,
    sql: `select ${columns} from (${page}) c join customers p on p.tenant_id = c.tenant_id and p.id = c.customer_id
      order by c.last_message_at desc, c.id desc`,
  })
}

/**
 * Those with one value in a column. Compared as rows, and not by the value alone too, so that no index will do but the one
 * that begins with the column, read from where the page begins.
 */
function having(column: keyof typeof filters, value: string): Source {
  const place = `(k.${column}, k.status, k.last_message_at, k.id)`
  return {
    where: `k.${column} is not null and ${place} < (${value}, s.status, ${beforeAt}, $4::uuid)
        and ${place} >= (${value}, s.status, timestamptz '-infinity', '${firstId}'::uuid)`,
    order: `k.${column} desc, k.status desc, ${inOrder}`,
    instead: column,
  }
}

const selectNewest = selectPage('conversation_list', { where: `k.status = s.status and ${isBefore}`, order: inOrder })
// Of two filters the rest is looked for among those of one. A customer has few conversations.
const selectOfCustomer = selectPage('conversation_list_of_customer', {
  where: `k.customer_id = $6::uuid and k.status = s.status and ${isBefore}`,
  order: inOrder,
  instead: 'customer_id',
})
const selectOfSeller = selectPage('conversation_list_of_seller', having('seller_id', '$7::uuid'))
const selectOfBot = selectPage('conversation_list_of_bot', having('bot_id', '$5::uuid'))

function pageFor(filter: { customerId: string | null; sellerId: string | null; botId: string | null }) {
  if (filter.customerId !== null) return selectOfCustomer
  if (filter.sellerId !== null) return selectOfSeller
  return filter.botId === null ? selectNewest : selectOfBot
}

const selectOne = statement({
  name: 'conversation_find',
  params: ['tenant_id', 'id'],
  row,
  sql: `select ${columns} from conversations c join customers p on p.tenant_id = c.tenant_id and p.id = c.customer_id
    where c.tenant_id = $1 and c.id = $2`,
})

/** A conversation, and where it stands in the list. */
export type ListedConversation = { readonly conversation: Conversation; readonly position: ConversationPosition }

/** Those written in last come first. `search` is a part of the customer's name or phone. */
export async function listConversations(
  tx: Transaction,
  page: {
    readonly tenantId: string
    readonly status: ConversationStatus | null
    readonly botId: string | null
    readonly customerId: string | null
    readonly sellerId: string | null
    readonly search: string | null
    readonly after: ConversationPosition | null
    readonly limit: number
  },
): Promise<ListedConversation[]> {
  const rows = await tx.run(pageFor(page), {
    tenant_id: page.tenantId,
    statuses: page.status === null ? conversationStatuses : [page.status],
    bot_id: page.botId,
    customer_id: page.customerId,
    seller_id: page.sellerId,
    search: page.search,
    before_micros: page.after?.lastMessageMicros ?? lastMicros,
    before_id: page.after?.id ?? lastId,
    limit: page.limit,
  })
  return rows.map(stored => ({
    conversation: shown(stored),
    position: { lastMessageMicros: stored.last_message_micros, id: stored.id },
  }))
}

/** The year 9999. */
const lastMicros = 253_370_764_800_000_000

/** Undefined where the tenant has no such conversation. */
export async function findConversation(
  tx: Transaction,
  tenantId: string,
  id: string,
): Promise<Conversation | undefined> {
  const [found] = await tx.run(selectOne, { tenant_id: tenantId, id })
  return found && shown(found)
}

function shown(stored: RowOf<typeof row>): Conversation {
  const {
    id,
    bot_id,
    via_bot_id,
    customer_id,
    seller_id,
    problems,
    status,
    waiting_since,
    window_expires_at,
    last_message_at,
    created_at,
  } = stored
  const state = stateOf(stored)
  return {
    ...{ id, bot_id, via_bot_id, customer_id },
    customer: { id: customer_id, name: stored.customer_name, phone: stored.customer_phone },
    ...{ seller_id, status, waiting_since, problems },
    ...placeOf(state),
    variables: runOf(state)?.variables ?? {},
    ...{ window_expires_at, last_message_at, created_at },
  }
}

/** Where a conversation is in its flow. */
export function placeOf(state: ConversationState | null) {
  const run = runOf(state)
  const frame = run?.frames.at(-1)
  return {
    flow_id: frame?.flow_id ?? null,
    flow_version: frame?.version ?? null,
    current_step: run?.step ?? null,
  }
}

function runOf(state: ConversationState | null): Run | null {
  return state?.run ?? state?.last_run ?? null
}

/**
 * `bot_id`: the bot that it came or goes by. `source`: who wrote one that goes out: the bot, an agent, a program over the
 * API, or somebody on the business's own phone; null of a customer's.
 */
export const messageRow = {
  id: 'uuid',
  bot_id: 'uuid',
  direction: 'text',
  source: nullable('text'),
  content: json<InboundContent | OutboundContent>(),
  status: 'text',
  error: nullableJson<MessageError>(),
  provider_message_id: nullable('text'),
  created_at: 'timestamptz',
} as const

/** The columns of a message `m`. */
export const messageColumns = `m.id, m.bot_id, m.direction, m.content, m.status, m.error, m.provider_message_id,
    m.created_at, case when m.direction = 'outbound' then coalesce(m.source, 'bot') end as source`

/** A message as it is shown. */
export type Message = RowOf<typeof messageRow>

const selectMessages = statement({
  name: 'message_list',
  params: ['tenant_id', 'conversation_id', 'before_id', 'limit'],
  row: messageRow,
  sql: `select ${messageColumns} from messages m
    where m.tenant_id = $1 and m.conversation_id = $2 and m.id < $3::uuid order by m.id desc limit $4`,
})

/** Newest first; `beforeId` is the last one of the page before. */
export async function listMessages(
  tx: Transaction,
  page: {
    readonly tenantId: string
    readonly conversationId: string
    readonly beforeId: string | null
    readonly limit: number
  },
): Promise<Message[]> {
  return await tx.run(selectMessages, {
    tenant_id: page.tenantId,
    conversation_id: page.conversationId,
    before_id: page.beforeId ?? lastId,
    limit: page.limit,
  })
}

const eventRow = { seq: 'int8', type: 'text', data: json<Json>(), at: 'timestamptz' } as const

/** A conversation's event as it is shown. */
export type ShownEvent = RowOf<typeof eventRow>

const selectEvents = statement({
  name: 'event_list',
  params: ['tenant_id', 'conversation_id', 'after_seq', 'limit'],
  row: eventRow,
  sql: `select seq, type, data, at from conversation_events
    where tenant_id = $1 and conversation_id = $2 and seq > $3 order by seq limit $4`,
})

/** In the order they happened, from after `afterSeq` (0: from the first). */
export async function listEvents(
  tx: Transaction,
  page: {
    readonly tenantId: string
    readonly conversationId: string
    readonly afterSeq: number
    readonly limit: number
  },
): Promise<ShownEvent[]> {
  return await tx.run(selectEvents, {
    tenant_id: page.tenantId,
    conversation_id: page.conversationId,
    after_seq: page.afterSeq,
    limit: page.limit,
  })
}
