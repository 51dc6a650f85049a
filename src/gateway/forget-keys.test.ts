import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openTestGateway, type TestGateway } from '../../test/support/gateway.ts'
import { until } from '../../test/support/installation.ts'
import { connect } from '../stores/postgres/database.ts'
import { startGateway } from './gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

test('a gateway forgets all old keys, however many, and keeps the young ones', async () => {
  const { tenantId, userId } = await gateway.addCaller()
  const admin = connect(gateway.connection, 1)
  const add = (name: string, count: number, hours: number) => admin`
    insert into idempotency_keys (tenant_id, caller_id, key, request_hash, created_at)
    select ${tenantId}, ${userId}, ${name}::text || i, 'h', now() - make_interval(hours => ${hours}::int)
    from generate_series(1, ${count}::int) i`
  await add('old', 2_500, 25)
  await add('young', 10, 23)
  const running = startGateway(gateway)
  await until(async () => {
    const [{ kept }] = await admin`select count(*)::int as kept from idempotency_keys`
    return kept === 10
  })
  await running.stop()
  const rows: { key: string }[] = await admin`select key from idempotency_keys`
  expect(rows.every(row => row.key.startsWith('young'))).toBe(true)
  await admin.close()
})
