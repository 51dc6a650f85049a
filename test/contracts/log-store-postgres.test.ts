import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test'
import type { SQL } from 'bun'
import { AppError } from '../../src/lib/errors.ts'
import { bulkMax, type LogStore, logNames } from '../../src/stores/log-store.ts'
import { connect } from '../../src/stores/postgres/database.ts'
import { readMigrations, runMigrations } from '../../src/stores/postgres/migrate.ts'
import { after, dayMs, hour, keptDays, newEntry, newestFirst, openOnPostgres, readAll } from '../support/log-stores.ts'
import { createTestDatabase } from '../support/postgres.ts'

// What is PostgreSQL's own about the logs: a partition a day, and who may do what with them.

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
const open: LogStore[] = []

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 3)
})
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
})
afterAll(async () => {
  await admin.close()
  await created.drop()
})

function openStore(): LogStore {
  const store = openOnPostgres(created.connection)
  open.push(store)
  return store
}

async function daysOf(log: string): Promise<string[]> {
  const rows =
    await admin`select relname from pg_class where relname like ${`${log}\\_2%`} and relkind = 'r' order by 1`
  return rows.map((row: { relname: string }) => row.relname.slice(log.length + 1))
}

const nameOfDay = (date: Date) => date.toISOString().slice(0, 10).replaceAll('-', '')

/** As a role of the program that sees one tenant. */
async function asRole(role: string, tenantId: string, sql: string): Promise<unknown[]> {
  return await admin.begin(async tx => {
    await tx`select set_config('role', ${role}, true), set_config('app.tenant_id', ${tenantId}, true)`
    return await tx.unsafe(sql)
  })
}

test('maintaining makes the partitions of today and of some days ahead, by whoever does it, once', async () => {
  const today = new Date()
  await Promise.all([openStore().maintain(), openStore().maintain()])
  const expected = [0, 1, 2, 3].map(days => nameOfDay(new Date(today.getTime() + days * dayMs)))
  for (const log of logNames) expect(await daysOf(log)).toEqual(expect.arrayContaining(expected))
})

test('a day that has no partition gets one with its first entry, whoever comes first', async () => {
  const [a, b] = [openStore(), openStore()]
  const tenant_id = crypto.randomUUID()
  const entries = Array.from({ length: 20 }, (_, days) => newEntry({ tenant_id, created_at: after(-days * dayMs) }))
  await Promise.all([a.append('system_logs', entries), b.append('system_logs', entries)])
  expect(await readAll(a, 'system_logs', tenant_id)).toEqual(newestFirst(entries))
  await admin.unsafe(`drop table system_logs_${nameOfDay(after(-5 * dayMs))}`)
  expect(await a.append('system_logs', entries)).toEqual({ added: 1, outside: 0 })
  expect(await readAll(b, 'system_logs', tenant_id)).toEqual(newestFirst(entries))
})

test('days that are over go at once, with all that is in them', async () => {
  const store = openStore()
  const tenant_id = crypto.randomUUID()
  const days = [...Array(keptDays).keys()]
  const entries = days.map(day => newEntry({ tenant_id, created_at: after(-day * dayMs) }))
  await store.append('analytics_events', entries)
  const before = new Date(Math.floor(after(-10 * dayMs).getTime() / dayMs) * dayMs)
  expect(await store.removeBefore('analytics_events', { before, limit: 5 })).toBe(keptDays - 11)
  expect(await readAll(store, 'analytics_events', tenant_id)).toEqual(newestFirst(entries.slice(0, 11)))
  expect((await daysOf('analytics_events'))[0]).toBe(nameOfDay(before))
  expect(await store.removeBefore('analytics_events', { before, limit: 5 })).toBe(0)
})

test('whoever drops a day gives up on one that is being read, and the next time it works', async () => {
  const store = openStore()
  const tenant_id = crypto.randomUUID()
  const old = newEntry({ tenant_id, created_at: after(-20 * dayMs) })
  await store.append('message_logs', [old, newEntry({ tenant_id })])
  const options = { before: after(-15 * dayMs), limit: 5 }
  await admin.begin(async tx => {
    await tx`select count(*) from message_logs`
    const failed = await store.removeBefore('message_logs', options).catch((error: unknown) => error)
    expect(failed).toBeInstanceOf(AppError)
    expect(await readAll(store, 'message_logs', tenant_id)).toContainEqual(old)
  })
  expect(await store.removeBefore('message_logs', options)).toBe(1)
  expect((await readAll(store, 'message_logs', tenant_id)).length).toBe(1)
})

