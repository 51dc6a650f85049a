import type { Clock } from '../lib/clock.ts'
import type { Ids } from '../lib/ids.ts'
import { type Database, isDuplicate, type Transaction } from '../stores/postgres/database.ts'
import { accessTokenSeconds, signAccessToken } from './access-token.ts'
import { type Account, findAccount, findAccountByEmail, lockAccount, noteLogin } from './accounts.ts'
import { type Origin, recordAudit } from './audit.ts'
import { hashPassword, isPasswordOf } from './passwords.ts'
import {
  findRefreshToken,
  issueRefreshToken,
  type RefreshToken,
  revokeFamily,
  spendRefreshToken,
} from './refresh-tokens.ts'
import { addTenant } from './tenants.ts'
import { addUser, normalizeEmail } from './users.ts'

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

/**
 * Makes a tenant with its owner, both or neither, and logs the owner in. `furnish` puts what a new tenant begins with into
 * it, in the same transaction. `email_taken`: by a user of any tenant.
 */
export async function register(
  options: SessionOptions,
  given: { readonly tenant_name: string; readonly name: string; readonly email: string; readonly password: string },
  origin: Origin,
  furnish: (tx: Transaction, tenantId: string) => Promise<void>,
): Promise<{ readonly kind: 'registered'; readonly session: Session } | { readonly kind: 'email_taken' }> {
  const { database, ids } = options
  const [tenantId, userId] = [ids.next(), ids.next()]
  const passwordHash = await hashPassword(given.password)
  const email = normalizeEmail(given.email)
  try {
    const session = await database.transaction({ role: 'app', tenantId }, async tx => {
      await addTenant(tx, { id: tenantId, name: given.tenant_name })
      await addUser(tx, { tenantId, id: userId, name: given.name, email, passwordHash, role: 'owner' })
      await furnish(tx, tenantId)
      const opened = await logIn(tx, options, { tenantId, userId })
      const { tenant: after } = opened
      const entry = { action: 'tenant.created', resource: 'tenant', id: tenantId, before: null, after }
      await recordAudit(tx, ids, { kind: 'user', id: userId, tenantId }, { ...entry, ...origin })
      return opened
    })
    return { kind: 'registered', session }
  } catch (error) {
    if (isDuplicate(error, 'users_email')) return { kind: 'email_taken' }
    throw error
  }
}

/** What came of logging in. `refused` knows whose account it was, where there is one: that is not for whoever asked. */
export type LoggedIn =
  | { readonly kind: 'opened'; readonly session: Session }
  | { readonly kind: 'refused'; readonly account: Account | null }

/** Refused where the address or the password is wrong: which of them is not told, by time either. */
export async function login(
  options: SessionOptions,
  given: { readonly email: string; readonly password: string },
  origin: Origin,
): Promise<LoggedIn> {
  const { database, ids } = options
  const found = await database.read({ role: 'auth' }, tx => findAccountByEmail(tx, normalizeEmail(given.email)))
  const fits = await isPasswordOf(given.password, found?.passwordHash ?? null)
  if (found === undefined || !fits) return { kind: 'refused', account: found?.account ?? null }
  const { user, tenant } = found.account
  const owned = { tenantId: tenant.id, userId: user.id }
  return await database.transaction({ role: 'app', tenantId: tenant.id }, async tx => {
    // Another password since it was checked: this one is wrong now.
    if ((await lockAccount(tx, tenant.id, user.id)) !== found.passwordHash)
      return { kind: 'refused', account: found.account }
    const session = await logIn(tx, options, owned)
    await recordLogin(tx, ids, owned, 'user.logged_in', origin)
    return { kind: 'opened', session }
  })
}

/** Notes in the audit log that somebody tried to log in to an account, and failed. */
export async function recordFailedLogin(
  { database, ids }: SessionOptions,
  { user, tenant }: Account,
  origin: Origin,
): Promise<void> {
  const owned = { tenantId: tenant.id, userId: user.id }
  await database.transaction({ role: 'app', tenantId: tenant.id }, async tx => {
    if ((await lockAccount(tx, tenant.id, user.id)) === undefined) return
    await recordLogin(tx, ids, owned, 'user.login_failed', origin)
  })
}

/** What came of a refresh token; `reused`: it was spent before, so its login has ended. */
export type Refreshed =
  | { readonly kind: 'refreshed'; readonly session: Session }
  | { readonly kind: 'reused'; readonly userId: string }
  | { readonly kind: 'unknown' }

/** Spends a refresh token for a new pair. One that was spent before was stolen or is: its whole family is revoked. */
export async function refresh(options: SessionOptions, refreshToken: string): Promise<Refreshed> {
  const { database, clock } = options
  const token = await findToken(database, refreshToken)
  if (token === undefined) return { kind: 'unknown' }
  const { tenant_id: tenantId, user_id: userId, family_id: familyId } = token
  return await database.transaction({ role: 'app', tenantId }, async tx => {
    if ((await lockAccount(tx, tenantId, userId)) === undefined) return { kind: 'unknown' }
    if (await spendRefreshToken(tx, token, clock.now()))
      return { kind: 'refreshed', session: await openSession(tx, options, { tenantId, userId, familyId }) }
    await revokeFamily(tx, token, clock.now())
    return { kind: 'reused', userId }
  })
}

/** Ends the login that a refresh token came from. Returns whose it was; null where the token is unknown. */
export async function logout({ database, clock }: SessionOptions, refreshToken: string): Promise<string | null> {
  const token = await findToken(database, refreshToken)
  if (token === undefined) return null
  const { tenant_id: tenantId, user_id: userId } = token
  await database.transaction({ role: 'app', tenantId }, async tx => {
    await lockAccount(tx, tenantId, userId)
    await revokeFamily(tx, token, clock.now())
  })
  return userId
}

function findToken(database: Database, text: string): Promise<RefreshToken | undefined> {
  return database.read({ role: 'auth' }, tx => findRefreshToken(tx, text))
}

/** Begins a new login of a user, who is held by the transaction. */
export async function logIn(
  tx: Transaction,
  options: SessionOptions,
  { tenantId, userId }: { readonly tenantId: string; readonly userId: string },
): Promise<Session> {
  await noteLogin(tx, tenantId, userId, new Date(options.clock.now()))
  return await openSession(tx, options, { tenantId, userId, familyId: options.ids.next() })
}

async function openSession(
  tx: Transaction,
  { clock, ids, secret }: SessionOptions,
  login: { readonly tenantId: string; readonly userId: string; readonly familyId: string },
): Promise<Session> {
  const { tenantId, userId, familyId } = login
  const found = await findAccount(tx, tenantId, userId)
  if (found === undefined) throw new Error('A session of a user who does not exist')
  const refreshToken = await issueRefreshToken(tx, ids, { ...login, nowMs: clock.now() })
  return {
    ...found.account,
    access_token: signAccessToken({ userId, tenantId, loginId: familyId }, secret, clock.now()),
    refresh_token: refreshToken,
    token_type: 'Bearer',
    expires_in: accessTokenSeconds,
  }
}

/** A line whose actor is the account itself. */
async function recordLogin(
  tx: Transaction,
  ids: Ids,
  { tenantId, userId }: { readonly tenantId: string; readonly userId: string },
  action: string,
  origin: Origin,
): Promise<void> {
  const entry = { action, resource: 'users', id: userId, before: null, after: null, ...origin }
  await recordAudit(tx, ids, { kind: 'user', id: userId, tenantId }, entry)
}
