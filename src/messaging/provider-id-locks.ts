import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'

// In an order that is the same for everybody who takes several.
const lock = statement({
  name: 'provider_id_lock',
  params: ['bot_ids', 'provider_message_ids'],
  row: { is_locked: 'bool' },
  sql: `select pg_advisory_xact_lock(key) is not null as is_locked
    from (
      select distinct hashtextextended('provider id ' || bot_id || ' ' || provider_message_id, 0) as key
      from unnest($1::uuid[], $2::text[]) as g (bot_id, provider_message_id)
      order by key) as k`,
})

/** What the provider calls a message of a bot's. */
export type ProviderId = { readonly botId: string; readonly providerMessageId: string }

/**
 * Makes the two sides that meet by a provider's id take turns until their transactions end: the answer to a send, which
 * tells the id, and a status, which has nothing else to tell its message by. Without it each could look for the other
 * before either is to be seen, and the status would be lost. To be taken before any row is locked.
 */
export async function lockProviderIds(tx: Transaction, ids: readonly ProviderId[]): Promise<void> {
  if (ids.length === 0) return
  await tx.run(lock, {
    bot_ids: ids.map(id => id.botId),
    provider_message_ids: ids.map(id => id.providerMessageId),
  })
}
