import { Hono } from 'hono'
import * as v from 'valibot'
import { createApiKey, findApiKey, listApiKeys, lockApiKey, revokeApiKey } from '../../identity/api-keys.ts'
import type { Caller } from '../../identity/callers.ts'
import type { Change } from '../../identity/change.ts'
import { keyScopes, type Permission, withReading } from '../../identity/permissions.ts'
import { invalid } from '../../lib/check-fields.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { answerChange } from '../change.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { type Parts, readInTenant } from '../parts.ts'
import { booleanText, searchText, text, time, timeText, uuid } from '../schemas.ts'
import { body, conditional, describe, found, idempotent, idOf, makeGuard, mustMatch, query } from '../steps.ts'

const scope = v.picklist(keyScopes, `Must be one of ${keyScopes.join(', ')}`)
const newKey = v.strictObject({
  name: text(100),
  scopes: v.pipe(
    v.array(scope),
    v.minLength(1, 'Must have at least one'),
    v.maxLength(keyScopes.length, `Must have at most ${keyScopes.length}`),
    v.description('Who may write may read'),
  ),
  expires_at: v.optional(v.nullable(timeText), null),
})

const shown = {
  id: uuid,
  name: v.string(),
  prefix: v.pipe(v.string(), v.description('What the key begins with')),
  scopes: v.array(scope),
  created_by: v.nullable(uuid),
  expires_at: v.nullable(time),
  last_used_at: v.pipe(v.nullable(time), v.description('To the minute')),
  revoked_at: v.nullable(time),
  created_at: time,
}
const apiKey = named('ApiKey', v.strictObject(shown))
const madeKey = v.strictObject({ ...shown, key: v.pipe(v.string(), v.description('Shown only here')) })

const tag = 'API keys'

export function apiKeyRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const { bus, clock, ids } = parts
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({
      id: 'listApiKeys',
      tag,
      summary: 'List API keys, newest first, those that were revoked too',
      answers: { 200: pageOf(apiKey) },
    }),
    // Their use changes them too.
    may('api_keys:read', { isFresh: true }),
    query(
      v.strictObject({
        ...pageQuery,
        active: v.optional(v.pipe(booleanText, v.description('Neither revoked nor expired'))),
        q: v.optional(searchText('Part of the name, or of what the key begins with')),
      }),
    ),
    async context => {
      const { limit, cursor, q, active = null } = context.req.valid('query')
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const filter = { active, search: q?.trim() || null, now: new Date(clock.now()) }
      const rows = await readInTenant(parts, context, (tx, { tenantId }) =>
        listApiKeys(tx, { tenantId, beforeId, ...filter, limit: limit + 1 }),
      )
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.post(
    '/',
    describe({
      id: 'createApiKey',
      tag,
      summary: 'Make an API key',
      description:
        '`key` is shown only here; send it as `X-Api-Key`, or as `Authorization: Bearer`. A key can do no ' +
        'more than whoever makes it, and can never make users or keys.',
      answers: { 201: madeKey },
    }),
    may('api_keys:write'),
    idempotent,
    body(newKey),
    async context => {
      const { name, expires_at, scopes: given } = context.req.valid('json')
      const scopes = withReading(given)
      mustBeLess(context.get('caller'), given, expires_at, clock.now())
      const work = async (tx: Transaction, { tenantId, id }: Caller, record: (change: Change) => void) => {
        const made = await createApiKey(tx, ids, { tenantId, name, scopes, createdBy: id, expiresAt: expires_at })
        record({
          action: 'api_key.created',
          resource: 'api_keys',
          id: made.apiKey.id,
          before: null,
          after: made.apiKey,
        })
        return { ...made.apiKey, key: made.key }
      }
      return await answerChange(parts, context, 201, work, { isSecret: true })
    },
  )
  app.get(
    '/:id',
    describe({ id: 'getApiKey', tag, summary: 'One API key', answers: { 200: apiKey }, errors: ['not_found'] }),
    may('api_keys:read', { isFresh: true }),
    async context => {
      const id = idOf(context)
      const one = await readInTenant(parts, context, (tx, { tenantId }) => findApiKey(tx, tenantId, id))
      return context.json(found(one, 'API key'))
    },
  )
  app.delete(
    '/:id',
    describe({
      id: 'deleteApiKey',
      tag,
      summary: 'Revoke an API key',
      description: 'It works no more from now on, and stays in the list.',
      answers: { 204: null },
      errors: ['not_found'],
    }),
    may('api_keys:write'),
    conditional,
    async context => {
      const id = idOf(context)
      const answer = await answerChange(parts, context, 204, async (tx, { tenantId }, record) => {
        const before = found(await lockApiKey(tx, tenantId, id), 'API key')
        mustMatch(context, before)
        const after = found(await revokeApiKey(tx, tenantId, id, new Date(clock.now())), 'API key')
        if (before.revoked_at === null) record({ action: 'api_key.revoked', resource: 'api_keys', id, before, after })
        return null
      })
      bus.publish('caller.changed', id)
      return answer
    },
  )
  return app
}

/** Throws `invalid` for what the caller may not do, and for a time that has passed. */
function mustBeLess(
  { permissions }: Caller,
  scopes: readonly Permission[],
  expiresAt: Date | null,
  nowMs: number,
): void {
  const tooMuch = scopes.flatMap((scope, index) =>
    permissions.has(scope) ? [] : [{ path: `scopes.${index}`, message: 'Is more than you may do' }],
  )
  const isPast = expiresAt !== null && expiresAt.getTime() <= nowMs
  const errors = [...tooMuch, ...(isPast ? [{ path: 'expires_at', message: 'Must be in the future' }] : [])]
  if (errors.length > 0) throw invalid(errors)
}
