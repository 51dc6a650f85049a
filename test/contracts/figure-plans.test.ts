import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { ReservedSQL, SQL } from 'bun'
import { orderFigures, topProducts } from '../../src/commerce/order-figures.ts'
import { idAt, uuids } from '../../src/lib/ids.ts'
import { hoursOf } from '../../src/messaging/analytics/kpis.ts'
import {
  readFlowSums,
  readMetrics,
  readProviderSums,
  readSumsOfFlow,
} from '../../src/messaging/analytics/read-figures.ts'
import { claimReportMails, mailsOfReport } from '../../src/messaging/analytics/report-mails.ts'
import { periodOf } from '../../src/messaging/analytics/report-periods.ts'
import { findReport, hasReport, listReports, listReportTenants } from '../../src/messaging/analytics/reports.ts'
import { findToldTo, hasDirtyHours } from '../../src/messaging/analytics/told-to.ts'
import { connect, type Transaction } from '../../src/stores/postgres/database.ts'
import { cacheModes, explainAll } from '../support/explain.ts'
import { createTestDatabase } from '../support/postgres.ts'

// What PostgreSQL does to read figures and reports, for a tenant that has nearly all rows there are and for one that has few:
// by an index, and no more pages than the hours, or the page, that are asked for.

const days = 60
const keysAnHour = 60
const rowsMany = 50_000
const [large, small] = [uuids.next(), uuids.next()]
const [flow, bot] = [uuids.next(), uuids.next()]
const nowMs = Date.now()
const today = hoursOf('24h', nowMs)
const period = periodOf('daily', 'UTC', { year: 2026, month: 3, day: 10 })

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let connection: ReservedSQL

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 2)
  connection = await admin.reserve()
  await connection`set session_replication_role = replica`
  for (const [tenant, keys] of [
    [large, keysAnHour],
    [small, 2],
  ] as const) {
    await connection`insert into tenants (id, name) values (${tenant}, 'Shop')`
    await connection`insert into analytics_rollups (tenant_id, hour, bot_id, log_type, key, count, sum, buckets)
      select ${tenant}, date_trunc('hour', now()) - h * interval '1 hour', ${bot}::uuid,
        (array['inbound', 'accepted', 'failed', 'question.asked', 'flow.started'])[1 + k % 5],
        ${flow}::text || ' step_' || k, 1, 100, '{1,2}'
      from generate_series(0, ${days * 24}::int - 1) h cross join generate_series(1, ${keys}::int) k`
  }
  await connection`insert into projector_positions (name, cluster, position) values
    ('conversation_events', 'c', ${rowsMany - 5}), ('messages', 'c', ${rowsMany - 5})`
  await connection`insert into conversation_events (tenant_id, conversation_id, seq, type, data, at, tx)
    select ${large}, ${uuids.next()}, i, 'closed', '{}', now(), i from generate_series(1, ${rowsMany}::int) i`
  await connection`insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status, tx)
    select ${large}, ${uuids.next()}, uuidv7(), ${bot}, 'inbound', '{}', 'received', i
    from generate_series(1, ${rowsMany}::int) i`
  await connection`insert into reports (tenant_id, id, kind, starts_on, period_start, period_end, time_zone, data)
    select ${large}, uuidv7(), case when i % 8 = 0 then 'weekly' else 'daily' end, date '2000-01-01' + i, now(), now(),
      'UTC', '{}' from generate_series(1, ${rowsMany}::int) i`
  await connection`insert into report_mails (tenant_id, report_id, address, state)
    select tenant_id, id, 'a@shop.example', 'sent' from reports`
  await connection`insert into report_mails (tenant_id, report_id, address)
    select tenant_id, id, 'b@shop.example' from reports limit 3`
  // One a minute; of the last two days there are few.
  await connection.unsafe(`insert into orders (tenant_id, id, number, customer_id, total_minor, currency)
    select '${large}', (overlay(lpad(to_hex(${nowMs} - i * 60000::bigint), 12, '0') placing '-' from 9 for 0)
      || '-7000-8000-000000000000')::uuid, i, '${uuids.next()}', 100, 'EUR' from generate_series(1, ${rowsMany}) i`)
  await connection.unsafe(`insert into order_items (tenant_id, order_id, line, product_id, name, quantity, price_minor)
    select tenant_id, id, 1, '${uuids.next()}', 'P', 1, 100 from orders`)
  await connection`set session_replication_role = origin`
  await connection`vacuum (analyze) analytics_rollups, conversation_events, messages, reports, report_mails, orders,
    order_items, projector_positions`
}, 60_000)
afterAll(async () => {
  connection.release()
  await admin.close()
  await created.drop()
})

