import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, openTestGateway, type TestGateway } from '../../../test/support/gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

test('everyone reads their tenant; owners and admins change it', async () => {
  const owner = await gateway.addCaller()
  for (const role of ['agent', 'viewer'] as const) {
    const as = await gateway.addCaller(role, owner.tenantId)
    expect(at(await gateway.call('GET', '/api/tenant', { as }), 'id')).toBe(owner.tenantId)
    expect((await gateway.call('PUT', '/api/tenant', { as, body: { name: 'X' } })).status).toBe(403)
  }
  const admin = await gateway.addCaller('admin', owner.tenantId)
  const changed = await gateway.call('PUT', '/api/tenant', { as: admin, body: { name: 'Café Aurora' } })
  expect(changed.json).toMatchObject({ id: owner.tenantId, name: 'Café Aurora', time_zone: 'UTC' })
  expect(at(await gateway.call('GET', '/api/me', { as: owner }), 'tenant.name')).toBe('Café Aurora')
})

test('a time zone is one of IANA', async () => {
  const as = await gateway.addCaller()
  for (const time_zone of ['Mars/Olympus', '+01:00', 'UTC; drop table', '', 'x'.repeat(65), 5]) {
    const refused = await gateway.call('PUT', '/api/tenant', { as, body: { time_zone } })
    expect([time_zone, refused.status, at(refused, 'errors.0.path')]).toEqual([time_zone, 422, 'time_zone'])
  }
  for (const time_zone of ['America/Bogota', 'Europe/Madrid', 'Asia/Kolkata', 'UTC'])
    expect((await gateway.call('PUT', '/api/tenant', { as, body: { time_zone } })).json).toMatchObject({ time_zone })
})

test('every time zone that the program takes is known to the database', async () => {
  const as = await gateway.addCaller()
  const refused = []
  for (const time_zone of Intl.supportedValuesOf('timeZone')) {
    const { status } = await gateway.call('PUT', '/api/tenant', { as, body: { time_zone } })
    if (status !== 200) refused.push([time_zone, status])
  }
  // A zone that is newer than the database is refused, never a failure.
  expect(refused.filter(([, status]) => status !== 422)).toEqual([])
  expect(refused.length).toBeLessThan(5)
})

test('the limit is read, and cannot be written', async () => {
  const as = await gateway.addCaller()
  const read = await gateway.call('GET', '/api/tenant', { as })
  expect(at(read, 'requests_per_minute')).toBeNull()
  const body = { ...JSON.parse(read.text), requests_per_minute: 5, name: 'Changed' }
  const changed = await gateway.call('PUT', '/api/tenant', { as, body })
  expect(changed.json).toMatchObject({ name: 'Changed', requests_per_minute: null })
  await gateway.setRequestsPerMinute(as.tenantId, 77)
  expect(at(await gateway.call('GET', '/api/tenant', { as }), 'requests_per_minute')).toBe(77)
})

test('of two who read the same and change it, the second is refused', async () => {
  const as = await gateway.addCaller()
  const etag = (await gateway.call('GET', '/api/tenant', { as })).headers.get('etag') ?? ''
  const put = (name: string) =>
    gateway.call('PUT', '/api/tenant', { as, body: { name }, headers: { 'if-match': etag } })
  const statuses = (await Promise.all([put('One'), put('Other')])).map(answer => answer.status)
  expect(statuses.sort()).toEqual([200, 412])
})
