import type { Sealer } from '../lib/crypto.ts'
import type { Ids } from '../lib/ids.ts'
import { type Json, storableJson } from '../lib/json.ts'
import type { Database, Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'
import { holdEchoes } from './held-echoes.ts'
import { botOf } from './inbox.ts'
import { insertInboundMedia } from './insert-media.ts'
import type { PhoneMessage } from './phone-message.ts'
import { lockProviderIds } from './provider-id-locks.ts'
import { resolveConversations } from './receive-messages.ts'
import { raiseEarlyStatuses } from './record-sends.ts'
import { RaceLost, type Resolved, resolveCustomers } from './resolve-customers.ts'
import { retryRaces } from './retry-races.ts'
import type { MessageError } from './status.ts'

/** Whether a message is new, or is known, or cannot be told yet from what is just being sent. */
export type PhoneReceipt = 'stored' | 'duplicate' | 'held'

/** A message as it was stored: `status` is what was heard of it already. */
export type StoredPhoneMessage = {
  readonly message: PhoneMessage
  readonly conversationId: string
  readonly id: string
  readonly createdAt: Date
  readonly status: string
  readonly error: MessageError | null
}

/** What came of some messages: what is to be told of it (`tellOfPhoneMessages`). */
export type PhoneWritten = Pick<Resolved, 'changedTenants' | 'moved'> & {
  readonly stored: readonly StoredPhoneMessage[]
}

export type PhoneReceived = PhoneWritten & { readonly receipts: readonly PhoneReceipt[] }

// Ours are known by the id of the message, of one of its parts, or of a try before.
const findKnown = statement({
  name: 'phone_find_known',
  params: ['tenant_ids', 'bot_ids', 'provider_message_ids'],
  row: { bot_id: 'uuid', provider_message_id: 'text' },
  sql: `with given as (
      select * from unnest($1::uuid[], $2::uuid[], $3::text[]) as g (tenant_id, bot_id, provider_message_id))
    select bot_id, provider_message_id from given join messages using (tenant_id, bot_id, provider_message_id)
    union select bot_id, provider_message_id from given join own_message_ids using (tenant_id, bot_id, provider_message_id)
    union select bot_id, provider_message_id from given join held_echoes using (tenant_id, bot_id, provider_message_id)`,
})

const storeMessages = statement({
  name: 'phone_store',
  params: ['tenant_ids', 'conversation_ids', 'ids', 'bot_ids', 'provider_message_ids', 'contents', 'provider_ats'],
  row: { id: 'uuid', created_at: 'timestamptz' },
  sql: `insert into messages (tenant_id, conversation_id, id, bot_id, direction, source, content, status,
      provider_message_id, provider_at, sent_at)
    select tenant_id, conversation_id, id, bot_id, 'outbound', 'phone', content::jsonb, 'sent', provider_message_id, provider_at,
      provider_at
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[])
      as g (tenant_id, conversation_id, id, bot_id, provider_message_id, content, provider_at)
    order by tenant_id, bot_id, provider_message_id
    on conflict (tenant_id, bot_id, provider_message_id) where provider_message_id is not null do nothing
    returning id, created_at`,
})

const postMail = statement({
  name: 'phone_post_mail',
  params: ['tenant_ids', 'conversation_ids', 'ids', 'bodies'],
  row: {},
  sql: `insert into inbox (tenant_id, conversation_id, id, kind, body, bot_id)
    select tenant_id, conversation_id, id, 'agent_message', body::jsonb, ${botOf('g.tenant_id', 'g.conversation_id')}
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[]) as g (tenant_id, conversation_id, id, body)`,
})

// In the order of their ids, as whoever else locks several. It waits for the turns of these conversations.
const touchConversations = statement({
  name: 'phone_touch_conversations',
  params: ['tenant_ids', 'ids'],
  row: {},
  sql: `with locked as materialized (
      select c.tenant_id, c.id from unnest($1::uuid[], $2::uuid[]) as g (tenant_id, id)
      join conversations c using (tenant_id, id)
      order by c.id for no key update of c)
    update conversations c set last_message_at = now() from locked l where c.tenant_id = l.tenant_id and c.id = l.id`,
})

/**
 * Stores messages that were written on phones, each once: as messages of the business that went out, with mail for the
 * turn, since whoever wrote has the conversation from then on. What this program has sent itself is left out: it is known by
 * the provider's id. Where that is not known yet, because a send to the customer is under way, the message is held until the
 * answer to the send is there (`releaseEchoes`).
 */
export async function receivePhoneMessages(
  database: Database,
  ids: Ids,
  messages: readonly PhoneMessage[],
  sealer: Sealer,
): Promise<PhoneReceived> {
  return await retryRaces(database, tx => receive(tx, ids, messages, sealer))
}

async function receive(
  tx: Transaction,
  ids: Ids,
  messages: readonly PhoneMessage[],
  sealer: Sealer,
): Promise<PhoneReceived> {
  await lockProviderIds(tx, messages)
  const fresh = await withoutKnown(tx, messages)
  const held = await holdEchoes(
    tx,
    fresh.filter(message => message.mayBeOurs),
  )
  const certain = fresh.filter(message => !held.has(message))
  const written = await writePhoneMessages(
    tx,
    ids,
    certain.map(message => ({ message, takesOver: true })),
    sealer,
  )
  const isStored = new Set(certain)
  const receipts = messages.map(message =>
    isStored.has(message) ? 'stored' : held.has(message) ? 'held' : 'duplicate',
  )
  return { ...written, receipts }
}

/** Those that are not known, each once, in their order. */
async function withoutKnown(tx: Transaction, messages: readonly PhoneMessage[]): Promise<PhoneMessage[]> {
  const keyOf = (botId: string, id: string) => `${botId} ${id}`
  const fresh = new Map<string, PhoneMessage>()
  for (const message of messages) {
    const key = keyOf(message.botId, message.providerMessageId)
    if (!fresh.has(key)) fresh.set(key, message)
  }
  for (const row of await findKnownIds(tx, messages)) fresh.delete(keyOf(row.bot_id, row.provider_message_id))
  return [...fresh.values()]
}

type IdOfMessage = Pick<PhoneMessage, 'tenantId' | 'botId' | 'providerMessageId'>

/** Which of these messages are known here by the provider's id. */
export async function findKnownIds(
  tx: Transaction,
  messages: readonly IdOfMessage[],
): Promise<readonly { readonly bot_id: string; readonly provider_message_id: string }[]> {
  return await tx.run(findKnown, {
    tenant_ids: messages.map(message => message.tenantId),
    bot_ids: messages.map(message => message.botId),
    provider_message_ids: messages.map(message => message.providerMessageId),
  })
}

/** A message to store; `takesOver`: whoever wrote it has the conversation from now on. */
export type PhoneWrite = { readonly message: PhoneMessage; readonly takesOver: boolean }

/** Stores messages of which it is known that they are none of ours. To be called under `lockProviderIds`. */
export async function writePhoneMessages(
  tx: Transaction,
  ids: Ids,
  writes: readonly PhoneWrite[],
  sealer: Sealer,
): Promise<PhoneWritten> {
  const messages = writes.map(write => write.message)
  if (messages.length === 0) return { stored: [], changedTenants: new Set(), moved: [] }
  const asked = messages.map(({ tenantId, botId, to }) => ({ tenantId, botId, sender: { identities: to, name: null } }))
  const { customerIds, changedTenants, moved } = await resolveCustomers(tx, ids, asked, sealer)
  const conversationIds = await resolveConversations(tx, ids, messages, customerIds)
  const placed = writes.map((write, index) => ({
    ...{ ...write, id: ids.next(), conversationId: conversationIds[index] ?? '' },
  }))
  const stored = await store(tx, placed)
  await post(tx, ids, placed)
  await touch(tx, placed)
  return { stored, changedTenants, moved }
}

type Placed = PhoneWrite & { readonly id: string; readonly conversationId: string }

function columnsOf(placed: readonly Placed[]) {
  return {
    tenant_ids: placed.map(one => one.message.tenantId),
    conversation_ids: placed.map(one => one.conversationId),
  }
}

async function store(tx: Transaction, placed: readonly Placed[]): Promise<StoredPhoneMessage[]> {
  const rows = await tx.run(storeMessages, {
    ...columnsOf(placed),
    ids: placed.map(one => one.id),
    bot_ids: placed.map(one => one.message.botId),
    provider_message_ids: placed.map(one => one.message.providerMessageId),
    contents: placed.map(one => JSON.stringify(storableJson(one.message.content as Json))),
    provider_ats: placed.map(one => one.message.at.toISOString()),
  })
  // Another process knows one of them since a moment ago: by the answer to a send, or since it was told too.
  if (rows.length !== placed.length) throw new RaceLost()
  await insertInboundMedia(tx, placed.flatMap(mediaOf))
  const keys = placed.map(({ message, conversationId, id }) => {
    return { tenant_id: message.tenantId, conversation_id: conversationId, id }
  })
  const raised = new Map((await raiseEarlyStatuses(tx, keys)).map(row => [row.id, row]))
  const createdAt = new Map(rows.map(row => [row.id, row.created_at]))
  return placed.map(({ message, conversationId, id }) => {
    const { status, error } = raised.get(id) ?? { status: 'sent', error: null }
    return { message, conversationId, id, createdAt: createdAt.get(id) ?? new Date(), status, error }
  })
}

function mediaOf({ message: { botId, media }, conversationId, id: messageId }: Placed) {
  return media === undefined ? [] : [{ media, botId, conversationId, messageId }]
}

/** A reaction is no answer: it is shown, and takes nothing over. */
async function post(tx: Transaction, ids: Ids, placed: readonly Placed[]): Promise<void> {
  const answers = placed.filter(({ message, takesOver }) => takesOver && message.content.type !== 'reaction')
  if (answers.length === 0) return
  await tx.run(postMail, {
    ...columnsOf(answers),
    ids: answers.map(() => ids.next()),
    bodies: answers.map(({ id }) =>
      JSON.stringify({ message_id: id, agent_id: null, source: 'phone', takes_over: true }),
    ),
  })
}

/** Nobody is silent in a conversation that somebody writes in. */
async function touch(tx: Transaction, placed: readonly Placed[]): Promise<void> {
  const { tenant_ids, conversation_ids: ids } = columnsOf(placed)
  await tx.run(touchConversations, { tenant_ids, ids })
}
