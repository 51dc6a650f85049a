import type { Clock } from '../lib/clock.ts'
import type { Ids } from '../lib/ids.ts'
import { type Database, isDuplicate, type Transaction } from '../stores/postgres/database.ts'
import { accessTokenSeconds, signAccessToken } from './access-token.ts'
import { hashPassword, isPasswordOf } from './passwords.ts'
import {
  findRefreshToken,
  issueRefreshToken,
  type RefreshToken,
  revokeFamily,
  spendRefreshToken,
} from './refresh-tokens.ts'
import { type Account, addTenant, addUser, findAccount, findAccountByEmail, normalizeEmail } from './users.ts'

/** What whoever logged in gets. */
export type Session = Account & {
  readonly access_token: string
  readonly refresh_token: string
  readonly token_type: 'Bearer'
  /** Seconds that the access token is good for. */
  readonly expires_in: number
}

export type SessionOptions = {
  readonly database: Database
  readonly clock: Clock
  readonly ids: Ids
  /** Signs access tokens. */
  readonly secret: string
}

/** Makes a tenant with its owner, both or neither, and logs the owner in. `email_taken`: by a user of any tenant. */
export async function register(
  options: SessionOptions,
  given: { readonly tenant_name: string; readonly name: string; readonly email: string; readonly password: string },
): Promise<{ readonly kind: 'registered'; readonly session: Session } | { readonly kind: 'email_taken' }> {
  const { database, ids } = options
  const [tenantId, userId] = [ids.next(), ids.next()]
  const passwordHash = await hashPassword(given.password)
  const email = normalizeEmail(given.email)
  try {
    const session = await database.transaction({ role: 'app', tenantId }, async tx => {
      await addTenant(tx, { id: tenantId, name: given.tenant_name })
      await addUser(tx, { tenantId, id: userId, name: given.name, email, passwordHash, role: 'owner' })
      return await openSession(tx, options, { tenantId, userId, familyId: ids.next() })
    })
    return { kind: 'registered', session }
  } catch (error) {
    if (isDuplicate(error, 'users_email')) return { kind: 'email_taken' }
    throw error
  }
}

/** Null where the address or the password is wrong: which of them is not told, by time either. */
export async function login(
  options: SessionOptions,
  given: { readonly email: string; readonly password: string },
): Promise<Session | null> {
  const { database, ids } = options
  const found = await database.transaction({ role: 'auth' }, tx => findAccountByEmail(tx, normalizeEmail(given.email)))
  const fits = await isPasswordOf(given.password, found?.passwordHash)
  if (found === undefined || !fits) return null
  const { user, tenant } = found.account
  return await database.transaction({ role: 'app', tenantId: tenant.id }, tx =>
    openSession(tx, options, { tenantId: tenant.id, userId: user.id, familyId: ids.next() }),
  )
}

/** Spends a refresh token for a new pair. One that was spent before was stolen or is: its whole family is revoked. */
export async function refresh(options: SessionOptions, refreshToken: string): Promise<Session | null> {
  const { database, clock } = options
  const token = await findToken(database, refreshToken)
  if (token === undefined) return null
  const { tenant_id: tenantId, user_id: userId, family_id: familyId } = token
  return await database.transaction({ role: 'app', tenantId }, async tx => {
    if (await spendRefreshToken(tx, token, clock.now()))
      return await openSession(tx, options, { tenantId, userId, familyId })
    await revokeFamily(tx, token, clock.now())
    return null
  })
}

/** Ends the login that a refresh token came from. Nothing happens where it is unknown. */
export async function logout({ database, clock }: SessionOptions, refreshToken: string): Promise<void> {
  const token = await findToken(database, refreshToken)
  if (token === undefined) return
  await database.transaction({ role: 'app', tenantId: token.tenant_id }, tx => revokeFamily(tx, token, clock.now()))
}

function findToken(database: Database, text: string): Promise<RefreshToken | undefined> {
  return database.transaction({ role: 'auth' }, tx => findRefreshToken(tx, text))
}

async function openSession(
  tx: Transaction,
  { clock, ids, secret }: SessionOptions,
  login: { readonly tenantId: string; readonly userId: string; readonly familyId: string },
): Promise<Session> {
  const { tenantId, userId } = login
  const account = await findAccount(tx, tenantId, userId)
  if (account === undefined) throw new Error('A session of a user who does not exist')
  const refreshToken = await issueRefreshToken(tx, ids, { ...login, nowMs: clock.now() })
  return {
    ...account,
    access_token: signAccessToken({ userId, tenantId }, secret, clock.now()),
    refresh_token: refreshToken,
    token_type: 'Bearer',
    expires_in: accessTokenSeconds,
  }
}
