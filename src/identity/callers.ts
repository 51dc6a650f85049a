import { sha256Hex } from '../lib/crypto.ts'
import { AppError } from '../lib/errors.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { json, nullable, type RowOf, statement } from '../stores/postgres/statement.ts'
import type { Login } from './access-token.ts'
import { type Permission, permissionsOf, type Role, roles } from './permissions.ts'

/** What every API key begins with. */
export const apiKeyPrefix = 'dok_'

/** Who asks, and what they may do: a user, or a program with an API key. */
export type Caller = {
  readonly kind: 'user' | 'api_key'
  /** The user's id, or the key's. */
  readonly id: string
  readonly tenantId: string
  /** Null for a key: it has its scopes only. */
  readonly role: Role | null
  readonly permissions: ReadonlySet<Permission>
  /** Which of the user's logins it is; null for a key. */
  readonly loginId: string | null
  /** Whose orders and conversations alone are seen; null sees all. */
  readonly sellerId: string | null
  /** What the tenant may ask a minute; null where it has no limit of its own. */
  readonly requestsPerMinute: number | null
}

const selectUser = statement({
  name: 'caller_find_user',
  params: ['tenant_id', 'user_id', 'login_id'],
  row: { role: 'text', seller_id: nullable('uuid'), requests_per_minute: nullable('int4') },
  sql: `select u.role, u.seller_id, t.requests_per_minute from users u join tenants t on t.id = u.tenant_id
    where u.tenant_id = $1 and u.id = $2 and u.password_hash is not null
      and exists (select from refresh_tokens r
        where r.tenant_id = $1 and r.user_id = $2 and r.family_id = $3 and r.revoked_at is null)`,
})

const keyRow = {
  tenant_id: 'uuid',
  id: 'uuid',
  scopes: json<readonly Permission[]>(),
  expires_at: nullable('timestamptz'),
  requests_per_minute: nullable('int4'),
} as const

const selectKey = statement({
  name: 'caller_find_api_key',
  params: ['key_hash', 'now'],
  row: keyRow,
  sql: `select k.tenant_id, k.id, k.scopes, k.expires_at, t.requests_per_minute from api_keys k join tenants t on t.id = k.tenant_id
    where k.key_hash = $1 and k.revoked_at is null and (k.expires_at is null or k.expires_at > $2)`,
})

const selectKeyById = statement({
  name: 'caller_find_api_key_by_id',
  params: ['tenant_id', 'id', 'now'],
  row: keyRow,
  sql: `select k.tenant_id, k.id, k.scopes, k.expires_at, t.requests_per_minute from api_keys k join tenants t on t.id = k.tenant_id
    where k.tenant_id = $1 and k.id = $2 and k.revoked_at is null and (k.expires_at is null or k.expires_at > $3)`,
})

const touchKey = statement({
  name: 'api_key_touch',
  params: ['tenant_id', 'id', 'now'],
  row: {},
  sql: 'update api_keys set last_used_at = greatest(last_used_at, $3) where tenant_id = $1 and id = $2',
})

/** The user of an access token, as they are now; undefined where they are gone, or the login was ended. */
export async function findUserCaller(
  tx: Transaction,
  { tenantId, userId, loginId }: Login,
): Promise<Caller | undefined> {
  const [found] = await tx.run(selectUser, { tenant_id: tenantId, user_id: userId, login_id: loginId })
  const role = roles.find(name => name === found?.role)
  if (found === undefined || role === undefined) return undefined
  return {
    kind: 'user',
    id: userId,
    tenantId,
    role,
    permissions: new Set(permissionsOf(role)),
    loginId,
    sellerId: role === 'agent' ? found.seller_id : null,
    requestsPerMinute: found.requests_per_minute,
  }
}

/** Whose API key this is and until when, under the `auth` role; undefined where it is unknown, revoked or has run out. */
export async function findKeyCaller(
  tx: Transaction,
  key: string,
  now: Date,
): Promise<{ readonly caller: Caller; readonly expiresAt: Date | null } | undefined> {
  const [found] = await tx.run(selectKey, { key_hash: sha256Hex(key), now })
  return found && { caller: keyCaller(found), expiresAt: found.expires_at }
}

/** By what a caller is found again. */
export type CallerKey = Pick<Caller, 'kind' | 'tenantId' | 'id' | 'loginId'>

/** Who was identified before, as they are now; undefined where the login was ended, or the key revoked or has run out. */
export async function findCaller(tx: Transaction, key: CallerKey, now: Date): Promise<Caller | undefined> {
  const { kind, tenantId, id, loginId } = key
  if (kind === 'user') return loginId === null ? undefined : await findUserCaller(tx, { tenantId, userId: id, loginId })
  const [found] = await tx.run(selectKeyById, { tenant_id: tenantId, id, now })
  return found && keyCaller(found)
}

function keyCaller(found: RowOf<typeof keyRow>): Caller {
  return {
    kind: 'api_key',
    id: found.id,
    tenantId: found.tenant_id,
    role: null,
    permissions: new Set(found.scopes),
    loginId: null,
    sellerId: null,
    requestsPerMinute: found.requests_per_minute,
  }
}

/** Throws `forbidden` where the caller does not have the permission. */
export function refuseWithout(caller: Caller, permission: Permission): void {
  if (caller.permissions.has(permission)) return
  throw new AppError('forbidden', `${caller.role ?? 'The API key'} does not include ${permission}.`)
}

/** Notes that a key was used. */
export async function noteKeyUse(tx: Transaction, caller: Caller, now: Date): Promise<void> {
  await tx.run(touchKey, { tenant_id: caller.tenantId, id: caller.id, now })
}
