import { type Context, Hono } from 'hono'
import { accepts } from 'hono/accepts'
import * as v from 'valibot'
import { csvName, reportCsv } from '../../messaging/analytics/report-csv.ts'
import { reportDataEntries } from '../../messaging/analytics/report-data.ts'
import { mailsOfReport } from '../../messaging/analytics/report-mails.ts'
import { reportKinds } from '../../messaging/analytics/report-periods.ts'
import { findReport, listReports, type Report } from '../../messaging/analytics/reports.ts'
import { etagOf, isAmong } from '../answers.ts'
import { documented, named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { pageOf, pageQuery, readCursor, toPage } from '../page.ts'
import { inTenant, type Parts, readInTenant } from '../parts.ts'
import { time, uuid } from '../schemas.ts'
import { describe, found, idOf, makeGuard, query, step } from '../steps.ts'
import { kpiSchema, refuseTied } from './analytics.ts'

const kind = v.picklist(reportKinds, `Must be one of ${reportKinds.join(', ')}`)
const head = {
  id: uuid,
  kind,
  starts_on: v.pipe(v.string(), v.isoDate(), v.description("The first day, by the tenant's calendar")),
  period_start: time,
  period_end: v.pipe(time, v.description('The first moment that does not count')),
  time_zone: v.string(),
  created_at: time,
}
const reportHead = named('ReportHead', v.strictObject(head))
const data = v.strictObject({
  ...reportDataEntries,
  kpis: v.strictObject(kpiSchema),
  before: v.pipe(v.strictObject(kpiSchema), v.description('Of the period before')),
  change: v.pipe(
    reportDataEntries.change,
    v.description(
      'How much more, as a part of what was before: 0.5 is half as much again; null: there was nothing before',
    ),
  ),
  orders: v.pipe(
    reportDataEntries.orders,
    v.description('Made in the period, as they stood when the report was made; revenue is of those not cancelled'),
  ),
})
const mail = v.strictObject({
  address: v.string(),
  state: v.picklist(['queued', 'sending', 'sent', 'failed']),
  error: v.pipe(v.nullable(v.string()), v.description('Why the last try failed')),
  ended_at: v.nullable(time),
})
const report = named('Report', v.strictObject({ ...head, data, mails: v.array(mail) }))

const tag = 'Reports'
const whose = 'Not for agents who are tied to a seller.'

/** What is answered is JSON or CSV, as it is asked for. */
const reportAnswer = step((_context, next) => next(), {
  responses: {
    200: {
      description: 'Done',
      content: {
        'application/json': { schema: documented(report, 'output') },
        'text/csv': { schema: { type: 'string' } },
      },
    },
  },
})

export function reportRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({
      id: 'listReports',
      tag,
      summary: 'The daily and weekly reports, newest first',
      description: `One of each day and of each week from Monday on, by the calendar and the clock of the tenant. ${whose}`,
      answers: { 200: pageOf(reportHead) },
    }),
    // Another process makes them.
    may('analytics:read', { isFresh: true }),
    query(v.strictObject({ ...pageQuery, kind: v.optional(kind) })),
    async context => {
      refuseTied(context.get('caller'))
      const { limit, cursor, kind: given = null } = context.req.valid('query')
      const [beforeId] = readCursor(cursor, v.tuple([uuid])) ?? [null]
      const rows = await readInTenant(parts, context, (tx, { tenantId }) =>
        listReports(tx, { tenantId, beforeId, kind: given, limit: limit + 1 }),
      )
      return context.json(toPage(rows, limit, row => [row.id]))
    },
  )
  app.get(
    '/:id',
    describe({
      id: 'getReport',
      tag,
      summary: 'One report, as JSON or CSV',
      description: `CSV with \`Accept: text/csv\`, or with \`format=csv\`: a line a figure (RFC 4180). ${whose}`,
      answers: {},
      errors: ['not_found'],
    }),
    may('analytics:read', { isFresh: true }),
    query(v.strictObject({ format: v.optional(v.picklist(['json', 'csv'], 'Must be one of json, csv')) })),
    reportAnswer,
    async context => {
      refuseTied(context.get('caller'))
      const id = idOf(context)
      const answer = await inTenant(parts, context, async (tx, { tenantId }) => {
        const one = found(await findReport(tx, tenantId, id), 'report')
        return { ...one, mails: await mailsOfReport(tx, tenantId, id) }
      })
      const { format = preferredFormat(context) } = context.req.valid('query')
      return format === 'csv' ? answerCsv(context, answer) : context.json(answer)
    },
  )
  return app
}

function preferredFormat(context: Context): 'json' | 'csv' {
  const [json, csv] = ['application/json', 'text/csv']
  const type = accepts(context, { header: 'Accept', supports: [json, csv], default: json })
  return type === csv ? 'csv' : 'json'
}

function answerCsv(context: Context, one: Report): Response {
  const text = reportCsv(one)
  const etag = etagOf(text)
  const headers = { etag, 'cache-control': 'private, no-cache', vary: 'accept, authorization, x-api-key' }
  if (isAmong(context.req.header('if-none-match'), etag)) return context.body(null, 304, headers)
  return context.body(text, 200, {
    ...headers,
    'content-type': 'text/csv; charset=utf-8',
    'content-disposition': `attachment; filename="${csvName(one)}"`,
  })
}
