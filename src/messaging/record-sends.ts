import type { Transaction } from '../stores/postgres/database.ts'
import { nullableJson, type RowOf, statement } from '../stores/postgres/statement.ts'
import { changeOutbox, endOutbox, keyColumns, type OutboxChange, type OutboxKey } from './outbox.ts'
import { lockProviderIds, type ProviderId } from './provider-id-locks.ts'
import { type MessageError, type StatusChange, statusChange } from './status.ts'
import { statusTimes } from './status-times.ts'

/** How a try to send ended; `row` is what becomes of the outbox row, null when it has ended. */
export type SendRecord = OutboxKey & {
  readonly status: 'queued' | 'sent' | 'failed' | 'unknown'
  readonly error: MessageError | null
  readonly providerMessageId: string | null
  /** The bot that it went by, where its provider's statuses say nothing but the provider's id: null where they say more. */
  readonly unreferencedAt: string | null
  /** What the provider calls a part of it that is not its last. */
  readonly partId: string | null
  readonly row: OutboxChange | null
}

const lockMessages = statement({
  name: 'send_lock_messages',
  params: ['tenant_ids', 'conversation_ids', 'ids'],
  row: {},
  sql: `select from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as g (tenant_id, conversation_id, id)
    join messages m using (tenant_id, conversation_id, id)
    order by m.tenant_id, m.conversation_id, m.id for no key update of m`,
})

const findRows = statement({
  name: 'send_find_rows',
  params: ['ids'],
  row: { id: 'uuid', sends: 'int4' },
  sql: 'select id, sends from outbox where id = any ($1::uuid[])',
})

const resultRow = { id: 'uuid', status: 'text', error: nullableJson<MessageError>() } as const

const noteParts = statement({
  name: 'send_note_parts',
  params: ['tenant_ids', 'bot_ids', 'provider_message_ids', 'message_ids'],
  row: {},
  sql: `insert into own_message_ids (tenant_id, bot_id, provider_message_id, message_id)
    select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[])
    on conflict do nothing`,
})

// A status that came before the answer to the send has said more than the answer can: those messages are returned.
const markMessages = statement({
  name: 'send_mark_messages',
  params: ['tenant_ids', 'conversation_ids', 'ids', 'statuses', 'errors', 'provider_message_ids'],
  row: resultRow,
  sql: `with marked as (
      update messages m
      set status = case when m.status in ('queued', 'unknown') then g.status else m.status end,
        error = case when m.status in ('queued', 'unknown') then g.error::jsonb else m.error end,
        provider_message_id = coalesce(m.provider_message_id, g.provider_message_id),
        ${statusTimes('g.status', 'now()')}
      from (
        select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[]) as u
          (tenant_id, conversation_id, id, status, error, provider_message_id)
        order by tenant_id, conversation_id, id) g
      where m.tenant_id = g.tenant_id and m.conversation_id = g.conversation_id and m.id = g.id
      returning m.id, m.status, m.error, g.status as given_status, g.error::jsonb as given_error
    )
    select id, status, error from marked where (status, error) is distinct from (given_status, given_error)`,
})

// Where a provider hands nothing back with its statuses, one may be here before the id that it is about was known.
const raiseEarly = statement({
  name: 'send_raise_early',
  params: ['tenant_ids', 'conversation_ids', 'ids'],
  row: resultRow,
  sql: `update messages m set status = s.status, error = s.error, provider_at = s.provider_at,
        ${statusTimes('s.status', 's.provider_at')}
    from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as g (tenant_id, conversation_id, id)
    join messages k using (tenant_id, conversation_id, id)
    cross join lateral (
      select r.status, r.error, r.provider_at from message_statuses r
      where r.tenant_id = k.tenant_id and r.bot_id = k.bot_id and r.provider_message_id = k.provider_message_id
        and r.message_id is null and r.status <> 'sent'
      order by case r.status when 'read' then 1 when 'delivered' then 2 else 3 end
      limit 1) s
    where m.tenant_id = g.tenant_id and m.conversation_id = g.conversation_id and m.id = g.id and m.status = 'sent'
    returning m.id, m.status, m.error`,
})

/**
 * Raises messages that are `sent` to what statuses have said before the provider's id of each was known here. Returns those
 * that were raised. To be called under `lockProviderIds`.
 */
export async function raiseEarlyStatuses(
  tx: Transaction,
  keys: readonly OutboxKey[],
): Promise<readonly RowOf<typeof resultRow>[]> {
  return keys.length === 0 ? [] : await tx.run(raiseEarly, keyColumns(keys))
}

