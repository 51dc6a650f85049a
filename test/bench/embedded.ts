import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SQL } from 'bun'
import { makeLog } from '../../src/lib/log.ts'
import { makeMetrics } from '../../src/lib/metrics.ts'
import { connect, type Database, openDatabase } from '../../src/stores/postgres/database.ts'
import { type PostgresConnection, startEmbeddedPostgres } from '../../src/stores/postgres/embedded.ts'
import { readMigrations, runMigrations } from '../../src/stores/postgres/migrate.ts'

/** The embedded PostgreSQL of a data dir, as its owner reaches it. */
export function embeddedConnection(dataDir: string): PostgresConnection {
  const { DATABASE_PASSWORD: password } = JSON.parse(readFileSync(join(dataDir, 'secrets.json'), 'utf8'))
  return { host: join(dataDir, 'postgres'), port: 5432, user: 'postgres', password, database: 'postgres' }
}

/** An embedded PostgreSQL of the bench alone, as durable as in production. */
export type BenchPostgres = {
  readonly connection: PostgresConnection
  readonly postmaster: number
  /** Another database on it, with every migration applied. */
  open(name: string): Promise<BenchDatabase>
  stop(): Promise<void>
}

/** `admin` owns the database, and sees everything. */
export type BenchDatabase = { readonly admin: SQL; readonly database: Database }

export async function startBenchPostgres(): Promise<BenchPostgres> {
  const dataDir = mkdtempSync(join(tmpdir(), 'dashoffice-bench-'))
  chmodSync(dataDir, 0o755)
  const log = makeLog({ level: 'error', dir: undefined })
  const { connection, pid, stop } = await startEmbeddedPostgres({ dataDir, password: 'bench', log })
  const owner = connect(connection, 1)
  const opened: BenchDatabase[] = []
  return {
    connection,
    postmaster: pid,
    async open(name) {
      await owner.unsafe(`create database ${name}`)
      const admin = connect({ ...connection, database: name }, 2)
      await runMigrations(admin, readMigrations())
      const one = { admin, database: openDatabase({ ...connection, database: name }, makeMetrics()) }
      opened.push(one)
      return one
    },
    async stop() {
      for (const { admin, database } of opened) await Promise.all([database.close(), admin.close()])
      await owner.close()
      await stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}
