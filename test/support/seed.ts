import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SQL } from 'bun'
import { makeSealer } from '../../src/lib/crypto.ts'
import { uuids } from '../../src/lib/ids.ts'

/** One shop in the database, as a test, a load or a kill needs it: what the API would leave behind, only faster. */
export type Shop = {
  readonly tenantId: string
  readonly botId: string
  readonly flowId: string
  readonly number: MetaNumber
  readonly productIds: readonly string[]
}

/** What the emulator must be told of the bot's number. */
export type MetaNumber = {
  readonly phone_number_id: string
  readonly access_token: string
  readonly app_secret: string
  readonly verify_token: string
}

export const encryptionKey = 'a-test-encryption-key-of-32-bytes!'
export const sealer = makeSealer(encryptionKey)

/** A flow that takes an order: welcome, catalog, quantity, confirmation, order. */
export const orderFlow: unknown = JSON.parse(readFileSync(join(import.meta.dirname, 'order-flow.json'), 'utf8'))

/** Answers every message at once, with its own text: one turn, one reply. */
export const echoFlow = {
  name: 'Echo',
  start: 'reply',
  triggers: [{ fallback: true }],
  steps: { reply: { type: 'message', content: { type: 'text', text: 'You said: {{message.text}}' }, next: 'end' } },
}

/** Makes a tenant with a bot on provider meta, its flow published, and products. `admin` owns the database. */
export async function seedShop(
  admin: SQL,
  options: { readonly flow?: unknown; readonly number: string; readonly stock?: number },
): Promise<Shop> {
  const [tenantId, botId, flowId] = [uuids.next(), uuids.next(), uuids.next()]
  const document = JSON.stringify(options.flow ?? orderFlow)
  const number: MetaNumber = {
    phone_number_id: options.number,
    access_token: `token-${options.number}`,
    app_secret: `secret-${options.number}`,
    verify_token: `verify-${options.number}`,
  }
  const { phone_number_id, ...secrets } = number
  const sealed = sealer.seal(JSON.stringify(secrets), botId)
  const products = ['Café con leche', 'Tostada', 'Zumo'].map((name, index) => ({ id: uuids.next(), name, index }))
  await admin`insert into tenants (id, name) values (${tenantId}, ${`Shop ${options.number}`})`
  await admin`insert into flows (tenant_id, id, name, document, published_version)
    values (${tenantId}, ${flowId}, 'Flow', ${document}::text::jsonb, 1)`
  await admin`insert into flow_versions (tenant_id, flow_id, version, document)
    values (${tenantId}, ${flowId}, 1, ${document}::text::jsonb)`
  await admin`insert into bots (tenant_id, id, name, provider, config, flow_id, status)
    values (${tenantId}, ${botId}, 'Bot', 'meta', ${JSON.stringify({ phone_number_id })}::text::jsonb, ${flowId}, 'connected')`
  await admin`insert into bot_secrets (tenant_id, bot_id, key_id, sealed)
    values (${tenantId}, ${botId}, ${sealer.keyId}, ${Buffer.from(sealed)})`
  for (const { id, name, index } of products)
    await admin`insert into products (tenant_id, id, sku, name, price_minor, currency, stock)
      values (${tenantId}, ${id}, ${`sku-${index}`}, ${name}, ${250 + index * 50}, 'EUR', ${options.stock ?? 1_000})`
  return { tenantId, botId, flowId, number, productIds: products.map(product => product.id) }
}
