import { type Ids, lastId } from '../lib/ids.ts'
import { isDuplicate, type Transaction } from '../stores/postgres/database.ts'
import { nullable, type RowOf, statement } from '../stores/postgres/statement.ts'
import { revokeInvite } from './invites.ts'
import { type Role, roles } from './permissions.ts'

/** `invited`: has no password yet. */
export const userStatuses = ['active', 'invited'] as const
export type UserStatus = (typeof userStatuses)[number]

export const userColumns = `u.id, u.name, u.email, u.role, u.seller_id,
  case when u.password_hash is null then 'invited' else 'active' end as status,
  u.last_login_at, u.created_at, u.updated_at`
export const userRow = {
  id: 'uuid',
  name: 'text',
  email: 'text',
  role: 'text',
  seller_id: nullable('uuid'),
  status: 'text',
  last_login_at: nullable('timestamptz'),
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
} as const

/** Somebody of a tenant. Only an agent has a seller, whose orders and conversations alone they see. */
export type User = Omit<RowOf<typeof userRow>, 'role' | 'status'> & {
  readonly role: Role
  readonly status: UserStatus
}

/** What is decided about a user. */
export type UserFields = Pick<User, 'name' | 'email' | 'role' | 'seller_id'>

const insertUser = statement({
  name: 'user_insert',
  params: ['tenant_id', 'id', 'name', 'email', 'password_hash', 'role', 'seller_id'],
  row: {},
  sql: `insert into users (tenant_id, id, name, email, password_hash, role, seller_id)
    values ($1, $2, $3, $4, $5, $6, $7)`,
})

const updateRow = statement({
  name: 'user_update',
  params: ['tenant_id', 'id', 'name', 'email', 'role', 'seller_id'],
  row: {},
  sql: `update users set name = $3, email = $4, role = $5, seller_id = $6, updated_at = now()
    where tenant_id = $1 and id = $2`,
})

const deleteRow = statement({
  name: 'user_delete',
  params: ['tenant_id', 'id'],
  row: {},
  sql: 'delete from users where tenant_id = $1 and id = $2',
})

// A tenant has tens of users: they are read one by one, without an index for each filter.
const selectPage = statement({
  name: 'user_list',
  params: ['tenant_id', 'before_id', 'role', 'status', 'search', 'limit'],
  row: userRow,
  sql: `select ${userColumns} from users u
    where u.tenant_id = $1 and u.id < $2::uuid and ($3::text is null or u.role = $3)
      and ($4::text is null or (u.password_hash is null) = ($4 = 'invited'))
      and ($5::text is null or position(plain_text($5) in plain_text(u.name)) > 0
        or position(plain_text($5) in plain_text(u.email)) > 0)
    order by u.id desc limit $6`,
})

const selectOne = statement({
  name: 'user_find',
  params: ['tenant_id', 'id'],
  row: userRow,
  sql: `select ${userColumns} from users u where u.tenant_id = $1 and u.id = $2`,
})

const lockOne = statement({
  name: 'user_lock',
  params: ['tenant_id', 'id'],
  row: userRow,
  sql: `select ${userColumns} from users u where u.tenant_id = $1 and u.id = $2 for update`,
})

const lockOwners = statement({
  name: 'user_lock_owners',
  params: ['tenant_id'],
  row: { id: 'uuid' },
  sql: `select id from users where tenant_id = $1 and role = 'owner' and password_hash is not null
    order by id for update`,
})

const holdSeller = statement({
  name: 'user_hold_seller',
  params: ['tenant_id', 'id'],
  row: { id: 'uuid' },
  sql: 'select id from sellers where tenant_id = $1 and id = $2 for key share',
})

/** An e-mail address as it is stored and looked up. */
export function normalizeEmail(email: string): string {
  return email.trim().normalize('NFC').toLowerCase()
}

/** Throws a duplicate of `users_email` where the address is taken, in any tenant. */
export async function addUser(
  tx: Transaction,
  user: {
    readonly tenantId: string
    readonly id: string
    readonly name: string
    readonly email: string
    readonly passwordHash: string | null
    readonly role: Role
    readonly sellerId?: string | null
  },
): Promise<void> {
  const { tenantId, id, name, email, passwordHash, role, sellerId = null } = user
  const fields = { name, email, password_hash: passwordHash, role, seller_id: sellerId }
  await tx.run(insertUser, { tenant_id: tenantId, id, ...fields })
}

/** What came of writing a user. But for `written`, nothing was: let the transaction roll back. */
export type UserWritten =
  | { readonly kind: 'written'; readonly user: User }
  /** By a user of any tenant. */
  | { readonly kind: 'email_taken' }
  | { readonly kind: 'unknown_seller' }
  /** Whoever is no agent has no seller. */
  | { readonly kind: 'seller_of_no_agent' }
  /** A tenant has at least one owner who can log in. */
  | { readonly kind: 'last_owner' }

