import type { OutboundContent } from '../flow/content.ts'
import type { Sealer } from '../lib/crypto.ts'
import type { Ids } from '../lib/ids.ts'
import { sqlState, type Transaction } from '../stores/postgres/database.ts'
import { json, nullable, nullableJson, statement } from '../stores/postgres/statement.ts'
import { type BotConfig, providerNames } from './bot-config.ts'
import { type Capabilities, capabilitiesOf } from './capabilities.ts'
import type { Message } from './list-conversations.ts'
import { resolveConversations } from './receive-messages.ts'
import { type Identity, RaceLost, resolveCustomers } from './resolve-customers.ts'

const insertMessage = statement({
  name: 'message_queue',
  params: ['tenant_id', 'conversation_id', 'id', 'bot_id', 'content', 'window_expires_at', 'urgency', 'source'],
  row: { created_at: 'timestamptz' },
  sql: `with message as (
      insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status, source, tx)
      values ($1, $2, $3, $4, 'outbound', $5::text::jsonb, 'queued', $8, null)
    ), seen as (
      update conversations set last_message_at = now(), window_expires_at = greatest(window_expires_at, $6)
      where tenant_id = $1 and id = $2
    )
    insert into outbox (tenant_id, conversation_id, id, bot_id, urgency) values ($1, $2, $3, $4, $7)
    returning created_at`,
})

// A turn notes the window; what the customer wrote a moment ago, or in a conversation before this one, counts too. The
// addresses are those that the sender takes.
const findReach = statement({
  name: 'message_find_reach',
  params: ['tenant_id', 'conversation_id'],
  row: {
    provider: nullable('text'),
    config: nullableJson<BotConfig>(),
    kinds: json<readonly string[]>(),
    window_expires_at: nullable('timestamptz'),
    is_opted_out: 'bool',
  },
  sql: `select b.provider, b.config,
      (select k.opted_out_at is not null from customers k
        where k.tenant_id = c.tenant_id and k.id = c.customer_id) as is_opted_out,
      (select coalesce(jsonb_agg(distinct i.kind), '[]') from customer_identities i
        where i.tenant_id = c.tenant_id and i.customer_id = c.customer_id and i.bot_id = c.bot_id) as kinds,
      greatest(
        (select max(o.window_expires_at) from conversations o
          where o.tenant_id = c.tenant_id and o.customer_id = c.customer_id and o.bot_id = c.bot_id),
        (select m.provider_at + interval '24 hours' from messages m
          where m.tenant_id = c.tenant_id and m.conversation_id = c.id and m.direction = 'inbound'
          order by m.id desc limit 1)) as window_expires_at
    from conversations c left join bots b on b.tenant_id = c.tenant_id and b.id = c.bot_id
    where c.tenant_id = $1 and c.id = $2`,
})

/** What a person's message to a conversation would meet. */
export type Reach = {
  /** Whether the customer wants no messages. */
  readonly isOptedOut: boolean
  readonly hasBot: boolean
  /** What the bot's provider can show. */
  readonly capabilities: Capabilities
  /** Whether the bot knows the customer by what a message can be sent to. */
  readonly hasAddress: boolean
  /** Until when the customer can be written to freely; null where they never wrote to this bot. */
  readonly windowExpiresAt: Date | null
}

export async function reachOf(tx: Transaction, tenantId: string, conversationId: string): Promise<Reach> {
  const [found] = await tx.run(findReach, { tenant_id: tenantId, conversation_id: conversationId })
  if (found === undefined) throw new Error(`There is no conversation ${conversationId}`)
  const { provider, config, kinds, window_expires_at, is_opted_out: isOptedOut } = found
  const known = providerNames.find(name => name === provider)
  const capabilities = capabilitiesOf(known ?? 'meta', config ?? {})
  const hasAddress = capabilities.addresses.some(kind => kinds.includes(kind))
  return { isOptedOut, hasBot: known !== undefined, capabilities, hasAddress, windowExpiresAt: window_expires_at }
}

/** Another transaction merged, removed or met the same customer at this moment. */
const raceStates = new Set(['23503', '23505'])

// Times of a transaction are those of its start: what it wrote itself has them.
const findWritten = statement({
  name: 'message_find_customer_written',
  params: ['tenant_id', 'id'],
  row: { is_new: 'bool', is_changed: 'bool' },
  sql: `select created_at = now() as is_new, updated_at = now() as is_changed from customers
    where tenant_id = $1 and id = $2`,
})

/** Who is reached, where, and what that has made of the customer. */
export type Reached = {
  readonly conversationId: string
  readonly customerId: string
  /** `phone_learnt`: the customer has a phone now, and had none. */
  readonly customer: 'known' | 'made' | 'phone_learnt'
}

/**
 * The open conversation with whoever has this identity, as if they had written: the customer and the conversation are
 * made where there are none. Throws `RaceLost`.
 */
export async function reachCustomer(
  tx: Transaction,
  ids: Ids,
  to: { readonly tenantId: string; readonly botId: string; readonly identity: Identity },
  sealer: Sealer,
): Promise<Reached> {
  const { tenantId, botId, identity } = to
  const asked = [{ tenantId, botId, sender: { identities: [identity], name: null } }]
  try {
    const [customerId = ''] = (await resolveCustomers(tx, ids, asked, sealer)).customerIds
    const [conversationId = ''] = await resolveConversations(tx, ids, asked, [customerId])
    const [written] = await tx.run(findWritten, { tenant_id: tenantId, id: customerId })
    const changed = written?.is_changed ? 'phone_learnt' : 'known'
    return { conversationId, customerId, customer: written?.is_new ? 'made' : changed }
  } catch (error) {
    throw raceStates.has(sqlState(error) ?? '') ? new RaceLost() : error
  }
}

/** Who has written within a day waits for an answer; who has not is written to after those. */
function isAwaited(windowExpiresAt: Date | null, nowMs: number): boolean {
  return windowExpiresAt !== null && windowExpiresAt.getTime() > nowMs
}

/** Queues a message of a person to a conversation. Publish `outbox` on the bus once it is committed. */
export async function queueMessage(
  tx: Transaction,
  ids: Ids,
  message: {
    readonly tenantId: string
    readonly conversationId: string
    readonly botId: string
    readonly content: OutboundContent
    /** Whether a user wrote it, or a program with an API key sent it. */
    readonly source: 'agent' | 'api'
    /** From `reachOf`. */
    readonly windowExpiresAt: Date | null
    readonly nowMs: number
  },
): Promise<Message> {
  const id = ids.next()
  const [row] = await tx.run(insertMessage, {
    tenant_id: message.tenantId,
    conversation_id: message.conversationId,
    id,
    bot_id: message.botId,
    content: JSON.stringify(message.content),
    window_expires_at: message.windowExpiresAt,
    urgency: isAwaited(message.windowExpiresAt, message.nowMs) ? 0 : 1,
    source: message.source,
  })
  // The time of the transaction: that of all its rows.
  if (row === undefined) throw new Error('A row that was inserted was not returned')
  const rest = { status: 'queued', error: null, provider_message_id: null }
  return {
    id,
    bot_id: message.botId,
    direction: 'outbound',
    source: message.source,
    content: message.content,
    ...rest,
    created_at: row.created_at,
  }
}
