import { randomToken, sha256Hex } from '../lib/crypto.ts'
import type { Ids } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, type RowOf, statement } from '../stores/postgres/statement.ts'

/** A refresh token that is not used for this long runs out. */
export const refreshTokenMs = 30 * 86_400_000
const tokenBytes = 32

const insertToken = statement({
  name: 'refresh_token_insert',
  params: ['tenant_id', 'id', 'user_id', 'family_id', 'token_hash', 'expires_at'],
  row: {},
  sql: `insert into refresh_tokens (tenant_id, id, user_id, family_id, token_hash, expires_at)
    values ($1, $2, $3, $4, $5, $6)`,
})

const tokenRow = {
  tenant_id: 'uuid',
  id: 'uuid',
  user_id: 'uuid',
  family_id: 'uuid',
  expires_at: 'timestamptz',
  used_at: nullable('timestamptz'),
  revoked_at: nullable('timestamptz'),
} as const

/** A refresh token as it is stored: by its hash, with the family of those that came from one login. */
export type RefreshToken = RowOf<typeof tokenRow>

const selectToken = statement({
  name: 'refresh_token_find',
  params: ['token_hash'],
  row: tokenRow,
  sql: `select tenant_id, id, user_id, family_id, expires_at, used_at, revoked_at from refresh_tokens
    where token_hash = $1`,
})

const useToken = statement({
  name: 'refresh_token_use',
  params: ['tenant_id', 'id', 'now'],
  row: { id: 'uuid' },
  sql: `update refresh_tokens set used_at = $3
    where tenant_id = $1 and id = $2 and used_at is null and revoked_at is null and expires_at > $3
    returning id`,
})

const revokeFamilyRows = statement({
  name: 'refresh_token_revoke_family',
  params: ['tenant_id', 'family_id', 'now'],
  row: {},
  sql: `update refresh_tokens set revoked_at = $3
    where tenant_id = $1 and family_id = $2 and revoked_at is null`,
})

const revokeRowsOfUser = statement({
  name: 'refresh_token_revoke_user',
  params: ['tenant_id', 'user_id', 'but_family_id', 'now'],
  row: {},
  sql: `update refresh_tokens set revoked_at = $4
    where tenant_id = $1 and user_id = $2 and family_id is distinct from $3::uuid and revoked_at is null`,
})

const deleteExpired = statement({
  name: 'refresh_token_delete_expired',
  params: ['tenant_id', 'user_id', 'now'],
  row: {},
  sql: 'delete from refresh_tokens where tenant_id = $1 and user_id = $2 and expires_at < $3',
})

/** Makes a token of a family and returns it: only its hash is stored. The user's expired ones are cleared away. */
export async function issueRefreshToken(
  tx: Transaction,
  ids: Ids,
  token: { readonly tenantId: string; readonly userId: string; readonly familyId: string; readonly nowMs: number },
): Promise<string> {
  const { tenantId, userId, familyId, nowMs } = token
  const text = randomToken(tokenBytes)
  await tx.run(deleteExpired, { tenant_id: tenantId, user_id: userId, now: new Date(nowMs) })
  await tx.run(insertToken, {
    tenant_id: tenantId,
    id: ids.next(),
    user_id: userId,
    family_id: familyId,
    token_hash: sha256Hex(text),
    expires_at: new Date(nowMs + refreshTokenMs),
  })
  return text
}

/** Under the `auth` role, which sees the tokens of every tenant. */
export async function findRefreshToken(tx: Transaction, text: string): Promise<RefreshToken | undefined> {
  const [token] = await tx.run(selectToken, { token_hash: sha256Hex(text) })
  return token
}

/** Spends a token. False where it was spent or revoked before, or has run out. */
export async function spendRefreshToken(tx: Transaction, token: RefreshToken, nowMs: number): Promise<boolean> {
  const used = await tx.run(useToken, { tenant_id: token.tenant_id, id: token.id, now: new Date(nowMs) })
  return used.length > 0
}

/** Ends every login of a user, or all but one. */
export async function revokeLogins(
  tx: Transaction,
  { tenantId, userId }: { readonly tenantId: string; readonly userId: string },
  nowMs: number,
  butFamilyId: string | null = null,
): Promise<void> {
  const owned = { tenant_id: tenantId, user_id: userId }
  await tx.run(revokeRowsOfUser, { ...owned, but_family_id: butFamilyId, now: new Date(nowMs) })
}

/** Ends every token that came from the same login. */
export async function revokeFamily(tx: Transaction, token: RefreshToken, nowMs: number): Promise<void> {
  await tx.run(revokeFamilyRows, { tenant_id: token.tenant_id, family_id: token.family_id, now: new Date(nowMs) })
}