type Work = {
  readonly role?: 'dashoffice_worker'
  /** Pages that each statement may touch. */
  readonly buffersMax: number
  readonly run: (tx: Transaction, tenantId: string) => Promise<unknown>
}

/** A dozen rows of a type in each of 25 hours, of three types at most: a row that an index finds counts as a page. */
const rowsOfDay = 1_000

const yesterday = { from: new Date(nowMs - 2 * 86_400_000), to: new Date(nowMs - 86_400_000) }
const works: Readonly<Record<string, Work>> = {
  'the metrics of a day': {
    buffersMax: rowsOfDay,
    run: (tx, tenantId) => readMetrics(tx, { tenantId, windows: ['24h'], nowMs }),
  },
  'the figures of a flow': { buffersMax: rowsOfDay, run: (tx, tenantId) => readSumsOfFlow(tx, tenantId, today, flow) },
  'the figures of all flows': { buffersMax: rowsOfDay, run: (tx, tenantId) => readFlowSums(tx, tenantId, today) },
  'the figures of the providers': {
    buffersMax: rowsOfDay,
    run: (tx, tenantId) => readProviderSums(tx, tenantId, today),
  },
  'the newest reports': {
    buffersMax: 50,
    run: (tx, tenantId) => listReports(tx, { tenantId, beforeId: null, kind: null, limit: 21 }),
  },
  'a later page of weekly reports': {
    buffersMax: 100,
    run: (tx, tenantId) => listReports(tx, { tenantId, beforeId: idAt(nowMs + 86_400_000), kind: 'weekly', limit: 21 }),
  },
  'one report': { buffersMax: 10, run: (tx, tenantId) => findReport(tx, tenantId, uuids.next()) },
  'whom a report was sent to': { buffersMax: 10, run: (tx, tenantId) => mailsOfReport(tx, tenantId, uuids.next()) },
  'whether there is a report': { buffersMax: 10, run: (tx, tenantId) => hasReport(tx, tenantId, period) },
  'whether hours are to be summed up': { buffersMax: 30, run: (tx, tenantId) => hasDirtyHours(tx, tenantId, today) },
  'orders of a day': { buffersMax: 100, run: (tx, tenantId) => orderFigures(tx, { tenantId, ...yesterday }) },
  'products of a day': {
    // For each of 1,440 orders its items are looked up.
    buffersMax: 8_000,
    run: (tx, tenantId) => topProducts(tx, { tenantId, ...yesterday }, 10),
  },
  'how far all is told': { role: 'dashoffice_worker', buffersMax: 30, run: tx => findToldTo(tx, nowMs) },
  'mails that are due': { role: 'dashoffice_worker', buffersMax: 100, run: tx => claimReportMails(tx, 4, 1_000) },
  'the last reports of tenants': {
    role: 'dashoffice_worker',
    buffersMax: 40,
    run: tx => listReportTenants(tx, { afterId: idAt(0), limit: 200 }),
  },
}

const largeTables = /(analytics_rollups|conversation_events|messages|reports|report_mails|orders|order_items)$/

for (const [name, { role, buffersMax, run }] of Object.entries(works))
  test(`${name}: by an index, in few pages`, async () => {
    for (const tenantId of role === undefined ? [large, small] : [''])
      for (const cacheMode of cacheModes) {
        const asker = { role: role ?? 'dashoffice_app', tenantId }
        const explained = await explainAll(connection, asker, cacheMode, tx => run(tx, tenantId))
        expect(explained.length).toBeGreaterThan(0)
        for (const { name: statement, buffers, scans } of explained) {
          expect([statement, scans.filter(scan => scan.startsWith('Seq') && largeTables.test(scan))]).toEqual([
            statement,
            [],
          ])
          expect([statement, cacheMode, buffers, buffers < buffersMax]).toEqual([statement, cacheMode, buffers, true])
        }
      }
  })
