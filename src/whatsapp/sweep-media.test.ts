import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { SQL } from 'bun'
import { makeTestLog } from '../../test/support/log.ts'
import { createTestDatabase } from '../../test/support/postgres.ts'
import { type Shop, seedShop } from '../../test/support/seed.ts'
import { systemClock } from '../lib/clock.ts'
import { makeSealer } from '../lib/crypto.ts'
import { uuids } from '../lib/ids.ts'
import { makeMetrics } from '../lib/metrics.ts'
import { insertUploadedMedia } from '../messaging/media.ts'
import { receiveWithMedia } from '../messaging/receive-media.ts'
import { type FilePlace, type Files, makeFiles } from '../stores/files.ts'
import { connect, type Database, openDatabase } from '../stores/postgres/database.ts'
import { makeMediaSweep } from './sweep-media.ts'

let dir: string
let files: Files
let admin: SQL
let database: Database
let shop: Shop
let drop: () => Promise<void>

beforeEach(async () => {
  const created = await createTestDatabase()
  drop = created.drop
  database = openDatabase(created.connection, makeMetrics())
  admin = connect(created.connection, 2)
  shop = await seedShop(admin, { number: '1' })
  dir = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
  files = makeFiles(dir)
})
afterEach(async () => {
  await Promise.all([admin.close(), database.close()])
  await drop()
  rmSync(dir, { recursive: true, force: true })
})

const log = makeTestLog()
const sweep = () => makeMediaSweep({ database, files, log, clock: systemClock })()
const pathOf = ({ tenantId, id }: FilePlace) => join(dir, tenantId, id.slice(-2), id)
const isThere = (place: FilePlace) => existsSync(pathOf(place))

/** As if it had been written so long ago. */
function age(path: string, minutes: number): void {
  const time = new Date(Date.now() - minutes * 60_000)
  utimesSync(path, time, time)
}

async function* once() {
  yield Buffer.from('a file')
}

/** A file that nothing is known of. */
async function putStray(minutes: number): Promise<FilePlace> {
  const place = { tenantId: shop.tenantId, id: uuids.next() }
  await (await files.receive(once(), 100))?.keep(place)
  age(pathOf(place), minutes)
  return place
}

async function receive(): Promise<FilePlace> {
  const parts = { database, files, ids: uuids, sealer: makeSealer('an-encryption-key-for-tests-of-32-bytes') }
  const { stored } = await receiveWithMedia(parts, [
    {
      ...{ tenantId: shop.tenantId, botId: shop.botId, providerMessageId: uuids.next(), at: new Date() },
      sender: { identities: [{ kind: 'phone', value: '+34600000001' }], name: 'Ana' },
      content: { type: 'document', media_id: '1', mime_type: 'text/plain' },
      media: { kind: 'bytes', bytes: Buffer.from('a file') },
    },
  ])
  return { tenantId: shop.tenantId, id: String(stored[0]?.message.media?.id) }
}

test('files of customers go after ninety days, uploads stay', async () => {
  const [old, young] = [await receive(), await receive()]
  const upload = await putStray(0)
  const row = { ...upload, uploadedBy: uuids.next(), mimeType: 'text/plain', filename: null, bytes: 6, sha256: 'x' }
  await database.transaction({ role: 'app', tenantId: shop.tenantId }, tx => insertUploadedMedia(tx, row))
  await admin`update media set created_at = now() - interval '90 days 1 minute' where id in (${old.id}, ${upload.id})`
  await admin`update media set created_at = now() - interval '89 days' where id = ${young.id}`
  for (const place of [old, young, upload]) age(pathOf(place), 90 * 24 * 60)
  await sweep()
  expect([old, young, upload].map(isThere)).toEqual([false, true, true])
  const rows = await admin`select id from media order by id`
  expect(rows.map((one: { id: string }) => one.id)).toEqual([young.id, upload.id].sort())
})

test('what is noted nowhere goes after an hour: it may still be about to be noted before', async () => {
  const [old, young] = [await putStray(61), await putStray(59)]
  await sweep()
  expect([old, young].map(isThere)).toEqual([false, true])
})

test('what was being received goes after an hour', async () => {
  const [left, coming] = [await files.receive(once(), 100), await files.receive(once(), 100)]
  expect([left === null, coming === null]).toEqual([false, false])
  const [first = ''] = readdirSync(join(dir, 'incoming'))
  age(join(dir, 'incoming', first), 61)
  await sweep()
  expect(readdirSync(join(dir, 'incoming'))).not.toContain(first)
  expect(readdirSync(join(dir, 'incoming')).length).toBe(1)
})

test('a disk with many files is looked at piece by piece, and then again', async () => {
  const strays = Array.from({ length: 2_500 }, () => ({ tenantId: shop.tenantId, id: uuids.next() }))
  for (const place of strays) {
    mkdirSync(dirname(pathOf(place)), { recursive: true })
    writeFileSync(pathOf(place), 'a file')
    age(pathOf(place), 61)
  }
  const piece = makeMediaSweep({ database, files, log, clock: systemClock })
  const left: number[] = []
  for (let pass = 0; pass < 3; pass++) {
    await piece()
    left.push(strays.filter(isThere).length)
  }
  expect(left).toEqual([1_500, 500, 0])
  const another = await putStray(61)
  await piece()
  expect(isThere(another)).toBeFalse()
})
