import { Hono } from 'hono'
import * as v from 'valibot'
import { permissionOf } from '../../commerce/actions/actions.ts'
import { diffFlows } from '../../flow/diff-flows.ts'
import type { Caller } from '../../identity/callers.ts'
import { AppError } from '../../lib/errors.ts'
import { findFlowVersion, flowVersionMax, listFlowVersions } from '../../messaging/flow-versions.ts'
import { findFlow } from '../../messaging/flows.ts'
import { type FlowRolledBack, type Publication, publishFlow, rollBackFlow } from '../../messaging/publish-flow.ts'
import { answerChange } from '../change.ts'
import { flowHandlers, flowRefusal, quoted, shownFinding } from '../flow-faults.ts'
import { named, writtenAs } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { inTenant, type Parts, readInTenant } from '../parts.ts'
import { integer, json, jsonObject, text, time, uuid } from '../schemas.ts'
import { body, describe, found, idempotent, idOf, makeGuard, notFound, query } from '../steps.ts'

const finding = v.strictObject({ path: v.string(), message: v.string() })
const published = v.strictObject({ version: v.number(), warnings: v.array(finding) })
const note = v.pipe(text(200), v.description('What is new in it'))
const version = named(
  'FlowVersion',
  v.strictObject({
    version: v.number(),
    document: v.pipe(jsonObject, v.description('See FlowDocument')),
    note: v.nullable(v.string()),
    restored_from: v.pipe(v.nullable(v.number()), v.description('The earlier version that it publishes again')),
    published_by: v.nullable(uuid),
    published_at: time,
  }),
)
/** A version as a query names it. */
const which = writtenAs(
  { oneOf: [{ const: 'draft' }, { type: 'integer', minimum: 1, maximum: flowVersionMax }] },
  v.pipe(
    v.string(),
    v.regex(/^(?:draft|[1-9]\d{0,9})$/, 'Must be "draft" or the number of a version'),
    v.transform(given => (given === 'draft' ? given : Number(given))),
    v.check(given => given === 'draft' || given <= flowVersionMax, 'Must be "draft" or the number of a version'),
  ),
)
const change = named(
  'FlowFieldChange',
  v.strictObject({
    path: v.pipe(v.string(), v.description('From the document, or the step; empty for all of it')),
    before: v.optional(json),
    after: v.optional(json),
  }),
)
const difference = named(
  'FlowDifference',
  v.strictObject({
    from: v.union([v.literal('draft'), v.number()]),
    to: v.union([v.literal('draft'), v.number()]),
    fields: v.pipe(v.array(change), v.description('Besides the steps: name, start, triggers')),
    steps: v.array(
      v.strictObject({
        step: v.string(),
        kind: v.picklist(['added', 'removed', 'changed']),
        changes: v.array(change),
      }),
    ),
  }),
)

const tag = 'Flows'

