import * as v from 'valibot'
import type { Sealer } from '../lib/crypto.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { statement } from '../stores/postgres/statement.ts'

// What pairs a bot with its phone: whoever has it takes the account over, so it is sealed, and forgotten when it ends.

const upsert = statement({
  name: 'pairing_save',
  params: ['tenant_id', 'bot_id', 'sealed', 'expires_at'],
  row: {},
  sql: `insert into bot_pairings (tenant_id, bot_id, sealed, expires_at)
    select b.tenant_id, b.id, $3, $4::timestamptz from bots b where b.tenant_id = $1 and b.id = $2
    on conflict (tenant_id, bot_id) do update set sealed = excluded.sealed, expires_at = excluded.expires_at`,
})

const select = statement({
  name: 'pairing_find',
  params: ['tenant_id', 'bot_id'],
  row: { sealed: 'bytea', expires_at: 'timestamptz' },
  sql: `select sealed, expires_at from bot_pairings where tenant_id = $1 and bot_id = $2 and expires_at > now()`,
})

const remove = statement({
  name: 'pairing_clear',
  params: ['tenant_id', 'bot_id'],
  row: {},
  sql: 'delete from bot_pairings where tenant_id = $1 and bot_id = $2',
})

const codesSchema = v.strictObject({ qr: v.nullable(v.string()), pairingCode: v.nullable(v.string()) })

/** A QR code as the text that it shows, a code to type on the phone, or both. */
export type Pairing = v.InferOutput<typeof codesSchema> & { readonly expiresAt: Date }

export async function savePairing(
  tx: Transaction,
  sealer: Sealer,
  bot: { readonly tenantId: string; readonly id: string },
  { qr, pairingCode, expiresAt }: Pairing,
): Promise<void> {
  const sealed = sealer.seal(JSON.stringify({ qr, pairingCode }), contextOf(bot.id))
  await tx.run(upsert, { tenant_id: bot.tenantId, bot_id: bot.id, sealed, expires_at: expiresAt })
}

/** The code that pairs a bot now; null where there is none, or it has run out. */
export async function findPairing(
  tx: Transaction,
  sealer: Sealer,
  tenantId: string,
  botId: string,
): Promise<Pairing | null> {
  const [row] = await tx.run(select, { tenant_id: tenantId, bot_id: botId })
  if (row === undefined) return null
  const codes = v.parse(codesSchema, JSON.parse(sealer.open(row.sealed, contextOf(botId))))
  return { ...codes, expiresAt: row.expires_at }
}

export async function clearPairing(tx: Transaction, tenantId: string, botId: string): Promise<void> {
  await tx.run(remove, { tenant_id: tenantId, bot_id: botId })
}

function contextOf(botId: string): string {
  return `pairing ${botId}`
}
