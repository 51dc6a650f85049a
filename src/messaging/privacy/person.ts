import type { Transaction } from '../../stores/postgres/database.ts'
import { nullable, statement } from '../../stores/postgres/statement.ts'

// What a customer is found by: what names them by an id, and what anything that does not may say of them.

/** Of messages, the newest: what their providers may still tell of. */
const providerIdsMax = 2_000

type Identity = { readonly kind: string; readonly value: string }

/** Of one customer. Texts are as they are stored. */
export type Person = {
  readonly customerId: string
  readonly names: readonly string[]
  readonly emails: readonly string[]
  /** What WhatsApp knows them by; phones are E.164. */
  readonly identities: readonly Identity[]
  readonly conversationIds: readonly string[]
  readonly orderIds: readonly string[]
  /** Files that they sent, and files that were uploaded for nobody else. */
  readonly mediaIds: readonly string[]
  /** What waits to be sent to them, or is being sent. */
  readonly sendIds: readonly string[]
  /** What providers call the newest messages. */
  readonly providerIds: readonly string[]
}

/** A customer's row, as far as erasing them needs it. */
export type PersonRow = {
  readonly name: string
  readonly phone: string | null
  readonly email: string | null
  readonly opted_out_at: Date | null
  readonly is_erased: boolean
}

const findRow = statement({
  name: 'person_find',
  params: ['tenant_id', 'id'],
  row: {
    name: 'text',
    phone: nullable('text'),
    email: nullable('text'),
    opted_out_at: nullable('timestamptz'),
    is_erased: 'bool',
  },
  sql: 'select name, phone, email, opted_out_at, is_erased from customers where tenant_id = $1 and id = $2',
})

const findIdentities = statement({
  name: 'person_identities',
  params: ['tenant_id', 'id'],
  row: { kind: 'text', value: 'text' },
  sql: 'select distinct kind, value from customer_identities where tenant_id = $1 and customer_id = $2',
})

const findConversations = statement({
  name: 'person_conversations',
  params: ['tenant_id', 'id'],
  row: { id: 'uuid' },
  sql: 'select id from conversations where tenant_id = $1 and customer_id = $2 order by id',
})

const findOrders = statement({
  name: 'person_orders',
  params: ['tenant_id', 'id'],
  row: { id: 'uuid' },
  sql: 'select id from orders where tenant_id = $1 and customer_id = $2 order by id',
})

// An upload that nobody else was sent, and no flow sends, was made for them: an invoice with their name on it.
const findMedia = statement({
  name: 'person_media',
  params: ['tenant_id', 'conversation_ids'],
  row: { id: 'uuid' },
  sql: `select d.id from media d where d.tenant_id = $1 and d.conversation_id = any ($2::uuid[])
    union
    select d.id
    from (
      select distinct m.media_id from messages m
      where m.tenant_id = $1 and m.conversation_id = any ($2::uuid[]) and m.media_id is not null) u
    join media d on d.tenant_id = $1 and d.id::text = u.media_id and d.origin = 'upload'
    where not exists (
        select from messages o
        where o.tenant_id = $1 and o.media_id = u.media_id and o.conversation_id <> all ($2::uuid[]))
      and not exists (select from flows f where f.tenant_id = $1 and position(u.media_id in f.document::text) > 0)
      and not exists (
        select from flow_versions f where f.tenant_id = $1 and position(u.media_id in f.document::text) > 0)`,
})

const findSends = statement({
  name: 'person_sends',
  params: ['tenant_id', 'conversation_ids'],
  row: { id: 'uuid' },
  sql: 'select id from outbox where tenant_id = $1 and conversation_id = any ($2::uuid[])',
})

const findProviderIds = statement({
  name: 'person_provider_ids',
  params: ['tenant_id', 'conversation_ids', 'limit'],
  row: { provider_message_id: 'text' },
  sql: `select provider_message_id from messages
    where tenant_id = $1 and conversation_id = any ($2::uuid[]) and provider_message_id is not null
    order by id desc limit $3`,
})

/** Undefined where the tenant has no such customer. */
export async function findPersonRow(tx: Transaction, tenantId: string, id: string): Promise<PersonRow | undefined> {
  return (await tx.run(findRow, { tenant_id: tenantId, id }))[0]
}

/** What a customer is found by. Nothing of them is to change meanwhile: they are locked, with their conversations. */
export async function describePerson(
  tx: Transaction,
  tenantId: string,
  customerId: string,
  row: PersonRow,
): Promise<Person> {
  const key = { tenant_id: tenantId, id: customerId }
  const identities = await tx.run(findIdentities, key)
  const conversationIds = idsOf(await tx.run(findConversations, key))
  const theirs = { tenant_id: tenantId, conversation_ids: conversationIds }
  const isKnown = identities.some(one => one.kind === 'phone' && one.value === row.phone)
  const sent = await tx.run(findProviderIds, { ...theirs, limit: providerIdsMax })
  return {
    customerId,
    names: row.name === '' ? [] : [row.name],
    emails: row.email === null ? [] : [row.email],
    identities: row.phone === null || isKnown ? identities : [...identities, { kind: 'phone', value: row.phone }],
    conversationIds,
    orderIds: idsOf(await tx.run(findOrders, key)),
    mediaIds: idsOf(await tx.run(findMedia, theirs)),
    sendIds: idsOf(await tx.run(findSends, theirs)),
    providerIds: sent.map(message => message.provider_message_id),
  }
}

function idsOf(rows: readonly { readonly id: string }[]): string[] {
  return rows.map(row => row.id)
}
