import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import type { SQL } from 'bun'
import { makeTestLog } from '../../test/support/log.ts'
import { createTestDatabase } from '../../test/support/postgres.ts'
import { freePort } from '../../test/support/process.ts'
import { systemClock } from '../lib/clock.ts'
import { firstId, idAt, uuids } from '../lib/ids.ts'
import { makeMetrics } from '../lib/metrics.ts'
import { quarterOf, responseBucketOf } from '../messaging/analytics/entry-dimensions.ts'
import type { ReportData } from '../messaging/analytics/report-data.ts'
import type { LogStore } from '../stores/log-store.ts'
import { openMongoLogStore } from '../stores/mongo/log-store.ts'
import { connect, type Database, openDatabase } from '../stores/postgres/database.ts'
import { makePostgresLogStore } from '../stores/postgres/log-store.ts'
import { makeReports, type ReportOptions } from './make-reports.ts'
import { hoursOf } from './project.ts'
import { rollUp } from './roll-up.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** A Wednesday noon (UTC), of which logs are still kept whenever this runs. */
const noon = wednesdayBefore(Date.now() - 2 * dayMs)

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let database: Database
let logs: LogStore
let nowMs = noon
const clock = { now: () => nowMs }
const never = new AbortController().signal

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 2)
  database = openDatabase(created.connection, makeMetrics())
  logs = makePostgresLogStore({ database, clock: systemClock, keptDays: 60 })
})
beforeEach(async () => {
  nowMs = noon
  await admin`truncate tenants cascade`
  await admin`delete from projector_positions`
  for (const source of ['conversation_events', 'messages'])
    await admin`insert into projector_positions (name, cluster, position) values (${source}, 'c', 9000000000000)`
})
afterAll(async () => {
  await database.close()
  await admin.close()
  await created.drop()
})

function wednesdayBefore(ms: number): number {
  const day = Math.floor(ms / dayMs)
  // 1970-01-01 was a Thursday.
  return (day - ((day + 1) % 7)) * dayMs + 12 * hourMs
}

const options = (changes: Partial<ReportOptions> = {}): ReportOptions => ({
  ...{ database, clock, ids: uuids, log: makeTestLog(), logs, sendsMail: true },
  ...changes,
})

async function addTenant(timeZone = 'UTC', createdMs = noon - 3 * dayMs, settings: object = {}): Promise<string> {
  const id = uuids.next()
  await admin`insert into tenants (id, name, time_zone, created_at, settings)
    values (${id}, 'Shop', ${timeZone}, ${new Date(createdMs)}, ${JSON.stringify(settings)}::text::jsonb)`
  return id
}

type Reported = { starts_on: string; kind: string; period_start: Date; period_end: Date; data: ReportData; id: string }

async function reportsOf(tenant: string, kind = 'daily'): Promise<Reported[]> {
  return await admin`select id, kind, to_char(starts_on, 'YYYY-MM-DD') as starts_on, period_start, period_end, data
    from reports where tenant_id = ${tenant} and kind = ${kind} order by starts_on`
}

const daysOf = async (tenant: string, kind = 'daily') => (await reportsOf(tenant, kind)).map(one => one.starts_on)
const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10)

/** Something that happened, told to the log and summed up. */
async function addEntries(
  tenant: string,
  entries: readonly { at: number; type: string; key?: string; bot?: string; responseMs?: number }[],
): Promise<void> {
  const made = entries.map(({ at, type, key = '', bot = null, responseMs }) => ({
    ...{ id: uuids.next(), tenant_id: tenant, created_at: new Date(at), log_type: type, bot_id: bot, key },
    ...{ conversation_id: null, data: {}, value: responseMs ?? null },
    bucket:
      type === 'inbound' ? quarterOf(new Date(at)) : responseMs === undefined ? null : responseBucketOf(responseMs),
  }))
  const isMessage = ({ log_type }: { log_type: string }) => ['inbound', 'accepted', 'failed'].includes(log_type)
  const split = { message_logs: made.filter(isMessage), analytics_events: made.filter(one => !isMessage(one)) }
  await logs.append('message_logs', split.message_logs)
  await logs.append('analytics_events', split.analytics_events)
  for (const { hour, tenantId } of hoursOf(split))
    await admin`insert into analytics_dirty_hours (hour, tenant_id, mark) values (${hour}, ${tenantId}, 1)`
  await rollUp({ database, logs, clock: systemClock, keptDays: 60 })
}

