import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { ReservedSQL, SQL } from 'bun'
import { compileFlow } from '../../src/flow/compile.ts'
import { uuids } from '../../src/lib/ids.ts'
import { moveConversations } from '../../src/messaging/move-conversations.ts'
import { findConversationsIn } from '../../src/messaging/replay.ts'
import { connect } from '../../src/stores/postgres/database.ts'
import { cacheModes, explainList } from '../support/explain.ts'
import { createTestDatabase } from '../support/postgres.ts'

// What PostgreSQL does to go through the conversations of a flow, where there are 100,000, half of them closed, in two
// tenants: a page touches its own rows only.

const many = 100_000
/** A page is of 1,000 rows, each of which may lie somewhere else. */
const buffersMax = 3_500

const [tenant, flowId] = [uuids.next(), uuids.next()]

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let connection: ReservedSQL

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 1)
  connection = await admin.reserve()
  const frame = { flow_id: flowId, name: 'F', version: 1, return_step: null }
  const run = { frames: [frame], variables: {}, step: 'a', waiting: null }
  const state = JSON.stringify({ status: 'bot', seq: 3, run, last_run: null })
  await connection`set session_replication_role = replica`
  for (const owner of [tenant, uuids.next()])
    await connection`insert into conversations (tenant_id, id, bot_id, customer_id, status, state, seq)
      select ${owner}, uuidv7(), gen_random_uuid(), gen_random_uuid(),
        case when i % 2 = 0 then 'bot' else 'closed' end, ${state}::text::jsonb, 3
      from generate_series(1, ${many / 2}::int) i`
  await connection`insert into conversation_events (tenant_id, conversation_id, seq, type, data, at)
    select c.tenant_id, c.id, n, case when n = 2 then 'flow.started' else 'replied' end,
      jsonb_build_object('flow_id', ${flowId}::text), now()
    from conversations c cross join generate_series(1, 3) n`
  await connection`set session_replication_role = origin`
  await connection`vacuum (analyze) conversations, conversation_events`
}, 120_000)
afterAll(async () => {
  connection.release()
  await admin.close()
  await created.drop()
})

const flow = compileFlow({ name: 'F', start: 'a', triggers: [], steps: { a: { type: 'end' } } })

test('those that run a flow are read by the index of the open ones', async () => {
  const move = { tenantId: tenant, flowId, from: null, to: { version: 2, flow }, isDryRun: true, after: null }
  for (const cacheMode of cacheModes) {
    const explained = await explainList(connection, tenant, cacheMode, tx => moveConversations(tx, uuids, move))
    expect([cacheMode, explained.rows]).toEqual([cacheMode, 1_000])
    expect(explained.scans).toEqual(['Index Scan conversations'])
    expect(explained.buffers).toBeLessThan(buffersMax)
  }
})

test('those that were in a flow are read newest first, with the events of each by their key', async () => {
  for (const cacheMode of cacheModes) {
    const explained = await explainList(connection, null, cacheMode, tx =>
      findConversationsIn(tx, { tenantId: tenant, flowId }, 10),
    )
    expect([cacheMode, explained.rows]).toEqual([cacheMode, 500])
    expect(explained.scans.every(scan => scan.startsWith('Index '))).toBe(true)
    expect(explained.buffers).toBeLessThan(buffersMax)
  }
})
