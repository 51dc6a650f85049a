import type { Transaction } from '../stores/postgres/database.ts'
import { lockAccount, writePassword } from './accounts.ts'
import { type Origin, recordAudit } from './audit.ts'
import { findInvite, type Invite, revokeInvite, spendInvite } from './invites.ts'
import { revokeLogins } from './refresh-tokens.ts'
import { logIn, type Session, type SessionOptions } from './sessions.ts'

/** An open invitation; undefined where it is unknown, used or expired. */
export async function openInvite({ database, clock }: SessionOptions, token: string): Promise<Invite | undefined> {
  return await database.read({ role: 'auth' }, tx => findInvite(tx, token, new Date(clock.now())))
}

/**
 * Gives an invited user the password they chose, and logs them in; every login of before ends. Null where the
 * invitation was used meanwhile.
 */
export async function acceptInvite(
  options: SessionOptions,
  invite: Invite,
  chosen: { readonly passwordHash: string; readonly name: string | null },
  origin: Origin,
): Promise<Session | null> {
  const { database, clock, ids } = options
  const owned = { tenantId: invite.tenant_id, userId: invite.user_id }
  return await database.transaction({ role: 'app', tenantId: owned.tenantId }, async tx => {
    await lockAccount(tx, owned.tenantId, owned.userId)
    if (!(await spendInvite(tx, invite, new Date(clock.now())))) return null
    await writePassword(tx, { ...owned, ...chosen })
    await revokeLogins(tx, owned, clock.now())
    const session = await logIn(tx, options, owned)
    const entry = {
      action: 'user.invite_accepted',
      resource: 'users',
      id: owned.userId,
      before: null,
      after: session.user,
    }
    await recordAudit(tx, ids, { kind: 'user', id: owned.userId, tenantId: owned.tenantId }, { ...entry, ...origin })
    return session
  })
}

/**
 * Takes a new password in place of one that was checked to be right; every login but the one given ends, and an open
 * invitation is void. False where the password was changed since it was checked.
 */
export async function changePassword(
  tx: Transaction,
  given: {
    readonly tenantId: string
    readonly userId: string
    readonly loginId: string | null
    readonly checkedHash: string
    readonly passwordHash: string
    readonly nowMs: number
  },
): Promise<boolean> {
  const { tenantId, userId, loginId, checkedHash, passwordHash, nowMs } = given
  if ((await lockAccount(tx, tenantId, userId)) !== checkedHash) return false
  await writePassword(tx, { tenantId, userId, passwordHash, name: null })
  await revokeInvite(tx, tenantId, userId)
  await revokeLogins(tx, { tenantId, userId }, nowMs, loginId)
  return true
}
