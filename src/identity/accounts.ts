import type { Transaction } from '../stores/postgres/database.ts'
import { nullable, type RowOf, statement } from '../stores/postgres/statement.ts'
import type { Tenant } from './tenants.ts'
import { type User, userColumns, userOf, userRow } from './users.ts'

const accountRow = {
  ...userRow,
  tenant_id: 'uuid',
  tenant_name: 'text',
  time_zone: 'text',
  requests_per_minute: nullable('int4'),
  tenant_created_at: 'timestamptz',
  password_hash: nullable('text'),
} as const
const accountColumns = `${userColumns}, t.id as tenant_id, t.name as tenant_name, t.time_zone, t.requests_per_minute,
  t.created_at as tenant_created_at, u.password_hash`

/** A user and the tenant they belong to. */
export type Account = { readonly user: User; readonly tenant: Tenant }

/** An account with what it is logged in to by: null while its user is invited only. */
export type Known = { readonly account: Account; readonly passwordHash: string | null }

const selectOne = statement({
  name: 'account_find',
  params: ['tenant_id', 'user_id'],
  row: accountRow,
  sql: `select ${accountColumns} from users u join tenants t on t.id = u.tenant_id
    where u.tenant_id = $1 and u.id = $2`,
})

const selectByEmail = statement({
  name: 'account_find_by_email',
  params: ['email'],
  row: accountRow,
  sql: `select ${accountColumns} from users u join tenants t on t.id = u.tenant_id where lower(u.email) = lower($1)`,
})

const lockOne = statement({
  name: 'account_lock',
  params: ['tenant_id', 'user_id'],
  row: { password_hash: nullable('text') },
  sql: 'select password_hash from users where tenant_id = $1 and id = $2 for no key update',
})

const updateLogin = statement({
  name: 'account_note_login',
  params: ['tenant_id', 'user_id', 'now'],
  row: {},
  sql: 'update users set last_login_at = $3 where tenant_id = $1 and id = $2',
})

const updatePassword = statement({
  name: 'account_set_password',
  params: ['tenant_id', 'user_id', 'password_hash', 'name'],
  row: {},
  sql: `update users set password_hash = $3, name = coalesce($4, name), updated_at = now()
    where tenant_id = $1 and id = $2`,
})

/** Undefined where the tenant has no such user (any more). */
export async function findAccount(tx: Transaction, tenantId: string, userId: string): Promise<Known | undefined> {
  const [found] = await tx.run(selectOne, { tenant_id: tenantId, user_id: userId })
  return found && knownOf(found)
}

/** For logging in: under the `auth` role, which sees the users of every tenant. */
export async function findAccountByEmail(tx: Transaction, email: string): Promise<Known | undefined> {
  const [found] = await tx.run(selectByEmail, { email })
  return found && knownOf(found)
}

/**
 * Holds a user until the transaction ends: whoever begins a login and whoever ends all of them come one after the
 * other. Returns the hash of their password; undefined where they are gone.
 */
export async function lockAccount(tx: Transaction, tenantId: string, userId: string) {
  const [found] = await tx.run(lockOne, { tenant_id: tenantId, user_id: userId })
  return found?.password_hash
}

export async function noteLogin(tx: Transaction, tenantId: string, userId: string, now: Date): Promise<void> {
  await tx.run(updateLogin, { tenant_id: tenantId, user_id: userId, now })
}

/** Gives a user a password, and another name where one is given. */
export async function writePassword(
  tx: Transaction,
  given: {
    readonly tenantId: string
    readonly userId: string
    readonly passwordHash: string
    readonly name: string | null
  },
): Promise<void> {
  const { tenantId, userId, passwordHash, name } = given
  await tx.run(updatePassword, { tenant_id: tenantId, user_id: userId, password_hash: passwordHash, name })
}

function knownOf(found: RowOf<typeof accountRow>): Known {
  const { tenant_id, tenant_name, tenant_created_at, time_zone, requests_per_minute, password_hash } = found
  const tenant = { id: tenant_id, name: tenant_name, time_zone, requests_per_minute, created_at: tenant_created_at }
  return { account: { user: userOf(found), tenant }, passwordHash: password_hash }
}
