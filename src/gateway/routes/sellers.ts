import { Hono } from 'hono'
import * as v from 'valibot'
import {
  createSeller,
  findSeller,
  listSellers,
  lockSeller,
  removeSeller,
  updateSeller,
} from '../../commerce/sellers.ts'
import { answerChange } from '../change.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { type Parts, readInTenant } from '../parts.ts'
import { booleanText, email, phone, readOnly, searchText, text, time, uuid } from '../schemas.ts'
import { body, conditional, describe, found, idempotent, idOf, makeGuard, mustMatch, query } from '../steps.ts'

const fields = {
  name: text(200),
  email: v.nullable(email),
  phone: v.nullable(phone),
  active: v.boolean('Must be true or false'),
}
const generated = readOnly('id', 'created_at', 'updated_at')

const newSeller = v.strictObject({
  name: fields.name,
  email: v.optional(fields.email, null),
  phone: v.optional(fields.phone, null),
  active: v.optional(fields.active, true),
  ...generated,
})
const sellerChanges = v.strictObject({ ...v.partial(v.object(fields)).entries, ...generated })
const seller = named('Seller', v.strictObject({ id: uuid, ...fields, created_at: time, updated_at: time }))

const tag = 'Sellers'

export function sellerRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({ id: 'listSellers', tag, summary: 'List sellers, newest first', answers: { 200: pageOf(seller) } }),
    may('sellers:read'),
    query(
      v.strictObject({
        ...pageQuery,
        active: v.optional(booleanText),
        q: v.optional(searchText('Part of the name, the e-mail address or the phone')),
      }),
    ),
    async context => {
      const { limit, cursor, active, q } = context.req.valid('query')
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await readInTenant(parts, context, (tx, { tenantId }) =>
        listSellers(tx, { tenantId, beforeId, active: active ?? null, search: q?.trim() || null, limit: limit + 1 }),
      )
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.post(
    '/',
    describe({ id: 'createSeller', tag, summary: 'Add a seller', answers: { 201: seller } }),
    may('sellers:write'),
    idempotent,
    body(newSeller),
    async context => {
      const given = context.req.valid('json')
      return await answerChange(parts, context, 201, async (tx, { tenantId }, record) => {
        const after = await createSeller(tx, parts.ids, tenantId, given)
        record({ action: 'seller.created', resource: 'sellers', id: after.id, before: null, after })
        return after
      })
    },
  )
  app.get(
    '/:id',
    describe({ id: 'getSeller', tag, summary: 'One seller', answers: { 200: seller }, errors: ['not_found'] }),
    may('sellers:read'),
    async context => {
      const id = idOf(context)
      const one = await readInTenant(parts, context, (tx, { tenantId }) => findSeller(tx, tenantId, id))
      return context.json(found(one, 'seller'))
    },
  )
  app.put(
    '/:id',
    describe({
      id: 'updateSeller',
      tag,
      summary: 'Change a seller',
      description: 'Fields that are left out stay as they are.',
      answers: { 200: seller },
      errors: ['not_found'],
    }),
    may('sellers:write'),
    conditional,
    body(sellerChanges),
    async context => {
      const [id, { name, email, phone, active }] = [idOf(context), context.req.valid('json')]
      return await answerChange(parts, context, 200, async (tx, { tenantId }, record) => {
        const before = found(await lockSeller(tx, tenantId, id), 'seller')
        mustMatch(context, before)
        const after = found(await updateSeller(tx, tenantId, id, { name, email, phone, active }), 'seller')
        record({ action: 'seller.updated', resource: 'sellers', id, before, after })
        return after
      })
    },
  )
  app.delete(
    '/:id',
    describe({
      id: 'deleteSeller',
      tag,
      summary: 'Remove a seller',
      description: 'One who has orders, conversations or users stays, with `active` false.',
      answers: { 204: null },
      errors: ['not_found'],
    }),
    may('sellers:write'),
    conditional,
    async context => {
      const id = idOf(context)
      return await answerChange(parts, context, 204, async (tx, { tenantId }, record) => {
        const before = found(await lockSeller(tx, tenantId, id), 'seller')
        mustMatch(context, before)
        const after = await removeSeller(tx, tenantId, id)
        record({ action: 'seller.deleted', resource: 'sellers', id, before, after })
        return null
      })
    },
  )
  return app
}
