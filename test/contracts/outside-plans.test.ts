import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { ReservedSQL, SQL } from 'bun'
import { claimDeliveries, deleteOldDeliveries, requeueDeadDeliveries } from '../../src/commerce/claim-deliveries.ts'
import { listDeliveries, queueEvent } from '../../src/commerce/webhook-deliveries.ts'
import { firstId, uuids } from '../../src/lib/ids.ts'
import { claimCalls, findDeadCalls } from '../../src/messaging/calls.ts'
import { connect, type Transaction } from '../../src/stores/postgres/database.ts'
import { cacheModes, explainList } from '../support/explain.ts'
import { createTestDatabase } from '../support/postgres.ts'

// What PostgreSQL does for what is asked often of 200,000 deliveries of one webhook, of which 10,000 wait, and of 20,000
// calls that wait: all of one tenant, but for a few of a hundred others.

const deliveriesMany = 200_000
const callsMany = 20_000
const others = 100
/** A claim writes a hundred rows, and a webhook that is full has all of its ten thousand that wait counted. */
const buffersMax = 5_000

const [tenant, webhook] = [uuids.next(), uuids.next()]

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let connection: ReservedSQL
let tenants: string[]

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 1)
  connection = await admin.reserve()
  await connection`insert into tenants (id, name) values (${tenant}, 'T')`
  await connection`insert into tenants (id, name) select uuidv7(), 'T' from generate_series(1, ${others}::int)`
  await connection`insert into webhooks (tenant_id, id, url, events, key_id, sealed)
    select id, case when id = ${tenant} then ${webhook}::uuid else uuidv7() end, 'https://example.com', '{*}', '', ''
    from tenants`
  await connection`insert into webhook_deliveries (tenant_id, webhook_id, id, event_id, event, payload, state, ended_at)
    select ${tenant}, ${webhook}, uuidv7(), uuidv7(), 'e', '{}',
      case when i % 20 = 0 then 'queued' when i % 10000 = 1 then 'failed' else 'delivered' end,
      case when i % 20 > 0 then now() - make_interval(mins => i) end
    from generate_series(1, ${deliveriesMany}::int) i`
  await connection`insert into webhook_deliveries (tenant_id, webhook_id, id, event_id, event, payload)
    select tenant_id, id, uuidv7(), uuidv7(), 'e', '{}' from webhooks cross join generate_series(1, 3)
    where tenant_id <> ${tenant}`
  await connection`insert into calls (tenant_id, conversation_id, id, call_id, handler, request)
    select ${tenant}, uuidv7(), uuidv7(), 'a1', 'http.request', '{}' from generate_series(1, ${callsMany}::int)`
  await connection`insert into calls (tenant_id, conversation_id, id, call_id, handler, request)
    select id, uuidv7(), uuidv7(), 'a1', 'http.request', '{}' from tenants where id <> ${tenant}`
  await connection`vacuum (analyze) webhooks, webhook_deliveries, calls`
  const rows = await connection`select id from tenants order by id limit 64`
  tenants = rows.map((row: { id: string }) => row.id)
}, 60_000)
afterAll(async () => {
  connection.release()
  await admin.close()
  await created.drop()
})

const bounds = { limit: 100, perTenantMax: 10, perWebhookMax: 4, leaseMs: 60_000 }

/** The second statement of a claim, with the tenants that the first one finds. */
function afterTenants(claim: (tx: Transaction) => Promise<unknown>): (tx: Transaction) => Promise<unknown> {
  return async tx => {
    let asked = 0
    await claim({
      // Its rows are what the first statement declares; those of the second are not looked at.
      run: (statement, values) =>
        asked++ === 0 ? Promise.resolve(tenants.map(tenant_id => ({ tenant_id })) as never) : tx.run(statement, values),
    })
  }
}

const asked: Readonly<Record<string, readonly [string | null, (tx: Transaction) => Promise<unknown>]>> = {
  'the tenants whose calls wait': [null, tx => claimCalls(tx, { after: firstId }, bounds)],
  'the calls that are due, a few of each tenant': [
    null,
    afterTenants(tx => claimCalls(tx, { after: firstId }, bounds)),
  ],
  'the calls that were left behind': [null, tx => findDeadCalls(tx, 100, false)],
  'the tenants whose deliveries wait': [null, tx => claimDeliveries(tx, { after: firstId }, bounds)],
  'the deliveries that are due, a few of each tenant': [
    null,
    afterTenants(tx => claimDeliveries(tx, { after: firstId }, bounds)),
  ],
  'the deliveries that were left behind': [null, tx => requeueDeadDeliveries(tx, 100, false)],
  'the deliveries that are too old': [null, tx => deleteOldDeliveries(tx, new Date(Date.now() - 86_400_000), 100)],
  'the webhooks that want an event': [null, tx => queueEvent(tx, uuids, { tenantId: tenant, type: 'e', data: {} })],
  'the newest deliveries of a webhook': [
    tenant,
    tx => listDeliveries(tx, { tenantId: tenant, webhookId: webhook, beforeId: null, state: null, limit: 21 }),
  ],
  'the few that failed': [
    tenant,
    tx => listDeliveries(tx, { tenantId: tenant, webhookId: webhook, beforeId: null, state: 'failed', limit: 21 }),
  ],
}

for (const [name, [tenantId, work]] of Object.entries(asked))
  test(`${name}: in few pages`, async () => {
    for (const cacheMode of cacheModes) {
      const { scans, buffers } = await explainList(connection, tenantId, cacheMode, work)
      expect(scans.filter(scan => /^Seq Scan (calls|webhook_deliveries)/.test(scan))).toEqual([])
      expect(buffers).toBeLessThan(buffersMax)
    }
  })
