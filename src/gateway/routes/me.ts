import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import { findAccount, type Known } from '../../identity/accounts.ts'
import { hashPassword, isPasswordOf } from '../../identity/passwords.ts'
import { permissionsOf } from '../../identity/permissions.ts'
import { changePassword } from '../../identity/set-password.ts'
import { findTenant } from '../../identity/tenants.ts'
import { invalid } from '../../lib/check-fields.ts'
import { AppError } from '../../lib/errors.ts'
import { change } from '../change.ts'
import type { Env } from '../options.ts'
import { type Parts, readInTenant } from '../parts.ts'
import { mustBeStrong, newPassword } from '../passwords.ts'
import { text } from '../schemas.ts'
import { body, describe, makeGuard } from '../steps.ts'
import { noteFailedLogin } from './auth.ts'
import { tenant } from './tenant.ts'
import { user } from './users.ts'

const tag = 'Auth'
const me = v.strictObject({ user: v.nullable(user), tenant, permissions: v.array(v.string()) })

/** Who is logged in. */
export function meRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({
      id: 'getMe',
      tag,
      summary: 'Who is logged in, and what they may do',
      description: '`user` is null for an API key.',
      answers: { 200: me },
    }),
    may('me'),
    async context => {
      if (context.get('caller').kind === 'api_key') return context.json(await keyMe(parts, context))
      const { account } = await knownOf(parts, context)
      return context.json({ ...account, permissions: permissionsOf(account.user.role) })
    },
  )
  return app
}

async function keyMe(parts: Parts, context: Context<Env>) {
  const { permissions } = context.get('caller')
  const tenant = await readInTenant(parts, context, (tx, { tenantId }) => findTenant(tx, tenantId))
  if (tenant === undefined) throw gone()
  return { user: null, tenant, permissions: [...permissions] }
}

const passwords = v.strictObject({ current_password: text(1_024), new_password: newPassword })

/** Choosing another password. */
export function passwordRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.post(
    '/',
    describe({
      id: 'changePassword',
      tag,
      summary: 'Choose another password',
      description: 'Ends every other login of the user. A wrong `current_password` counts as a login that failed.',
      answers: { 204: null },
      errors: ['wrong_credentials', 'forbidden', 'too_many_requests'],
    }),
    may('me'),
    body(passwords),
    async context => {
      const { current_password: current, new_password: chosen } = context.req.valid('json')
      if (context.get('caller').kind === 'api_key') throw new AppError('forbidden', 'An API key has no password.')
      const known = await knownOf(parts, context)
      const { user } = known.account
      mustBeStrong('new_password', chosen, [user.email, user.name])
      if (chosen === current) throw invalid([{ path: 'new_password', message: 'Must be another one' }])
      await mustKnow(parts, context, known, current)
      await writeNew(parts, context, known, await hashPassword(chosen))
      parts.bus.publish('caller.changed', user.id)
      return context.body(null, 204)
    },
  )
  return app
}

/** Throws `wrong_credentials`, and counts it, where a password is not the user's. */
async function mustKnow(parts: Parts, context: Context<Env>, known: Known, password: string): Promise<void> {
  const { account, passwordHash } = known
  const admitted = await parts.limits.admitLogin(context, account.user.email)
  const fits = await isPasswordOf(password, passwordHash).catch(async (error: unknown) => {
    await admitted.takeBack()
    throw error
  })
  if (fits) return await admitted.takeBack()
  noteFailedLogin(parts, context, account)
  throw wrongPassword()
}

async function writeNew(parts: Parts, context: Context<Env>, known: Known, passwordHash: string): Promise<void> {
  await change(parts, context, async (tx, { tenantId, id, loginId }, record) => {
    const hashes = { checkedHash: known.passwordHash ?? '', passwordHash }
    const isChanged = await changePassword(tx, {
      tenantId,
      userId: id,
      loginId,
      ...hashes,
      nowMs: parts.clock.now(),
    })
    if (!isChanged) throw wrongPassword()
    record({ action: 'user.password_changed', resource: 'users', id, before: null, after: null })
  })
}

async function knownOf(parts: Parts, context: Context<Env>): Promise<Known> {
  const known = await readInTenant(parts, context, (tx, { tenantId, id }) => findAccount(tx, tenantId, id))
  if (known === undefined) throw gone()
  return known
}

function gone(): AppError {
  return new AppError('unauthenticated', 'This user does not exist any more.')
}

function wrongPassword(): AppError {
  return new AppError('wrong_credentials', 'Check the current password.')
}
