import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PostgresConnection } from '../../src/stores/postgres/embedded.ts'

/** The embedded PostgreSQL of a data dir, as its owner reaches it. */
export function embeddedConnection(dataDir: string): PostgresConnection {
  const { DATABASE_PASSWORD: password } = JSON.parse(readFileSync(join(dataDir, 'secrets.json'), 'utf8'))
  return { host: join(dataDir, 'postgres'), port: 5432, user: 'postgres', password, database: 'postgres' }
}
