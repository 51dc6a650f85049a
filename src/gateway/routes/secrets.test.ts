import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, type Caller, column, openTestGateway, type TestGateway, textAt } from '../../../test/support/gateway.ts'
import { openSecrets, secretsMax } from '../../identity/tenant-secrets.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

const value = 'sk_live_0123456789'
const add = (as: Caller, body: object) => gateway.call('POST', '/api/secrets', { as, body })
const list = (as: Caller, query = '') => gateway.call('GET', `/api/secrets${query}`, { as })

async function opened(tenantId: string, name: string): Promise<unknown> {
  const [secret] = await gateway.database.transaction({ role: 'worker' }, tx =>
    openSecrets(tx, gateway.sealer, [{ tenantId, name }]),
  )
  return secret?.value
}

test('agents and viewers neither see nor add secrets', async () => {
  const owner = await gateway.addCaller()
  for (const role of ['agent', 'viewer'] as const) {
    const as = await gateway.addCaller(role, owner.tenantId)
    expect((await list(as)).status).toBe(403)
    expect((await add(as, { name: 'A', value })).status).toBe(403)
  }
})

test("another tenant's secret is not there", async () => {
  const [owner, stranger] = [await gateway.addCaller(), await gateway.addCaller()]
  const id = textAt(await add(owner, { name: 'A', value }), 'id')
  for (const method of ['GET', 'DELETE'])
    expect((await gateway.call(method, `/api/secrets/${id}`, { as: stranger })).status).toBe(404)
  expect((await gateway.call('PUT', `/api/secrets/${id}`, { as: stranger, body: { value } })).status).toBe(404)
  expect(column(await list(stranger), 'id')).toEqual([])
  // The same name is another tenant's own.
  expect((await add(stranger, { name: 'A', value })).status).toBe(201)
})

test('a secret has a name that flows can write, and a value that a header can be', async () => {
  const as = await gateway.addCaller()
  for (const [body, path] of [
    [{ name: 'my key', value }, 'name'],
    [{ name: '1a', value }, 'name'],
    [{ name: 'A', value: 'short' }, 'value'],
    [{ name: 'A', value: 'with\nlines' }, 'value'],
    [{ name: 'A', value: 'contraseña larga' }, 'value'],
    [{ name: 'A', value: ' a blank before' }, 'value'],
    [{ name: 'A' }, 'value'],
    [{ name: 'A', value, other: 1 }, 'other'],
  ] as const) {
    const refused = await add(as, body)
    expect([refused.status, at(refused, 'errors.0.path')]).toEqual([422, path])
    expect(refused.text).not.toContain('lines')
  }
})

test('a secret is never shown again, not in a list, not in the audit log, not in an answer', async () => {
  const as = await gateway.addCaller()
  const made = await add(as, { name: 'TOKEN', value })
  expect(made.status).toBe(201)
  const id = textAt(made, 'id')
  const read = await gateway.call('GET', `/api/secrets/${id}`, { as })
  expect(read.json).toEqual({ id, name: 'TOKEN', created_at: expect.any(String), updated_at: expect.any(String) })
  const changed = await gateway.call('PUT', `/api/secrets/${id}`, { as, body: { name: 'TOKEN', value: `${value}9` } })
  expect(changed.json).toMatchObject({ id, name: 'TOKEN' })
  expect(await opened(as.tenantId, 'TOKEN')).toBe(`${value}9`)
  const audit = await gateway.call('GET', '/api/audit?resource=secrets', { as })
  expect(column(audit, 'action')).toEqual(['secret.updated', 'secret.created'])
  for (const answer of [made, read, changed, audit, await list(as)]) expect(answer.text).not.toContain(value)
  const [row] = await gateway.admin`select s::text as text from tenant_secrets s where id = ${id}`
  expect(row.text).not.toContain(value)
  expect(row.text).not.toContain(Buffer.from(value).toString('hex'))
})

test('what is sealed for one name is not opened in the place of another', async () => {
  const [as, other] = [await gateway.addCaller(), await gateway.addCaller()]
  await add(as, { name: 'A', value })
  await add(as, { name: 'B', value: 'another value' })
  await add(other, { name: 'A', value: 'another value' })
  await gateway.admin`update tenant_secrets t set sealed = s.sealed from tenant_secrets s
    where s.tenant_id = ${as.tenantId} and s.name = 'A' and t.id <> s.id and t.name in ('A', 'B')`
  expect(await opened(as.tenantId, 'A')).toBe(value)
  expect([await opened(as.tenantId, 'B'), await opened(other.tenantId, 'A')]).toEqual([undefined, undefined])
})

test('a name is taken once, and is free again when its secret is removed', async () => {
  const as = await gateway.addCaller()
  const id = textAt(await add(as, { name: 'A', value }), 'id')
  const refused = await add(as, { name: 'A', value })
  expect([refused.status, at(refused, 'errors.0.path')]).toEqual([409, 'name'])
  expect((await gateway.call('DELETE', `/api/secrets/${id}`, { as })).status).toBe(204)
  expect(await opened(as.tenantId, 'A')).toBeNull()
  expect((await gateway.call('GET', `/api/secrets/${id}`, { as })).status).toBe(404)
  expect((await add(as, { name: 'A', value })).status).toBe(201)
})

test('secrets are listed newest first, and found by a part of their name', async () => {
  const as = await gateway.addCaller()
  for (const name of ['SHOP_A', 'SHOP_B', 'OTHER']) await add(as, { name, value })
  expect(column(await list(as), 'name')).toEqual(['OTHER', 'SHOP_B', 'SHOP_A'])
  const page = await list(as, '?q=shop&limit=1')
  expect(column(page, 'name')).toEqual(['SHOP_B'])
  expect(column(await list(as, `?q=shop&limit=1&cursor=${at(page, 'next_cursor')}`), 'name')).toEqual(['SHOP_A'])
})

test('there are as many as there may be, and no more', async () => {
  const as = await gateway.addCaller()
  await gateway.admin`insert into tenant_secrets (tenant_id, id, name, key_id, sealed)
    select ${as.tenantId}, gen_random_uuid(), 'S' || i, '', '' from generate_series(1, ${secretsMax}::int) i`
  const refused = await add(as, { name: 'ONE_MORE', value })
  expect([refused.status, at(refused, 'detail')]).toEqual([409, 'There are 100 secrets already: remove one first.'])
})

test('a change of what was changed since is refused', async () => {
  const as = await gateway.addCaller()
  const id = textAt(await add(as, { name: 'A', value }), 'id')
  const headers = { 'if-match': '"another"' }
  const refused = await gateway.call('PUT', `/api/secrets/${id}`, { as, body: { value }, headers })
  expect(refused.status).toBe(412)
})
