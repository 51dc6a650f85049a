import type { InboundContent, OutboundContent } from '../flow/content.ts'
import { idAt } from '../lib/ids.ts'
import { type Json, storableJson } from '../lib/json.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { json, type RowOf, statement } from '../stores/postgres/statement.ts'
import type { InboundMedia } from './insert-media.ts'
import type { PhoneMessage } from './phone-message.ts'

/** How long a send that nothing was heard of may still be told of as the phone's. */
const unknownMs = 86_400_000

// Messages that a provider tells of as the phone's, while it may still turn out that they are ours: they come in the time
// between a send and the answer that says what it is called.

// A send that is under way, or of which no answer came: to the same customer, or to one of whom it cannot be ruled out,
// since the bot knows nothing of them of the kind that the echo names.
const findUnderWay = statement({
  name: 'echo_find_under_way',
  params: ['tenant_id', 'bot_id', 'kinds', 'values', 'since_id'],
  row: { id: 'uuid', conversation_id: 'uuid' },
  sql: `with send as (
      select conversation_id, id from outbox where tenant_id = $1 and state <> 'queued'
      union
      select conversation_id, id from messages
      where tenant_id = $1 and direction = 'outbound' and status in ('failed', 'unknown') and status = 'unknown'
        and id >= $5::uuid
    )
    select m.id, m.conversation_id from send s
    join messages m on m.tenant_id = $1 and m.conversation_id = s.conversation_id and m.id = s.id
    join conversations c on c.tenant_id = $1 and c.id = s.conversation_id
    cross join lateral (
      select count(*) > 0 as is_known, bool_or(g.value = i.value) as is_same
      from unnest($3::text[], $4::text[]) as g (kind, value)
      join customer_identities i on i.tenant_id = $1 and i.customer_id = c.customer_id and i.bot_id = $2
        and i.kind = g.kind) known
    where m.bot_id = $2 and m.provider_message_id is null and (known.is_same or not known.is_known)`,
})

const insertHeld = statement({
  name: 'echo_hold',
  params: ['tenant_id', 'bot_id', 'provider_message_id', 'message', 'waits_for', 'waits_in'],
  row: {},
  sql: `insert into held_echoes (tenant_id, bot_id, provider_message_id, message, waits_for, waits_in)
    values ($1, $2, $3, $4::text::jsonb, $5::uuid[], $6::uuid[])
    on conflict do nothing`,
})

/** What of a message is kept: as JSON, with the sealed way to its file. */
type Held = Pick<PhoneMessage, 'to' | 'content'> & {
  readonly is_fallback: boolean
  readonly media: (Omit<InboundMedia, 'source'> & { readonly source: string | null }) | null
  readonly at: string
}

/** Holds those that may be what is just being sent, and returns them. To be called under `lockProviderIds`. */
export async function holdEchoes(
  tx: Transaction,
  messages: readonly PhoneMessage[],
): Promise<ReadonlySet<PhoneMessage>> {
  const held = new Set<PhoneMessage>()
  for (const message of messages) {
    const { tenantId, botId, to } = message
    const underWay = await tx.run(findUnderWay, {
      ...{ tenant_id: tenantId, bot_id: botId },
      ...{ kinds: to.map(one => one.kind), values: to.map(one => one.value) },
      since_id: idAt(Date.now() - unknownMs),
    })
    if (underWay.length === 0) continue
    held.add(message)
    await tx.run(insertHeld, {
      ...{ tenant_id: tenantId, bot_id: botId, provider_message_id: message.providerMessageId },
      message: JSON.stringify(storableJson(asHeld(message) as Json)),
      ...{ waits_for: underWay.map(row => row.id), waits_in: underWay.map(row => row.conversation_id) },
    })
  }
  return held
}

function asHeld({ to, content, isFallback = false, media, at }: PhoneMessage): Held {
  const source = media?.source ? Buffer.from(media.source).toString('base64') : null
  return { to, content, is_fallback: isFallback, media: media ? { ...media, source } : null, at: at.toISOString() }
}

const heldRow = {
  tenant_id: 'uuid',
  bot_id: 'uuid',
  provider_message_id: 'text',
  message: json<Held>(),
  waits_for: json<readonly string[]>(),
  waits_in: json<readonly string[]>(),
} as const

