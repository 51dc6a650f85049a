import { Hono } from 'hono'
import * as v from 'valibot'
import { passwordBytesMax, passwordLengthMin } from '../../identity/passwords.ts'
import { permissionsOf, roles } from '../../identity/permissions.ts'
import { login, logout, refresh, register } from '../../identity/sessions.ts'
import { findAccount } from '../../identity/users.ts'
import { AppError } from '../../lib/errors.ts'
import { named, writtenAs } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { inTenant, type Parts } from '../parts.ts'
import { email, text, time, uuid } from '../schemas.ts'
import { body, describe, makeGuard } from '../steps.ts'

const user = named(
  'User',
  v.strictObject({ id: uuid, name: v.string(), email: v.string(), role: v.picklist(roles), created_at: time }),
)
const tenant = named('Tenant', v.strictObject({ id: uuid, name: v.string(), time_zone: v.string(), created_at: time }))
const session = named(
  'Session',
  v.strictObject({
    user,
    tenant,
    access_token: v.string(),
    refresh_token: v.string(),
    token_type: v.literal('Bearer'),
    expires_in: v.number(),
  }),
)

const newPassword = writtenAs(
  { type: 'string', format: 'password', minLength: passwordLengthMin, description: 'At most 72 bytes' },
  v.pipe(
    v.string('Must be a text'),
    v.minLength(passwordLengthMin, `Must have at least ${passwordLengthMin} characters`),
    v.check(
      password => Buffer.byteLength(password) <= passwordBytesMax,
      `Must have at most ${passwordBytesMax} bytes: letters with accents and emoji count for several`,
    ),
  ),
)

const registration = v.strictObject({ tenant_name: text(100), name: text(100), email, password: newPassword })
const credentials = v.strictObject({ email: text(254), password: text(1_024) })
const refreshToken = v.strictObject({ refresh_token: text(500) })

/** Registering, logging in and out. */
export function authRoutes(parts: Parts): Hono<Env> {
  const options = { ...parts, secret: parts.config.JWT_SECRET }
  const tag = 'Auth'
  const app = new Hono<Env>()
  app.post(
    '/register',
    describe({ tag, summary: 'Make a new tenant and its owner', answers: { 201: session }, errors: ['conflict'] }),
    body(registration),
    async context => {
      const registered = await register(options, context.req.valid('json'))
      if (registered.kind === 'registered') return context.json(registered.session, 201)
      throw new AppError('conflict', 'This e-mail address has an account: log in, or use another.', [
        { path: 'email', message: 'Is taken' },
      ])
    },
  )
  app.post(
    '/login',
    describe({ tag, summary: 'Log in', answers: { 200: session }, errors: ['wrong_credentials'] }),
    body(credentials),
    async context => {
      const opened = await login(options, context.req.valid('json'))
      if (opened === null) throw new AppError('wrong_credentials', 'Check the e-mail address and the password.')
      return context.json(opened)
    },
  )
  app.post(
    '/refresh',
    describe({
      tag,
      summary: 'Get new tokens for a refresh token',
      description: 'A refresh token works once. A second use ends the login that it came from.',
      answers: { 200: session },
      errors: ['wrong_refresh_token'],
    }),
    body(refreshToken),
    async context => {
      const opened = await refresh(options, context.req.valid('json').refresh_token)
      if (opened === null) throw new AppError('wrong_refresh_token', 'Log in again.')
      return context.json(opened)
    },
  )
  app.post(
    '/logout',
    describe({ tag, summary: 'End the login that a refresh token came from', answers: { 204: null } }),
    body(refreshToken),
    async context => {
      await logout(options, context.req.valid('json').refresh_token)
      return context.body(null, 204)
    },
  )
  return app
}

const me = v.strictObject({ user, tenant, permissions: v.array(v.string()) })

/** Who is logged in. */
export function meRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({ tag: 'Auth', summary: 'Who is logged in, and what they may do', answers: { 200: me } }),
    may('me'),
    async context => {
      const account = await inTenant(parts, context, (tx, { tenantId, id }) => findAccount(tx, tenantId, id))
      if (account === undefined) throw new AppError('unauthenticated', 'This user does not exist any more.')
      return context.json({ ...account, permissions: permissionsOf(account.user.role) })
    },
  )
  return app
}
