import type { SQL } from 'bun'
import { makeMetrics } from '../../../src/lib/metrics.ts'
import { connect, type Database, type Limits, openDatabase } from '../../../src/stores/postgres/database.ts'
import type { PostgresConnection } from '../../../src/stores/postgres/embedded.ts'
import { readMigrations, runMigrations } from '../../../src/stores/postgres/migrate.ts'

/** A real PostgreSQL database that lives by the world's clock, and one world after the other. */
export type WorldDatabase = {
  /** What the program reaches it by. */
  readonly program: Database
  /** Owns it: sees everything, and takes no part in the world. */
  readonly admin: SQL
  /** Removes all rows. */
  empty(): Promise<void>
  close(): Promise<void>
}

/** They are kept by the world's clock: see `Reach`. */
const noLimits: Limits = { statementMs: 0, lockMs: 0, idleInTransactionMs: 0 }
/** After so many worlds the tables are made anew: dead rows, which nothing vacuums here, would slow them down. */
const worldsPerFile = 150

/**
 * Makes the database, migrated. `now()` is found before PostgreSQL's own: it is the world's time, as set at the start of
 * a transaction. Plans are made once and kept, whatever is in the tables, so that one run is like another.
 */
export async function openWorldDatabase(server: PostgresConnection): Promise<WorldDatabase> {
  const name = `simulation_${crypto.randomUUID().replaceAll('-', '')}`
  const owner = connect(server, 1)
  await owner.unsafe(`create database ${name}`)
  await owner.unsafe(`alter database ${name} set search_path = public, pg_catalog`)
  await owner.unsafe(`alter database ${name} set plan_cache_mode = force_generic_plan`)
  // Whoever waits for whom is found out here, and ended when the seed says so.
  await owner.unsafe(`alter database ${name} set deadlock_timeout = '60s'`)
  const connection = { ...server, database: name }
  const admin = connect(connection, 1)
  await admin.unsafe(`create function public.now() returns timestamptz language sql stable as
    $$ select coalesce(nullif(current_setting('world.now', true), '')::timestamptz, pg_catalog.now()) $$`)
  const migrating = connect(connection, 1)
  await runMigrations(migrating, readMigrations())
  await migrating.close()
  const tables = await tablesOf(admin)
  await keepPlans(admin, tables)
  await watchStatuses(admin)
  const emptied = [...tables, 'world_statuses']
  await makeEmpty(admin, emptied)
  const program = openDatabase(connection, makeMetrics(), noLimits)
  let worlds = 0
  return {
    program,
    admin,
    async empty() {
      worlds++
      await admin.unsafe(worlds % worldsPerFile === 0 ? `truncate ${emptied.join(', ')}` : 'select world_empty()')
    },
    async close() {
      await program.close()
      await admin.close()
      await owner.unsafe(`drop database ${name} with (force)`)
      await owner.close()
    },
  }
}

async function tablesOf(admin: SQL): Promise<string[]> {
  const rows: { readonly name: string }[] = await admin.unsafe(`select relname as name from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace and relname <> 'schema_migrations' order by 1`)
  return rows.map(row => row.name)
}

async function keepPlans(admin: SQL, tables: readonly string[]): Promise<void> {
  for (const table of tables) await admin.unsafe(`alter table ${table} set (autovacuum_enabled = off)`)
}

/** Every change of a message's status, to see whether they only climb. */
async function watchStatuses(admin: SQL): Promise<void> {
  await admin.unsafe(`create table world_statuses (
    seq bigint generated always as identity, message_id uuid, before text, after text) with (autovacuum_enabled = off)`)
  await admin.unsafe(`create function world_note_status() returns trigger language plpgsql security definer as $$
    begin insert into world_statuses (message_id, before, after) values (old.id, old.status, new.status); return null; end $$`)
  await admin.unsafe(`create trigger world_statuses after update of status on messages for each row
    when (old.status is distinct from new.status) execute function world_note_status()`)
}

/** A function whose plans are kept: as statements of their own, the deletions would take longer to plan than to run. */
async function makeEmpty(admin: SQL, tables: readonly string[]): Promise<void> {
  // No triggers, no checks of foreign keys.
  await admin.unsafe('set session_replication_role = replica')
  await admin.unsafe(`create function world_empty() returns void language plpgsql as $$ begin
    ${tables.map(table => `delete from ${table};`).join(' ')} end $$`)
}
