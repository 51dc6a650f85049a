import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { uuids } from '../../src/lib/ids.ts'
import { connect } from '../../src/stores/postgres/database.ts'
import { until } from '../support/installation.ts'
import { optionalProgram } from '../support/optional.ts'
import { createTestDatabase, databaseUrl } from '../support/postgres.ts'
import { freePort, runProcess, startProcess } from '../support/process.ts'
import { startTestRedis } from '../support/redis.ts'

const redisProgram = optionalProgram('redis-server', 'limits and keys are not changed under running processes')
const folder = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))

let created: Awaited<ReturnType<typeof createTestDatabase>>
beforeAll(async () => {
  created = await createTestDatabase()
})
afterAll(async () => {
  await created.drop()
  rmSync(folder, { recursive: true, force: true })
})

const environment = () => ({ DATABASE_URL: databaseUrl(created.connection), DASHOFFICE_DATA_DIR: folder })
const run = (...argumentList: string[]) => runProcess(['tenant', ...argumentList], environment())

test('tenants are listed, and each is given a limit of its own or the common one', async () => {
  const admin = connect(created.connection, 1)
  const [first, second] = [uuids.next(), uuids.next()]
  await admin`insert into tenants (id, name) values (${first}, 'Café Aurora'), (${second}, ${'Two\nlines'})`
  const limited = await run('limit', first, '250')
  expect([limited.status, limited.output]).toEqual([0, `${first}       250  Café Aurora  (counts within 30 seconds)\n`])
  const [newest, oldest, ...more] = (await run('list')).output.trimEnd().split('\n')
  expect(more).toEqual([])
  expect(oldest).toMatch(new RegExp(`^${first} {7}250 {2}\\d{4}-\\d\\d-\\d\\dT.*Z {2}Café Aurora$`))
  expect(newest).toMatch(new RegExp(`^${second} {3}default .* {2}Two lines$`))
  expect((await run('limit', first, 'default')).output).toContain('default')
  const rows = await admin`select requests_per_minute from tenants where id = ${first}`
  expect(rows[0].requests_per_minute).toBeNull()
  await admin.close()
})

test('what is no limit and who is no tenant is told', async () => {
  for (const limit of ['0', '-1', 'many', '10000001', '1e3', '']) {
    const { status, output } = await run('limit', uuids.next(), '--', limit)
    expect([limit, status, output.includes('takes a whole number from 1 to 10000000, or default')]).toEqual([
      limit,
      2,
      true,
    ])
  }
  expect((await run('limit', '7', '100')).status).toBe(2)
  const unknown = await run('limit', uuids.next(), '100')
  expect([unknown.status, unknown.output.includes('There is no tenant')]).toEqual([1, true])
})

test('a database that is not up to date is left as it is', async () => {
  const admin = connect(created.connection, 1)
  await admin.unsafe(`create database ${created.connection.database}_empty`)
  const empty = { ...created.connection, database: `${created.connection.database}_empty` }
  const { status, output } = await runProcess(['tenant', 'list'], {
    DATABASE_URL: databaseUrl(empty),
    DASHOFFICE_DATA_DIR: folder,
  })
  expect([status, output]).toEqual([
    1,
    'dashoffice: The database is not up to date: dashoffice migrate run brings it there\n',
  ])
  await admin.unsafe(`drop database ${empty.database}`)
  await admin.close()
})

test.skipIf(redisProgram === undefined)(
  'a limit and a revoked key count at once in every gateway that runs',
  async () => {
    const redis = await startTestRedis(redisProgram ?? '')
    const shared = { ...environment(), REDIS_URL: redis.url, LOG_LEVEL: 'error' }
    const ports = [await freePort(), await freePort()] as const
    const gateways = await Promise.all(
      ports.map(port =>
        startProcess(['gateway'], { ...shared, GATEWAY_PORT: String(port) }, `http://127.0.0.1:${port}/health`),
      ),
    )
    try {
      const ask = (port: number, method: string, path: string, headers: object, body?: object) =>
        fetch(`http://127.0.0.1:${port}${path}`, {
          method,
          headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
          ...(body && { body: JSON.stringify(body) }),
        })
      const owner = { tenant_name: 'T', name: 'N', email: 'owner@example.com', password: 'a long password' }
      const { tenant, access_token } = await (await ask(ports[0], 'POST', '/api/auth/register', {}, owner)).json()
      const asOwner = { authorization: `Bearer ${access_token}` }
      const made = await ask(ports[0], 'POST', '/api/api-keys', asOwner, { name: 'K', scopes: ['products:read'] })
      const { id, key } = await made.json()
      const list = (port: number) => ask(port, 'GET', '/api/products', { 'x-api-key': key })
      for (const port of ports) expect((await list(port)).headers.get('ratelimit-limit')).toBe('100')
      const limited = await runProcess(['tenant', 'limit', tenant.id, '50'], shared)
      expect([limited.status, limited.output.includes('(counts at once)')]).toEqual([0, true])
      for (const port of ports)
        await until(async () => (await list(port)).headers.get('ratelimit-limit') === '50', 10_000)
      expect((await list(ports[1])).status).toBe(200)
      expect((await ask(ports[0], 'DELETE', `/api/api-keys/${id}`, asOwner)).status).toBe(204)
      await until(async () => (await list(ports[1])).status === 401, 10_000)
    } finally {
      for (const gateway of gateways) await gateway.stop()
      await redis.stop()
    }
  },
  60_000,
)
