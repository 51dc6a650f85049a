import { type Database, sqlState, type Transaction } from '../stores/postgres/database.ts'
import { nullable, statement } from '../stores/postgres/statement.ts'
import { endOutbox, keyColumns } from './outbox.ts'
import { lockProviderIds } from './provider-id-locks.ts'
import {
  climb,
  type MessageError,
  type MessageStatus,
  type ReportedStatus,
  type StatusChange,
  statusChange,
} from './status.ts'
import { statusTimes } from './status-times.ts'

/** What a provider reports of one outbound message. */
export type InboundStatus = {
  readonly tenantId: string
  readonly botId: string
  readonly providerMessageId: string
  readonly status: ReportedStatus
  readonly error: MessageError | null
  /** By the provider's clock. */
  readonly at: Date
  /** Our own ids, where the provider hands back what we gave it with the send. */
  readonly reference: { readonly conversationId: string; readonly messageId: string } | null
}

const triesMax = 5

const storeStatuses = statement({
  name: 'status_store',
  params: [
    'tenant_ids',
    'bot_ids',
    'provider_message_ids',
    'statuses',
    'errors',
    'conversation_ids',
    'message_ids',
    'provider_ats',
  ],
  row: {},
  sql: `insert into message_statuses
      (tenant_id, bot_id, provider_message_id, status, error, conversation_id, message_id, provider_at)
    select tenant_id, bot_id, provider_message_id, status, error::jsonb, conversation_id, message_id, provider_at
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::uuid[], $8::timestamptz[])
      as g (tenant_id, bot_id, provider_message_id, status, error, conversation_id, message_id, provider_at)
    order by tenant_id, bot_id, provider_message_id, status
    on conflict do nothing`,
})

// Sorted, so that two transactions that meet the same messages wait for each other instead of deadlocking.
const lockMessages = statement({
  name: 'status_lock_messages',
  params: ['tenant_ids', 'bot_ids', 'provider_message_ids', 'conversation_ids', 'message_ids'],
  row: {
    tenant_id: 'uuid',
    conversation_id: 'uuid',
    id: 'uuid',
    bot_id: 'uuid',
    provider_message_id: nullable('text'),
    status: 'text',
  },
  sql: `with given as (
      select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[]) as g
        (tenant_id, bot_id, provider_message_id, conversation_id, message_id)
    ), found as (
      select m.tenant_id, m.conversation_id, m.id from given g
      join messages m on m.tenant_id = g.tenant_id and m.conversation_id = g.conversation_id and m.id = g.message_id
        and m.bot_id = g.bot_id
      where g.message_id is not null
      union
      select m.tenant_id, m.conversation_id, m.id from given g
      join messages m on m.tenant_id = g.tenant_id and m.bot_id = g.bot_id
        and m.provider_message_id = g.provider_message_id
      where g.message_id is null
    )
    select m.tenant_id, m.conversation_id, m.id, m.bot_id, m.provider_message_id, m.status
    from messages m join found using (tenant_id, conversation_id, id)
    where m.direction = 'outbound'
    order by m.tenant_id, m.conversation_id, m.id
    for no key update of m`,
})

const raiseMessages = statement({
  name: 'status_raise_messages',
  params: ['tenant_ids', 'conversation_ids', 'ids', 'statuses', 'errors', 'provider_message_ids', 'provider_ats'],
  row: {},
  sql: `update messages m
    set status = g.status, error = g.error::jsonb, provider_at = g.provider_at,
      provider_message_id = coalesce(m.provider_message_id, g.provider_message_id),
      ${statusTimes('g.status', 'g.provider_at')}
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[]) as g
      (tenant_id, conversation_id, id, status, error, provider_message_id, provider_at)
    where m.tenant_id = g.tenant_id and m.conversation_id = g.conversation_id and m.id = g.id`,
})

