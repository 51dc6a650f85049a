import { Hono } from 'hono'
import * as v from 'valibot'
import {
  createProduct,
  findProduct,
  listProducts,
  lockProduct,
  type Product,
  type ProductWritten,
  removeProduct,
  stockMax,
  updateProduct,
} from '../../commerce/products.ts'
import { AppError } from '../../lib/errors.ts'
import { answerChange } from '../change.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { type Parts, readInTenant } from '../parts.ts'
import {
  amountMinor,
  booleanText,
  currency,
  integer,
  readOnly,
  searchText,
  text,
  time,
  uuid,
  webUrl,
} from '../schemas.ts'
import {
  body,
  conditional,
  describe,
  found,
  idempotent,
  idOf,
  makeGuard,
  mustMatch,
  notFound,
  query,
} from '../steps.ts'

const required = { sku: text(64), name: text(200), price_minor: amountMinor, currency }
const optional = {
  description: text(2_000, 0),
  stock: integer(0, stockMax),
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
    describe({
      id: 'listProducts',
      tag,
      summary: 'List products, newest first',
      description: 'Filters are combined.',
      answers: { 200: pageOf(product) },
    }),
    may('products:read'),
    query(
      v.strictObject({
        ...pageQuery,
        active: v.optional(booleanText),
        in_stock: v.optional(booleanText),
        sku: v.optional(text(64)),
        q: v.optional(searchText('Part of the name or the SKU')),
      }),
    ),
    async context => {
      const { limit, cursor, ...filter } = context.req.valid('query')
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await readInTenant(parts, context, (tx, { tenantId }) =>
        listProducts(tx, {
          ...{ tenantId, beforeId, limit: limit + 1 },
          active: filter.active ?? null,
          inStock: filter.in_stock ?? null,
          search: filter.q?.trim() || null,
          sku: filter.sku ?? null,
        }),
      )
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.post(
    '/',
    describe({ id: 'createProduct', tag, summary: 'Add a product', answers: { 201: product }, errors: ['conflict'] }),
    may('products:write'),
    idempotent,
    body(newProduct),
    async context => {
      const fields = context.req.valid('json')
      return await answerChange(parts, context, 201, async (tx, { tenantId }, record) => {
        const after = accept(await createProduct(tx, parts.ids, tenantId, fields))
        record({ action: 'product.created', resource: 'products', id: after.id, before: null, after })
        return after
      })
    },
  )
  app.get(
    '/:id',
    describe({ id: 'getProduct', tag, summary: 'One product', answers: { 200: product }, errors: ['not_found'] }),
    may('products:read'),
    async context => {
      const id = idOf(context)
      const one = await readInTenant(parts, context, (tx, { tenantId }) => findProduct(tx, tenantId, id))
      return context.json(found(one, 'product'))
    },
  )
  app.put(
    '/:id',
    describe({
      id: 'updateProduct',
      tag,
      summary: 'Change a product',
      description: 'Fields that are left out stay as they are.',
      answers: { 200: product },
      errors: ['not_found', 'conflict'],
    }),
    may('products:write'),
    conditional,
    body(productChanges),
    async context => {
      const [id, changes] = [idOf(context), context.req.valid('json')]
      return await answerChange(parts, context, 200, async (tx, { tenantId }, record) => {
        const before = found(await lockProduct(tx, tenantId, id), 'product')
        mustMatch(context, before)
        const after = accept(await updateProduct(tx, tenantId, id, changesOf(changes)))
        record({ action: 'product.updated', resource: 'products', id, before, after })
        return after
      })
    },
  )
  app.delete(
    '/:id',
    describe({
      id: 'deleteProduct',
      tag,
      summary: 'Remove a product',
      description: 'One that was ordered stays, with `active` false, so that its orders can be read.',
      answers: { 204: null },
      errors: ['not_found'],
    }),
    may('products:write'),
    conditional,
    async context => {
      const id = idOf(context)
      return await answerChange(parts, context, 204, async (tx, { tenantId }, record) => {
        const before = found(await lockProduct(tx, tenantId, id), 'product')
        mustMatch(context, before)
        const removed = await removeProduct(tx, tenantId, id)
        const after = removed === 'deactivated' ? { ...before, active: false } : null
        record({ action: 'product.deleted', resource: 'products', id, before, after })
        return null
      })
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
