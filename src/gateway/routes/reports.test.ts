import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway } from '../../../test/support/gateway.ts'
import { uuids } from '../../lib/ids.ts'
import type { ReportData } from '../../messaging/analytics/report-data.ts'
import { emptyReport } from '../../messaging/analytics/reports.fixture.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

const get = (path: string, as?: Caller, headers?: Record<string, string>) =>
  gateway.call('GET', `/api/reports${path}`, { ...(as && { as }), ...(headers && { headers }) })

async function addReport(
  tenantId: string,
  kind: string,
  startsOn: string,
  data: ReportData = emptyReport,
): Promise<string> {
  const id = uuids.next()
  await gateway.admin`insert into reports (tenant_id, id, kind, starts_on, period_start, period_end, time_zone, data)
    values (${tenantId}, ${id}, ${kind}, ${startsOn}::text::date, ${new Date(`${startsOn}T05:00:00Z`)},
      ${new Date(`${startsOn}T05:00:00Z`)}, 'America/Bogota', ${JSON.stringify(data)}::text::jsonb)`
  return id
}

test('nobody gets reports without a login; an agent who is tied to a seller gets none', async () => {
  const owner = await gateway.addCaller()
  const id = await addReport(owner.tenantId, 'daily', '2026-03-10')
  const [viewer, agent] = [
    await gateway.addCaller('viewer', owner.tenantId),
    await gateway.addCaller('agent', owner.tenantId),
  ]
  for (const path of ['', `/${id}`, `/${id}?format=csv`]) {
    expect([path, (await get(path)).status]).toEqual([path, 401])
    expect([path, (await get(path, viewer)).status]).toEqual([path, 200])
    expect([path, (await get(path, agent)).status]).toEqual([path, 200])
  }
  const seller = uuids.next()
  await gateway.admin`insert into sellers (tenant_id, id, name) values (${owner.tenantId}, ${seller}, 'S')`
  const tied = await gateway.addCaller('agent', owner.tenantId)
  await gateway.admin`update users set seller_id = ${seller} where id = ${tied.userId}`
  for (const path of ['', `/${id}`, `/${uuids.next()}`])
    expect([path, (await get(path, tied)).status]).toEqual([path, 403])
})

test("what is not there, and another tenant's, is not found; what is not known is refused", async () => {
  const [owner, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
  const id = await addReport(owner.tenantId, 'daily', '2026-03-10')
  for (const path of [`/${uuids.next()}`, '/none']) expect((await get(path, owner)).status).toBe(404)
  for (const path of [`/${id}`, `/${id}?format=csv`]) expect((await get(path, stranger)).status).toBe(404)
  expect(column(await get('', stranger), 'id')).toEqual([])
  for (const path of ['?kind=monthly', '?cursor=x', `/${id}?format=pdf`])
    expect([path, (await get(path, owner)).status]).toEqual([path, 422])
})

test('they are listed newest first, by kind, page by page', async () => {
  const owner = await gateway.addCaller()
  await addReport(owner.tenantId, 'daily', '2026-03-08')
  await addReport(owner.tenantId, 'weekly', '2026-03-02')
  await addReport(owner.tenantId, 'daily', '2026-03-09')
  const days = async (query: string) => column(await get(query, owner), 'starts_on')
  expect(await days('')).toEqual(['2026-03-09', '2026-03-02', '2026-03-08'])
  expect(await days('?kind=weekly')).toEqual(['2026-03-02'])
  const page = await get('?kind=daily&limit=1', owner)
  expect(page.json).toMatchObject({
    data: [
      {
        ...{ kind: 'daily', starts_on: '2026-03-09', time_zone: 'America/Bogota' },
        period_start: '2026-03-09T05:00:00.000Z',
      },
    ],
  })
  expect(await days(`?kind=daily&limit=1&cursor=${at(page, 'next_cursor')}`)).toEqual(['2026-03-08'])
})

test('one is shown whole, with whom it was sent to', async () => {
  const owner = await gateway.addCaller()
  const id = await addReport(owner.tenantId, 'daily', '2026-03-10')
  await gateway.admin`insert into report_mails (tenant_id, report_id, address, state, error)
    values (${owner.tenantId}, ${id}, 'a@shop.example', 'failed', 'No such mailbox')`
  const answer = await get(`/${id}`, owner)
  expect(answer.json).toMatchObject({
    ...{ id, kind: 'daily', starts_on: '2026-03-10', data: emptyReport },
    mails: [{ address: 'a@shop.example', state: 'failed', error: 'No such mailbox', ended_at: null }],
  })
  const etag = answer.headers.get('etag') ?? ''
  expect((await get(`/${id}`, owner, { 'if-none-match': etag })).status).toBe(304)
})

test('as CSV it is a file to be saved, with an ETag of its own', async () => {
  const owner = await gateway.addCaller()
  const product = { product_id: uuids.next(), name: '=1+1', quantity: 3, currency: 'EUR', revenue_minor: 300 }
  const id = await addReport(owner.tenantId, 'daily', '2026-03-10', { ...emptyReport, top_products: [product] })
  const answer = await get(`/${id}?format=csv`, owner)
  expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8')
  expect(answer.headers.get('content-disposition')).toBe('attachment; filename="report-daily-2026-03-10.csv"')
  expect(answer.headers.get('cache-control')).toBe('private, no-cache')
  expect(answer.text).toContain("product,'=1+1,quantity,3,,\r\n")
  const [etag, ofJson] = [answer.headers.get('etag') ?? '', (await get(`/${id}`, owner)).headers.get('etag') ?? '']
  expect((await get(`/${id}?format=csv`, owner, { 'if-none-match': etag })).status).toBe(304)
  expect((await get(`/${id}?format=csv`, owner, { 'if-none-match': ofJson })).status).toBe(200)
})

test.each([
  ['text/csv', 'text/csv; charset=utf-8'],
  ['text/csv, application/json;q=0.5', 'text/csv; charset=utf-8'],
  ['application/json, text/csv;q=0.5', 'application/json'],
  ['*/*', 'application/json'],
  ['text/html', 'application/json'],
])('Accept: %s is answered with %s', async (accept, type) => {
  const owner = await gateway.addCaller()
  const id = await addReport(owner.tenantId, 'daily', '2026-03-10')
  expect((await get(`/${id}`, owner, { accept })).headers.get('content-type')).toBe(type)
  // What the address says counts more.
  expect((await get(`/${id}?format=json`, owner, { accept })).headers.get('content-type')).toBe('application/json')
})
