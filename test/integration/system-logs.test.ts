import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LogEntry, LogStore } from '../../src/stores/log-store.ts'
import { until } from '../support/installation.ts'
import { openOnMongo, openOnPostgres } from '../support/log-stores.ts'
import { ferretdb, startTestMongo, type TestMongo } from '../support/mongo.ts'
import { optionalProgram } from '../support/optional.ts'
import { createTestDatabase, databaseUrl } from '../support/postgres.ts'
import { freePort, type Process, startProcess } from '../support/process.ts'

// Where the log lines of the running program go, and what a MongoDB that is away does to it: nothing.

const program = optionalProgram(ferretdb, 'the program with its logs in MongoDB is not tried')

let created: Awaited<ReturnType<typeof createTestDatabase>>
let mongo: TestMongo | undefined
const folder = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))

beforeAll(async () => {
  created = await createTestDatabase()
  if (program !== undefined) mongo = await startTestMongo(program)
})
afterAll(async () => {
  await mongo?.stop()
  await created.drop()
  rmSync(folder, { recursive: true, force: true })
})

/** `up`, with its gateway's address. */
async function startUp(environment: Readonly<Record<string, string>>): Promise<[Process, string]> {
  const port = await freePort()
  const process = await startProcess(['up'], {
    ...{ DATABASE_URL: databaseUrl(created.connection), DASHOFFICE_DATA_DIR: folder, GATEWAY_PORT: String(port) },
    ...environment,
  })
  await until(() => process.output().includes('"ready"'), 30_000)
  return [process, `http://127.0.0.1:${port}`]
}

async function health(url: string): Promise<unknown> {
  const response = await fetch(`${url}/health`)
  return [response.status, Reflect.get(Object(await response.json()), 'mongodb')]
}

async function linesOf(store: LogStore): Promise<readonly LogEntry[]> {
  return await store.read('system_logs', { tenantId: null, limit: 1_000 })
}

const told = (lines: readonly LogEntry[], message: string) =>
  lines.filter(line => line.data.message === message).map(line => line.data.role)

let tenants = 0
async function register(url: string): Promise<number> {
  const [name, password] = [`Shop ${++tenants}`, 'correct horse battery']
  const body = JSON.stringify({ tenant_name: name, name, email: `${crypto.randomUUID()}@shop.example`, password })
  const headers = { 'content-type': 'application/json' }
  return (await fetch(`${url}/api/auth/register`, { method: 'POST', headers, body })).status
}

test('without MongoDB the lines of every role go to PostgreSQL, to the last before the stores close', async () => {
  const [process, url] = await startUp({})
  expect(await health(url)).toEqual([200, 'embedded'])
  expect(await process.stop()).toBe(0)
  const store = openOnPostgres(created.connection)
  const lines = await linesOf(store)
  await store.close()
  expect(told(lines, 'listening').sort()).toEqual(['adapter', 'analytics', 'gateway', 'orchestrator'])
  expect([told(lines, 'ready'), told(lines, 'stopping')]).toEqual([['all'], ['all']])
}, 60_000)

test.skipIf(program === undefined)(
  'a MongoDB that is away at the start, or later, or at the end stops nothing; what is logged meanwhile gets there',
  async () => {
    if (mongo === undefined) throw new Error('skipped without it')
    await mongo.kill()
    const [process, url] = await startUp({ MONGODB_URL: `${mongo.url}logs` })
    expect(await health(url)).toEqual([503, 'disconnected'])
    expect(await register(url)).toBe(201)
    await mongo.restart()
    await until(async () => Bun.deepEquals(await health(url), [200, 'connected']), 20_000)
    const store = openOnMongo(`${mongo.url}logs`)
    await until(async () => told(await linesOf(store), 'ready').length === 1, 40_000)
    const lines = await linesOf(store)
    await store.close()
    expect(told(lines, 'listening').sort()).toEqual(['adapter', 'analytics', 'gateway', 'orchestrator'])
    await mongo.kill()
    await until(async () => Bun.deepEquals(await health(url), [503, 'disconnected']), 20_000)
    expect(await register(url)).toBe(201)
    expect(await process.stop()).toBe(0)
    expect(process.output()).toContain('MongoDB cannot be reached')
    expect(process.output()).toContain('MongoDB can be reached again')
    await mongo.restart()
  },
  120_000,
)
