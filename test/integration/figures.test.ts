import { afterAll, beforeAll, expect, test } from 'bun:test'
import { makeReports } from '../../src/analytics/make-reports.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { uuids } from '../../src/lib/ids.ts'
import { makePostgresLogStore } from '../../src/stores/postgres/log-store.ts'
import { addToken, jwtSecret } from '../support/callers.ts'
import { type Installation, startInstallation, until } from '../support/installation.ts'
import { makeTestLog } from '../support/log.ts'
import { openSocket } from '../support/socket.ts'

// From what customers write to the figures of the dashboard, through every role.

let shop: Installation
let token: string
beforeAll(async () => {
  const environment = { ANALYTICS_INTERVAL_SECONDS: '1', JWT_SECRET: jwtSecret, RATE_LIMIT_API_PER_MINUTE: '100000' }
  shop = await startInstallation({ environment })
  token = await addToken(shop.app.database, shop.shop.tenantId)
})
afterAll(() => shop.stop())

// biome-ignore lint/suspicious/noExplicitAny: what is read of the answer is checked at once.
async function ask(path: string, method = 'GET'): Promise<any> {
  const answer = await fetch(`${shop.app.urls.gateway}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}` },
  })
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`)
  return await answer.json()
}

const [buyer, doubter] = ['34600000001', '34600000002']

test('two customers, one of whom orders: every figure is what came of it', async () => {
  const socket = await openSocket(
    `${shop.app.urls.gateway}/api/ws?ticket=${(await ask('/api/ws/ticket', 'POST')).ticket}`.replace(/^http/, 'ws'),
  )
  const before = await ask('/api/analytics/metrics')
  expect(before).toMatchObject({ messages: { total: 0 }, avg_response_ms: null, active_bots: 0 })
  await shop.say(buyer, 'hola')
  await shop.replies(buyer, 2)
  await shop.say(buyer, { type: 'choice', of: 'list', id: shop.shop.productIds[0] ?? '', title: 'Café con leche' })
  await shop.replies(buyer, 3)
  await shop.say(buyer, 'muchos')
  await shop.replies(buyer, 4)
  await shop.say(buyer, '3')
  await shop.replies(buyer, 5)
  await shop.say(buyer, { type: 'choice', id: 'yes', title: 'Sí, confirmar' })
  await shop.replies(buyer, 6)
  await shop.say(doubter, 'hola')
  await shop.replies(doubter, 2)
  await shop.settled()
  const metrics = async () => await ask('/api/analytics/metrics?window=7d')
  await until(async () => {
    const { messages, conversions } = await metrics()
    return messages.inbound === 6 && messages.outbound === 8 && conversions === 1
  })
  const { engagement_by_hour, ...figures } = await metrics()
  expect(figures).toMatchObject({
    messages: { total: 14, inbound: 6, outbound: 8 },
    // One of two conversations.
    ...{ error_rate: 0, active_bots: 1, conversions: 1, conversion_rate: 0.5 },
  })
  expect(figures.avg_response_ms).toBeGreaterThanOrEqual(0)
  expect(figures.p95_response_ms).toBeGreaterThanOrEqual(0)
  expect(engagement_by_hour.reduce((sum: number, one: number) => sum + one, 0)).toBe(6)
  await until(() =>
    socket.events.some(
      ({ type, data }) => type === 'metrics.updated' && data.window === '7d' && data.conversions === 1,
    ),
  )
  socket.close()
  const { steps, ...flow } = await ask(`/api/analytics/flows/${shop.shop.flowId}`)
  expect(flow).toMatchObject({ starts: 2, completions: 1, handoffs: 0, failed: 0, retries: 1, conversions: 1 })
  const reached = Object.fromEntries(steps.map((one: { step: string; reached: number }) => [one.step, one.reached]))
  expect(reached).toEqual({
    ...{ welcome: 2, load: 2, any: 2, choose: 2, quantity: 1, confirm: 1, is_confirmed: 1, order: 1, thanks: 1 },
  })
  expect(steps.find((one: { step: string }) => one.step === 'quantity')).toMatchObject({ rejected: 1, left_here: 0 })
  const [provider] = (await ask('/api/analytics/providers')).data
  expect(provider).toMatchObject({ provider: 'meta', accepted: 8, failed: 0, unknown: 0 })
})

test('what happened is in the events, without what was written', async () => {
  const types: string[] = []
  for (let path = '/api/analytics/events?limit=5'; ; ) {
    const { data, next_cursor } = await ask(path)
    types.push(...data.map((one: { type: string }) => one.type))
    expect(JSON.stringify(data)).not.toMatch(/muchos|34600000001|Café/)
    if (next_cursor === null) break
    path = `/api/analytics/events?limit=5&cursor=${next_cursor}`
  }
  const count = (type: string) => types.filter(one => one === type).length
  expect([count('conversation.opened'), count('flow.started'), count('flow.ended')]).toEqual([2, 2, 1])
  expect([count('answer.rejected'), count('conversion')]).toEqual([1, 1])
})

test('a conversation that is closed has left the flow where it stood', async () => {
  const [{ id }] = await shop.admin`select c.id from conversations c join customers k on k.id = c.customer_id
    where k.phone = ${`+${doubter}`}`
  await ask(`/api/conversations/${id}/close`, 'POST')
  await until(async () => {
    const { steps } = await ask(`/api/analytics/flows/${shop.shop.flowId}`)
    return steps.find((one: { step: string }) => one.step === 'choose')?.left_here === 1
  })
})

test('the report of the day says the same, once the day is over', async () => {
  const { tenantId } = shop.shop
  const { database } = shop.app
  const logs = makePostgresLogStore({ database, clock: systemClock, keptDays: 30 })
  // Of the day before, nothing is known: the tenant came today.
  const clock = { now: () => Date.now() + 24 * 3_600_000 }
  const options = { database, clock, ids: uuids, log: makeTestLog(), logs, sendsMail: false }
  await until(async () => {
    await makeReports(options, new AbortController().signal)
    return (await ask('/api/reports')).data.length > 0
  })
  const { data } = await ask('/api/reports?kind=daily')
  const report = await ask(`/api/reports/${data[0].id}`)
  expect(report.data.kpis).toMatchObject({
    messages: { total: 14, inbound: 6, outbound: 8 },
    ...{ conversions: 1, conversion_rate: 0.5, active_bots: 1 },
  })
  expect(report.data.orders).toMatchObject([{ currency: 'EUR', orders: 1, revenue_minor: 750 }])
  expect(report.data.top_products).toMatchObject([{ name: 'Café con leche', quantity: 3 }])
  expect(report.data.flows).toMatchObject([{ name: 'Flow', starts: 2, completions: 1 }])
  const [{ reports }] =
    await shop.admin`select count(*)::int as reports from reports where tenant_id = ${tenantId} and kind = 'daily'`
  expect(reports).toBe(1)
})
