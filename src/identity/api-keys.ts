import { randomToken, sha256Hex } from '../lib/crypto.ts'
import { type Ids, lastId } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { json, nullable, type RowOf, statement } from '../stores/postgres/statement.ts'
import { apiKeyPrefix } from './callers.ts'
import type { Permission } from './permissions.ts'

const secretBytes = 32
/** How much of a key is shown later, so that a person can tell which it is. */
const shownCharacters = 12

const columns = 'id, name, prefix, scopes, created_by, expires_at, last_used_at, revoked_at, created_at'
const row = {
  id: 'uuid',
  name: 'text',
  prefix: 'text',
  scopes: json<readonly Permission[]>(),
  created_by: nullable('uuid'),
  expires_at: nullable('timestamptz'),
  last_used_at: nullable('timestamptz'),
  revoked_at: nullable('timestamptz'),
  created_at: 'timestamptz',
} as const

/** What a program asks with, without its secret. One that was revoked stays, to be read about. */
export type ApiKey = RowOf<typeof row>

const insertKey = statement({
  name: 'api_key_insert',
  params: ['tenant_id', 'id', 'name', 'prefix', 'key_hash', 'scopes', 'created_by', 'expires_at'],
  row,
  sql: `insert into api_keys (tenant_id, id, name, prefix, key_hash, scopes, created_by, expires_at)
    values ($1, $2, $3, $4, $5, $6::text::jsonb, $7, $8) returning ${columns}`,
})

// A tenant has tens of keys: the filters need no index.
const selectPage = statement({
  name: 'api_key_list',
  params: ['tenant_id', 'before_id', 'active', 'search', 'now', 'limit'],
  row,
  sql: `select ${columns} from api_keys
    where tenant_id = $1 and id < $2::uuid
      and ($3::bool is null or $3 = (revoked_at is null and coalesce(expires_at > $5::timestamptz, true)))
      and ($4::text is null or position(plain_text($4) in plain_text(name)) > 0 or position($4 in prefix) > 0)
    order by id desc limit $6`,
})

const selectOne = statement({
  name: 'api_key_find',
  params: ['tenant_id', 'id'],
  row,
  sql: `select ${columns} from api_keys where tenant_id = $1 and id = $2`,
})

const lockOne = statement({
  name: 'api_key_lock',
  params: ['tenant_id', 'id'],
  row,
  sql: `select ${columns} from api_keys where tenant_id = $1 and id = $2 for update`,
})

const revokeRow = statement({
  name: 'api_key_revoke',
  params: ['tenant_id', 'id', 'now'],
  row,
  sql: `update api_keys set revoked_at = coalesce(revoked_at, $3) where tenant_id = $1 and id = $2 returning ${columns}`,
})

/** Makes a key, and returns it with its secret, of which only the hash is stored. */
export async function createApiKey(
  tx: Transaction,
  ids: Ids,
  given: {
    readonly tenantId: string
    readonly name: string
    readonly scopes: readonly Permission[]
    readonly createdBy: string
    readonly expiresAt: Date | null
  },
): Promise<{ readonly apiKey: ApiKey; readonly key: string }> {
  const key = `${apiKeyPrefix}${randomToken(secretBytes)}`
  const [apiKey] = await tx.run(insertKey, {
    tenant_id: given.tenantId,
    id: ids.next(),
    name: given.name,
    prefix: key.slice(0, shownCharacters),
    key_hash: sha256Hex(key),
    scopes: JSON.stringify(given.scopes),
    created_by: given.createdBy,
    expires_at: given.expiresAt,
  })
  if (apiKey === undefined) throw new Error('An API key was not written')
  return { apiKey, key }
}

/** Newest first; `beforeId` is the last one of the page before. `active`: neither revoked nor expired. */
export async function listApiKeys(
  tx: Transaction,
  page: {
    readonly tenantId: string
    readonly beforeId: string | null
    readonly active: boolean | null
    /** Part of the name or the prefix. */
    readonly search: string | null
    readonly now: Date
    readonly limit: number
  },
): Promise<ApiKey[]> {
  const { tenantId, beforeId, active, search, now, limit } = page
  return await tx.run(selectPage, { tenant_id: tenantId, before_id: beforeId ?? lastId, active, search, now, limit })
}

/** Undefined where the tenant has no such key. */
export async function findApiKey(tx: Transaction, tenantId: string, id: string): Promise<ApiKey | undefined> {
  const [apiKey] = await tx.run(selectOne, { tenant_id: tenantId, id })
  return apiKey
}

/** The same, held against every other change until the transaction ends. */
export async function lockApiKey(tx: Transaction, tenantId: string, id: string): Promise<ApiKey | undefined> {
  const [apiKey] = await tx.run(lockOne, { tenant_id: tenantId, id })
  return apiKey
}

/** Ends a key. One that was ended before stays ended since then. */
export async function revokeApiKey(
  tx: Transaction,
  tenantId: string,
  id: string,
  now: Date,
): Promise<ApiKey | undefined> {
  const [apiKey] = await tx.run(revokeRow, { tenant_id: tenantId, id, now })
  return apiKey
}
