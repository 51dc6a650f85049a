import { Hono } from 'hono'
import * as v from 'valibot'
import { secretName } from '../../commerce/actions/http-request.ts'
import {
  addSecret,
  changeSecret,
  deleteSecret,
  findSecret,
  listSecrets,
  lockSecret,
  type SecretAdded,
  secretsMax,
  type TenantSecret,
} from '../../identity/tenant-secrets.ts'
import { AppError } from '../../lib/errors.ts'
import { answerChange } from '../change.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { type Parts, readInTenant } from '../parts.ts'
import { readOnly, searchText, time, uuid } from '../schemas.ts'
import { body, conditional, describe, found, idempotent, idOf, makeGuard, mustMatch, query } from '../steps.ts'

const [lengthMin, lengthMax] = [8, 4_096]

// It goes out as a header. A short one could stand in an answer by chance, where it is hidden.
const value = v.pipe(
  v.string('Must be a text'),
  v.minLength(lengthMin, `Must have at least ${lengthMin} characters`),
  v.maxLength(lengthMax, `Must have at most ${lengthMax} characters`),
  v.regex(
    /^[!-~]([ -~]*[!-~])?$/,
    'Must have only letters without accents, digits and signs, and no blank at its ends',
  ),
  v.description('Can be written, not read'),
)
const newSecret = v.strictObject({ name: secretName, value, ...readOnly('id', 'created_at', 'updated_at') })
const changes = v.strictObject({ value, ...readOnly('id', 'name', 'created_at', 'updated_at') })

const secret = named('Secret', v.strictObject({ id: uuid, name: v.string(), created_at: time, updated_at: time }))

const tag = 'Secrets'

export function secretRoutes(parts: Parts): Hono<Env> {
  const { ids, sealer } = parts
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({
      id: 'listSecrets',
      tag,
      summary: 'List secrets, newest first',
      description: 'What each is called, and never what it is.',
      answers: { 200: pageOf(secret) },
    }),
    may('secrets:read'),
    query(v.strictObject({ ...pageQuery, q: v.optional(searchText('Part of the name')) })),
    async context => {
      const { limit, cursor, q } = context.req.valid('query')
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await readInTenant(parts, context, (tx, { tenantId }) =>
        listSecrets(tx, { tenantId, beforeId, search: q?.trim() || null, limit: limit + 1 }),
      )
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.post(
    '/',
    describe({
      id: 'createSecret',
      tag,
      summary: 'Add a secret',
      description:
        'Flows send it by its name: in a header of `http.request`, `{"secret": "NAME", "prefix": "Bearer "}`. It is kept ' +
        'sealed, and nobody can read it again.',
      answers: { 201: secret },
      errors: ['conflict'],
    }),
    may('secrets:write'),
    idempotent,
    body(newSecret),
    async context => {
      const { name, value } = context.req.valid('json')
      return await answerChange(parts, context, 201, async (tx, { tenantId }, record) => {
        const after = accept(await addSecret(tx, ids, sealer, { tenantId, name, value }))
        record({ action: 'secret.created', resource: 'secrets', id: after.id, before: null, after })
        return after
      })
    },
  )
  app.get(
    '/:id',
    describe({ id: 'getSecret', tag, summary: 'One secret', answers: { 200: secret }, errors: ['not_found'] }),
    may('secrets:read'),
    async context => {
      const id = idOf(context)
      const one = await readInTenant(parts, context, (tx, { tenantId }) => findSecret(tx, tenantId, id))
      return context.json(found(one, 'secret'))
    },
  )
  app.put(
    '/:id',
    describe({
      id: 'updateSecret',
      tag,
      summary: 'Give a secret another value',
      description: 'Its name stays: flows know it by that. Calls that begin from now on send the new value.',
      answers: { 200: secret },
      errors: ['not_found'],
    }),
    may('secrets:write'),
    conditional,
    body(changes),
    async context => {
      const [id, { value }] = [idOf(context), context.req.valid('json')]
      return await answerChange(parts, context, 200, async (tx, { tenantId }, record) => {
        const before = found(await lockSecret(tx, tenantId, id), 'secret')
        mustMatch(context, before)
        const after = found(await changeSecret(tx, sealer, tenantId, before, value), 'secret')
        record({ action: 'secret.updated', resource: 'secrets', id, before, after })
        return after
      })
    },
  )
  app.delete(
    '/:id',
    describe({
      id: 'deleteSecret',
      tag,
      summary: 'Remove a secret',
      description: 'Calls that need it fail from now on, with the code `unknown_secret`.',
      answers: { 204: null },
      errors: ['not_found'],
    }),
    may('secrets:write'),
    conditional,
    async context => {
      const id = idOf(context)
      return await answerChange(parts, context, 204, async (tx, { tenantId }, record) => {
        const before = found(await lockSecret(tx, tenantId, id), 'secret')
        mustMatch(context, before)
        await deleteSecret(tx, tenantId, id)
        record({ action: 'secret.deleted', resource: 'secrets', id, before, after: null })
        return null
      })
    },
  )
  return app
}

/** Throws in the transaction, so that what was refused rolls back. */
function accept(added: SecretAdded): TenantSecret {
  switch (added.kind) {
    case 'added':
      return added.secret
    case 'name_taken':
      throw new AppError('conflict', 'There is a secret of this name.', [{ path: 'name', message: 'Is taken' }])
    case 'too_many':
      throw new AppError('conflict', `There are ${secretsMax} secrets already: remove one first.`)
  }
}
