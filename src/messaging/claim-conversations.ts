import type { InboundContent } from '../flow/content.ts'
import type { JsonObject } from '../flow/json.ts'
import type { ConversationState } from '../flow/state.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { json, nullable, nullableJson, statement } from '../stores/postgres/statement.ts'
import type { ConversationKey } from './save-turns.ts'

/** Tenants that one claim looks at; the next goes on with the tenants after them. */
const tenantsMax = 64
/** Rows of one tenant's mail that one claim looks at. */
const mailPerTenantMax = 100
/** Rows of one conversation's mail that one turn takes. */
const mailPerTurnMax = 50

/** Candidates for each place, so that several claims at the same time all find conversations that are free. */
const candidatesPerPlace = 4

/** Looks of one claim that finds nothing free: the next goes on from there. */
const looksMax = 100

const firstTenant = '00000000-0000-0000-0000-000000000000'

/** A conversation locked for its turn, with what a turn reads. */
export type Claimed = {
  readonly tenant_id: string
  readonly id: string
  readonly bot_id: string
  readonly via_bot_id: string | null
  readonly customer_id: string
  readonly state: ConversationState | null
  readonly flow_id: string | null
  readonly published_version: number | null
  readonly last_message_at: Date
  readonly customer_name: string
  readonly customer_phone: string | null
  readonly customer_email: string | null
  readonly customer_variables: JsonObject
}

const claimedRow = {
  tenant_id: 'uuid',
  id: 'uuid',
  bot_id: 'uuid',
  via_bot_id: nullable('uuid'),
  customer_id: 'uuid',
  state: nullableJson<ConversationState>(),
  flow_id: nullable('uuid'),
  published_version: nullable('int4'),
  last_message_at: 'timestamptz',
  customer_name: 'text',
  customer_phone: nullable('text'),
  customer_email: nullable('text'),
  customer_variables: json<JsonObject>(),
} as const

const claimedColumns = `c.tenant_id, c.id, c.bot_id, c.via_bot_id, c.customer_id, c.state, b.flow_id, f.published_version, c.last_message_at,
      k.name as customer_name, k.phone as customer_phone, k.email as customer_email, k.variables as customer_variables`

const claimedTables = `conversations c
    left join bots b on b.tenant_id = c.tenant_id and b.id = c.bot_id
    join customers k on k.tenant_id = c.tenant_id and k.id = c.customer_id
    left join flows f on f.tenant_id = b.tenant_id and f.id = b.flow_id`

// A share of each tenant's mail, oldest first, one place of every tenant after the other: a tenant with much mail
// delays its own only. Locked ones are another process's, and passed over. Each row says how far the claim has looked;
// where nothing could be claimed, one row without an id says that alone.
const claimWaiting = statement({
  name: 'turn_claim',
  params: ['after_tenant', 'tenants_max', 'mail_max', 'candidates_max', 'limit'],
  row: { ...claimedRow, id: nullable('uuid'), last_tenant_id: 'uuid', tenants: 'int4' },
  sql: `with recursive tenant as (
      (select tenant_id, 1 as n from inbox where failed_reason is null and tenant_id > $1 order by tenant_id limit 1)
      union all
      select (select i.tenant_id from inbox i where i.failed_reason is null and i.tenant_id > t.tenant_id
        order by i.tenant_id limit 1), t.n + 1
      from tenant t where t.tenant_id is not null and t.n < $2
    ), waiting as (
      select t.tenant_id, i.conversation_id, min(i.place) as place
      from tenant t
      cross join lateral (
        select conversation_id, row_number() over (order by id) as place from (
          select conversation_id, id from inbox
          where tenant_id = t.tenant_id and failed_reason is null order by id limit $3) mail) i
      group by t.tenant_id, i.conversation_id
      order by place, t.tenant_id limit $4
    ), claimed as materialized (
      select ${claimedColumns}
      from waiting w join ${claimedTables} on c.tenant_id = w.tenant_id and c.id = w.conversation_id
      limit $5
      for no key update of c skip locked
    )
    select l.tenant_id as last_tenant_id, l.n as tenants, claimed.*
    from (select tenant_id, n from tenant where tenant_id is not null order by n desc limit 1) l
    left join claimed on true`,
})

