import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTestDatabase } from '../../../test/support/postgres.ts'
import { connect } from './database.ts'
import { addMigration, migrationStatus, readMigrations, revertMigration, runMigrations } from './migrate.ts'

let created: Awaited<ReturnType<typeof createTestDatabase>>

beforeAll(async () => {
  created = await createTestDatabase()
})
afterAll(() => created.drop())

async function schema(): Promise<unknown> {
  const pool = connect(created.connection, 1)
  const columns = await pool`select table_name, column_name, data_type, is_nullable, column_default
    from information_schema.columns where table_schema = 'public' order by 1, 2`
  await pool.close()
  return [...columns]
}

test('everything can be undone and done again, and is the same then', async () => {
  const migrations = readMigrations()
  const before = await schema()
  const pool = connect(created.connection, 1)
  for (const _ of migrations) await revertMigration(pool, migrations)
  const tables =
    await pool`select tablename from pg_tables where schemaname = 'public' and tablename <> 'schema_migrations'`
  expect([...tables]).toEqual([])
  expect(await revertMigration(pool, migrations)).toBeUndefined()
  await pool.close()

  // Several processes start at the same moment: each migration is applied once, by one of them.
  const pools = Array.from({ length: 5 }, () => connect(created.connection, 1))
  const applied = await Promise.all(pools.map(one => runMigrations(one, migrations)))
  expect(applied.flat().map(migration => migration.version)).toEqual(migrations.map(migration => migration.version))
  await Promise.all(pools.map(one => one.close()))
  expect(await schema()).toEqual(before)
})

test('a migration that was changed after it was applied is refused, and so is one that this version does not know', async () => {
  const pool = connect(created.connection, 1)
  const migrations = readMigrations()
  const changed = migrations.map(migration => ({ ...migration, up: `${migration.up}\n-- changed` }))
  expect(runMigrations(pool, changed)).rejects.toThrow(/was changed after it was applied/)
  expect(runMigrations(pool, [])).rejects.toThrow(/which this version does not know/)
  await pool.close()
})

test('a migration that fails half-way leaves nothing', async () => {
  const pool = connect(created.connection, 1)
  const broken = {
    version: 9_000,
    name: 'broken',
    up: 'create table half (id int); select nonsense from nowhere',
    down: '',
  }
  expect(runMigrations(pool, [...readMigrations(), broken])).rejects.toThrow(/nowhere/)
  expect([...(await pool`select to_regclass('half') as half`)]).toEqual([{ half: null }])
  const status = await migrationStatus(pool, [...readMigrations(), broken])
  expect(status.at(-1)).toEqual({ version: 9_000, name: 'broken', appliedAt: null })
  await pool.close()
})

test('an owner who is no superuser and inherits nothing migrates too, and a conversation without its customer gets one', async () => {
  const admin = connect(created.connection, 1)
  const [role, tenant, lost] = [`owner_${crypto.randomUUID()}`, crypto.randomUUID(), crypto.randomUUID()]
  const database = `test_${crypto.randomUUID().replaceAll('-', '')}`
  await admin.unsafe(`create role "${role}" login nosuperuser noinherit createrole password 'owner'`)
  const roles = ['app', 'worker', 'auth', 'cleaner', 'privacy'].map(name => `dashoffice_${name}`)
  await admin.unsafe(`grant ${roles.join(', ')} to "${role}" with admin option`)
  await admin.unsafe(`create database ${database} owner "${role}"`)
  const owner = connect({ ...created.connection, database, user: role, password: 'owner' }, 1)
  const migrations = readMigrations()
  await runMigrations(
    owner,
    migrations.filter(({ version }) => version < 3),
  )
  await owner.begin(async tx => {
    await tx`select set_config('role', 'dashoffice_app', true), set_config('app.tenant_id', ${tenant}, true)`
    await tx`insert into tenants (id, name) values (${tenant}, 'Shop')`
    await tx`insert into conversations (tenant_id, id, bot_id, customer_id)
      values (${tenant}, gen_random_uuid(), gen_random_uuid(), ${lost})`
  })
  await runMigrations(owner, migrations)
  const customers = await owner.begin(async tx => {
    await tx`select set_config('role', 'dashoffice_worker', true)`
    return await tx`select tenant_id, id, name from customers`
  })
  expect([...customers]).toEqual([{ tenant_id: tenant, id: lost, name: '' }])
  await owner.close()
  await admin.unsafe(`drop database ${database} with (force)`)
  await admin.unsafe(`drop role "${role}"`)
  await admin.close()
})

test('a new pair of files has the next number; a name that is no name is refused', () => {
  const dir = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
  writeFileSync(join(dir, '0041_before.up.sql'), '')
  writeFileSync(join(dir, '0041_before.down.sql'), '')
  expect(addMigration('add_sellers', dir)).toEqual([
    join(dir, '0042_add_sellers.up.sql'),
    join(dir, '0042_add_sellers.down.sql'),
  ])
  expect(() => addMigration('Add Sellers!', dir)).toThrow(/lower-case/)
  writeFileSync(join(dir, '0043_lonely.up.sql'), '')
  expect(() => readMigrations(dir)).toThrow(/0043_lonely.down.sql is missing/)
  rmSync(dir, { recursive: true })
})
