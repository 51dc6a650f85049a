import { Hono } from 'hono'
import * as v from 'valibot'
import { type Erasure, findErasure, listErasures } from '../../messaging/privacy/erasures.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { type Parts, readInTenant } from '../parts.ts'
import { time, uuid } from '../schemas.ts'
import { describe, found, idOf, makeGuard, query } from '../steps.ts'

/** An erasure, wherever it is shown. */
export const erasure = named(
  'Erasure',
  v.strictObject({
    id: uuid,
    customer_id: v.pipe(uuid, v.description('Who was erased, as they were known; there is no such customer any more')),
    actor_kind: v.picklist(['user', 'api_key']),
    actor_id: uuid,
    reason: v.pipe(v.nullable(v.string()), v.description('Without what names the person')),
    state: v.pipe(
      v.picklist(['running', 'done']),
      v.description('`done`: nothing of the person is left, and what was under way when they were erased is over'),
    ),
    requested_at: time,
    done_at: v.nullable(time),
  }),
)

export function shownErasure(one: Erasure) {
  return { ...one, state: one.done_at === null ? 'running' : 'done' }
}

const tag = 'Privacy'

/** Who was erased, and whether that is done. */
export function erasureRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({
      id: 'listErasures',
      tag,
      summary: 'Customers that were erased, the latest first',
      answers: { 200: pageOf(erasure) },
    }),
    // They end by themselves.
    may('privacy:read', { isFresh: true }),
    query(v.strictObject(pageQuery)),
    async context => {
      const { limit, cursor } = context.req.valid('query')
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await readInTenant(parts, context, (tx, { tenantId }) =>
        listErasures(tx, { tenantId, beforeId, limit: limit + 1 }),
      )
      return context.json(toPage(rows.map(shownErasure), limit, row => [row.id]))
    },
  )
  app.get(
    '/:id',
    describe({ id: 'getErasure', tag, summary: 'One erasure', answers: { 200: erasure }, errors: ['not_found'] }),
    may('privacy:read', { isFresh: true }),
    async context => {
      const id = idOf(context)
      const one = await readInTenant(parts, context, (tx, { tenantId }) => findErasure(tx, tenantId, id))
      return context.json(shownErasure(found(one, 'erasure')))
    },
  )
  return app
}