type Message = {
  readonly tenant_id: string
  readonly conversation_id: string
  readonly id: string
  readonly bot_id: string
  readonly provider_message_id: string | null
  readonly status: string
}

/** What came of some reports: what is to be told of them, and whether messages that waited for these may be sent now. */
export type StatusesReceived = { readonly changes: readonly StatusChange[]; readonly released: boolean }

/**
 * Stores statuses, each once, and raises the messages they are about. One that comes before the answer to its send
 * waits in the table for it.
 */
export async function receiveStatuses(
  database: Database,
  statuses: readonly InboundStatus[],
): Promise<StatusesReceived> {
  for (let tries = 1; ; tries++) {
    try {
      return await database.transaction({ role: 'worker' }, tx => receiveStatusesIn(tx, statuses))
    } catch (error) {
      if (tries >= triesMax || sqlState(error) !== '40P01') throw error
    }
  }
}

/** The same in a transaction of the caller's, which has locked no row yet. */
export async function receiveStatusesIn(
  tx: Transaction,
  statuses: readonly InboundStatus[],
): Promise<StatusesReceived> {
  await lockProviderIds(
    tx,
    statuses.filter(status => status.reference === null),
  )
  const [, messages] = await Promise.all([store(tx, statuses), lock(tx, statuses)])
  const changes = raise(messages, statuses)
  if (changes.length === 0) return { changes: [], released: false }
  const keys = changes.map(change => change.message)
  // A send whose answer is still awaited, or never came, has one now; what waited behind it may go.
  const [, released] = await Promise.all([
    tx.run(raiseMessages, {
      ...keyColumns(keys),
      statuses: changes.map(change => change.status),
      errors: changes.map(change => change.error && JSON.stringify(change.error)),
      provider_message_ids: changes.map(change => change.report.providerMessageId),
      provider_ats: changes.map(change => change.report.at.toISOString()),
    }),
    endOutbox(tx, keys),
  ])
  return { changes: changes.map(({ message, status, error }) => statusChange(message, status, error)), released }
}

async function store(tx: Transaction, statuses: readonly InboundStatus[]): Promise<void> {
  await tx.run(storeStatuses, {
    ...keysOf(statuses),
    statuses: statuses.map(status => status.status),
    errors: statuses.map(status => status.error && JSON.stringify(status.error)),
    provider_ats: statuses.map(status => status.at.toISOString()),
  })
}

async function lock(tx: Transaction, statuses: readonly InboundStatus[]): Promise<readonly Message[]> {
  return await tx.run(lockMessages, keysOf(statuses))
}

function keysOf(statuses: readonly InboundStatus[]) {
  return {
    tenant_ids: statuses.map(status => status.tenantId),
    bot_ids: statuses.map(status => status.botId),
    provider_message_ids: statuses.map(status => status.providerMessageId),
    conversation_ids: statuses.map(status => status.reference?.conversationId ?? null),
    message_ids: statuses.map(status => status.reference?.messageId ?? null),
  }
}

/** The messages whose status rises, with the report that raised it last. */
function raise(messages: readonly Message[], statuses: readonly InboundStatus[]) {
  const byId = new Map(messages.map(message => [message.id, message]))
  const byProviderId = new Map(messages.map(message => [`${message.bot_id} ${message.provider_message_id}`, message]))
  const changes = new Map<
    string,
    { message: Message; status: MessageStatus; error: MessageError | null; report: InboundStatus }
  >()
  for (const report of statuses) {
    const message = report.reference
      ? byId.get(report.reference.messageId)
      : byProviderId.get(`${report.botId} ${report.providerMessageId}`)
    if (message === undefined) continue
    // The column has a check constraint: it holds nothing but these.
    const before = changes.get(message.id)?.status ?? (message.status as MessageStatus)
    const status = climb(before, report.status)
    if (status !== before) changes.set(message.id, { message, status, error: report.error, report })
  }
  return [...changes.values()]
}