const lockConversation = statement({
  name: 'turn_lock',
  params: ['tenant_id', 'conversation_id'],
  row: claimedRow,
  sql: `select ${claimedColumns}
    from ${claimedTables}
    where c.tenant_id = $1 and c.id = $2
    for no key update of c skip locked`,
})

/** One row of a conversation's mailbox; `content` and `provider_at` where it is a customer's message. */
export type Mail = {
  readonly tenant_id: string
  readonly conversation_id: string
  readonly id: string
  readonly kind: string
  readonly body: unknown
  readonly content: InboundContent | null
  readonly provider_at: Date | null
}

const readMailRows = statement({
  name: 'turn_read_mail',
  params: ['tenant_ids', 'conversation_ids', 'limit'],
  row: {
    tenant_id: 'uuid',
    conversation_id: 'uuid',
    id: 'uuid',
    kind: 'text',
    body: 'jsonb',
    content: nullableJson<InboundContent>(),
    provider_at: nullable('timestamptz'),
  },
  sql: `select i.tenant_id, i.conversation_id, i.id, i.kind, i.body, m.content, m.provider_at
    from unnest($1::uuid[], $2::uuid[]) as g (tenant_id, conversation_id)
    cross join lateral (
      select * from inbox
      where tenant_id = g.tenant_id and conversation_id = g.conversation_id and failed_reason is null
      order by id limit $3) i
    left join messages m on m.tenant_id = i.tenant_id and m.conversation_id = i.conversation_id and m.id = i.id`,
})

/** Goes round the tenants, so that each has its turn however many wait. */
export type TenantCursor = { after: string }

export function newTenantCursor(): TenantCursor {
  return { after: firstTenant }
}

/**
 * Locks up to `limit` conversations that have mail, until the end of the transaction. Goes on to later tenants as long as
 * it finds none that is free.
 */
export async function claimConversations(tx: Transaction, cursor: TenantCursor, limit: number): Promise<Claimed[]> {
  for (let looks = 1; ; looks++) {
    const isFromStart = cursor.after === firstTenant
    const claimed = await claimNext(tx, cursor, limit)
    const isRoundOver = isFromStart && cursor.after === firstTenant
    if (claimed.length > 0 || isRoundOver || looks === looksMax) return claimed
  }
}

/** Looks at the tenants after the cursor, and moves it: behind those that had their share, or back to the start. */
async function claimNext(tx: Transaction, cursor: TenantCursor, limit: number): Promise<Claimed[]> {
  const rows = await tx.run(claimWaiting, {
    after_tenant: cursor.after,
    tenants_max: tenantsMax,
    mail_max: mailPerTenantMax,
    candidates_max: limit * candidatesPerPlace,
    limit,
  })
  const claimed = rows.flatMap(({ id, last_tenant_id, tenants, ...rest }) => (id === null ? [] : [{ ...rest, id }]))
  const [looked] = rows
  if (claimed.length === limit) cursor.after = lastTenantOf(claimed)
  else cursor.after = looked?.tenants === tenantsMax ? looked.last_tenant_id : firstTenant
  return claimed
}

/** Where there was more than could be claimed, those after it had nothing of their share yet. */
function lastTenantOf(claimed: readonly Claimed[]): string {
  return claimed.reduce((max, { tenant_id }) => (tenant_id > max ? tenant_id : max), firstTenant)
}

/** Locks one conversation; undefined where another process holds it. */
export async function claimConversation(tx: Transaction, key: ConversationKey): Promise<Claimed | undefined> {
  const [claimed] = await tx.run(lockConversation, { tenant_id: key.tenantId, conversation_id: key.conversationId })
  return claimed
}

/** The mail of locked conversations in order of arrival, by conversation id; at most `mailMax` rows of each. */
export async function readMail(
  tx: Transaction,
  conversations: readonly Claimed[],
  mailMax: number = mailPerTurnMax,
): Promise<Map<string, Mail[]>> {
  const rows = await tx.run(readMailRows, {
    tenant_ids: conversations.map(conversation => conversation.tenant_id),
    conversation_ids: conversations.map(conversation => conversation.id),
    limit: mailMax,
  })
  const mail = new Map<string, Mail[]>()
  for (const row of rows) {
    const known = mail.get(row.conversation_id)
    if (known === undefined) mail.set(row.conversation_id, [row])
    else known.push(row)
  }
  for (const list of mail.values()) list.sort((a, b) => (a.id < b.id ? -1 : 1))
  return mail
}
