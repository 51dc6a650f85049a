import type { Database } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'

const select = statement({
  name: 'provider_memo_find',
  params: ['tenant_id', 'bot_id', 'key'],
  row: { value: 'text' },
  sql: `select value from provider_memo
    where tenant_id = $1 and bot_id = $2 and key = $3 and (expires_at is null or expires_at > now())`,
})

// A bot that is gone remembers nothing.
const upsert = statement({
  name: 'provider_memo_save',
  params: ['tenant_id', 'bot_id', 'key', 'value', 'expires_at'],
  row: {},
  sql: `insert into provider_memo (tenant_id, bot_id, key, value, expires_at)
    select b.tenant_id, b.id, $3, $4, $5::timestamptz from bots b where b.tenant_id = $1 and b.id = $2
    on conflict (tenant_id, bot_id, key) do update set value = excluded.value, expires_at = excluded.expires_at`,
})

type Bot = { readonly tenantId: string; readonly id: string }

/** What providers call things of ours, by bot and our name for the thing. */
export function makeProviderMemo(database: Database) {
  return {
    async find(bot: Bot, key: string): Promise<string | null> {
      const key3 = { tenant_id: bot.tenantId, bot_id: bot.id, key }
      const [row] = await database.transaction({ role: 'worker' }, tx => tx.run(select, key3))
      return row?.value ?? null
    },
    /** `expiresAt`: when the provider forgets it; null where it does not. */
    async save(bot: Bot, key: string, value: string, expiresAt: Date | null): Promise<void> {
      const row = { tenant_id: bot.tenantId, bot_id: bot.id, key, value, expires_at: expiresAt }
      await database.transaction({ role: 'worker' }, tx => tx.run(upsert, row))
    },
  }
}
