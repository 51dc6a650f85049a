import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { ReservedSQL, SQL } from 'bun'
import { uuids } from '../../src/lib/ids.ts'
import { findSeenMedia, insertUploadedMedia } from '../../src/messaging/media.ts'
import { claimDueMedia } from '../../src/messaging/media-fetches.ts'
import { deleteOldMedia } from '../../src/messaging/old-media.ts'
import { connect, type Transaction } from '../../src/stores/postgres/database.ts'
import { cacheModes, explainList } from '../support/explain.ts'
import { createTestDatabase } from '../support/postgres.ts'

// What PostgreSQL does for what is asked often of 100,000 files, each in a message of its own among as many without, while
// 10,000 wait to be got: all of one bot but one.

const many = 100_000
const buffersMax = 400

const [tenant, busyBot, otherBot] = [uuids.next(), uuids.next(), uuids.next()]
const [seller, customer, conversation] = [uuids.next(), uuids.next(), uuids.next()]

let created: Awaited<ReturnType<typeof createTestDatabase>>
let admin: SQL
let connection: ReservedSQL
let mediaId: string

beforeAll(async () => {
  created = await createTestDatabase()
  admin = connect(created.connection, 1)
  connection = await admin.reserve()
  await connection`insert into tenants (id, name) values (${tenant}, 'T')`
  await connection`insert into customers (tenant_id, id) values (${tenant}, ${customer})`
  await connection`insert into conversations (tenant_id, id, bot_id, customer_id, seller_id)
    values (${tenant}, ${conversation}, ${busyBot}, ${customer}, ${seller})`
  await connection`insert into media (tenant_id, id, origin, bot_id, conversation_id, message_id, kind, declared_type,
      mime_type, bytes, sha256, state, source, due_at, created_at, uploaded_by)
    select ${tenant}::uuid, uuidv7(), case when i % 10 = 1 then 'upload' else 'inbound' end,
      case when i = ${many}::int then ${otherBot}::uuid else ${busyBot}::uuid end, ${conversation}::uuid, uuidv7(), 'image',
      'image/png', 'image/png', case when i % 10 > 0 then 3 end, case when i % 10 > 0 then 'x' end,
      case when i % 10 > 0 then 'stored' else 'pending' end, case when i % 10 = 0 then '\\x00'::bytea end,
      now() - make_interval(secs => i::double precision / 10), now() - make_interval(mins => i), ${uuids.next()}::uuid
    from generate_series(1, ${many}::int) i`
  await connection`insert into messages (tenant_id, conversation_id, id, bot_id, direction, content, status)
    select tenant_id, conversation_id, message_id, bot_id, 'inbound',
      jsonb_build_object('type', 'image', 'media_id', id::text), 'received' from media
    union all
    select tenant_id, conversation_id, uuidv7(), bot_id, 'inbound', '{"type": "text", "text": "hola"}', 'received' from media`
  await connection`vacuum (analyze) media, messages, conversations`
  const [row] = await connection`select id from media where state = 'stored' order by id desc offset 500 limit 1`
  mediaId = row.id
}, 60_000)
afterAll(async () => {
  connection.release()
  await admin.close()
  await created.drop()
})

const limits = { limit: 12, perBotMax: 4, leaseSeconds: 60 }
const upload = { tenantId: tenant, id: uuids.next(), uploadedBy: uuids.next(), mimeType: 'text/plain', filename: null }

/** With the rows of the first time, and of the second: what was claimed is not claimed again. */
const asked: Readonly<
  Record<string, readonly [string | null, rows: readonly number[], (tx: Transaction) => Promise<unknown>]>
> = {
  'a file that a seller has a message with': [
    tenant,
    [1, 1],
    tx => findSeenMedia(tx, { tenantId: tenant, id: uuids.next(), sellerId: seller }, mediaId),
  ],
  'a file of another seller': [
    tenant,
    [0, 0],
    tx => findSeenMedia(tx, { tenantId: tenant, id: uuids.next(), sellerId: uuids.next() }, mediaId),
  ],
  'the files that are due, a few of each bot': [null, [5, 4], tx => claimDueMedia(tx, limits, new Map())],
  'what a tenant has uploaded': [
    tenant,
    [1, 1],
    // Only the first of its statements.
    tx => insertUploadedMedia(tx, { ...upload, bytes: Number.POSITIVE_INFINITY, sha256: 'x' }),
  ],
  'the files that are too old': [null, [20, 20], tx => deleteOldMedia(tx, new Date(Date.now() - 60 * 86_400_000), 20)],
}

for (const [name, [tenantId, rows, work]] of Object.entries(asked))
  test(`${name}: in few pages`, async () => {
    for (const [index, cacheMode] of cacheModes.entries()) {
      const explained = await explainList(connection, tenantId, cacheMode, work)
      expect([cacheMode, explained.rows]).toEqual([cacheMode, rows[index] ?? -1])
      expect(explained.scans.filter(scan => scan.startsWith('Seq Scan m'))).toEqual([])
      expect(explained.buffers).toBeLessThan(buffersMax)
    }
  })