test("a tenant's request reads its own rows and changes none; without a tenant there are none", async () => {
  const store = openStore()
  const [mine, theirs] = [crypto.randomUUID(), crypto.randomUUID()]
  for (const log of logNames) {
    await store.append(log, [newEntry({ tenant_id: mine }), newEntry({ tenant_id: theirs }), newEntry()])
    expect((await asRole('dashoffice_app', mine, `select tenant_id from ${log}`)).length).toBe(1)
    expect(await asRole('dashoffice_app', '', `select tenant_id from ${log}`)).toEqual([])
    const refused = [
      asRole('dashoffice_app', mine, `delete from ${log}`),
      asRole('dashoffice_app', mine, `update ${log} set key = 'x'`),
      asRole('dashoffice_app', mine, `insert into ${log} select * from ${log}`),
      asRole('dashoffice_worker', '', `update ${log} set key = 'x'`),
      ...['dashoffice_app', 'dashoffice_worker'].map(role =>
        asRole(role, mine, `select * from ${log}_${nameOfDay(hour)}`),
      ),
      asRole('dashoffice_app', mine, `select drop_log_partitions('${log}', now())`),
      asRole('dashoffice_app', mine, `select make_log_partitions('${log}', array[current_date])`),
      asRole('dashoffice_worker', '', `drop table ${log}_${nameOfDay(hour)}`),
    ]
    for (const outcome of await Promise.allSettled(refused))
      expect(outcome.status === 'rejected' && String(outcome.reason)).toMatch(/permission denied|must be owner/)
  }
})

test('the functions that make and drop partitions do it for the logs alone, and for days that are kept', async () => {
  const calls = [
    "select make_log_partitions('users', array[current_date])",
    "select drop_log_partitions('users', now())",
    "select make_log_partitions('message_logs', array[current_date + 40])",
    "select make_log_partitions('message_logs', array[current_date - 4000])",
  ]
  for (const call of calls)
    await expect(asRole('dashoffice_worker', '', call)).rejects.toThrow(/is no log|no log is kept/)
})

test('no partition is open to those whom row-level security does not hold', async () => {
  await openStore().append('message_logs', [newEntry()])
  const [row] = await admin`select count(*)::int as partitions,
      count(*) filter (where relrowsecurity and relforcerowsecurity)::int as sealed
    from pg_class where relispartition and relkind = 'r'`
  expect(row.partitions).toBeGreaterThan(0)
  expect(row.sealed).toBe(row.partitions)
})

test('an owner who is no superuser keeps logs too', async () => {
  const role = `owner_${crypto.randomUUID()}`
  const database = `test_${crypto.randomUUID().replaceAll('-', '')}`
  await admin.unsafe(`create role "${role}" login nosuperuser noinherit createrole password 'owner'`)
  const roles = ['app', 'worker', 'auth', 'cleaner', 'privacy'].map(name => `dashoffice_${name}`)
  await admin.unsafe(`grant ${roles.join(', ')} to "${role}" with admin option`)
  await admin.unsafe(`create database ${database} owner "${role}"`)
  const connection = { ...created.connection, database, user: role, password: 'owner' }
  const owner = connect(connection, 1)
  await runMigrations(owner, readMigrations())
  await owner.close()
  const store = openOnPostgres(connection)
  await store.maintain()
  const entries = [newEntry({ created_at: after(-20 * dayMs) }), newEntry()]
  expect(await store.append('system_logs', entries)).toEqual({ added: 2, outside: 0 })
  expect(await store.removeBefore('system_logs', { before: after(-10 * dayMs), limit: 5 })).toBe(1)
  expect(await store.read('system_logs', { tenantId: null, limit: 5 })).toEqual(entries.slice(1))
  await store.close()
  await admin.unsafe(`drop database ${database} with (force)`)
  await admin.unsafe(`drop role "${role}"`)
})

test('a page of the largest size is what was asked for', async () => {
  const store = openStore()
  const tenant_id = crypto.randomUUID()
  const entries = Array.from({ length: bulkMax + 1 }, (_, index) => newEntry({ tenant_id, created_at: after(index) }))
  await store.append('message_logs', entries)
  const page = await store.read('message_logs', { tenantId: tenant_id, limit: bulkMax })
  expect(page).toEqual(newestFirst(entries).slice(0, bulkMax))
})
