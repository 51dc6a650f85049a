import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { SQL } from 'bun'
import { until } from '../../test/support/installation.ts'
import { createTestDatabase } from '../../test/support/postgres.ts'
import { makeSealer } from '../lib/crypto.ts'
import { uuids } from '../lib/ids.ts'
import { makeMetrics } from '../lib/metrics.ts'
import { connect, type Database, openDatabase } from '../stores/postgres/database.ts'
import { claimKey, forgetKeys, idempotencyMs } from './idempotency.ts'
import { addTenant } from './tenants.ts'

const sealer = makeSealer('an-encryption-key-for-tests-of-32-bytes')
const now = new Date()
const old = new Date(now.getTime() - idempotencyMs - 1)

let created: Awaited<ReturnType<typeof createTestDatabase>>
let database: Database
let admin: SQL
beforeAll(async () => {
  created = await createTestDatabase()
  database = openDatabase(created.connection, makeMetrics())
  admin = connect(created.connection, 1)
})
afterAll(async () => {
  await database.close()
  await admin.close()
  await created.drop()
})

const scope = (tenantId: string) => ({ role: 'app', tenantId }) as const
const forget = (limit: number) => database.transaction({ role: 'worker' }, tx => forgetKeys(tx, now, limit))

async function addKeys(keys: readonly string[], at: Date): Promise<{ tenantId: string; callerId: string }> {
  const owner = { tenantId: uuids.next(), callerId: uuids.next() }
  await database.transaction(scope(owner.tenantId), async tx => {
    await addTenant(tx, { id: owner.tenantId, name: 'T' })
    for (const key of keys) await claimKey(tx, sealer, { ...owner, key, requestHash: 'h', now: at })
  })
  return owner
}

async function keysOf(tenantId: string): Promise<string[]> {
  const rows: { key: string }[] = await admin`
    select key from idempotency_keys where tenant_id = ${tenantId} order by key`
  return rows.map(row => row.key)
}

test('old keys of all tenants are forgotten bite by bite, and no others', async () => {
  const [one, other] = [await addKeys(['a', 'b'], old), await addKeys(['c'], old)]
  const young = await addKeys(['d'], new Date(now.getTime() - idempotencyMs))
  expect(await forget(2)).toBe(2)
  expect(await forget(2)).toBe(1)
  expect(await forget(2)).toBe(0)
  expect([await keysOf(one.tenantId), await keysOf(other.tenantId), await keysOf(young.tenantId)]).toEqual([
    [],
    [],
    ['d'],
  ])
})

test('an old key that is claimed anew at the same moment is kept', async () => {
  const owner = await addKeys(['a'], old)
  let forgotten: Promise<number> | undefined
  await database.transaction(scope(owner.tenantId), async tx => {
    expect(await claimKey(tx, sealer, { ...owner, key: 'a', requestHash: 'h', now })).toEqual({ kind: 'new' })
    forgotten = forget(10)
    await until(async () => {
      const [row] = await admin`select count(*)::int as waiting from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`
      return row.waiting > 0
    })
  })
  expect(await forgotten).toBe(0)
  expect(await keysOf(owner.tenantId)).toEqual(['a'])
})
