import { chmodSync, existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeLog } from '../../src/lib/log.ts'
import { connect } from '../../src/stores/postgres/database.ts'
import { type PostgresConnection, startEmbeddedPostgres } from '../../src/stores/postgres/embedded.ts'
import { readMigrations, runMigrations } from '../../src/stores/postgres/migrate.ts'

/** Set by test/run.ts, which starts one server for the whole run. */
const variable = 'DASHOFFICE_TEST_POSTGRES'
export const templateDatabase = 'dashoffice_template'
/** Several times what the databases of a whole run take at once. */
const quickBytesMin = 8e9

export type TestPostgres = {
  readonly connection: PostgresConnection
  stop(): Promise<void>
  /** For a file that is run alone: ends the server once this process has ended. */
  stopWithThisProcess(): void
}

/** A PostgreSQL with a migrated template database, for tests. It keeps nothing: durability is off. */
export async function startTestPostgres(): Promise<TestPostgres> {
  const dataDir = mkdtempSync(join(quickDir(), 'dashoffice-test-'))
  chmodSync(dataDir, 0o755)
  const log = makeLog({ level: 'error', dir: undefined })
  const server = await startEmbeddedPostgres({ dataDir, password: 'test-password', log, durable: false })
  const admin = connect(server.connection, 1)
  await admin.unsafe(`create database ${templateDatabase}`)
  await admin.close()
  const template = connect({ ...server.connection, database: templateDatabase }, 2)
  await runMigrations(template, readMigrations())
  await template.close()
  return {
    connection: server.connection,
    async stop() {
      await server.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
    // The test runner ends without a word to its modules: someone outside has to see to it.
    stopWithThisProcess() {
      const waits = `while kill -0 ${process.pid} 2>/dev/null; do sleep 0.5; done`
      const ends = `kill -QUIT ${server.pid}; sleep 0.5; rm -rf '${dataDir}'`
      Bun.spawn(['sh', '-c', `${waits}; ${ends}`], { stdio: ['ignore', 'ignore', 'ignore'], detached: true }).unref()
    },
  }
}

/** In memory where there is enough of it: a database of hundreds of files is copied there in a twentieth of the time. */
function quickDir(): string {
  const inMemory = '/dev/shm'
  if (!existsSync(inMemory)) return tmpdir()
  const { bavail, bsize } = statfsSync(inMemory)
  return bavail * bsize > quickBytesMin ? inMemory : tmpdir()
}

/** The run's server; one of its own for a file that is run alone. */
export async function testServer(): Promise<PostgresConnection> {
  const given = process.env[variable]
  if (given !== undefined) return JSON.parse(given)
  const server = await startTestPostgres()
  process.env[variable] = JSON.stringify(server.connection)
  server.stopWithThisProcess()
  return server.connection
}

export function environmentFor(connection: PostgresConnection): Record<string, string> {
  return { [variable]: JSON.stringify(connection) }
}

/** A fresh database with every migration applied, dropped by `drop`. */
export async function createTestDatabase(): Promise<{ connection: PostgresConnection; drop(): Promise<void> }> {
  const server = await testServer()
  const name = `test_${crypto.randomUUID().replaceAll('-', '')}`
  await asAdmin(server, `create database ${name} template ${templateDatabase} strategy file_copy`)
  return {
    connection: { ...server, database: name },
    drop: () => asAdmin(server, `drop database if exists ${name} with (force)`),
  }
}

async function asAdmin(server: PostgresConnection, sql: string): Promise<void> {
  const admin = connect(server, 1)
  try {
    // Two copies of one template cannot be made at the same moment: they take turns.
    await admin`select pg_advisory_lock(7246018)`
    await admin.unsafe(sql)
  } finally {
    await admin.close()
  }
}

/** The URL of a database, as DATABASE_URL takes it. */
export function databaseUrl({ host, port, user, password, database }: PostgresConnection): string {
  const userinfo = `${user}:${encodeURIComponent(password)}`
  if (!host.startsWith('/')) return `postgres://${userinfo}@${host}:${port}/${database}`
  return `postgres://${userinfo}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
}
