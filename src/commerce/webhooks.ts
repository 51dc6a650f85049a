import type { Sealer } from '../lib/crypto.ts'
import { type Ids, lastId } from '../lib/ids.ts'
import { makeWebhookSecret } from '../lib/webhook-signature.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { json, nullable, type RowOf, statement } from '../stores/postgres/statement.ts'

// Addresses of a tenant that are told of events.

/** Of one tenant. */
export const webhooksMax = 20
/** How long the secret before the present one signs too. */
export const rotationMs = 24 * 3_600_000

const columns = `id, url, description, to_jsonb(events) as events, active, disabled_reason, failing_since,
  case when previous_until > now() then previous_until end as previous_secret_until, created_at, updated_at`
const row = {
  id: 'uuid',
  url: 'text',
  description: 'text',
  events: json<readonly string[]>(),
  active: 'bool',
  disabled_reason: nullable('text'),
  failing_since: nullable('timestamptz'),
  previous_secret_until: nullable('timestamptz'),
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
} as const

/** A webhook as it may be shown: without its secret. */
export type Webhook = RowOf<typeof row>

const insert = statement({
  name: 'webhook_insert',
  params: ['tenant_id', 'id', 'url', 'description', 'events', 'active', 'key_id', 'sealed', 'max'],
  row,
  sql: `insert into webhooks (tenant_id, id, url, description, events, active, key_id, sealed)
    select $1::uuid, $2, $3, $4, $5::text[], $6, $7, $8
    where (select count(*) from webhooks where tenant_id = $1) < $9::int
    returning ${columns}`,
})

// Whoever switches it on again begins anew.
const update = statement({
  name: 'webhook_update',
  params: ['tenant_id', 'id', 'url', 'description', 'events', 'active'],
  row,
  sql: `update webhooks set url = $3, description = $4, events = $5::text[], active = $6, updated_at = now(),
      disabled_reason = case when $6 then null else disabled_reason end,
      failing_since = case when ($6 and not active) or url <> $3 then null else failing_since end
    where tenant_id = $1 and id = $2 returning ${columns}`,
})

const rotate = statement({
  name: 'webhook_rotate',
  params: ['tenant_id', 'id', 'key_id', 'sealed', 'kept_ms'],
  row,
  sql: `update webhooks set key_id = $3, sealed = $4, previous_sealed = sealed, updated_at = now(),
      previous_until = now() + make_interval(secs => $5::float8 / 1000)
    where tenant_id = $1 and id = $2 returning ${columns}`,
})

const selectPage = statement({
  name: 'webhook_list',
  params: ['tenant_id', 'before_id', 'active', 'limit'],
  row,
  sql: `select ${columns} from webhooks
    where tenant_id = $1 and id < $2::uuid and ($3::bool is null or active = $3) order by id desc limit $4`,
})

const selectOne = statement({
  name: 'webhook_find',
  params: ['tenant_id', 'id'],
  row,
  sql: `select ${columns} from webhooks where tenant_id = $1 and id = $2`,
})

const lockOne = statement({
  name: 'webhook_lock',
  params: ['tenant_id', 'id'],
  row,
  sql: `select ${columns} from webhooks where tenant_id = $1 and id = $2 for no key update`,
})

const deleteOne = statement({
  name: 'webhook_delete',
  params: ['tenant_id', 'id'],
  row: { id: 'uuid' },
  sql: 'delete from webhooks where tenant_id = $1 and id = $2 returning id',
})

/** What a person decides about a webhook. */
export type NewWebhook = {
  readonly url: string
  readonly description: string
  /** Names, or `*`. */
  readonly events: readonly string[]
  readonly active: boolean
}

/** Adds a webhook. Its secret is shown by this alone. Undefined where the tenant has as many as it may. */
export async function createWebhook(
  tx: Transaction,
  ids: Ids,
  sealer: Sealer,
  tenantId: string,
  fields: NewWebhook,
): Promise<{ readonly webhook: Webhook; readonly secret: string } | undefined> {
  const [id, secret] = [ids.next(), makeWebhookSecret()]
  const sealed = { key_id: sealer.keyId, sealed: sealer.seal(secret, secretContext(id)) }
  const [webhook] = await tx.run(insert, { tenant_id: tenantId, id, ...fields, ...sealed, max: webhooksMax })
  return webhook && { webhook, secret }
}

/** For whom the secret of a webhook is sealed. */
export function secretContext(webhookId: string): string {
  return `webhook ${webhookId}`
}

/** Changes the fields given. Undefined where there is no such webhook. */
export async function updateWebhook(
  tx: Transaction,
  tenantId: string,
  before: Webhook,
  changes: { readonly [K in keyof NewWebhook]?: NewWebhook[K] | undefined },
): Promise<Webhook | undefined> {
  const kept = {
    url: changes.url ?? before.url,
    description: changes.description ?? before.description,
    events: changes.events ?? before.events,
    active: changes.active ?? before.active,
  }
  return (await tx.run(update, { tenant_id: tenantId, id: before.id, ...kept }))[0]
}

/** Gives a webhook another secret; the one before signs too for a day. Undefined where there is no such webhook. */
export async function rotateSecret(
  tx: Transaction,
  sealer: Sealer,
  tenantId: string,
  id: string,
): Promise<{ readonly webhook: Webhook; readonly secret: string } | undefined> {
  const secret = makeWebhookSecret()
  const sealed = { key_id: sealer.keyId, sealed: sealer.seal(secret, secretContext(id)) }
  const [webhook] = await tx.run(rotate, { tenant_id: tenantId, id, ...sealed, kept_ms: rotationMs })
  return webhook && { webhook, secret }
}

/** Newest first; `beforeId` is the last one of the page before. */
export async function listWebhooks(
  tx: Transaction,
  page: {
    readonly tenantId: string
    readonly beforeId: string | null
    readonly active: boolean | null
    readonly limit: number
  },
): Promise<Webhook[]> {
  const { tenantId, beforeId, active, limit } = page
  return await tx.run(selectPage, { tenant_id: tenantId, before_id: beforeId ?? lastId, active, limit })
}

/** Undefined where the tenant has no such webhook. */
export async function findWebhook(tx: Transaction, tenantId: string, id: string): Promise<Webhook | undefined> {
  return (await tx.run(selectOne, { tenant_id: tenantId, id }))[0]
}

/** One webhook, held against every other change until the transaction ends. */
export async function lockWebhook(tx: Transaction, tenantId: string, id: string): Promise<Webhook | undefined> {
  return (await tx.run(lockOne, { tenant_id: tenantId, id }))[0]
}

/** Removes a webhook, and what there is of its deliveries. Returns whether there was one. */
export async function deleteWebhook(tx: Transaction, tenantId: string, id: string): Promise<boolean> {
  return (await tx.run(deleteOne, { tenant_id: tenantId, id })).length > 0
}
