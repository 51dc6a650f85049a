import type { Transaction } from '../stores/postgres/database.ts'
import { type RowOf, statement } from '../stores/postgres/statement.ts'
import { type Role, roles } from './permissions.ts'

const userRow = { id: 'uuid', name: 'text', email: 'text', role: 'text', created_at: 'timestamptz' } as const
const tenantRow = {
  tenant_id: 'uuid',
  tenant_name: 'text',
  time_zone: 'text',
  tenant_created_at: 'timestamptz',
} as const
const accountRow = { ...userRow, ...tenantRow } as const
const accountColumns = `u.id, u.name, u.email, u.role, u.created_at, t.id as tenant_id, t.name as tenant_name,
  t.time_zone, t.created_at as tenant_created_at`

export type User = Omit<RowOf<typeof userRow>, 'role'> & { readonly role: Role }
export type Tenant = {
  readonly id: string
  readonly name: string
  readonly time_zone: string
  readonly created_at: Date
}

/** A user and the tenant they belong to. */
export type Account = { readonly user: User; readonly tenant: Tenant }

const insertTenant = statement({
  name: 'tenant_insert',
  params: ['id', 'name'],
  row: {},
  sql: 'insert into tenants (id, name) values ($1, $2)',
})

const insertUser = statement({
  name: 'user_insert',
  params: ['tenant_id', 'id', 'name', 'email', 'password_hash', 'role'],
  row: {},
  sql: `insert into users (tenant_id, id, name, email, password_hash, role) values ($1, $2, $3, $4, $5, $6)`,
})

const selectAccount = statement({
  name: 'account_find',
  params: ['tenant_id', 'user_id'],
  row: accountRow,
  sql: `select ${accountColumns} from users u join tenants t on t.id = u.tenant_id
    where u.tenant_id = $1 and u.id = $2`,
})

const selectByEmail = statement({
  name: 'account_find_by_email',
  params: ['email'],
  row: { ...accountRow, password_hash: 'text' },
  sql: `select ${accountColumns}, u.password_hash from users u join tenants t on t.id = u.tenant_id
    where lower(u.email) = lower($1)`,
})

/** An e-mail address as it is stored and looked up. */
export function normalizeEmail(email: string): string {
  return email.trim().normalize('NFC').toLowerCase()
}

export async function addTenant(tx: Transaction, tenant: { id: string; name: string }): Promise<void> {
  await tx.run(insertTenant, tenant)
}

/** Throws a duplicate of `users_email` where the address is taken, in any tenant. */
export async function addUser(
  tx: Transaction,
  user: { tenantId: string; id: string; name: string; email: string; passwordHash: string; role: Role },
): Promise<void> {
  const { tenantId, id, name, email, passwordHash, role } = user
  await tx.run(insertUser, { tenant_id: tenantId, id, name, email, password_hash: passwordHash, role })
}

/** Undefined where the tenant has no such user (any more). */
export async function findAccount(tx: Transaction, tenantId: string, userId: string): Promise<Account | undefined> {
  const [found] = await tx.run(selectAccount, { tenant_id: tenantId, user_id: userId })
  return found && accountOf(found)
}

/** For logging in: under the `auth` role, which sees the users of every tenant. */
export async function findAccountByEmail(
  tx: Transaction,
  email: string,
): Promise<{ readonly account: Account; readonly passwordHash: string } | undefined> {
  const [found] = await tx.run(selectByEmail, { email })
  return found && { account: accountOf(found), passwordHash: found.password_hash }
}

function accountOf(found: RowOf<typeof accountRow>): Account {
  const role = roles.find(name => name === found.role)
  if (role === undefined) throw new Error(`A user of an unknown role: ${found.role}`)
  const { id, name, email, created_at } = found
  return {
    user: { id, name, email, role, created_at },
    tenant: {
      id: found.tenant_id,
      name: found.tenant_name,
      time_zone: found.time_zone,
      created_at: found.tenant_created_at,
    },
  }
}
