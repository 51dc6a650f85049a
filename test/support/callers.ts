import { signAccessToken } from '../../src/identity/access-token.ts'
import { createApiKey } from '../../src/identity/api-keys.ts'
import { type Permission, type Role, withReading } from '../../src/identity/permissions.ts'
import { issueRefreshToken } from '../../src/identity/refresh-tokens.ts'
import { addTenant } from '../../src/identity/tenants.ts'
import { addUser } from '../../src/identity/users.ts'
import { uuids } from '../../src/lib/ids.ts'
import type { Database } from '../../src/stores/postgres/database.ts'

/** Of an installation under test: `JWT_SECRET` in its environment. */
export const jwtSecret = 'a-secret-for-tests-of-32-bytes-or-more'

/** An access token of a new user of a tenant. */
export async function addToken(database: Database, tenantId: string, role: Role = 'owner'): Promise<string> {
  const [userId, loginId] = [uuids.next(), uuids.next()]
  await database.transaction({ role: 'app', tenantId }, async tx => {
    const user = { tenantId, id: userId, name: role, email: `${userId}@example.com`, role }
    // Nobody logs in by it.
    await addUser(tx, { ...user, passwordHash: 'none' })
    await issueRefreshToken(tx, uuids, { tenantId, userId, familyId: loginId, nowMs: Date.now() })
  })
  return signAccessToken({ userId, tenantId, loginId }, jwtSecret, Date.now())
}

/** A new API key of a tenant. */
export async function addApiKey(
  database: Database,
  tenantId: string,
  permissions: readonly Permission[],
): Promise<string> {
  const userId = uuids.next()
  return await database.transaction({ role: 'app', tenantId }, async tx => {
    const user = { tenantId, id: userId, name: 'Owner', email: `${userId}@example.com`, role: 'owner' as const }
    await addUser(tx, { ...user, passwordHash: 'none' })
    const given = { tenantId, name: 'Test', scopes: withReading(permissions), createdBy: userId, expiresAt: null }
    return (await createApiKey(tx, uuids, given)).key
  })
}

export async function addOtherTenant(database: Database): Promise<string> {
  const tenantId = uuids.next()
  await database.transaction({ role: 'app', tenantId }, tx => addTenant(tx, { id: tenantId, name: 'Other' }))
  return tenantId
}
