import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createTestDatabase } from '../../../test/support/postgres.ts'
import { makeMetrics } from '../../lib/metrics.ts'
import { connect, type Database, type Limits, openDatabase, programLimits, sqlState } from './database.ts'
import { statement } from './statement.ts'

const insertTenant = statement({
  name: 'test_insert_tenant',
  params: ['id', 'name'],
  row: {},
  sql: 'insert into tenants (id, name) values ($1, $2)',
})
const countTenants = statement({
  name: 'test_count_tenants',
  params: ['prefix'],
  row: { count: 'int8' },
  sql: `select count(*) as count from tenants where name like $1 || '%'`,
})
const echo = statement({
  name: 'test_echo',
  params: ['number', 'words'],
  row: { number: 'int4', words: 'text' },
  sql: 'select $1::int as number, w as words from unnest($2::text[]) as w',
})
const takeLock = statement({
  name: 'test_take_lock',
  params: ['key'],
  row: {},
  sql: 'select from pg_advisory_xact_lock($1::bigint)',
})
const sleep = statement({ name: 'test_sleep', params: ['seconds'], row: {}, sql: 'select from pg_sleep($1::float8)' })

let created: Awaited<ReturnType<typeof createTestDatabase>>
let database: Database

beforeAll(async () => {
  created = await createTestDatabase()
  database = openDatabase(created.connection, makeMetrics())
})

afterAll(async () => {
  await database.close()
  await created.drop()
})

describe('the pool', () => {
  test('20,000 mixed transactions, some of which fail, give each caller its own answer and lose nothing', async () => {
    let committed = 0
    const one = async (index: number) => {
      const words = [`w${index}`, 'a "quoted", {braced} \\ text', 'null', '']
      const rows = await database.transaction({ role: 'worker' }, tx => tx.run(echo, { number: index, words }))
      expect(rows).toEqual(words.map(word => ({ number: index, words: word })))
    }
    const failing = async (index: number) => {
      const error = await database
        .transaction({ role: 'worker' }, async tx => {
          await tx.run(echo, { number: index, words: [] })
          throw new Error(`failed ${index}`)
        })
        .catch((caught: unknown) => caught)
      expect(error).toMatchObject({ message: `failed ${index}` })
    }
    const writing = async (index: number) => {
      const id = crypto.randomUUID()
      await database.transaction({ role: 'app', tenantId: id }, tx =>
        tx.run(insertTenant, { id, name: `mixed ${index}` }),
      )
      committed++
    }
    for (let from = 0; from < 20_000; from += 500)
      await Promise.all(
        Array.from({ length: 500 }, (_, i) => {
          const index = from + i
          return index % 10 === 0 ? writing(index) : index % 7 === 0 ? failing(index) : one(index)
        }),
      )
    const [row] = await database.transaction({ role: 'worker' }, tx => tx.run(countTenants, { prefix: 'mixed ' }))
    expect(row?.count).toBe(committed)
  })
})