const heldColumns = `h.tenant_id, h.bot_id, h.provider_message_id, h.message, to_jsonb(h.waits_for) as waits_for,
      to_jsonb(h.waits_in) as waits_in`

// Only a send that is under way is waited for: where no answer came, none will. A try that was refused sent nothing.
const findReleasable = statement({
  name: 'echo_find_releasable',
  params: ['limit'],
  row: heldRow,
  sql: `select ${heldColumns} from held_echoes h
    where not exists (select from outbox o where o.id = any (h.waits_for) and o.state = 'sending')
    order by h.received_at limit $1`,
})

const deleteHeld = statement({
  name: 'echo_release',
  params: ['tenant_ids', 'bot_ids', 'provider_message_ids'],
  row: heldRow,
  sql: `delete from held_echoes h using unnest($1::uuid[], $2::uuid[], $3::text[]) as g (tenant_id, bot_id, provider_message_id)
    where h.tenant_id = g.tenant_id and h.bot_id = g.bot_id and h.provider_message_id = g.provider_message_id
    returning ${heldColumns}`,
})

/** A message that was held. */
export type HeldEcho = {
  readonly message: PhoneMessage
  /** What was being sent when it came. */
  readonly sends: readonly { readonly id: string; readonly conversationId: string }[]
}

/** Those whose sends are all over, oldest first. They stay until they are taken. */
export async function findReleasableEchoes(tx: Transaction, limit: number): Promise<HeldEcho[]> {
  return (await tx.run(findReleasable, { limit })).map(heldEcho)
}

/** Takes messages out, in the order in which they were written; those that another process has taken are left out. */
export async function takeEchoes(tx: Transaction, echoes: readonly HeldEcho[]): Promise<HeldEcho[]> {
  const rows = await tx.run(deleteHeld, {
    tenant_ids: echoes.map(({ message }) => message.tenantId),
    bot_ids: echoes.map(({ message }) => message.botId),
    provider_message_ids: echoes.map(({ message }) => message.providerMessageId),
  })
  return rows.map(heldEcho).sort((a, b) => a.message.at.getTime() - b.message.at.getTime())
}

function heldEcho(row: RowOf<typeof heldRow>): HeldEcho {
  const { to, content, is_fallback: isFallback, media, at } = row.message
  const source = media?.source ? Buffer.from(media.source, 'base64') : null
  const message: PhoneMessage = {
    ...{ tenantId: row.tenant_id, botId: row.bot_id, providerMessageId: row.provider_message_id, isFallback },
    ...{ to, content, at: new Date(at), mayBeOurs: true },
    ...(media !== null && { media: { ...media, source } }),
  }
  const sends = row.waits_for.map((id, index) => ({ id, conversationId: row.waits_in[index] ?? '' }))
  return { message, sends }
}

const findUnknown = statement({
  name: 'echo_find_unknown',
  params: ['tenant_id', 'conversation_ids', 'ids'],
  row: { id: 'uuid', conversation_id: 'uuid', content: json<OutboundContent>() },
  sql: `select m.id, m.conversation_id, m.content from unnest($2::uuid[], $3::uuid[]) as g (conversation_id, id)
    join messages m on m.tenant_id = $1 and m.conversation_id = g.conversation_id and m.id = g.id
    where m.status = 'unknown' and m.provider_message_id is null
    order by m.id`,
})

/** A send of which nobody knows whether it arrived, nor what it is called. */
export type UnknownSend = RowOf<typeof findUnknown.row>

/** Of the sends that an echo waited for, those that have told nothing. */
export async function findUnknownSends(tx: Transaction, { message, sends }: HeldEcho): Promise<UnknownSend[]> {
  return await tx.run(findUnknown, {
    tenant_id: message.tenantId,
    conversation_ids: sends.map(send => send.conversationId),
    ids: sends.map(send => send.id),
  })
}

/** Whether an echo is a send, or another message, or may be either: of two texts it is seen, of files it is not. */
export function compare(send: OutboundContent, echo: InboundContent): 'same' | 'other' | 'unclear' {
  if (send.type === 'text' && echo.type === 'text') return send.text.trim() === echo.text.trim() ? 'same' : 'other'
  return 'unclear'
}
