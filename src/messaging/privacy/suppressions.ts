import { randomBytes } from 'node:crypto'
import { hmacSha256, type Sealer } from '../../lib/crypto.ts'
import type { Ids } from '../../lib/ids.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { statement } from '../../stores/postgres/statement.ts'
import { saveConsents } from '../consent.ts'

// Who wanted no messages when they were erased is not written to when they are known again, by whatever way: they write,
// somebody enters them, a message is sent to their number. All that is kept for it is a hash of what WhatsApp knew them by,
// under a key of the tenant's that is sealed: without the key, the few phone numbers there are could be tried one by one.

const keyBytes = 32

/** What WhatsApp knows somebody by. */
type Identity = { readonly kind: string; readonly value: string }

const insertKey = statement({
  name: 'suppression_key_insert',
  params: ['tenant_id', 'key_id', 'sealed'],
  row: {},
  sql: 'insert into suppression_keys (tenant_id, key_id, sealed) values ($1, $2, $3) on conflict do nothing',
})

const findKeys = statement({
  name: 'suppression_key_find',
  params: ['tenant_ids'],
  row: { tenant_id: 'uuid', sealed: 'bytea' },
  sql: 'select tenant_id, sealed from suppression_keys where tenant_id = any ($1::uuid[])',
})

const insertHashes = statement({
  name: 'suppression_keep',
  params: ['tenant_id', 'erasure_id', 'hashes', 'opted_out_at'],
  row: {},
  sql: `insert into suppressions (tenant_id, hash, erasure_id, opted_out_at)
    select $1, hash, $2, $4 from unnest($3::text[]) as hash
    on conflict (tenant_id, hash) do nothing`,
})

// What is known again of a person counts for all that they were known by.
const takeHashes = statement({
  name: 'suppression_release',
  params: ['tenant_ids', 'customer_ids', 'hashes'],
  row: { tenant_id: 'uuid', customer_id: 'uuid', opted_out_at: 'timestamptz' },
  sql: `with found as materialized (
      select g.tenant_id, g.customer_id, s.erasure_id, s.opted_out_at
      from unnest($1::uuid[], $2::uuid[], $3::text[]) as g (tenant_id, customer_id, hash)
      join suppressions s using (tenant_id, hash)
    ), gone as (
      delete from suppressions s using (select distinct tenant_id, erasure_id from found) f
      where s.tenant_id = f.tenant_id and s.erasure_id = f.erasure_id
    )
    select tenant_id, customer_id, min(opted_out_at) as opted_out_at from found group by tenant_id, customer_id`,
})

/** Keeps that somebody wanted no messages, while all else that is known of them is erased. */
export async function keepSuppression(
  tx: Transaction,
  sealer: Sealer,
  kept: {
    readonly tenantId: string
    readonly erasureId: string
    readonly identities: readonly Identity[]
    readonly optedOutAt: Date
  },
): Promise<void> {
  const { tenantId, erasureId, identities, optedOutAt } = kept
  const sealed = sealer.seal(randomBytes(keyBytes).toString('hex'), contextOf(tenantId))
  await tx.run(insertKey, { tenant_id: tenantId, key_id: sealer.keyId, sealed })
  const key = (await keysOf(tx, sealer, [tenantId])).get(tenantId)
  if (key === undefined) throw new Error('A key that was kept is not there')
  await tx.run(insertHashes, {
    ...{ tenant_id: tenantId, erasure_id: erasureId, opted_out_at: optedOutAt },
    hashes: [...new Set(identities.map(identity => hashOf(key, identity)))],
  })
}

/** Somebody who is known by something they were not known by until now. */
export type Introduced = {
  readonly tenantId: string
  readonly customerId: string
  readonly identities: readonly Identity[]
}

/**
 * Opts those out again who wanted no messages when they were erased. To be called in the transaction that makes somebody
 * known by an identity, under the locks that `saveConsents` asks for. Returns the customers who are opted out by it.
 */
export async function releaseSuppressions(
  tx: Transaction,
  ids: Ids,
  sealer: Sealer,
  introduced: readonly Introduced[],
): Promise<ReadonlySet<string>> {
  const keys = await keysOf(tx, sealer, [...new Set(introduced.map(one => one.tenantId))])
  const asked = introduced.flatMap(({ tenantId, customerId, identities }) => {
    const key = keys.get(tenantId)
    return key === undefined ? [] : identities.map(one => ({ tenantId, customerId, hash: hashOf(key, one) }))
  })
  if (asked.length === 0) return new Set()
  const found = await tx.run(takeHashes, {
    tenant_ids: asked.map(one => one.tenantId),
    customer_ids: asked.map(one => one.customerId),
    hashes: asked.map(one => one.hash),
  })
  await saveConsents(
    tx,
    found.map(({ tenant_id, customer_id, opted_out_at }) => ({
      ...{ tenantId: tenant_id, id: ids.next(), customerId: customer_id, kind: 'opted_out', source: 'erasure' },
      ...{ word: null, messageId: null, conversationId: null, userId: null, note: null, at: opted_out_at },
    })),
  )
  return new Set(found.map(row => row.customer_id))
}

async function keysOf(
  tx: Transaction,
  sealer: Sealer,
  tenantIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (tenantIds.length === 0) return new Map()
  const rows = await tx.run(findKeys, { tenant_ids: tenantIds })
  return new Map(rows.map(row => [row.tenant_id, sealer.open(row.sealed, contextOf(row.tenant_id))]))
}

function contextOf(tenantId: string): string {
  return `suppression:${tenantId}`
}

function hashOf(key: string, { kind, value }: Identity): string {
  return Buffer.from(hmacSha256(key, `${kind} ${value}`)).toString('base64url')
}