/** Adds a user; without a password, as invited. */
export async function createUser(
  tx: Transaction,
  ids: Ids,
  tenantId: string,
  fields: UserFields & { readonly passwordHash: string | null },
): Promise<UserWritten> {
  const [id, { passwordHash, seller_id: sellerId }] = [ids.next(), fields]
  const email = normalizeEmail(fields.email)
  return (
    (await sellerFault(tx, tenantId, fields)) ??
    (await written(tx, tenantId, id, () =>
      addUser(tx, { tenantId, id, name: fields.name, email, passwordHash, role: fields.role, sellerId }),
    ))
  )
}

/** A user held against every other change, and whether they are all that is left of the owners. */
export type LockedUser = { readonly user: User; readonly isLastOwner: boolean }

/**
 * Holds a user and the tenant's owners until the transaction ends, so that of two who remove each other one is left.
 * Undefined where the tenant has no such user.
 */
export async function lockUser(tx: Transaction, tenantId: string, id: string): Promise<LockedUser | undefined> {
  const owners = await tx.run(lockOwners, { tenant_id: tenantId })
  const [found] = await tx.run(lockOne, { tenant_id: tenantId, id })
  return found && { user: userOf(found), isLastOwner: owners.length === 1 && owners[0]?.id === id }
}

/**
 * Changes the fields given. Who is no agent any more has no seller any more, unless one is given: that is refused. An
 * invitation that went to another address is void.
 */
export async function updateUser(
  tx: Transaction,
  tenantId: string,
  { user, isLastOwner }: LockedUser,
  changes: { readonly [K in keyof UserFields]?: UserFields[K] | undefined },
): Promise<UserWritten> {
  const role = changes.role ?? user.role
  const kept = role === 'agent' ? user.seller_id : null
  const fields = {
    name: changes.name ?? user.name,
    email: changes.email === undefined ? user.email : normalizeEmail(changes.email),
    role,
    seller_id: changes.seller_id === undefined ? kept : changes.seller_id,
  }
  if (isLastOwner && role !== 'owner') return { kind: 'last_owner' }
  if (fields.email !== user.email) await revokeInvite(tx, tenantId, user.id)
  return (
    (await sellerFault(tx, tenantId, fields)) ??
    (await written(tx, tenantId, user.id, () => tx.run(updateRow, { tenant_id: tenantId, id: user.id, ...fields })))
  )
}

/** Removes a user with their logins and their invitation. */
export async function removeUser(
  tx: Transaction,
  tenantId: string,
  { user, isLastOwner }: LockedUser,
): Promise<'removed' | 'last_owner'> {
  if (isLastOwner) return 'last_owner'
  await tx.run(deleteRow, { tenant_id: tenantId, id: user.id })
  return 'removed'
}

async function sellerFault(
  tx: Transaction,
  tenantId: string,
  { role, seller_id: id }: Pick<UserFields, 'role' | 'seller_id'>,
): Promise<UserWritten | null> {
  if (id === null) return null
  if (role !== 'agent') return { kind: 'seller_of_no_agent' }
  return (await tx.run(holdSeller, { tenant_id: tenantId, id })).length > 0 ? null : { kind: 'unknown_seller' }
}

async function written(
  tx: Transaction,
  tenantId: string,
  id: string,
  write: () => Promise<unknown>,
): Promise<UserWritten> {
  try {
    await write()
  } catch (error) {
    if (isDuplicate(error, 'users_email')) return { kind: 'email_taken' }
    throw error
  }
  const user = await findUser(tx, tenantId, id)
  if (user === undefined) throw new Error('A user was not written')
  return { kind: 'written', user }
}

/** What a list of users is narrowed by; null takes everyone. `search`: part of the name or the e-mail address. */
export type UserFilter = {
  readonly role: Role | null
  readonly status: UserStatus | null
  readonly search: string | null
}

/** Newest first; `beforeId` is the last one of the page before. */
export async function listUsers(
  tx: Transaction,
  page: { readonly tenantId: string; readonly beforeId: string | null; readonly limit: number } & UserFilter,
): Promise<User[]> {
  const { tenantId, beforeId, role, status, search, limit } = page
  const filter = { role, status, search }
  const rows = await tx.run(selectPage, { tenant_id: tenantId, before_id: beforeId ?? lastId, ...filter, limit })
  return rows.map(userOf)
}

/** Undefined where the tenant has no such user. */
export async function findUser(tx: Transaction, tenantId: string, id: string): Promise<User | undefined> {
  const [found] = await tx.run(selectOne, { tenant_id: tenantId, id })
  return found && userOf(found)
}

/** A user as they were read. */
export function userOf(found: RowOf<typeof userRow>): User {
  const role = roles.find(name => name === found.role)
  if (role === undefined) throw new Error(`A user of an unknown role: ${found.role}`)
  const { id, name, email, seller_id, last_login_at, created_at, updated_at } = found
  const status = found.status === 'invited' ? 'invited' : 'active'
  return { id, name, email, role, seller_id, status, last_login_at, created_at, updated_at }
}
