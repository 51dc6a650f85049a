import * as v from 'valibot'
import type { Sealer } from '../lib/crypto.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, statement } from '../stores/postgres/statement.ts'

/** A bot with its settings for its provider, secrets opened. Never logged, never sent anywhere but to the provider. */
export type BotWithSecrets = {
  readonly tenantId: string
  readonly id: string
  readonly provider: string
  readonly config: Readonly<Record<string, string>>
  /** Whether another bot sends by this one when it cannot itself. */
  readonly isFallback: boolean
  /** Whether what customers write is shown to them as read. */
  readonly readReceipts: boolean
  /** Another one after each change of the bot. */
  readonly version: string
}

const findBot = statement({
  name: 'bot_find_with_secrets',
  params: ['id'],
  row: {
    tenant_id: 'uuid',
    id: 'uuid',
    provider: 'text',
    config: 'jsonb',
    version: 'text',
    is_fallback: 'bool',
    read_receipts: 'bool',
    sealed: nullable('bytea'),
  },
  sql: `select b.tenant_id, b.id, b.provider, b.config, b.updated_at::text as version, b.read_receipts, s.sealed,
      exists (select from bots o where o.tenant_id = b.tenant_id and o.fallback_bot_id = b.id) as is_fallback
    from bots b left join bot_secrets s on s.tenant_id = b.tenant_id and s.bot_id = b.id
    where b.id = $1`,
})

const texts = v.record(v.string(), v.string())

/** Finds a bot of any tenant, which only the worker's role can; null where there is none. */
export async function findBotWithSecrets(
  tx: Transaction,
  sealer: Sealer,
  botId: string,
): Promise<BotWithSecrets | null> {
  const [row] = await tx.run(findBot, { id: botId })
  if (row === undefined) return null
  const secrets: unknown = row.sealed === null ? {} : JSON.parse(sealer.open(row.sealed, botId))
  const config = { ...v.parse(texts, row.config), ...v.parse(texts, secrets) }
  return {
    ...{ tenantId: row.tenant_id, id: row.id, provider: row.provider, config, version: row.version },
    ...{ isFallback: row.is_fallback, readReceipts: row.read_receipts },
  }
}
