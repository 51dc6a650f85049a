import type { Sealer } from '../lib/crypto.ts'
import { type Ids, lastId } from '../lib/ids.ts'
import { isDuplicate, type Transaction } from '../stores/postgres/database.ts'
import { nullable, type RowOf, statement } from '../stores/postgres/statement.ts'

// What flows may send outside and nobody may read: API keys and the like, by a name.

/** Of one tenant. */
export const secretsMax = 100

const columns = 'id, name, created_at, updated_at'
const row = { id: 'uuid', name: 'text', created_at: 'timestamptz', updated_at: 'timestamptz' } as const

/** A secret as it may be shown: without what is secret about it. */
export type TenantSecret = RowOf<typeof row>

const insert = statement({
  name: 'secret_insert',
  params: ['tenant_id', 'id', 'name', 'key_id', 'sealed', 'max'],
  row,
  sql: `insert into tenant_secrets (tenant_id, id, name, key_id, sealed)
    select $1::uuid, $2, $3, $4, $5
    where (select count(*) from tenant_secrets where tenant_id = $1) < $6::int
    returning ${columns}`,
})

const update = statement({
  name: 'secret_update',
  params: ['tenant_id', 'id', 'key_id', 'sealed'],
  row,
  sql: `update tenant_secrets set key_id = $3, sealed = $4, updated_at = now()
    where tenant_id = $1 and id = $2 returning ${columns}`,
})

const selectPage = statement({
  name: 'secret_list',
  params: ['tenant_id', 'before_id', 'search', 'limit'],
  row,
  sql: `select ${columns} from tenant_secrets
    where tenant_id = $1 and id < $2::uuid and ($3::text is null or position(plain_text($3) in plain_text(name)) > 0)
    order by id desc limit $4`,
})

const selectOne = statement({
  name: 'secret_find',
  params: ['tenant_id', 'id'],
  row,
  sql: `select ${columns} from tenant_secrets where tenant_id = $1 and id = $2`,
})

const lockOne = statement({
  name: 'secret_lock',
  params: ['tenant_id', 'id'],
  row,
  sql: `select ${columns} from tenant_secrets where tenant_id = $1 and id = $2 for no key update`,
})

const deleteOne = statement({
  name: 'secret_delete',
  params: ['tenant_id', 'id'],
  row: { id: 'uuid' },
  sql: 'delete from tenant_secrets where tenant_id = $1 and id = $2 returning id',
})

const selectSealed = statement({
  name: 'secret_open',
  params: ['tenant_ids', 'names'],
  row: { tenant_id: 'uuid', name: 'text', sealed: nullable('bytea') },
  sql: `select g.tenant_id, g.name, s.sealed
    from unnest($1::uuid[], $2::text[]) as g (tenant_id, name)
    left join lateral (
      select sealed from tenant_secrets where tenant_id = g.tenant_id and name = g.name offset 0) s on true`,
})

/** What came of adding a secret. */
export type SecretAdded =
  | { readonly kind: 'added'; readonly secret: TenantSecret }
  | { readonly kind: 'name_taken' }
  | { readonly kind: 'too_many' }

/** Adds a secret, sealed for its tenant and its name: in the row of another it cannot be opened. */
export async function addSecret(
  tx: Transaction,
  ids: Ids,
  sealer: Sealer,
  { tenantId, name, value }: { readonly tenantId: string; readonly name: string; readonly value: string },
): Promise<SecretAdded> {
  try {
    const sealed = sealer.seal(value, contextOf(tenantId, name))
    const given = { tenant_id: tenantId, id: ids.next(), name, key_id: sealer.keyId, sealed, max: secretsMax }
    const [secret] = await tx.run(insert, given)
    return secret === undefined ? { kind: 'too_many' } : { kind: 'added', secret }
  } catch (error) {
    if (isDuplicate(error, 'tenant_secrets_name')) return { kind: 'name_taken' }
    throw error
  }
}

/** Gives a secret another value. Undefined where there is none. */
export async function changeSecret(
  tx: Transaction,
  sealer: Sealer,
  tenantId: string,
  { id, name }: Pick<TenantSecret, 'id' | 'name'>,
  value: string,
): Promise<TenantSecret | undefined> {
  const sealed = sealer.seal(value, contextOf(tenantId, name))
  return (await tx.run(update, { tenant_id: tenantId, id, key_id: sealer.keyId, sealed }))[0]
}

/** Newest first; `beforeId` is the last one of the page before. `search`: part of the name. */
export async function listSecrets(
  tx: Transaction,
  page: {
    readonly tenantId: string
    readonly beforeId: string | null
    readonly search: string | null
    readonly limit: number
  },
): Promise<TenantSecret[]> {
  const { tenantId, beforeId, search, limit } = page
  return await tx.run(selectPage, { tenant_id: tenantId, before_id: beforeId ?? lastId, search, limit })
}

/** Undefined where the tenant has no such secret. */
export async function findSecret(tx: Transaction, tenantId: string, id: string): Promise<TenantSecret | undefined> {
  return (await tx.run(selectOne, { tenant_id: tenantId, id }))[0]
}

/** One secret, held against every other change until the transaction ends. */
export async function lockSecret(tx: Transaction, tenantId: string, id: string): Promise<TenantSecret | undefined> {
  return (await tx.run(lockOne, { tenant_id: tenantId, id }))[0]
}

/** Returns whether there was one. */
export async function deleteSecret(tx: Transaction, tenantId: string, id: string): Promise<boolean> {
  return (await tx.run(deleteOne, { tenant_id: tenantId, id })).length > 0
}

/** A secret that is asked for by its name, and its value: null where there is none, undefined where it cannot be opened. */
export type OpenedSecret = {
  readonly tenantId: string
  readonly name: string
  readonly value: string | null | undefined
}

/** Opens secrets of any tenants, which only the worker's role can. Never logged; sent where the flow says, and nowhere else. */
export async function openSecrets(
  tx: Transaction,
  sealer: Sealer,
  wanted: readonly { readonly tenantId: string; readonly name: string }[],
): Promise<readonly OpenedSecret[]> {
  if (wanted.length === 0) return []
  const rows = await tx.run(selectSealed, {
    tenant_ids: wanted.map(one => one.tenantId),
    names: wanted.map(one => one.name),
  })
  return rows.map(({ tenant_id, name, sealed }) => ({
    ...{ tenantId: tenant_id, name },
    value: sealed === null ? null : open(sealer, sealed, contextOf(tenant_id, name)),
  }))
}

/** One that was sealed under another key holds up only what needs it. */
function open(sealer: Sealer, sealed: Uint8Array, context: string): string | undefined {
  try {
    return sealer.open(sealed, context)
  } catch {
    return undefined
  }
}

function contextOf(tenantId: string, name: string): string {
  return `tenant secret ${tenantId} ${name}`
}
