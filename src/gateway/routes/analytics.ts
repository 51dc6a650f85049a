import { Hono } from 'hono'
import * as v from 'valibot'
import type { Caller } from '../../identity/callers.ts'
import { AppError } from '../../lib/errors.ts'
import { flowFigures, stepFigures } from '../../messaging/analytics/flow-figures.ts'
import { hoursOf, metricsEntries, windows } from '../../messaging/analytics/kpis.ts'
import { providerFigures } from '../../messaging/analytics/provider-figures.ts'
import { readProviderSums, readSumsOfFlow } from '../../messaging/analytics/read-figures.ts'
import { findFlow } from '../../messaging/flows.ts'
import type { LogEntry } from '../../stores/log-store.ts'
import { named } from '../json-schema.ts'
import { makeKeptMetrics } from '../kept-metrics.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { inTenant, type Parts, readInTenant } from '../parts.ts'
import { jsonObject, text, time, timeText, uuid } from '../schemas.ts'
import { describe, found, idOf, makeGuard, query } from '../steps.ts'

const window = v.picklist(windows, `Must be one of ${windows.join(', ')}`)
const windowQuery = query(
  v.strictObject({
    window: v.pipe(
      v.optional(window, '24h'),
      v.description('So many hours or days up to now; it begins at a full hour, and the present hour counts'),
    ),
  }),
)
const count = v.pipe(v.number(), v.integer(), v.minValue(0))

export const kpiSchema = {
  ...metricsEntries,
  error_rate: v.pipe(metricsEntries.error_rate, v.description('Failed sends among those accepted or failed, 0 to 1')),
  avg_response_ms: v.pipe(
    metricsEntries.avg_response_ms,
    v.description(
      "From the customer's message, by the provider's clock, to the accepted send; null: nothing was answered",
    ),
  ),
  p95_response_ms: v.pipe(metricsEntries.p95_response_ms, v.description('19 of 20 were not slower')),
  conversion_rate: v.pipe(
    metricsEntries.conversion_rate,
    v.description('Conversions to conversations that were opened; above 1 where more of those before it converted'),
  ),
  engagement_by_hour: v.pipe(
    metricsEntries.engagement_by_hour,
    v.description('Messages received, by the hour of the day in the time zone of the tenant'),
  ),
}
const metricsAnswer = named('Metrics', v.strictObject({ window, ...kpiSchema, generated_at: time }))

export const flowEntries = {
  starts: v.pipe(count, v.description('Runs that began, and calls by other flows')),
  completions: v.pipe(count, v.description('Of those, how many came to the end')),
  handoffs: v.pipe(count, v.description('Times that a person was asked for')),
  failed: v.pipe(count, v.description('Runs that stopped at a defect')),
  retries: v.pipe(count, v.description('Answers that were none to the question')),
  conversions: count,
}
const step = v.strictObject({
  step: v.string(),
  reached: count,
  left_here: v.pipe(count, v.description('Runs that ended short of the end, and had come to this step last')),
  rejected: count,
  timed_out: count,
})
const flowAnswer = named(
  'FlowFigures',
  v.strictObject({ flow_id: uuid, window, ...flowEntries, steps: v.array(step), generated_at: time }),
)

export const providerEntries = {
  provider: v.string(),
  ...{ accepted: count, delivered: count, read: count, failed: count, unknown: count },
  failed_by_code: v.pipe(v.record(v.string(), count), v.description("By the provider's code")),
}
const providersAnswer = named(
  'ProviderFigures',
  v.strictObject({ window, data: v.array(v.strictObject(providerEntries)), generated_at: time }),
)

const event = named(
  'AnalyticsEvent',
  v.strictObject({
    id: v.string(),
    type: v.pipe(v.string(), v.description('As in question.asked')),
    at: time,
    bot_id: v.nullable(uuid),
    conversation_id: v.nullable(uuid),
    data: jsonObject,
  }),
)
/** When the entry happened that the page before shows last, and its id. */
const position = v.tuple([
  v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(Date.UTC(2200))),
  v.pipe(v.string(), v.regex(/^[\w:.-]{1,200}$/)),
])

const tag = 'Analytics'

