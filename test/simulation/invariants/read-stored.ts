import type { SQL } from 'bun'
import type { ConversationEvent } from '../../../src/flow/events.ts'
import type { StoredEvent } from '../../../src/flow/upcast.ts'

export type Message = {
  readonly tenant_id: string
  readonly conversation_id: string
  readonly id: string
  readonly bot_id: string
  readonly direction: 'inbound' | 'outbound'
  readonly text: string
  readonly status: string
  readonly error: string | null
  readonly provider_message_id: string | null
}

type Conversation = {
  readonly id: string
  readonly bot_id: string
  readonly customer_id: string
  readonly status: string
  readonly state: unknown
  readonly seq: string
  readonly unfolded: number
}

export type Event = ConversationEvent & StoredEvent & { readonly conversation_id: string; readonly seq: string }

type Sold = {
  readonly tenant_id: string
  readonly stock: number
  readonly sold: number
  readonly orders: number
  readonly last_number: number
}

/** What the program has left in the database. */
export type Stored = {
  readonly messages: readonly Message[]
  readonly conversations: readonly Conversation[]
  /** Of each conversation, in order. */
  readonly events: ReadonlyMap<string, readonly Event[]>
  /** Every change of a message's status, in order. */
  readonly statuses: readonly { readonly message_id: string; readonly before: string; readonly after: string }[]
  readonly sold: readonly Sold[]
  /** What still waits for something. */
  readonly waiting: readonly string[]
  /** What belongs to two tenants. */
  readonly strangers: readonly string[]
}

export async function readStored(admin: SQL): Promise<Stored> {
  const waiting: { readonly what: string }[] = await admin`
    select 'mail of kind ' || kind || ' waits' || coalesce(', failed: ' || failed_reason, '') as what from inbox
    union all select 'the outbox has a message, ' || state || ', due at ' || due_at from outbox
    union all select 'a call is ' || state from calls
    union all select 'a timer has not fired' from timers`
  const strangers: { readonly what: string }[] = await admin`
    select 'message ' || m.id || ' is of a bot of another' as what from messages m
      where not exists (select from bots b where b.tenant_id = m.tenant_id and b.id = m.bot_id)
    union all select 'conversation ' || c.id || ' has a customer of another' from conversations c
      where not exists (select from customers k where k.tenant_id = c.tenant_id and k.id = c.customer_id)
    union all select 'message ' || m.id || ' is in a conversation of another' from messages m
      where not exists (select from conversations c where c.tenant_id = m.tenant_id and c.id = m.conversation_id)
    union all select 'identity ' || i.value || ' is at a bot of another' from customer_identities i
      where not exists (select from bots b where b.tenant_id = i.tenant_id and b.id = i.bot_id)`
  const events: Event[] = await admin`
    select conversation_id, seq, type, version, data from conversation_events order by conversation_id, seq`
  return {
    messages: await admin`
      select tenant_id, conversation_id, id, bot_id, direction, content ->> 'text' as text, status,
        error ->> 'code' as error, provider_message_id from messages order by id`,
    conversations: await admin`
      select id, bot_id, customer_id, status, state, seq, unfolded from conversations order by id`,
    events: Map.groupBy(events, event => event.conversation_id),
    statuses: await admin`select message_id, before, after from world_statuses order by seq`,
    sold: await admin`select p.tenant_id, p.stock,
      (select coalesce(sum(quantity), 0)::int from order_items i where i.tenant_id = p.tenant_id) as sold,
      (select count(*)::int from orders o where o.tenant_id = p.tenant_id) as orders,
      (select coalesce(max(number), 0)::int from orders o where o.tenant_id = p.tenant_id) as last_number
      from products p order by p.tenant_id`,
    waiting: waiting.map(({ what }) => what),
    strangers: strangers.map(({ what }) => what),
  }
}
