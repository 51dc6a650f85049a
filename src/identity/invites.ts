import { randomToken, sha256Hex } from '../lib/crypto.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { type RowOf, statement } from '../stores/postgres/statement.ts'

/** How long an invitation can be accepted. */
export const inviteMs = 7 * 86_400_000
const tokenBytes = 32

const upsertInvite = statement({
  name: 'invite_upsert',
  params: ['tenant_id', 'user_id', 'token_hash', 'expires_at', 'now'],
  row: {},
  sql: `insert into user_invites (tenant_id, user_id, token_hash, expires_at, created_at) values ($1, $2, $3, $4, $5)
    on conflict (tenant_id, user_id) do update set token_hash = $3, expires_at = $4, created_at = $5`,
})

const inviteRow = { tenant_id: 'uuid', user_id: 'uuid', token_hash: 'text', name: 'text', email: 'text' } as const

const selectInvite = statement({
  name: 'invite_find',
  params: ['token_hash', 'now'],
  row: inviteRow,
  sql: `select i.tenant_id, i.user_id, i.token_hash, u.name, u.email
    from user_invites i join users u on u.tenant_id = i.tenant_id and u.id = i.user_id
    where i.token_hash = $1 and i.expires_at > $2`,
})

const deleteInvite = statement({
  name: 'invite_spend',
  params: ['tenant_id', 'user_id', 'token_hash', 'now'],
  row: { user_id: 'uuid' },
  sql: `delete from user_invites where tenant_id = $1 and user_id = $2 and token_hash = $3 and expires_at > $4
    returning user_id`,
})

const deleteInviteOf = statement({
  name: 'invite_revoke',
  params: ['tenant_id', 'user_id'],
  row: {},
  sql: 'delete from user_invites where tenant_id = $1 and user_id = $2',
})

/** An open invitation, by its hash, and whom it is for. */
export type Invite = RowOf<typeof inviteRow>

/** Invites a user to choose a password. Only the token's hash is stored; an invitation of before is void then. */
export async function issueInvite(
  tx: Transaction,
  { tenantId, userId }: { readonly tenantId: string; readonly userId: string },
  nowMs: number,
): Promise<{ readonly token: string; readonly expiresAt: Date }> {
  const [token, expiresAt] = [randomToken(tokenBytes), new Date(nowMs + inviteMs)]
  const owned = { tenant_id: tenantId, user_id: userId }
  await tx.run(upsertInvite, {
    ...owned,
    token_hash: sha256Hex(token),
    expires_at: expiresAt,
    now: new Date(nowMs),
  })
  return { token, expiresAt }
}

/** Under the `auth` role, which sees the invitations of every tenant. Undefined where it is unknown, used or expired. */
export async function findInvite(tx: Transaction, token: string, now: Date): Promise<Invite | undefined> {
  const [invite] = await tx.run(selectInvite, { token_hash: sha256Hex(token), now })
  return invite
}

/** Spends an invitation. False where it was spent or replaced before, or has run out. */
export async function spendInvite(tx: Transaction, invite: Invite, now: Date): Promise<boolean> {
  const { tenant_id, user_id, token_hash } = invite
  return (await tx.run(deleteInvite, { tenant_id, user_id, token_hash, now })).length > 0
}

/** Makes a user's open invitation void. */
export async function revokeInvite(tx: Transaction, tenantId: string, userId: string): Promise<void> {
  await tx.run(deleteInviteOf, { tenant_id: tenantId, user_id: userId })
}