describe('a read', () => {
  const tenantName = statement({
    name: 'test_tenant_name',
    params: ['id'],
    row: { name: 'text' },
    sql: 'select name from tenants where id = $1',
  })

  test('sees the rows of its tenant only, and changes nothing', async () => {
    const [ours, theirs] = [crypto.randomUUID(), crypto.randomUUID()]
    for (const id of [ours, theirs])
      await database.transaction({ role: 'app', tenantId: id }, tx => tx.run(insertTenant, { id, name: `read ${id}` }))
    const nameOf = (id: string) => database.read({ role: 'app', tenantId: ours }, tx => tx.run(tenantName, { id }))
    for (let tries = 0; tries < 20; tries++) {
      expect(await nameOf(ours)).toEqual([{ name: `read ${ours}` }])
      expect(await nameOf(theirs)).toEqual([])
    }
    const id = crypto.randomUUID()
    const writing = database.read({ role: 'app', tenantId: id }, tx => tx.run(insertTenant, { id, name: 'written' }))
    expect(await writing.catch((error: unknown) => sqlState(error))).toBe('25006')
    // The connection is as good as before.
    expect(await nameOf(ours)).toEqual([{ name: `read ${ours}` }])
  })

  test('nor does a statement that a connection has never seen before leave its transaction', async () => {
    const [ours, theirs] = [crypto.randomUUID(), crypto.randomUUID()]
    for (const id of [ours, theirs])
      await database.transaction({ role: 'app', tenantId: id }, tx => tx.run(insertTenant, { id, name: `new ${id}` }))
    const reads = Array.from({ length: 100 }, (_, index) => {
      const fresh = { ...tenantName, sql: `${tenantName.sql} /* ${index % 40} */` }
      return database.read({ role: 'app', tenantId: ours }, tx =>
        tx.run(fresh, { id: index % 3 === 0 ? ours : theirs }),
      )
    })
    const seen = (await Promise.all(reads)).map(rows => rows.length)
    expect(seen).toEqual(Array.from({ length: 100 }, (_, index) => (index % 3 === 0 ? 1 : 0)))
  })

  test('takes one statement', async () => {
    const two = database.read({ role: 'worker' }, async tx => {
      await tx.run(echo, { number: 1, words: [] })
      await tx.run(echo, { number: 2, words: [] })
    })
    expect(await two.catch((error: unknown) => String(error))).toContain('one statement')
  })

  test('20,000 reads between transactions, some of which fail, give each caller its own answer', async () => {
    const one = async (index: number) => {
      const rows = await database.read({ role: 'worker' }, tx => tx.run(echo, { number: index, words: [`w${index}`] }))
      expect(rows).toEqual([{ number: index, words: `w${index}` }])
    }
    const failing = async (index: number) => {
      const wrong = database.read({ role: 'worker' }, tx => tx.run(echo, { number: 2 ** 40 + index, words: [] }))
      expect(sqlState(await wrong.catch((error: unknown) => error))).toBe('22003')
    }
    const whole = async (index: number) => {
      const rows = await database.transaction({ role: 'worker' }, tx => tx.run(echo, { number: index, words: ['x'] }))
      expect(rows).toEqual([{ number: index, words: 'x' }])
    }
    for (let from = 0; from < 20_000; from += 500)
      await Promise.all(
        Array.from({ length: 500 }, (_, i) => {
          const index = from + i
          return index % 10 === 0 ? whole(index) : index % 7 === 0 ? failing(index) : one(index)
        }),
      )
  })
})

for (const kind of ['transaction', 'read'] as const)
  test(`ten times every connection is killed in the middle of a ${kind}: calls fail with a clear error, and the pool comes back`, async () => {
    const admin = connect(created.connection, 1)
    let unavailable = 0
    for (let round = 0; round < 10; round++) {
      const working = Array.from({ length: 30 }, () =>
        database[kind]({ role: 'worker' }, tx => tx.run(sleep, { seconds: 0.05 })).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'database_unavailable' })
          unavailable++
        }),
      )
      await Bun.sleep(10)
      await admin`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = ${created.connection.database} and pid <> pg_backend_pid()`
      await Promise.all(working)
      const rows = await database[kind]({ role: 'worker' }, tx => tx.run(echo, { number: round, words: ['up'] }))
      expect(rows).toEqual([{ number: round, words: 'up' }])
    }
    await admin.close()
    expect(unavailable).toBeGreaterThan(0)
  })

