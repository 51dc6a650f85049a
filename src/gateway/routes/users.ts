import { Hono } from 'hono'
import * as v from 'valibot'
import type { Caller } from '../../identity/callers.ts'
import type { Change } from '../../identity/change.ts'
import { issueInvite } from '../../identity/invites.ts'
import { hashPassword } from '../../identity/passwords.ts'
import { type Role, roles } from '../../identity/permissions.ts'
import {
  createUser,
  findUser,
  type LockedUser,
  listUsers,
  lockUser,
  removeUser,
  type User,
  type UserWritten,
  updateUser,
  userStatuses,
} from '../../identity/users.ts'
import { invalid } from '../../lib/check-fields.ts'
import { AppError } from '../../lib/errors.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { answerChange } from '../change.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { type Parts, readInTenant } from '../parts.ts'
import { mustBeStrong, newPassword } from '../passwords.ts'
import { email, readOnly, searchText, text, time, uuid } from '../schemas.ts'
import { body, conditional, describe, found, idempotent, idOf, makeGuard, mustMatch, query } from '../steps.ts'

const role = v.picklist(roles, `Must be one of ${roles.join(', ')}`)
const fields = {
  name: text(100),
  email,
  role,
  seller_id: v.pipe(
    v.nullable(uuid),
    v.description('For an agent who sees the orders and conversations of a seller only'),
  ),
}
const generated = readOnly('id', 'status', 'last_login_at', 'created_at', 'updated_at')

const newUser = v.strictObject({
  ...fields,
  seller_id: v.optional(fields.seller_id, null),
  password: v.optional(v.pipe(newPassword, v.description('Without one, the user is invited'))),
  ...generated,
})
const userChanges = v.strictObject({ ...v.partial(v.object(fields)).entries, ...generated })
const status = v.picklist(userStatuses, `Must be one of ${userStatuses.join(', ')}`)

const shown = {
  id: uuid,
  name: v.string(),
  email: v.string(),
  role,
  seller_id: v.nullable(uuid),
  status,
  last_login_at: v.nullable(time),
  created_at: time,
  updated_at: time,
}
export const user = named('User', v.strictObject(shown))
const invite = { invite_token: v.string(), invite_expires_at: time }
const madeUser = v.strictObject({
  ...shown,
  invite_token: v.nullable(invite.invite_token),
  invite_expires_at: v.nullable(time),
})

const tag = 'Users'

