import { type Ids, lastId } from '../lib/ids.ts'
import { type Json, storableJson } from '../lib/json.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { json, type RowOf, statement } from '../stores/postgres/statement.ts'

// Parts of webhooks that could not be taken, kept as they came: what a customer wrote may be in them.

/** Of one bot: the oldest go. */
const keptMax = 1_000
/** JSON of one part; of a longer one its beginning is kept, as a text. */
const rawLengthMax = 32_768

const row = { id: 'uuid', reason: 'text', raw: json<Json>(), received_at: 'timestamptz' } as const

/** A part of a webhook that was left out. */
export type IgnoredWebhook = RowOf<typeof row>

// A bot that was removed meanwhile has none.
const insert = statement({
  name: 'ignored_webhook_insert',
  params: ['tenant_id', 'bot_id', 'ids', 'reasons', 'raws'],
  row: {},
  sql: `insert into ignored_webhooks (tenant_id, bot_id, id, reason, raw)
    select b.tenant_id, b.id, g.id, g.reason, g.raw::jsonb
    from bots b cross join unnest($3::uuid[], $4::text[], $5::text[]) as g (id, reason, raw)
    where b.tenant_id = $1 and b.id = $2`,
})

const trim = statement({
  name: 'ignored_webhook_trim',
  params: ['tenant_id', 'bot_id', 'kept_max'],
  row: {},
  sql: `delete from ignored_webhooks where tenant_id = $1 and bot_id = $2 and id <= (
      select id from ignored_webhooks where tenant_id = $1 and bot_id = $2 order by id desc offset $3 limit 1)`,
})

const select = statement({
  name: 'ignored_webhook_list',
  params: ['tenant_id', 'bot_id', 'before_id', 'limit'],
  row,
  sql: `select id, reason, raw, received_at from ignored_webhooks
    where tenant_id = $1 and bot_id = $2 and id < $3::uuid order by id desc limit $4`,
})

export async function keepIgnored(
  tx: Transaction,
  ids: Ids,
  bot: { readonly tenantId: string; readonly id: string },
  parts: readonly { readonly reason: string; readonly raw: unknown }[],
): Promise<void> {
  const key = { tenant_id: bot.tenantId, bot_id: bot.id }
  const kept = parts.slice(0, keptMax)
  await tx.run(insert, {
    ...key,
    ids: kept.map(() => ids.next()),
    reasons: kept.map(part => part.reason),
    raws: kept.map(part => storable(part.raw)),
  })
  await tx.run(trim, { ...key, kept_max: keptMax })
}

/** JSON.stringify gives nothing for undefined. */
function storable(raw: unknown): string {
  const text = JSON.stringify(raw) ?? 'null'
  return JSON.stringify(storableJson(text.length <= rawLengthMax ? JSON.parse(text) : text.slice(0, rawLengthMax)))
}

/** Newest first; `beforeId` is the last one of the page before. */
export async function listIgnored(
  tx: Transaction,
  page: { readonly tenantId: string; readonly botId: string; readonly beforeId: string | null; readonly limit: number },
): Promise<IgnoredWebhook[]> {
  const { tenantId, botId, beforeId, limit } = page
  return await tx.run(select, { tenant_id: tenantId, bot_id: botId, before_id: beforeId ?? lastId, limit })
}