async function addOrder(
  tenant: string,
  at: number,
  order: {
    currency: string
    items: readonly [product: string, quantity: number, priceMinor: number][]
    status?: string
  },
): Promise<void> {
  const [customer, id] = [uuids.next(), orderIdAt(at)]
  const total = order.items.reduce((sum, [, quantity, price]) => sum + quantity * price, 0)
  await admin`insert into customers (tenant_id, id) values (${tenant}, ${customer})`
  await admin`insert into orders (tenant_id, id, number, customer_id, total_minor, currency, status)
    values (${tenant}, ${id}, ${orders}, ${customer}, ${total}, ${order.currency}, ${order.status ?? 'pending'})`
  for (const [line, [name, quantity, price]] of order.items.entries()) {
    const product = productId(name)
    await admin`insert into products (tenant_id, id, sku, name, price_minor, currency)
      values (${tenant}, ${product}, ${name}, ${name}, ${price}, ${order.currency}) on conflict do nothing`
    await admin`insert into order_items (tenant_id, order_id, line, product_id, name, quantity, price_minor)
      values (${tenant}, ${id}, ${line}, ${product}, ${name}, ${quantity}, ${price})`
  }
}

let orders = 0
function orderIdAt(ms: number): string {
  return idAt(ms).replace(/.{12}$/, String(++orders).padStart(12, '0'))
}

function productId(name: string): string {
  return `${firstId.slice(0, 24)}${Buffer.from(name).toString('hex').padStart(12, '0').slice(-12)}`
}