export function userRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const { bus, clock, ids } = parts
  const app = new Hono<Env>()

  async function inviteTo(tx: Transaction, { tenantId }: Caller, id: string, record: (change: Change) => void) {
    const { token, expiresAt } = await issueInvite(tx, { tenantId, userId: id }, clock.now())
    const after = { invite_expires_at: expiresAt }
    record({ action: 'user.invited', resource: 'users', id, before: null, after })
    return { invite_token: token, invite_expires_at: expiresAt }
  }

  app.get(
    '/',
    describe({ id: 'listUsers', tag, summary: 'List users, newest first', answers: { 200: pageOf(user) } }),
    // Logging in changes them too.
    may('users:read', { isFresh: true }),
    query(
      v.strictObject({
        ...pageQuery,
        role: v.optional(role),
        status: v.optional(status),
        q: v.optional(searchText('Part of the name or the e-mail address')),
      }),
    ),
    async context => {
      const { limit, cursor, q, role = null, status = null } = context.req.valid('query')
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const filter = { role, status, search: q?.trim() || null }
      const rows = await readInTenant(parts, context, (tx, { tenantId }) =>
        listUsers(tx, { tenantId, beforeId, ...filter, limit: limit + 1 }),
      )
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.post(
    '/',
    describe({
      id: 'createUser',
      tag,
      summary: 'Add a user, or invite one',
      description:
        'With a `password` the user is active at once. Without one they are invited: `invite_token`, which is ' +
        'shown only here, is for `POST /api/auth/accept` within seven days. Only an owner adds owners.',
      answers: { 201: madeUser },
      errors: ['conflict'],
    }),
    may('users:write'),
    idempotent,
    body(newUser),
    async context => {
      const { password, name, email, role, seller_id } = context.req.valid('json')
      mustBeAllowed(context.get('caller'), [role])
      if (password !== undefined) mustBeStrong('password', password, [email, name])
      const passwordHash = password === undefined ? null : await hashPassword(password)
      const work = async (tx: Transaction, caller: Caller, record: (change: Change) => void) => {
        const { tenantId } = caller
        const after = accept(await createUser(tx, ids, tenantId, { name, email, role, seller_id, passwordHash }))
        record({ action: 'user.created', resource: 'users', id: after.id, before: null, after })
        if (passwordHash !== null) return { ...after, invite_token: null, invite_expires_at: null }
        return { ...after, ...(await inviteTo(tx, caller, after.id, record)) }
      }
      return await answerChange(parts, context, 201, work, { isSecret: true })
    },
  )
  app.get(
    '/:id',
    describe({ id: 'getUser', tag, summary: 'One user', answers: { 200: user }, errors: ['not_found'] }),
    may('users:read', { isFresh: true }),
    async context => {
      const id = idOf(context)
      const one = await readInTenant(parts, context, (tx, { tenantId }) => findUser(tx, tenantId, id))
      return context.json(found(one, 'user'))
    },
  )
  app.put(
    '/:id',
    describe({
      id: 'updateUser',
      tag,
      summary: 'Change a user',
      description:
        'Fields that are left out stay as they are. A new role counts at once. Whoever is no agent any more ' +
        'has no seller any more; an invitation to another e-mail address than the new one is void. Only an ' +
        'owner changes owners or makes one.',
      answers: { 200: user },
      errors: ['not_found', 'conflict'],
    }),
    may('users:write'),
    conditional,
    body(userChanges),
    async context => {
      const [id, { name, email, role, seller_id }] = [idOf(context), context.req.valid('json')]
      const answer = await answerChange(parts, context, 200, async (tx, caller, record) => {
        const locked = await lockFor(tx, caller, id, role)
        mustMatch(context, locked.user)
        const after = accept(await updateUser(tx, caller.tenantId, locked, { name, email, role, seller_id }))
        record({ action: 'user.updated', resource: 'users', id, before: locked.user, after })
        return after
      })
      bus.publish('caller.changed', id)
      return answer
    },
  )
  app.delete(
    '/:id',
    describe({
      id: 'deleteUser',
      tag,
      summary: 'Remove a user',
      description:
        'Their logins end at once; API keys that they made stay. Only an owner removes owners, and the last ' +
        'one stays.',
      answers: { 204: null },
      errors: ['not_found', 'conflict'],
    }),
    may('users:write'),
    conditional,
    async context => {
      const id = idOf(context)
      const answer = await answerChange(parts, context, 204, async (tx, caller, record) => {
        const locked = await lockFor(tx, caller, id)
        mustMatch(context, locked.user)
        if ((await removeUser(tx, caller.tenantId, locked)) === 'last_owner') throw lastOwner()
        record({ action: 'user.deleted', resource: 'users', id, before: locked.user, after: null })
        return null
      })
      bus.publish('caller.changed', id)
      return answer
    },
  )
  app.post(
    '/:id/invite',
    describe({
      id: 'inviteUser',
      tag,
      summary: 'Invite a user anew',
      description:
        'Also for one who is active and forgot their password: accepting sets the new one, and ends the ' +
        'logins of before. An invitation of before is void. Only an owner invites owners.',
      answers: { 201: v.strictObject(invite) },
      errors: ['not_found'],
    }),
    may('users:write'),
    idempotent,
    async context => {
      const id = idOf(context)
      const work = async (tx: Transaction, caller: Caller, record: (change: Change) => void) => {
        await lockFor(tx, caller, id)
        return await inviteTo(tx, caller, id, record)
      }
      return await answerChange(parts, context, 201, work, { isSecret: true })
    },
  )
  return app
}

/** A user held for a change by the caller, to `role` where one is given. */
async function lockFor(tx: Transaction, caller: Caller, id: string, role?: Role): Promise<LockedUser> {
  const locked = found(await lockUser(tx, caller.tenantId, id), 'user')
  mustBeAllowed(caller, [locked.user.role, ...(role === undefined ? [] : [role])])
  return locked
}

function mustBeAllowed(caller: Caller, touched: readonly Role[]): void {
  if (touched.includes('owner') && caller.role !== 'owner')
    throw new AppError('forbidden', 'Only an owner makes, changes or removes owners.')
}

/** Throws in the transaction, so that what was refused rolls back. */
function accept(written: UserWritten): User {
  switch (written.kind) {
    case 'written':
      return written.user
    case 'email_taken':
      throw new AppError('conflict', 'Another user has this e-mail address.', [{ path: 'email', message: 'Is taken' }])
    case 'unknown_seller':
      throw invalid([{ path: 'seller_id', message: 'Must be a seller there is' }])
    case 'seller_of_no_agent':
      throw invalid([{ path: 'seller_id', message: 'Is for agents only' }])
    case 'last_owner':
      throw lastOwner()
  }
}

function lastOwner(): AppError {
  return new AppError('conflict', 'This is the last owner: make another one first.')
}