/** What came of it: what is to be told, and whether messages that waited behind these may go now. */
export type SendsRecorded = { readonly changes: readonly StatusChange[]; readonly released: boolean }

/**
 * Writes how sends ended. A message that is to go on, but has been given up in the meantime, or is being sent again, stays
 * as it is: whoever writes the same twice, since nobody told that the first time was enough, changes nothing then.
 */
export async function recordSends(tx: Transaction, given: readonly SendRecord[]): Promise<SendsRecorded> {
  await lockProviderIds(tx, given.flatMap(providerIdOf))
  const parts = given.flatMap(partOf)
  if (parts.length > 0) await tx.run(noteParts, partColumns(parts))
  const records = await withoutGivenUp(tx, given)
  if (records.length === 0) return { changes: [], released: false }
  const sent = records.filter(record => record.status === 'sent')
  const ended = records.filter(record => record.row === null)
  const [kept, raised, , released] = await Promise.all([
    tx.run(markMessages, {
      ...keyColumns(records),
      statuses: records.map(record => record.status),
      errors: records.map(record => record.error && JSON.stringify(record.error)),
      provider_message_ids: records.map(record => record.providerMessageId),
    }),
    raiseEarlyStatuses(tx, sent),
    changeOutbox(
      tx,
      records.flatMap(record => record.row ?? []),
    ),
    endOutbox(tx, ended),
  ])
  const others = new Map([...kept, ...raised].map(row => [row.id, row]))
  const changes = records.map(record => {
    const { status, error } = others.get(record.id) ?? record
    return statusChange(record, status, error)
  })
  return { changes, released }
}

function providerIdOf({ unreferencedAt, providerMessageId, partId }: SendRecord): ProviderId[] {
  const id = providerMessageId ?? partId
  return unreferencedAt === null || id === null ? [] : [{ botId: unreferencedAt, providerMessageId: id }]
}

type Part = { readonly tenantId: string; readonly botId: string; readonly id: string; readonly messageId: string }

/** Where statuses name more than the provider's id, nobody has to know a part by it. */
function partOf({ tenant_id: tenantId, id: messageId, unreferencedAt: botId, partId: id }: SendRecord): Part[] {
  return botId === null || id === null ? [] : [{ tenantId, botId, id, messageId }]
}

function partColumns(parts: readonly Part[]) {
  return {
    tenant_ids: parts.map(part => part.tenantId),
    bot_ids: parts.map(part => part.botId),
    provider_message_ids: parts.map(part => part.id),
    message_ids: parts.map(part => part.messageId),
  }
}

/**
 * The message is locked before its row is looked for: whoever gives it up at this moment has it, and is waited for. In
 * this order, as the statuses from the provider do it.
 */
async function withoutGivenUp(tx: Transaction, records: readonly SendRecord[]): Promise<readonly SendRecord[]> {
  const goingOn = records.filter(record => record.row !== null)
  if (goingOn.length === 0) return records
  const [, rows] = await Promise.all([
    tx.run(lockMessages, keyColumns(goingOn)),
    tx.run(findRows, { ids: goingOn.map(record => record.id) }),
  ])
  const sends = new Map(rows.map(row => [row.id, row.sends]))
  return records.filter(({ id, row }) => {
    const begun = sends.get(id)
    return row === null || (begun !== undefined && (row.ofSend ?? begun) === begun)
  })
}

const findExpired = statement({
  name: 'outbox_find_expired',
  params: ['limit'],
  row: { tenant_id: 'uuid', conversation_id: 'uuid', id: 'uuid', state: 'text', attempts: 'int4' },
  sql: `select tenant_id, conversation_id, id, state, attempts from outbox
    where state <> 'queued' and due_at <= now()
    order by due_at, id
    limit $1
    for update skip locked`,
})

/** A send whose time is over: `sending` of which its sender never told the end, `unknown` that no status has settled. */
export type ExpiredSend = OutboxKey & { readonly state: 'sending' | 'unknown'; readonly attempts: number }

export async function findExpiredSends(tx: Transaction, limit: number): Promise<ExpiredSend[]> {
  const rows = await tx.run(findExpired, { limit })
  return rows.map(row => ({ ...row, state: row.state === 'sending' ? 'sending' : 'unknown' }))
}

const releaseSending = statement({
  name: 'outbox_release_sending',
  params: [],
  row: {},
  sql: `update outbox set due_at = now() where state = 'sending'`,
})

/** At the start of the only process on its database: whoever was sending is dead. */
export async function expireAllSends(tx: Transaction): Promise<void> {
  await tx.run(releaseSending, {})
}