export function flowVersionRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.post(
    '/:id/publish',
    describe({
      id: 'publishFlow',
      tag,
      summary: 'Check the draft and make it the version that bots answer with',
      description:
        'Conversations that are in the flow finish on the version they began with. Who publishes a flow may do ' +
        'themselves what its actions do.',
      answers: { 200: published },
      errors: ['not_found', 'conflict', 'flow_refused'],
    }),
    may('flows:write'),
    idempotent,
    body(v.strictObject({ note: v.optional(v.nullable(note)) }), { mayBeEmpty: true }),
    async context => {
      const [id, given] = [idOf(context), context.req.valid('json')]
      return await answerChange(parts, context, 200, async (tx, caller, record) => {
        const publication = publicationOf(caller, id, given.note)
        const after = accepted(await publishFlow(tx, publication))
        record({
          action: 'flow.published',
          resource: 'flows',
          id,
          before: null,
          after: { ...after, note: publication.note },
        })
        return after
      })
    },
  )
  app.post(
    '/:id/rollback',
    describe({
      id: 'rollBackFlow',
      tag,
      summary: 'Publish an earlier version again',
      description:
        'Its document becomes the next version, as it was, once it passes the checks of today: what it calls may be ' +
        'gone. The draft stays as it is, so that no work is lost, unless `draft` is true: it becomes that document then.',
      answers: { 200: published },
      errors: ['not_found', 'conflict', 'flow_refused'],
    }),
    may('flows:write'),
    idempotent,
    body(
      v.strictObject({
        version: integer(1, flowVersionMax),
        note: v.optional(v.nullable(note)),
        draft: v.optional(v.boolean(), false),
      }),
    ),
    async context => {
      const [id, given] = [idOf(context), context.req.valid('json')]
      return await answerChange(parts, context, 200, async (tx, caller, record) => {
        const publication = publicationOf(caller, id, given.note)
        const { version, draft: withDraft } = given
        const after = accepted(await rollBackFlow(tx, { ...publication, version, withDraft }))
        const restored = { ...after, note: publication.note, restored_from: version, draft: withDraft }
        record({ action: 'flow.rolled_back', resource: 'flows', id, before: null, after: restored })
        return after
      })
    },
  )
  app.get(
    '/:id/versions',
    describe({
      id: 'listFlowVersions',
      tag,
      summary: 'The published versions, newest first',
      answers: { 200: pageOf(version) },
      errors: ['not_found'],
    }),
    may('flows:read'),
    query(v.strictObject(pageQuery)),
    async context => {
      const [flowId, { limit, cursor }] = [idOf(context), context.req.valid('query')]
      const [beforeVersion] = readCursor(cursor, v.tuple([v.pipe(v.number(), v.safeInteger())])) ?? [null]
      const rows = await inTenant(parts, context, async (tx, { tenantId }) => {
        found(await findFlow(tx, tenantId, flowId), 'flow')
        return await listFlowVersions(tx, { tenantId, flowId, beforeVersion, limit: limit + 1 })
      })
      return context.json(toPage(rows, limit, row => [row.version]))
    },
  )
  app.get(
    '/:id/versions/:version',
    describe({
      id: 'getFlowVersion',
      tag,
      summary: 'One published version, as it will be for ever',
      answers: { 200: version },
      errors: ['not_found'],
    }),
    may('flows:read'),
    async context => {
      const [flowId, given] = [idOf(context), context.req.param('version')]
      if (!/^[1-9]\d{0,8}$/.test(given)) throw notFound('version')
      const one = await readInTenant(parts, context, (tx, { tenantId }) =>
        findFlowVersion(tx, tenantId, flowId, Number(given)),
      )
      return context.json(found(one, 'version'))
    },
  )
  app.get(
    '/:id/diff',
    describe({
      id: 'diffFlow',
      tag,
      summary: 'What differs between two versions, or a version and the draft',
      description:
        'Without `from`, from the version that is published; without `to`, to the draft. The order of keys, and ' +
        'defaults that are written out, make no difference.',
      answers: { 200: difference },
      errors: ['not_found'],
    }),
    may('flows:read'),
    query(v.strictObject({ from: v.optional(which), to: v.optional(which, 'draft') })),
    async context => {
      const [flowId, asked] = [idOf(context), context.req.valid('query')]
      const answer = await inTenant(parts, context, async (tx, { tenantId }) => {
        const flow = found(await findFlow(tx, tenantId, flowId), 'flow')
        const from = found(asked.from ?? flow.published_version ?? undefined, 'version')
        const read = async (one: number | 'draft') =>
          one === 'draft' ? flow.document : found(await findFlowVersion(tx, tenantId, flowId, one), 'version').document
        return { from, to: asked.to, ...diffFlows(await read(from), await read(asked.to)) }
      })
      return context.json(answer)
    },
  )
  return app
}

function publicationOf(caller: Caller, id: string, note: string | null | undefined) {
  const userId = caller.kind === 'user' ? caller.id : null
  const refusalOf = (handler: string) => refusalTo(caller, handler)
  return {
    tenantId: caller.tenantId,
    id,
    userId,
    note: note ?? null,
    handlers: flowHandlers,
    refusalOf,
  } satisfies Publication
}

/** A flow does nothing that its publisher may not do. */
function refusalTo(caller: Caller, handler: string): string | null {
  const permission = permissionOf(handler)
  return permission === undefined || caller.permissions.has(permission) ? null : `Takes the permission ${permission}`
}

/** Throws in the transaction, so that what was refused rolls back. */
function accepted(result: FlowRolledBack) {
  switch (result.kind) {
    case 'published':
      return { version: result.version, warnings: result.warnings.map(shownFinding) }
    case 'unknown':
      throw notFound('flow')
    case 'unknown_version':
      throw notFound('version')
    case 'current':
      throw new AppError('conflict', 'This is the version that is published.')
    case 'name_taken':
      throw new AppError('conflict', 'Another flow has the name of this version: leave the draft as it is.')
    case 'name_published':
      throw new AppError('conflict', 'Another flow is published under this name: publish that one under another first.')
    case 'called':
      throw new AppError(
        'conflict',
        `${quoted(result.callers)} call this flow as "${result.as}": leave it that name, or publish them without that first.`,
      )
    case 'refused':
      throw flowRefusal(result.findings)
    case 'forbidden':
      throw new AppError('forbidden', 'The flow calls actions that you may not do yourself.', result.faults)
  }
}
