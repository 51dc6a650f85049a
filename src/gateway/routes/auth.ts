import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import type { Account } from '../../identity/accounts.ts'
import { hashPassword } from '../../identity/passwords.ts'
import { login, logout, recordFailedLogin, refresh, register, type SessionOptions } from '../../identity/sessions.ts'
import { acceptInvite, openInvite } from '../../identity/set-password.ts'
import { normalizeEmail } from '../../identity/users.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import { installReadyFlows } from '../../messaging/ready-flows/install.ts'
import { type Language, languages, saveSettings, settingsDefault } from '../../messaging/tenant-settings.ts'
import { originOf } from '../change.ts'
import { flowHandlers } from '../flow-faults.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import type { Parts } from '../parts.ts'
import { mustBeStrong, newPassword } from '../passwords.ts'
import { email, text } from '../schemas.ts'
import { body, describe } from '../steps.ts'
import { tenant } from './tenant.ts'
import { user } from './users.ts'

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

const registration = v.strictObject({
  tenant_name: text(100),
  name: text(100),
  email,
  password: newPassword,
  language: v.optional(
    v.pipe(
      v.picklist(languages, `Must be one of ${languages.join(', ')}`),
      v.description('Of the flows that the tenant begins with, and of what bots say by themselves'),
    ),
  ),
})
const credentials = v.strictObject({ email: text(254), password: text(1_024) })
const refreshToken = v.strictObject({ refresh_token: text(500) })
const acceptance = v.strictObject({ token: text(500), password: newPassword, name: v.optional(text(100)) })

/** Until the bot goes on where nobody has taken a conversation, in a new tenant. */
const patience = '1h'

const tag = 'Auth'
const failedLoginMs = 60_000

/** Registering, logging in and out, accepting an invitation. */
export function authRoutes(parts: Parts): Hono<Env> {
  const { bus, limits } = parts
  const options: SessionOptions = { ...parts, secret: parts.config.JWT_SECRET }
  const app = new Hono<Env>()
  app.post(
    '/register',
    describe({
      id: 'register',
      tag,
      summary: 'Make a new tenant and its owner',
      description:
        'It begins with the ready flows of its language; without one it is that of `Accept-Language`, else es.',
      answers: { 201: session },
      errors: ['conflict', 'too_many_requests'],
    }),
    body(registration),
    async context => {
      const given = context.req.valid('json')
      mustBeStrong('password', given.password, [given.email, given.name, given.tenant_name])
      await limits.admitRegistration(context)
      const language = given.language ?? acceptedLanguage(context.req.header('accept-language'))
      const registered = await register(options, given, originOf(parts, context), async (tx, tenantId) => {
        await saveSettings(tx, tenantId, { ...settingsDefault, language, handoff: { waiting_timeout: patience } })
        await installReadyFlows(tx, parts.ids, { tenantId, language, handlers: flowHandlers })
      })
      if (registered.kind === 'registered') return context.json(registered.session, 201)
      throw new AppError('conflict', 'This e-mail address has an account: log in, or use another.', [
        { path: 'email', message: 'Is taken' },
      ])
    },
  )
  app.post(
    '/login',
    describe({
      id: 'login',
      tag,
      summary: 'Log in',
      description: 'Tries that fail are counted, by account and by address.',
      answers: { 200: session },
      errors: ['wrong_credentials', 'too_many_requests'],
    }),
    body(credentials),
    async context => {
      const given = context.req.valid('json')
      const admitted = await limits.admitLogin(context, normalizeEmail(given.email))
      const loggedIn = await login(options, given, originOf(parts, context)).catch(async (error: unknown) => {
        await admitted.takeBack()
        throw error
      })
      if (loggedIn.kind === 'opened') {
        await admitted.takeBack()
        return context.json(loggedIn.session)
      }
      noteFailedLogin(parts, context, loggedIn.account)
      throw new AppError('wrong_credentials', 'Check the e-mail address and the password.')
    },
  )
  app.post(
    '/refresh',
    describe({
      id: 'refreshSession',
      tag,
      summary: 'Get new tokens for a refresh token',
      description: 'A refresh token works once. A second use ends the login that it came from.',
      answers: { 200: session },
      errors: ['wrong_refresh_token', 'too_many_requests'],
    }),
    body(refreshToken),
    async context => {
      const refreshed = await refresh(options, context.req.valid('json').refresh_token)
      if (refreshed.kind === 'refreshed') return context.json(refreshed.session)
      if (refreshed.kind === 'reused') bus.publish('caller.changed', refreshed.userId)
      await limits.admitWrongToken(context)
      throw new AppError('wrong_refresh_token', 'Log in again.')
    },
  )
  app.post(
    '/logout',
    describe({
      id: 'logout',
      tag,
      summary: 'End the login that a refresh token came from, its access tokens included',
      answers: { 204: null },
      errors: ['too_many_requests'],
    }),
    body(refreshToken),
    async context => {
      const userId = await logout(options, context.req.valid('json').refresh_token)
      if (userId === null) await limits.admitWrongToken(context)
      else bus.publish('caller.changed', userId)
      return context.body(null, 204)
    },
  )
  app.post(
    '/accept',
    describe({
      id: 'acceptInvite',
      tag,
      summary: 'Accept an invitation: choose a password, and log in',
      description: 'An invitation works once, within seven days. Every login of before ends.',
      answers: { 200: session },
      errors: ['wrong_invite', 'too_many_requests'],
    }),
    body(acceptance),
    async context => {
      const { token, password, name = null } = context.req.valid('json')
      const invite = await openInvite(options, token)
      if (invite === undefined) return await refuseInvite(parts, context)
      mustBeStrong('password', password, [invite.email, name ?? invite.name])
      const chosen = { passwordHash: await hashPassword(password), name }
      const opened = await acceptInvite(options, invite, chosen, originOf(parts, context))
      if (opened === null) return await refuseInvite(parts, context)
      bus.publish('caller.changed', opened.user.id)
      return context.json(opened)
    },
  )
  return app
}

async function refuseInvite({ limits }: Parts, context: Context<Env>): Promise<never> {
  await limits.admitWrongToken(context)
  throw new AppError('wrong_invite', 'Ask for a new one.')
}

/**
 * A line in the audit log, once a minute an account. Nobody waits for it: an answer that took longer would tell that
 * there is an account.
 */
export function noteFailedLogin(parts: Parts, context: Context<Env>, account: Account | null): void {
  if (account === null) return
  const { limits, log } = parts
  const origin = originOf(parts, context)
  const options: SessionOptions = { ...parts, secret: parts.config.JWT_SECRET }
  limits
    .isFirst(`login_failed:${account.user.id}`, failedLoginMs)
    .then(isFirst => (isFirst ? recordFailedLogin(options, account, origin) : undefined))
    .catch((error: unknown) => log.warn({ error: messageOf(error) }, 'a login that failed was not noted'))
}

/** The first of the languages that a browser asks for which there is here. */
function acceptedLanguage(header: string | undefined): Language {
  const asked = (header ?? '').split(',').map(part => part.trim().slice(0, 2).toLowerCase())
  return asked.flatMap(code => languages.find(language => language === code) ?? [])[0] ?? settingsDefault.language
}
