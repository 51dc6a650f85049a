import { Hono } from 'hono'
import * as v from 'valibot'
import { flowDocumentSchema } from '../../flow/document.ts'
import { AppError } from '../../lib/errors.ts'
import {
  createFlow,
  type DraftDocument,
  deleteFlow,
  type Flow,
  type FlowWritten,
  findFlow,
  listFlows,
  lockFlow,
  updateFlow,
} from '../../messaging/flows.ts'
import { answerChange } from '../change.ts'
import { quoted } from '../flow-faults.ts'
import { named, writtenAs } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { type Parts, readInTenant } from '../parts.ts'
import { booleanText, searchText, text, time, uuid } from '../schemas.ts'
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
import { flowMoveRoutes } from './flow-moves.ts'
import { flowSimulationRoutes } from './flow-simulate.ts'
import { flowVersionRoutes } from './flow-versions.ts'

/** A draft may be unfinished: only its name is needed. Publishing checks the rest. */
const draft = named(
  'FlowDraft',
  v.pipe(
    writtenAs(
      {
        type: 'object',
        properties: { name: { type: 'string', minLength: 1, maxLength: 100 } },
        required: ['name'],
        additionalProperties: true,
        description: 'A flow document (see FlowDocument) that may be unfinished: publishing checks it.',
      },
      v.looseObject({ name: text(100) }),
    ),
    // The body was JSON, and its name was just checked.
    v.transform(document => document as DraftDocument),
  ),
)
const document = named('FlowDocument', flowDocumentSchema)
const flow = named(
  'Flow',
  v.strictObject({
    id: uuid,
    name: v.string(),
    document: draft,
    published_version: v.nullable(v.number()),
    created_at: time,
    updated_at: time,
  }),
)
/** What the document's schema names besides what the routes use. */
export const flowDocument = document

const tag = 'Flows'

export function flowRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({ id: 'listFlows', tag, summary: 'List flows, newest first', answers: { 200: pageOf(flow) } }),
    may('flows:read'),
    query(
      v.strictObject({
        ...pageQuery,
        published: v.optional(booleanText),
        q: v.optional(searchText('Part of the name')),
      }),
    ),
    async context => {
      const { limit, cursor, published, q } = context.req.valid('query')
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const filter = { published: published ?? null, search: q?.trim() || null }
      const rows = await readInTenant(parts, context, (tx, { tenantId }) =>
        listFlows(tx, { tenantId, beforeId, limit: limit + 1, ...filter }),
      )
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.post(
    '/',
    describe({ id: 'createFlow', tag, summary: 'Add a flow', answers: { 201: flow }, errors: ['conflict'] }),
    may('flows:write'),
    idempotent,
    body(draft),
    async context => {
      const given = context.req.valid('json')
      return await answerChange(parts, context, 201, async (tx, { tenantId }, record) => {
        const after = accept(await createFlow(tx, parts.ids, tenantId, given))
        record({ action: 'flow.created', resource: 'flows', id: after.id, before: null, after })
        return after
      })
    },
  )
  app.get(
    '/:id',
    describe({
      id: 'getFlow',
      tag,
      summary: 'One flow, with its draft',
      answers: { 200: flow },
      errors: ['not_found'],
    }),
    may('flows:read'),
    async context => {
      const id = idOf(context)
      const one = await readInTenant(parts, context, (tx, { tenantId }) => findFlow(tx, tenantId, id))
      return context.json(found(one, 'flow'))
    },
  )
  app.put(
    '/:id',
    describe({
      id: 'updateFlow',
      tag,
      summary: "Replace a flow's draft",
      description:
        'What is published stays as it is until the draft is published: other flows call it by the name that it was published under.',
      answers: { 200: flow },
      errors: ['not_found', 'conflict'],
    }),
    may('flows:write'),
    conditional,
    body(draft),
    async context => {
      const [id, given] = [idOf(context), context.req.valid('json')]
      return await answerChange(parts, context, 200, async (tx, { tenantId }, record) => {
        const before = found(await lockFlow(tx, tenantId, id), 'flow')
        mustMatch(context, before)
        const after = accept(await updateFlow(tx, tenantId, id, given))
        record({ action: 'flow.updated', resource: 'flows', id, before, after })
        return after
      })
    },
  )
  app.delete(
    '/:id',
    describe({
      id: 'deleteFlow',
      tag,
      summary: 'Remove a flow that no bot answers with, and no published flow calls',
      answers: { 204: null },
      errors: ['not_found', 'conflict'],
    }),
    may('flows:write'),
    conditional,
    async context => {
      const id = idOf(context)
      return await answerChange(parts, context, 204, async (tx, { tenantId }, record) => {
        const before = found(await lockFlow(tx, tenantId, id), 'flow')
        mustMatch(context, before)
        const deleted = await deleteFlow(tx, tenantId, id)
        if (deleted.kind === 'used')
          throw new AppError('conflict', `The bot "${deleted.botName}" answers with this flow: give it another first.`)
        if (deleted.kind === 'called')
          throw new AppError('conflict', `${quoted(deleted.callers)} call this flow: publish them without that first.`)
        record({ action: 'flow.deleted', resource: 'flows', id, before, after: null })
        return null
      })
    },
  )
  app.route('/', flowVersionRoutes(parts))
  app.route('/', flowMoveRoutes(parts))
  app.route('/', flowSimulationRoutes(parts))
  return app
}

/** Throws in the transaction, so that what was refused rolls back. */
function accept(written: FlowWritten): Flow {
  if (written.kind === 'written') return written.flow
  if (written.kind === 'unknown') throw notFound('flow')
  throw new AppError('conflict', 'Another flow has this name.', [{ path: 'name', message: 'Is taken' }])
}