export function analyticsRoutes(parts: Parts): Hono<Env> {
  const { clock, logs } = parts
  const may = makeGuard(parts)
  const keptMetrics = makeKeptMetrics(parts)
  const app = new Hono<Env>()
  app.get(
    '/metrics',
    describe({
      id: 'getAnalyticsMetrics',
      tag,
      summary: 'The figures of a day, a week or a month',
      description: 'As the last pass of the analytics engine left them; `metrics.updated` tells a socket of each.',
      answers: { 200: metricsAnswer },
    }),
    // They have a cache of their own, that the engine writes.
    may('analytics:read', { isFresh: true }),
    windowQuery,
    async context => {
      const given = context.req.valid('query')
      return context.json(await keptMetrics(context.get('caller').tenantId, given.window))
    },
  )
  app.get(
    '/flows/:id',
    describe({
      id: 'getFlowFigures',
      tag,
      summary: 'What became of the runs of a flow, and where they ended',
      answers: { 200: flowAnswer },
      errors: ['not_found'],
    }),
    may('analytics:read', { isFresh: true }),
    windowQuery,
    async context => {
      const [flow_id, given, nowMs] = [idOf(context), context.req.valid('query'), clock.now()]
      const rows = await inTenant(parts, context, async (tx, { tenantId }) => {
        found(await findFlow(tx, tenantId, flow_id), 'flow')
        return await readSumsOfFlow(tx, tenantId, hoursOf(given.window, nowMs), flow_id)
      })
      const figures = { ...flowFigures(rows, flow_id), steps: stepFigures(rows, flow_id) }
      return context.json({ flow_id, window: given.window, ...figures, generated_at: new Date(nowMs) })
    },
  )
  app.get(
    '/providers',
    describe({
      id: 'listProviderFigures',
      tag,
      summary: 'What became of the messages to each provider',
      answers: { 200: providersAnswer },
    }),
    may('analytics:read', { isFresh: true }),
    windowQuery,
    async context => {
      const [given, nowMs] = [context.req.valid('query'), clock.now()]
      const rows = await readInTenant(parts, context, (tx, { tenantId }) =>
        readProviderSums(tx, tenantId, hoursOf(given.window, nowMs)),
      )
      return context.json({ window: given.window, data: providerFigures(rows), generated_at: new Date(nowMs) })
    },
  )
  app.get(
    '/events',
    describe({
      id: 'listAnalyticsEvents',
      tag,
      summary: 'What happened in conversations, newest first',
      description:
        'Without texts, values and phone numbers. They are kept for as long as the installation and the tenant say. ' +
        'Not for agents who are tied to a seller.',
      answers: { 200: pageOf(event) },
      errors: ['logs_unavailable'],
    }),
    may('analytics:read', { isFresh: true }),
    query(
      v.strictObject({
        ...pageQuery,
        type: v.optional(text(100)),
        from: v.optional(v.pipe(timeText, v.description('At this time or later'))),
        to: v.optional(v.pipe(timeText, v.description('Before this time'))),
      }),
    ),
    async context => {
      const { tenantId } = refuseTied(context.get('caller'))
      const { limit, cursor, type, from, to } = context.req.valid('query')
      const [ms, id] = readCursor(cursor, position) ?? []
      const before = ms === undefined || id === undefined ? undefined : { created_at: new Date(ms), id }
      const times = { from: from && withinReach(from), to: to && withinReach(to) }
      const entries = await logs.read('analytics_events', {
        tenantId,
        logType: type,
        ...times,
        before,
        limit: limit + 1,
      })
      const page = toPage(entries, limit, entry => [entry.created_at.getTime(), entry.id])
      return context.json({ ...page, data: page.data.map(shown) })
    },
  )
  return app
}

/** Who sees one seller's orders and conversations only sees nothing that tells of single conversations, or of all sales. */
export function refuseTied(caller: Caller): Caller {
  if (caller.sellerId === null) return caller
  throw new AppError('forbidden', 'An agent who is tied to a seller does not see what is of the whole business.')
}

/** Nothing happened before 1970, nor after 2200; not every store takes the times beyond. */
function withinReach(given: Date): Date {
  return new Date(Math.min(Math.max(given.getTime(), 0), Date.UTC(2200)))
}

function shown({ id, log_type, created_at, bot_id, conversation_id, data }: LogEntry) {
  return { id, type: log_type, at: created_at, bot_id, conversation_id, data }
}