describe('when reports are made', () => {
  test('each day that has ended since there was the tenant gets one, and each week', async () => {
    const tenant = await addTenant('UTC', noon - 3 * dayMs)
    await makeReports(options(), never)
    // Sunday, Monday, Tuesday; the week that ended with that Sunday.
    expect(await daysOf(tenant)).toEqual([dayOf(noon - 3 * dayMs), dayOf(noon - 2 * dayMs), dayOf(noon - dayMs)])
    expect(await daysOf(tenant, 'weekly')).toEqual([dayOf(noon - 9 * dayMs)])
    nowMs = noon + dayMs
    await makeReports(options(), never)
    expect((await daysOf(tenant)).at(-1)).toBe(dayOf(noon))
    expect(await daysOf(tenant)).toHaveLength(4)
  })

  test('each is made once, whoever makes them at the same time, and told once', async () => {
    const tenants = await Promise.all(Array.from({ length: 5 }, () => addTenant()))
    await admin`insert into webhooks (tenant_id, id, url, events, key_id, sealed)
      select id, id, 'https://example.com', '{*}', '', '' from tenants`
    for (let again = 0; again < 3; again++)
      await Promise.all(Array.from({ length: 4 }, () => makeReports(options(), never)))
    for (const tenant of tenants) {
      expect(await daysOf(tenant)).toHaveLength(3)
      const [{ told }] = await admin`select count(*)::int as told from webhook_deliveries
        where tenant_id = ${tenant} and event = 'report.created'`
      expect(told).toBe(4)
    }
  })

  test('it is the day of the tenant: the next one has begun there, and not here', async () => {
    // 23:30 UTC on Wednesday: in Auckland it is Thursday noon, in Bogotá Wednesday evening.
    nowMs = noon + 11.5 * hourMs
    const [auckland, bogota] = [
      await addTenant('Pacific/Auckland', noon - dayMs),
      await addTenant('America/Bogota', noon - dayMs),
    ]
    await makeReports(options(), never)
    expect((await daysOf(auckland)).at(-1)).toBe(dayOf(noon))
    expect((await daysOf(bogota)).at(-1)).toBe(dayOf(noon - dayMs))
  })

  test('not before a while after the end of the day', async () => {
    const tenant = await addTenant('UTC', noon - hourMs)
    nowMs = noon + 12 * hourMs + 4 * 60_000
    await makeReports(options(), never)
    expect(await daysOf(tenant)).toEqual([])
    nowMs += 2 * 60_000
    await makeReports(options(), never)
    expect(await daysOf(tenant)).toEqual([dayOf(noon)])
  })

  test('not while something that happened before is not told to the logs, or not summed up', async () => {
    const tenant = await addTenant('UTC', noon - dayMs)
    await admin`update projector_positions set position = 0 where name = 'messages'`
    const bot = uuids.next()
    await admin`insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status, created_at)
      values (${tenant}, ${uuids.next()}, ${uuids.next()}, ${bot}, 'inbound', '{}', 'received', ${new Date(noon - 13 * hourMs)})`
    await makeReports(options(), never)
    expect(await daysOf(tenant)).toEqual([])
    await admin`update projector_positions set position = 9000000000000`
    await admin`insert into analytics_dirty_hours (hour, tenant_id, mark) values (${new Date(noon - 13 * hourMs)}, ${tenant}, 1)`
    await makeReports(options(), never)
    expect(await daysOf(tenant)).toEqual([])
    await admin`delete from analytics_dirty_hours where tenant_id = ${tenant}`
    await makeReports(options(), never)
    expect(await daysOf(tenant)).toEqual([dayOf(noon - dayMs)])
  })

  test('the rest of a transaction that is told in two pieces counts as not told', async () => {
    const tenant = await addTenant('UTC', noon - dayMs)
    const [conversation, at] = [uuids.next(), new Date(noon - 13 * hourMs)]
    for (const seq of [9, 10])
      await admin`insert into conversation_events (tenant_id, conversation_id, seq, type, data, at, tx)
        values (${tenant}, ${conversation}, ${seq}, 'closed', '{}', ${at}, 77)`
    const stand = (seq: number) => admin`update projector_positions
      set position = 77, after_key = array[${tenant}, ${conversation}, ${String(seq)}] where name = 'conversation_events'`
    await stand(9)
    await makeReports(options(), never)
    expect(await daysOf(tenant)).toEqual([])
    await stand(10)
    await makeReports(options(), never)
    expect(await daysOf(tenant)).toEqual([dayOf(noon - dayMs)])
  })

  test('not before the history is in the logs', async () => {
    const tenant = await addTenant('UTC', noon - dayMs)
    await admin`update projector_positions set walk = '{a}' where name = 'messages'`
    await makeReports(options(), never)
    expect(await daysOf(tenant)).toEqual([])
    await admin`delete from projector_positions where name = 'messages'`
    await makeReports(options(), never)
    expect(await daysOf(tenant)).toEqual([])
  })

  test('after a long time without any, a week of days and a month of weeks are made up for', async () => {
    const tenant = await addTenant('UTC', noon - 100 * dayMs)
    await makeReports(options(), never)
    expect(await daysOf(tenant)).toEqual(Array.from({ length: 7 }, (_, index) => dayOf(noon - (7 - index) * dayMs)))
    expect(await daysOf(tenant, 'weekly')).toHaveLength(4)
  })

  test('those of one tenant that fail hold up no others, and are made later', async () => {
    const [broken, well] = [await addTenant('UTC', noon - dayMs), await addTenant('UTC', noon - dayMs)]
    await admin.unsafe(`alter table reports add constraint broken check (tenant_id <> '${broken}')`)
    await makeReports(options(), never)
    await admin.unsafe('alter table reports drop constraint broken')
    expect([await daysOf(broken), await daysOf(well)]).toEqual([[], [dayOf(noon - dayMs)]])
    await makeReports(options(), never)
    expect(await daysOf(broken)).toEqual([dayOf(noon - dayMs)])
  })

  test('nothing more is made once the role is asked to end', async () => {
    const tenant = await addTenant()
    await makeReports(options(), AbortSignal.abort())
    expect(await daysOf(tenant)).toEqual([])
  })
})

