import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SQL } from 'bun'
import { uuids } from '../../src/lib/ids.ts'
import { connect } from '../../src/stores/postgres/database.ts'
import { createTestDatabase, databaseUrl } from '../support/postgres.ts'
import { runProcess } from '../support/process.ts'
import { encryptionKey, type Shop, seedShop } from '../support/seed.ts'

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let shops: readonly Shop[]
let environment: Record<string, string>

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 2)
  shops = [await seedShop(admin, { number: '1' }), await seedShop(admin, { number: '2' })]
  for (const { tenantId, botId } of shops)
    for (let n = 0; n < 3; n++)
      await admin`insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status)
        values (${tenantId}, ${uuids.next()}, ${uuids.next()}, ${botId}, 'inbound', '{"type": "text"}', 'received')`
  const dataDir = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
  environment = {
    DATABASE_URL: databaseUrl(created.connection),
    DASHOFFICE_DATA_DIR: dataDir,
    ENCRYPTION_KEY: encryptionKey,
  }
})
afterAll(async () => {
  await admin.close()
  await created.drop()
  rmSync(environment.DASHOFFICE_DATA_DIR ?? '', { recursive: true, force: true })
})

async function rebuild(...more: readonly string[]) {
  return await runProcess(['analytics', 'rebuild', ...more], environment)
}

/** Inbound messages of each shop, as the figures have them. */
async function counted(): Promise<readonly number[]> {
  const rows: { tenant_id: string; count: number }[] = await admin`
    select tenant_id, sum(count)::int as count from analytics_rollups where log_type = 'inbound' group by 1`
  return shops.map(shop => rows.find(row => row.tenant_id === shop.tenantId)?.count ?? 0)
}

test('the logs are written from the tables, and the figures from the logs', async () => {
  const { status, output } = await rebuild('--logs')
  expect([status, await counted()]).toEqual([0, [3, 3]])
  expect(output).toContain('The logs are written again: 0 entries removed, 6 written')
  expect(output).toMatch(/The figures of 7\d\d hours are summed up again: those of 2 tenants were others/)
})

test('figures that are wrong are put right, of one tenant where one is named', async () => {
  await admin`update analytics_rollups set count = 99`
  const one = await rebuild('--tenant', shops[0]?.tenantId ?? '')
  expect([one.status, await counted()]).toEqual([0, [3, 99]])
  expect(one.output).toContain('those of 1 tenants were others')
  const all = await rebuild()
  expect([all.status, await counted()]).toEqual([0, [3, 3]])
})

test('what is no tenant is wrong usage, in one line', async () => {
  const { status, output } = await rebuild('--tenant', 'all')
  expect([status, output]).toEqual([2, 'dashoffice: --tenant takes a UUID: dashoffice tenant list tells them\n'])
})
