import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SQL } from 'bun'
import { Redis } from 'ioredis'
import { uuids } from '../../src/lib/ids.ts'
import { makeFiles } from '../../src/stores/files.ts'
import { logNames } from '../../src/stores/log-store.ts'
import { connect } from '../../src/stores/postgres/database.ts'
import { seedEveryTable } from '../support/every-table.ts'
import { startInstallation } from '../support/installation.ts'
import { newEntry, openOnMongo, urlOfDatabase } from '../support/log-stores.ts'
import { ferretdb, startTestMongo, type TestMongo } from '../support/mongo.ts'
import { optionalProgram } from '../support/optional.ts'
import { createTestDatabase, databaseUrl } from '../support/postgres.ts'
import { runProcess } from '../support/process.ts'
import { startTestRedis, type TestRedis } from '../support/redis.ts'
import { searchDatabase, searchFolder, searchMongo, searchRedis } from '../support/search-stores.ts'
import { echoFlow } from '../support/seed.ts'

// Two tenants with something everywhere: one is handed out and erased, and everything is searched for it; of the other there
// is as much as before.

const redisProgram = optionalProgram('redis-server', 'it is not searched in Redis')
const mongoProgram = optionalProgram(ferretdb, 'it is not searched in MongoDB')
const [ours, theirs] = [uuids.next(), uuids.next()]
const dataDir = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
const files = makeFiles(join(dataDir, 'media'))

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let redis: TestRedis | undefined
let mongo: TestMongo | undefined
let mongoUrl: string | undefined
let environment: Readonly<Record<string, string>>

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 2)
  redis = redisProgram === undefined ? undefined : await startTestRedis(redisProgram)
  mongo = mongoProgram === undefined ? undefined : await startTestMongo(mongoProgram)
  mongoUrl = mongo && urlOfDatabase(mongo.url, 'tenants')
  environment = {
    ...{ DATABASE_URL: databaseUrl(created.connection), DASHOFFICE_DATA_DIR: dataDir },
    ...(redis && { REDIS_URL: redis.url }),
    ...(mongoUrl && { MONGODB_URL: mongoUrl }),
  }
  for (const tenant of [ours, theirs]) await fill(tenant)
})
afterAll(async () => {
  await admin.close()
  await created.drop()
  await redis?.stop()
  await mongo?.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

/** Something of a tenant in every table, in a file, under every kind of key, in every log. */
async function fill(tenant: string): Promise<void> {
  await seedEveryTable(admin, tenant)
  await admin`update tenants set name = ${`Shop ${tenant}`} where id = ${tenant}`
  const id = uuids.next()
  await admin`insert into media (tenant_id, id, origin, kind, declared_type, mime_type, filename, state, bytes, sha256)
    values (${tenant}, ${id}, 'upload', 'document', 'text/plain', 'text/plain', 'a.txt', 'stored', 500000, 'x')`
  await (await files.receive(contentOf(tenant), 600_000))?.keep({ tenantId: tenant, id })
  if (redis !== undefined) await addKeys(redis.url, tenant)
  if (mongoUrl !== undefined) await addEntries(mongoUrl, tenant)
}

async function* contentOf(tenant: string) {
  yield Buffer.from(`${tenant} ${'x'.repeat(500_000)}`)
}

async function addKeys(url: string, tenant: string): Promise<void> {
  const client = new Redis(url)
  await client.set(`conversation:{${tenant}}:${uuids.next()}`, '{}')
  await client.set(`analytics:metrics:{${tenant}}:24h`, '{}')
  await client.set(`rate_limit:{${tenant}}`, '1')
  await client.hset(`cache:api:{${tenant}}:customers`, '', '1')
  client.disconnect()
}

async function addEntries(url: string, tenant: string): Promise<void> {
  const store = openOnMongo(url)
  for (const log of logNames) await store.append(log, [newEntry({ tenant_id: tenant, id: `${log} ${tenant}` })])
  await store.close()
}

/** Where a tenant is to be found: each place as often as it is. */
async function placesOf(tenant: string): Promise<string[]> {
  return [
    ...(await searchDatabase(admin, [tenant])),
    ...searchFolder(dataDir, [tenant]),
    ...(redis ? await searchRedis(redis.url, [tenant]) : []),
    ...(mongoUrl ? await searchMongo(mongoUrl, [tenant]) : []),
  ]
}

async function rowsOf(tenant: string): Promise<Record<string, number>> {
  const tables = await admin`select c.relname as name from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition`
  const counts: Record<string, number> = {}
  for (const { name } of tables) {
    const [row] = await admin.unsafe(`select count(*)::int as n from ${name} where tenant_id = '${tenant}'`)
    counts[name] = row.n
  }
  return counts
}

const run = (...argumentList: string[]) => runProcess(['tenant', ...argumentList], environment)

/** What is never handed out. */
const leftOut = [
  ...['refresh_tokens', 'user_invites', 'idempotency_keys', 'bot_secrets', 'bot_pairings', 'tenant_secrets'],
  ...['provider_sessions', 'provider_session_keys', 'provider_session_events', 'suppressions', 'suppression_keys'],
  ...['gone_conversations', 'analytics_dirty_hours'],
]

test('a tenant is handed out as one file: every table, its files and logs, and no secret', async () => {
  const file = join(dataDir, 'export.jsonl')
  const { status, output } = await run('export', ours, file)
  expect([status, output]).toEqual([0, expect.stringContaining(`all that there is of Shop ${ours}`)])
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const text = readFileSync(file, 'utf8')
  const lines = text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  expect(lines[0]).toMatchObject({ export: { format: 1, tenant_id: ours } })
  expect(lines.at(-1)).toEqual({ end: { lines: lines.length } })
  const tables = new Set(lines.flatMap(line => line.table ?? []))
  const expected = Object.keys(await rowsOf(ours)).filter(name => !leftOut.includes(name) && !isLog(name))
  expect([...tables].sort()).toEqual(['tenants', ...expected].sort())
  for (const [name, count] of Object.entries(await rowsOf(ours)))
    if (tables.has(name)) expect([name, lines.filter(line => line.table === name).length]).toEqual([name, count])
  expect(text).not.toContain(theirs)
  expect(text).not.toMatch(/password_hash|token_hash|key_hash|sealed/)
  const parts = lines.flatMap(line => line.file ?? [])
  expect(parts.map(part => [part.part, part.parts, part.filename])).toEqual([
    [1, 2, 'a.txt'],
    [2, 2, 'a.txt'],
  ])
  const bytes = Buffer.concat(parts.map(part => Buffer.from(part.base64, 'base64')))
  expect([bytes.length, bytes.toString('latin1', 0, 36)]).toEqual([500_037, ours])
  // From MongoDB, where there is one, or from the tables.
  expect(lines.flatMap(line => line.log ?? []).sort()).toEqual([...logNames].sort())
  const again = await run('export', ours, file)
  expect([again.status, again.output.includes('is there already')]).toEqual([1, true])
  rmSync(file)
})

function isLog(name: string): boolean {
  return logNames.some(log => log === name)
}

test('who is no tenant is not handed out, nor is anything left of the try', async () => {
  const file = join(dataDir, 'nobody.jsonl')
  expect((await run('export', '7', file)).status).toBe(2)
  const unknown = await run('export', uuids.next(), file)
  expect([unknown.status, unknown.output.includes('There is no tenant'), existsSync(file)]).toEqual([1, true, false])
})

test('a tenant is erased only by its name', async () => {
  const before = await rowsOf(ours)
  const wrong = await run('erase', ours, '--yes-really', `Shop ${theirs}`)
  expect([wrong.status, wrong.output]).toEqual([2, expect.stringContaining(`The tenant is called "Shop ${ours}"`)])
  expect((await run('erase', ours)).status).toBe(2)
  expect(await rowsOf(ours)).toEqual(before)
})

test('who was erased is found nowhere; of the other there is as much as before', async () => {
  const [before, places] = [await rowsOf(theirs), await placesOf(theirs)]
  expect((await placesOf(ours)).length).toBe(places.length)
  // So many tables have something; see src/identity/tenants-sealed.test.ts.
  expect(Object.values(before).filter(count => count === 0)).toEqual([])
  const { status, output } = await run('erase', ours, '--yes-really', `Shop ${ours}`)
  expect([status, output]).toEqual([0, expect.stringContaining(`Nothing is left of Shop ${ours}`)])
  expect(output).toMatch(/^customers: 1$/m)
  expect(await placesOf(ours)).toEqual([])
  expect(await rowsOf(theirs)).toEqual(before)
  expect(await placesOf(theirs)).toEqual(places)
  expect((await run('erase', ours, '--yes-really', `Shop ${ours}`)).output).toContain('There is no tenant')
})

describe.skipIf(redisProgram === undefined)('while the program runs', () => {
  test('nothing that customers go on writing stays', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
    const shared = { DASHOFFICE_DATA_DIR: folder, REDIS_URL: redis?.url ?? '' }
    const shop = await startInstallation({ flow: echoFlow, environment: shared })
    try {
      const { tenantId } = shop.shop
      const [row] = await shop.admin`select name, current_database() as database from tenants where id = ${tenantId}`
      await shop.say('34600000001', 'hello')
      await shop.replies('34600000001', 1)
      let isOver = false
      const writing = (async () => {
        for (let count = 0; !isOver; count++)
          await shop.say(`346000${String(count % 500).padStart(5, '0')}`, 'hello').catch(() => undefined)
      })()
      const erased = await runProcess(['tenant', 'erase', tenantId, '--yes-really', row.name], {
        ...{ ...shared, DATABASE_URL: databaseUrl({ ...created.connection, database: row.database }) },
      })
      expect([erased.status, erased.output]).toEqual([0, expect.stringContaining('Nothing is left')])
      expect((await fetch(shop.webhookUrl, { method: 'POST', body: '{}' })).status).toBe(404)
      isOver = true
      // One that is refused is tried again for long.
      await Promise.race([writing, Bun.sleep(1_000)])
      expect(await searchDatabase(shop.admin, [tenantId])).toEqual([])
      expect(searchFolder(folder, [tenantId])).toEqual([])
    } finally {
      await shop.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  }, 90_000)
})