describe('what a report says', () => {
  const yesterday = noon - dayMs

  test('the figures of the day beside those of the day before, orders, products, flows and providers', async () => {
    const [tenant, bot, flow] = [await addTenant('UTC', noon - 2 * dayMs), uuids.next(), uuids.next()]
    await admin`insert into flows (tenant_id, id, name, document) values (${tenant}, ${flow}, 'Order', '{}')`
    const many = (count: number, entry: Parameters<typeof addEntries>[1][number]) =>
      Array.from({ length: count }, () => entry)
    await addEntries(tenant, [
      ...many(6, { at: yesterday, type: 'inbound', key: 'meta', bot }),
      ...many(3, { at: yesterday + hourMs, type: 'accepted', key: 'meta', bot, responseMs: 400 }),
      ...many(1, { at: yesterday + hourMs, type: 'failed', key: 'meta 131047', bot }),
      ...many(4, { at: yesterday - dayMs, type: 'inbound', key: 'meta', bot }),
      ...many(4, { at: yesterday - dayMs, type: 'conversation.opened' }),
      ...many(2, { at: yesterday, type: 'flow.started', key: flow }),
      ...many(1, { at: yesterday, type: 'flow.ended', key: `end ${flow} bye` }),
      ...many(2, { at: yesterday, type: 'conversation.opened' }),
      ...many(1, { at: yesterday, type: 'conversion', key: flow }),
      // The first moment of the day counts, the first after it does not.
      { at: noon - 36 * hourMs, type: 'inbound', key: 'meta', bot },
      { at: noon - 12 * hourMs, type: 'inbound', key: 'meta', bot },
    ])
    await addOrder(tenant, yesterday, {
      currency: 'EUR',
      items: [
        ['Café', 2, 250],
        ['Zumo', 1, 300],
      ],
    })
    await addOrder(tenant, yesterday + hourMs, { currency: 'EUR', items: [['Zumo', 4, 300]], status: 'paid' })
    await addOrder(tenant, yesterday, { currency: 'EUR', items: [['Café', 9, 250]], status: 'cancelled' })
    await addOrder(tenant, yesterday, { currency: 'COP', items: [['Tinto', 1, 90_000]] })
    await addOrder(tenant, yesterday - dayMs, { currency: 'EUR', items: [['Café', 4, 250]] })
    await addOrder(tenant, noon - 12 * hourMs, { currency: 'EUR', items: [['Café', 50, 250]] })
    await makeReports(options(), never)
    const data = (await reportsOf(tenant)).at(-1)?.data
    expect(data?.kpis).toMatchObject({
      messages: { total: 10, inbound: 7, outbound: 3 },
      ...{ error_rate: 0.25, avg_response_ms: 400, active_bots: 1, conversions: 1, conversion_rate: 0.5 },
    })
    expect(data?.kpis.engagement_by_hour).toEqual(
      Array.from({ length: 24 }, (_, hour) => (hour === 12 ? 6 : hour === 0 ? 1 : 0)),
    )
    expect(data?.before).toMatchObject({ messages: { total: 4, inbound: 4 }, active_bots: 1, avg_response_ms: null })
    expect(data?.change).toEqual({
      messages: { total: 1.5, inbound: 0.75, outbound: null },
      ...{ error_rate: null, avg_response_ms: null, p95_response_ms: null, active_bots: 0 },
      ...{ conversions: null, conversion_rate: null },
    })
    expect(data?.flows).toEqual([
      {
        ...{ flow_id: flow, name: 'Order', starts: 2, completions: 1, handoffs: 0, failed: 0 },
        ...{ retries: 0, conversions: 1 },
      },
    ])
    expect(data?.providers).toMatchObject([
      { provider: 'meta', accepted: 3, failed: 1, failed_by_code: { '131047': 1 } },
    ])
    // 2 × 250 + 300 + 4 × 300 = 2,000 beside 4 × 250 = 1,000.
    expect(data?.orders).toEqual([
      {
        ...{ currency: 'COP', orders: 1, revenue_minor: 90_000, cancelled: 0 },
        ...{ before: { orders: 0, revenue_minor: 0 }, change: { orders: null, revenue_minor: null } },
      },
      {
        ...{ currency: 'EUR', orders: 2, revenue_minor: 2_000, cancelled: 1 },
        ...{ before: { orders: 1, revenue_minor: 1_000 }, change: { orders: 1, revenue_minor: 1 } },
      },
    ])
    expect(data?.top_products.map(one => [one.name, one.quantity, one.revenue_minor])).toEqual([
      ['Zumo', 5, 1_500],
      ['Café', 2, 500],
      ['Tinto', 1, 90_000],
    ])
  })

  test('a week is the sum of its days, and those of the week before lie beside it', async () => {
    const tenant = await addTenant('UTC', noon - 30 * dayMs)
    // Wednesday of last week, and of the week before.
    await addEntries(tenant, [
      { at: noon - 7 * dayMs, type: 'inbound', key: 'meta' },
      { at: noon - 6 * dayMs, type: 'inbound', key: 'meta' },
      { at: noon - 14 * dayMs, type: 'inbound', key: 'meta' },
    ])
    await makeReports(options(), never)
    const last = (await reportsOf(tenant, 'weekly')).at(-1)
    expect(last?.starts_on).toBe(dayOf(noon - 9 * dayMs))
    expect([last?.data.kpis.messages.inbound, last?.data.before.messages.inbound]).toEqual([2, 1])
  })

  test('where a day begins at half past, what lies before that is of the day before', async () => {
    const tenant = await addTenant('Asia/Kolkata', noon - 2 * dayMs)
    // Of Tuesday, which began on Monday at 18:30 UTC and ended on Tuesday at 18:30.
    const [began, ended] = [noon - dayMs - 17.5 * hourMs, noon - dayMs + 6.5 * hourMs]
    const bots = [uuids.next(), uuids.next(), uuids.next()]
    const entries = (at: number, bot: string | undefined, count: number) =>
      Array.from({ length: count }, (_, index) => ({
        ...{ at: at + index, type: 'accepted', key: 'meta', responseMs: 50, ...(bot !== undefined && { bot }) },
      }))
    await addEntries(tenant, [
      ...entries(began - 1_000, bots[0], 3),
      ...entries(began, bots[1], 5),
      ...entries(began + 3 * hourMs, bots[1], 7),
      ...entries(ended - 1_000, bots[2], 11),
      ...entries(ended, bots[0], 13),
      { at: began - 1, type: 'inbound', key: 'meta' },
      { at: began, type: 'inbound', key: 'meta' },
    ])
    await makeReports(options(), never)
    const tuesday = (await reportsOf(tenant)).at(-1)
    expect([tuesday?.period_start, tuesday?.period_end]).toEqual([new Date(began), new Date(ended)])
    expect(tuesday?.data.kpis).toMatchObject({
      messages: { inbound: 1, outbound: 23 },
      ...{ active_bots: 2, avg_response_ms: 50 },
    })
    expect(tuesday?.data.kpis.engagement_by_hour[0]).toBe(1)
    expect(tuesday?.data.before.messages).toEqual({ total: 4, inbound: 1, outbound: 3 })
    expect(tuesday?.data.providers).toMatchObject([{ provider: 'meta', accepted: 23 }])
  })

  test('such a day waits for the log store, and any other day does not', async () => {
    const url = `mongodb://127.0.0.1:${await freePort()}/none`
    const away = openMongoLogStore({ url, log: makeTestLog(), clock: systemClock, keptDays: 30 })
    const [kolkata, utc] = [await addTenant('Asia/Kolkata', noon - dayMs), await addTenant('UTC', noon - dayMs)]
    await makeReports(options({ logs: away }), never)
    expect([await daysOf(kolkata), (await daysOf(utc)).length]).toEqual([[], 1])
    await away.close()
    await makeReports(options(), never)
    expect(await daysOf(kolkata)).toHaveLength(1)
  })

  test("nothing of another tenant's", async () => {
    const [tenant, other] = [await addTenant('UTC', noon - dayMs), await addTenant('UTC', noon - dayMs)]
    await addEntries(other, [{ at: yesterday, type: 'inbound', key: 'meta', bot: uuids.next() }])
    await addOrder(other, yesterday, { currency: 'EUR', items: [['Café', 1, 250]] })
    await makeReports(options(), never)
    const data = (await reportsOf(tenant)).at(-1)?.data
    expect([data?.kpis.messages.total, data?.orders, data?.top_products, data?.providers]).toEqual([0, [], [], []])
  })
})

