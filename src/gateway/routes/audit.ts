import { Hono } from 'hono'
import * as v from 'valibot'
import { listAudit } from '../../identity/audit.ts'
import { resources } from '../../identity/permissions.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { type Parts, readInTenant } from '../parts.ts'
import { jsonObject, text, time, timeText, uuid } from '../schemas.ts'
import { describe, makeGuard, query } from '../steps.ts'

const entry = named(
  'AuditEntry',
  v.strictObject({
    id: uuid,
    actor_kind: v.picklist(['user', 'api_key']),
    actor_id: v.pipe(uuid, v.description('Of a login that failed: the account that was tried')),
    actor_name: v.pipe(v.nullable(v.string()), v.description('Null where the user is gone')),
    action: v.pipe(v.string(), v.description('As in product.updated')),
    resource: v.string(),
    resource_id: v.nullable(uuid),
    before: v.nullable(jsonObject),
    after: v.nullable(jsonObject),
    address: v.nullable(v.string()),
    user_agent: v.nullable(v.string()),
    request_id: v.string(),
    at: time,
  }),
)

const tag = 'Audit'

/** Who did what. */
export function auditRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({
      id: 'listAuditEntries',
      tag,
      summary: 'Who changed what, newest first',
      description:
        'Every change with the thing before and after, without secrets; logins, those that failed (once a ' +
        'minute an account), passwords, invitations and API keys too.',
      answers: { 200: pageOf(entry) },
    }),
    // Every change makes a line.
    may('audit:read', { isFresh: true }),
    query(
      v.strictObject({
        ...pageQuery,
        actor_id: v.optional(uuid),
        resource: v.optional(v.picklist(resources, `Must be one of ${resources.join(', ')}`)),
        resource_id: v.optional(uuid),
        action: v.optional(text(100)),
        from: v.optional(v.pipe(timeText, v.description('At this time or later'))),
        to: v.optional(v.pipe(timeText, v.description('Before this time'))),
      }),
    ),
    async context => {
      const { limit, cursor, ...given } = context.req.valid('query')
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const { actor_id: actorId = null, resource_id: resourceId = null, resource = null } = given
      const { action = null, from = null, to = null } = given
      const filter = { actorId, resource, resourceId, action, from, to }
      const rows = await readInTenant(parts, context, (tx, { tenantId }) =>
        listAudit(tx, { tenantId, beforeId, ...filter, limit: limit + 1 }),
      )
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  return app
}
