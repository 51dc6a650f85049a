import { Hono } from 'hono'
import * as v from 'valibot'
import {
  createProduct,
  findProduct,
  listProducts,
  type Product,
  type ProductWritten,
  removeProduct,
  updateProduct,
} from '../../commerce/products.ts'
import { AppError } from '../../lib/errors.ts'
import { named } from '../json-schema.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { type Env, inTenant, type Parts } from '../parts.ts'
import { amountMinor, currency, integer, readOnly, text, time, uuid, webUrl } from '../schemas.ts'
import { body, describe, found, idOf, makeGuard, notFound, query } from '../steps.ts'

const required = { sku: text(64), name: text(200), price_minor: amountMinor, currency }
const optional = {
  description: text(2_000, 0),
  stock: integer(0, 1_000_000_000),
  active: v.boolean('Must be true or false'),
  image_url: v.nullable(webUrl),
}

const newProduct = v.strictObject({
  ...required,
  description: v.optional(optional.description, ''),
  stock: v.optional(optional.stock, 0),
  active: v.optional(optional.active, true),
  image_url: v.optional(optional.image_url, null),
  ...readOnly('id', 'created_at', 'updated_at'),
})
const productChanges = v.strictObject({
  ...v.partial(v.object({ ...required, ...optional })).entries,
  ...readOnly('id', 'created_at', 'updated_at'),
})
const product = named(
  'Product',
  v.strictObject({ id: uuid, ...required, ...optional, created_at: time, updated_at: time }),
)

const tag = 'Products'

export function productRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({ tag, summary: 'List products, newest first', answers: { 200: pageOf(product) } }),
    may('products:read'),
    query(v.object(pageQuery)),
    async context => {
      const { limit, cursor } = context.req.valid('query')
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await inTenant(parts, context, (tx, { tenantId }) =>
        listProducts(tx, { tenantId, beforeId, limit: limit + 1 }),
      )
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.post(
    '/',
    describe({ tag, summary: 'Add a product', answers: { 201: product }, errors: ['conflict'] }),
    may('products:write'),
    body(newProduct),
    async context => {
      const fields = context.req.valid('json')
      const made = await inTenant(parts, context, async (tx, { tenantId }) =>
        accept(await createProduct(tx, parts.ids, tenantId, fields)),
      )
      return context.json(made, 201)
    },
  )
  app.get(
    '/:id',
    describe({ tag, summary: 'One product', answers: { 200: product }, errors: ['not_found'] }),
    may('products:read'),
    async context => {
      const id = idOf(context)
      const one = await inTenant(parts, context, (tx, { tenantId }) => findProduct(tx, tenantId, id))
      return context.json(found(one, 'product'))
    },
  )
  app.put(
    '/:id',
    describe({
      tag,
      summary: 'Change a product',
      description: 'Fields that are left out stay as they are.',
      answers: { 200: product },
      errors: ['not_found', 'conflict'],
    }),
    may('products:write'),
    body(productChanges),
    async context => {
      const [id, changes] = [idOf(context), context.req.valid('json')]
      const changed = await inTenant(parts, context, async (tx, { tenantId }) =>
        accept(await updateProduct(tx, tenantId, id, changesOf(changes))),
      )
      return context.json(changed)
    },
  )
  app.delete(
    '/:id',
    describe({
      tag,
      summary: 'Remove a product',
      description: 'One that was ordered stays, with `active` false, so that its orders can be read.',
      answers: { 204: null },
      errors: ['not_found'],
    }),
    may('products:write'),
    async context => {
      const id = idOf(context)
      const removed = await inTenant(parts, context, (tx, { tenantId }) => removeProduct(tx, tenantId, id))
      if (removed === 'unknown') throw notFound('product')
      return context.body(null, 204)
    },
  )
  return app
}

/** Without what a body may have that is read-only. */
function changesOf(changes: v.InferOutput<typeof productChanges>) {
  const { id: _id, created_at: _created, updated_at: _updated, ...rest } = changes
  return rest
}

/** Throws in the transaction, so that what was refused rolls back. */
function accept(written: ProductWritten): Product {
  if (written.kind === 'written') return written.product
  if (written.kind === 'unknown') throw notFound('product')
  throw new AppError('conflict', 'Another product has this SKU.', [{ path: 'sku', message: 'Is taken' }])
}
