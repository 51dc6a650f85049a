import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { SQL } from 'bun'
import { seedEveryTable } from '../../test/support/every-table.ts'
import { createTestDatabase } from '../../test/support/postgres.ts'
import { uuids } from '../lib/ids.ts'
import { logNames } from '../stores/log-store.ts'
import { connect } from '../stores/postgres/database.ts'

// Each table holds rows of two tenants; what a transaction may see of them is asked table by table.

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
const [ours, theirs] = [uuids.next(), uuids.next()]

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 2)
  for (const tenant of [ours, theirs]) await seedEveryTable(admin, tenant)
})
afterAll(async () => {
  await admin.close()
  await created.drop()
})

/** Without the parts that a log consists of: nobody is granted anything on those. */
async function tenantTables(): Promise<string[]> {
  const rows: { name: string }[] = await admin`select c.relname as name from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    order by c.relname`
  return rows.map(row => row.name)
}

/** Nothing in them is ever changed or deleted by a request. */
const appendedTo: ReadonlySet<string> = new Set([
  ...['audit_log', 'consents', 'erasures', 'suppression_keys'],
  ...logNames,
])
/** Of the bridge to WhatsApp Web, and of the cleaner: no request has anything to do with them. */
const unseen: ReadonlySet<string> = new Set([
  'provider_sessions',
  'provider_session_keys',
  'provider_session_events',
  'gone_conversations',
])
/** Those in which something grows too old. */
const cleaned: readonly string[] = [
  'analytics_rollups',
  'audit_log',
  'calls',
  'conversation_events',
  'conversations',
  'erasures',
  'gone_conversations',
  'ignored_webhooks',
  'inbox',
  'media',
  'message_statuses',
  'messages',
  'orders',
  'outbox',
  'own_message_ids',
  'provider_memo',
  'refresh_tokens',
  'reports',
  'timers',
  'user_invites',
]
const seenByAuth: readonly string[] = ['users', 'refresh_tokens', 'user_invites', 'api_keys']

/** Runs one statement as a request would, and rolls it back. A refusal is its SQLSTATE. */
async function as(role: string, tenant: string, sql: string): Promise<Record<string, unknown>[] | string> {
  const connection = await admin.reserve()
  try {
    await connection`begin`
    await connection`select set_config('role', ${role}, true), set_config('app.tenant_id', ${tenant}, true)`
    return await connection.unsafe(sql)
  } catch (error) {
    return error instanceof Error && 'errno' in error ? String(error.errno) : String(error)
  } finally {
    await connection`rollback`
    connection.release()
  }
}

test('every table holds rows of both tenants', async () => {
  const tables = await tenantTables()
  expect(tables.length).toBeGreaterThan(15)
  for (const table of tables) {
    const [row] = await admin.unsafe(`select count(distinct tenant_id)::int as tenants from ${table}`)
    expect([table, row.tenants]).toEqual([table, 2])
  }
})

test('the transaction of a tenant sees, changes and deletes its own rows only, in every table', async () => {
  for (const table of await tenantTables()) {
    const seen = await as('dashoffice_app', ours, `select distinct tenant_id from ${table}`)
    expect([table, seen]).toEqual([table, unseen.has(table) ? '42501' : [{ tenant_id: ours }]])
    const where = `where tenant_id = '${theirs}' returning 1`
    const nothing = appendedTo.has(table) || unseen.has(table) ? '42501' : []
    expect(await as('dashoffice_app', ours, `update ${table} set tenant_id = tenant_id ${where}`)).toEqual(nothing)
    expect(await as('dashoffice_app', ours, `delete from ${table} ${where}`)).toEqual(nothing)
  }
  expect(await as('dashoffice_app', ours, 'select id from tenants')).toEqual([{ id: ours }])
})

test('it cannot give a row of its own to another tenant', async () => {
  const refused = '42501'
  for (const table of await tenantTables()) {
    const columns = await writtenColumns(table)
    const stolen = `insert into ${table} (${columns.join(', ')})
      select ${columns.map(column => (column === 'tenant_id' ? `'${theirs}'` : column)).join(', ')} from ${table} limit 1`
    expect([table, await as('dashoffice_app', ours, stolen)]).toEqual([table, refused])
  }
})

/** Those that are not computed from others. */
async function writtenColumns(table: string): Promise<string[]> {
  const rows: { name: string }[] = await admin`select attname as name from pg_attribute
    where attrelid = ${table}::regclass and attnum > 0 and not attisdropped and attgenerated = ''
      and attidentity = ''`
  return rows.map(row => row.name)
}

test('without a tenant, and without a role, there are no rows', async () => {
  for (const table of [...(await tenantTables()), 'tenants'])
    expect([table, await as('dashoffice_app', '', `select 1 from ${table}`)]).toEqual([
      table,
      unseen.has(table) ? '42501' : [],
    ])
})

test('who logs people in sees users, their tokens, invitations and keys, and nothing else', async () => {
  for (const table of await tenantTables()) {
    const seen = await as('dashoffice_auth', '', `select 1 from ${table}`)
    expect([table, Array.isArray(seen)]).toEqual([table, seenByAuth.includes(table)])
  }
})

test('who works for all tenants sees neither users nor tokens, keys and the audit log', async () => {
  for (const table of [...seenByAuth, 'audit_log'])
    expect(await as('dashoffice_worker', '', `select 1 from ${table}`)).toBe('42501')
})

test('who removes what is too old sees the tables where something is, and adds to none of them', async () => {
  const seen: string[] = []
  for (const table of await tenantTables())
    if (Array.isArray(await as('dashoffice_cleaner', '', `select 1 from ${table}`))) seen.push(table)
  expect(seen).toEqual([...cleaned])
  for (const table of seen.filter(name => name !== 'gone_conversations')) {
    const added = `insert into ${table} (tenant_id) select tenant_id from ${table}`
    expect([table, await as('dashoffice_cleaner', '', added)]).toEqual([table, '42501'])
  }
})

test('who hands a tenant out, or erases it, sees all of its rows in every table, and none of another', async () => {
  for (const table of await tenantTables()) {
    const distinct = `select distinct tenant_id from ${table}`
    expect([table, await as('dashoffice_privacy', ours, distinct)]).toEqual([table, [{ tenant_id: ours }]])
    expect([table, await as('dashoffice_privacy', '', distinct)]).toEqual([table, []])
    const where = `where tenant_id = '${theirs}' returning 1`
    expect(await as('dashoffice_privacy', ours, `update ${table} set tenant_id = tenant_id ${where}`)).toEqual([])
    expect(await as('dashoffice_privacy', ours, `delete from ${table} ${where}`)).toEqual([])
  }
  expect(await as('dashoffice_privacy', ours, 'select id from tenants')).toEqual([{ id: ours }])
})