describe('limits in time', () => {
  /** A program like ours, that is less patient. */
  async function withLimits<T>(changes: Partial<Limits>, work: (other: Database) => Promise<T>): Promise<T> {
    const other = openDatabase(created.connection, makeMetrics(), { ...programLimits, ...changes })
    try {
      return await work(other)
    } finally {
      await other.close()
    }
  }

  test('a transaction that nobody goes on with ends by itself: who waits for it goes on, and its owner hears of it', async () => {
    await withLimits({ idleInTransactionMs: 200 }, async other => {
      const held = Promise.withResolvers<void>()
      const released = Promise.withResolvers<void>()
      const left = other
        .transaction({ role: 'worker' }, async tx => {
          await tx.run(takeLock, { key: 1 })
          held.resolve()
          await released.promise
          await tx.run(echo, { number: 1, words: [] })
        })
        .catch((error: unknown) => error)
      await held.promise
      await database.transaction({ role: 'worker' }, tx => tx.run(takeLock, { key: 1 }))
      released.resolve()
      expect(await left).toMatchObject({ code: 'database_unavailable' })
      const rows = await other.transaction({ role: 'worker' }, tx => tx.run(echo, { number: 2, words: ['up'] }))
      expect(rows).toEqual([{ number: 2, words: 'up' }])
    })
  })

  test('a statement that waits for a lock too long, or runs too long, ends as database_unavailable', async () => {
    await database.transaction({ role: 'worker' }, async tx => {
      await tx.run(takeLock, { key: 2 })
      const waiting = await withLimits({ lockMs: 50 }, other =>
        other.transaction({ role: 'worker' }, late => late.run(takeLock, { key: 2 })).catch((error: unknown) => error),
      )
      expect(waiting).toMatchObject({ code: 'database_unavailable' })
    })
    const running = await withLimits({ statementMs: 50 }, other =>
      other.transaction({ role: 'worker' }, tx => tx.run(sleep, { seconds: 60 })).catch((error: unknown) => error),
    )
    expect(running).toMatchObject({ code: 'database_unavailable' })
  })

  test('the program has limits; a migration has none but that for a peer that vanished', async () => {
    const settings = async (pool: ReturnType<typeof connect>) => {
      const rows: { name: string; setting: string }[] = await pool`select name, setting from pg_settings
        where name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')`
      return Object.fromEntries(rows.map(({ name, setting }) => [name, Number(setting)]))
    }
    const [program, migration] = [connect(created.connection, 1, programLimits), connect(created.connection, 1)]
    expect(await settings(program)).toEqual({
      statement_timeout: 30_000,
      lock_timeout: 10_000,
      idle_in_transaction_session_timeout: 30_000,
    })
    expect(await settings(migration)).toEqual({
      statement_timeout: 0,
      lock_timeout: 0,
      idle_in_transaction_session_timeout: 30_000,
    })
    await Promise.all([program.close(), migration.close()])
  })
})

describe('database roles', () => {
  test('without a role of its own a transaction sees no table at all, and neither role may bypass row-level security', async () => {
    const admin = connect(created.connection, 1)
    const roles =
      await admin`select rolname, rolsuper, rolbypassrls, rolcanlogin from pg_roles where rolname like 'dashoffice%'`
    expect(roles.map((role: { rolname: string }) => role.rolname).sort()).toEqual(
      ['app', 'auth', 'cleaner', 'privacy', 'worker'].map(name => `dashoffice_${name}`),
    )
    for (const role of roles) expect(role).toMatchObject({ rolsuper: false, rolbypassrls: false, rolcanlogin: false })
    const open = await admin`select relname from pg_class
      where relkind = 'r' and relnamespace = 'public'::regnamespace and relname <> 'schema_migrations'
        and not (relrowsecurity and relforcerowsecurity)`
    expect([...open]).toEqual([])
    await admin.close()
  })

  test('a tenant sees and writes its own rows only', async () => {
    const [a, b] = [crypto.randomUUID(), crypto.randomUUID()]
    for (const id of [a, b])
      await database.transaction({ role: 'app', tenantId: id }, tx =>
        tx.run(insertTenant, { id, name: `sealed ${id}` }),
      )
    const count = async (tenantId: string) =>
      (await database.transaction({ role: 'app', tenantId }, tx => tx.run(countTenants, { prefix: 'sealed ' })))[0]
        ?.count
    expect(await count(a)).toBe(1)
    const foreign = database.transaction({ role: 'app', tenantId: a }, tx =>
      tx.run(insertTenant, { id: crypto.randomUUID(), name: 'stolen' }),
    )
    expect(foreign).rejects.toThrow(/row-level security/)
  })
})
