import { Hono } from 'hono'
import * as v from 'valibot'
import { compileFlow } from '../../flow/compile.ts'
import { AppError } from '../../lib/errors.ts'
import { countRunningByVersion, findFlowVersion, flowVersionMax } from '../../messaging/flow-versions.ts'
import { findFlow } from '../../messaging/flows.ts'
import { type Moved, moveConversations, movesLookedAtMax } from '../../messaging/move-conversations.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { answerChange } from '../change.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { cursorOf, pageQuery, readCursor } from '../page.ts'
import { inTenant, type Parts } from '../parts.ts'
import { integer, uuid } from '../schemas.ts'
import { body, describe, found, idempotent, idOf, makeGuard } from '../steps.ts'

const running = v.strictObject({
  data: v.array(v.strictObject({ version: v.number(), conversations: v.number() })),
})

const request = v.strictObject({
  from: v.pipe(
    v.optional(integer(1, flowVersionMax)),
    v.description('Only those that are in this version; without it, all that are in another than `to`'),
  ),
  to: v.pipe(v.optional(integer(1, flowVersionMax)), v.description('Without it, the version that is published')),
  dry_run: v.pipe(v.optional(v.boolean(), false), v.description('Only tells what would be moved')),
  cursor: pageQuery.cursor,
})
const example = { conversation_id: uuid, version: v.number() }
const answer = named(
  'FlowMove',
  v.strictObject({
    version: v.pipe(v.number(), v.description('The one to move to')),
    dry_run: v.boolean(),
    movable: v.strictObject({ count: v.number(), examples: v.array(v.strictObject(example)) }),
    stuck: v.strictObject({
      count: v.number(),
      reasons: v.array(v.strictObject({ reason: v.string(), count: v.number() })),
      examples: v.array(v.strictObject({ ...example, reason: v.string() })),
    }),
    next_cursor: v.pipe(v.nullable(v.string()), v.description('Where to go on; null once all were looked at')),
  }),
)

const tag = 'Flows'

export function flowMoveRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/:id/running',
    describe({
      id: 'countFlowRunning',
      tag,
      summary: 'How many open conversations are in each version, newest first',
      description: 'Versions that no conversation is in are left out.',
      answers: { 200: running },
      errors: ['not_found'],
    }),
    may('flows:read', { isFresh: true }),
    async context => {
      const flowId = idOf(context)
      const data = await inTenant(parts, context, async (tx, { tenantId }) => {
        found(await findFlow(tx, tenantId, flowId), 'flow')
        return await countRunningByVersion(tx, tenantId, flowId)
      })
      return context.json({ data })
    },
  )
  app.post(
    '/:id/move',
    describe({
      id: 'moveFlowRunning',
      tag,
      summary: 'Have conversations that are in the flow go on in another version of it',
      description:
        'A conversation can be moved where the step at which it stands, and each that has called another flow, is of ' +
        'the same type in the other version. Those that can (`movable`) are moved by their next turn, which looks again: ' +
        'their events tell `flow.moved`, or `flow.move_refused` with the reason. The others (`stuck`) finish on the ' +
        `version they are in. One request looks at ${movesLookedAtMax.toLocaleString('en')} open conversations: where ` +
        'there are more, ask again with `cursor`.',
      answers: { 200: answer, 202: answer },
      errors: ['not_found', 'conflict'],
    }),
    may('flows:write'),
    idempotent,
    body(request, { mayBeEmpty: true }),
    async context => {
      const [flowId, { from = null, to, dry_run: isDryRun, cursor }] = [idOf(context), context.req.valid('json')]
      const [botId, customerId] = readCursor(cursor, v.tuple([uuid, uuid])) ?? []
      const after = botId === undefined || customerId === undefined ? null : { botId, customerId }
      const response = await answerChange(parts, context, isDryRun ? 200 : 202, async (tx, { tenantId }, record) => {
        const target = await targetOf(tx, tenantId, flowId, to)
        const move = { tenantId, flowId, from, to: target, isDryRun, after }
        const told = toldOf(await moveConversations(tx, parts.ids, move), target.version, isDryRun)
        const { version, movable, stuck } = told
        const change = { from, version, movable: movable.count, stuck: stuck.count }
        if (!isDryRun) record({ action: 'flow.moved', resource: 'flows', id: flowId, before: null, after: change })
        return told
      })
      parts.bus.publish('inbox')
      return response
    },
  )
  return app
}

async function targetOf(tx: Transaction, tenantId: string, flowId: string, to: number | undefined) {
  const flow = found(await findFlow(tx, tenantId, flowId), 'flow')
  const version = to ?? flow.published_version
  if (version === null) throw new AppError('conflict', 'The flow is not published.')
  const { document } = found(await findFlowVersion(tx, tenantId, flowId, version), 'version')
  return { version, flow: compileFlow(document) }
}

function toldOf({ movable, stuck, next }: Moved, version: number, dry_run: boolean) {
  const next_cursor = next === null ? null : cursorOf([next.botId, next.customerId])
  return { version, dry_run, movable, stuck, next_cursor }
}
