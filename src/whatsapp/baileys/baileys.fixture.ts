import type { SQL } from 'bun'
import { uuids } from '../../lib/ids.ts'

/** A bot of Baileys in a tenant of its own. */
export type TestBot = { readonly tenantId: string; readonly botId: string }

/** `admin` owns the database. */
export async function seedBaileysBot(
  admin: SQL,
  options: { readonly status?: string; readonly pairingPhone?: string } = {},
): Promise<TestBot> {
  const [tenantId, botId] = [uuids.next(), uuids.next()]
  await admin`insert into tenants (id, name) values (${tenantId}, 'Shop')`
  await admin`insert into bots (tenant_id, id, name, provider, config, status, pairing_phone)
    values (${tenantId}, ${botId}, 'Bot', 'baileys', '{}', ${options.status ?? 'connecting'},
      ${options.pairingPhone ?? null})`
  return { tenantId, botId }
}