describe('whom a report is told to', () => {
  test('webhooks that want it get it whole, as the API shows it', async () => {
    const tenant = await addTenant('UTC', noon - dayMs)
    const webhook = uuids.next()
    await admin`insert into webhooks (tenant_id, id, url, events, key_id, sealed)
      values (${tenant}, ${webhook}, 'https://example.com', '{report.created}', '', ''),
        (${tenant}, ${uuids.next()}, 'https://example.com', '{shop.thing}', '', '')`
    await makeReports(options(), never)
    const rows = await admin`select webhook_id, payload from webhook_deliveries where tenant_id = ${tenant}`
    expect(rows.map((row: { webhook_id: string }) => row.webhook_id)).toEqual([webhook])
    const [report] = await reportsOf(tenant)
    expect(JSON.parse(rows[0].payload)).toMatchObject({
      type: 'report.created',
      data: { id: report?.id, kind: 'daily', starts_on: dayOf(noon - dayMs), data: report?.data },
    })
  })

  test('mail goes to whom the settings say, where the installation sends any', async () => {
    const settings = { reports: { emails: ['a@shop.example', 'b@shop.example'] } }
    const tenant = await addTenant('UTC', noon - dayMs, settings)
    await makeReports(options({ sendsMail: false }), never)
    const queued = async () =>
      (await admin`select address from report_mails where tenant_id = ${tenant} order by address`).map(
        (row: { address: string }) => row.address,
      )
    expect(await queued()).toEqual([])
    nowMs += dayMs
    await makeReports(options(), never)
    expect(await queued()).toEqual(['a@shop.example', 'b@shop.example'])
  })
})
