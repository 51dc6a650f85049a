import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SQL, TransactionSQL } from 'bun'
import { UsageError } from '../../lib/errors.ts'

/** Where the migrations of this program lie. */
export const migrationsDir = join(import.meta.dirname, '../../../migrations')

/** Held while migrations run: whoever comes second waits, then finds nothing to do. */
const lockKey = 7_246_017

export type Migration = { readonly version: number; readonly name: string; readonly up: string; readonly down: string }
export type MigrationStatus = { readonly version: number; readonly name: string; readonly appliedAt: Date | null }

/** Reads `NNNN_name.up.sql` and `.down.sql` pairs, in order. Throws where one is missing or a number is used twice. */
export function readMigrations(dir: string = migrationsDir): Migration[] {
  const names = readdirSync(dir).flatMap(file => /^(\d{4}_[a-z0-9_]+)\.up\.sql$/.exec(file)?.[1] ?? [])
  const migrations = names.sort().map(name => readMigration(dir, name))
  for (const [index, { version, name }] of migrations.entries()) {
    if (migrations[index - 1]?.version === version)
      throw new UsageError(`migrations: number ${version} twice (${name})`)
  }
  return migrations
}

function readMigration(dir: string, file: string): Migration {
  const downFile = join(dir, `${file}.down.sql`)
  if (!existsSync(downFile)) throw new UsageError(`migrations: ${file}.down.sql is missing`)
  const up = readFileSync(join(dir, `${file}.up.sql`), 'utf8')
  return { version: Number(file.slice(0, 4)), name: file.slice(5), up, down: readFileSync(downFile, 'utf8') }
}

/** Applies what is missing, each in a transaction of its own. Returns what it applied. Safe from several processes. */
export async function runMigrations(pool: SQL, migrations: readonly Migration[]): Promise<Migration[]> {
  return await withLock(pool, async sql => {
    const applied = await appliedMigrations(sql)
    refuseForeignHistory(applied, migrations)
    const missing = migrations.filter(({ version }) => !applied.some(row => row.version === version))
    for (const migration of missing) await apply(sql, migration)
    return missing
  })
}

/** Undoes the newest applied migration. Returns it; undefined where none is applied. */
export async function revertMigration(pool: SQL, migrations: readonly Migration[]): Promise<Migration | undefined> {
  return await withLock(pool, async sql => {
    const newest = (await appliedMigrations(sql)).at(-1)
    if (newest === undefined) return undefined
    const migration = migrations.find(({ version }) => version === newest.version)
    if (migration === undefined)
      throw new UsageError(`migration ${newest.version} is applied, but its files are not here`)
    await sql.begin(async tx => {
      await tx.unsafe(migration.down).simple()
      await tx`delete from schema_migrations where version = ${migration.version}`
    })
    return migration
  })
}

/** Every migration known here, with the time it was applied. */
export async function migrationStatus(pool: SQL, migrations: readonly Migration[]): Promise<MigrationStatus[]> {
  return await withLock(pool, async sql => {
    const applied = await appliedMigrations(sql)
    return migrations.map(({ version, name }) => ({
      version,
      name,
      appliedAt: applied.find(row => row.version === version)?.applied_at ?? null,
    }))
  })
}

/** Creates an empty pair of files with the next number. Returns their paths. */
export function addMigration(name: string, dir: string = migrationsDir): string[] {
  if (!/^[a-z0-9_]{1,60}$/.test(name))
    throw new UsageError('NAME takes lower-case letters, digits and _, 60 at most', 2)
  const version = String((readMigrations(dir).at(-1)?.version ?? 0) + 1).padStart(4, '0')
  return ['up', 'down'].map(direction => {
    const path = join(dir, `${version}_${name}.${direction}.sql`)
    writeFileSync(path, `-- ${direction === 'up' ? 'What changes' : 'How it is undone'}\n`, { flag: 'wx' })
    return path
  })
}

async function withLock<T>(pool: SQL, work: (sql: SQL) => Promise<T>): Promise<T> {
  const sql = await pool.reserve()
  try {
    await sql`select pg_advisory_lock(${lockKey})`
    await sql`create table if not exists schema_migrations (
      version int primary key, name text not null, checksum text not null, applied_at timestamptz not null default now())`
    return await work(sql)
  } finally {
    await sql`select pg_advisory_unlock(${lockKey})`.catch(() => undefined)
    sql.release()
  }
}

type AppliedRow = { version: number; name: string; checksum: string; applied_at: Date }

async function appliedMigrations(sql: SQL): Promise<AppliedRow[]> {
  return await sql`select version, name, checksum, applied_at from schema_migrations order by version`
}

async function apply(sql: SQL, migration: Migration): Promise<void> {
  await sql.begin(async (tx: TransactionSQL) => {
    await tx.unsafe(migration.up).simple()
    await tx`insert into schema_migrations (version, name, checksum)
      values (${migration.version}, ${migration.name}, ${checksum(migration)})`
  })
}

/** A database that a newer program has migrated, or whose history was written by other files, is left alone. */
function refuseForeignHistory(applied: readonly AppliedRow[], migrations: readonly Migration[]): void {
  for (const row of applied) {
    const known = migrations.find(({ version }) => version === row.version)
    if (known === undefined)
      throw new UsageError(
        `The database has migration ${row.version} (${row.name}), which this version does not know: run the newer version`,
      )
    if (checksum(known) !== row.checksum)
      throw new UsageError(
        `Migration ${row.version} (${row.name}) was changed after it was applied: restore the file, and put the change into a new migration`,
      )
  }
}

function checksum(migration: Migration): string {
  return createHash('sha256').update(migration.up).digest('hex').slice(0, 32)
}
