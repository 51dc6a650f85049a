import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SQL } from 'bun'
import { makeTestLog } from '../../test/support/log.ts'
import { createTestDatabase } from '../../test/support/postgres.ts'
import { type Shop, seedShop } from '../../test/support/seed.ts'
import type { OutboundContent } from '../flow/content.ts'
import { systemClock } from '../lib/clock.ts'
import { uuids } from '../lib/ids.ts'
import { makeMetrics } from '../lib/metrics.ts'
import { insertUploadedMedia } from '../messaging/media.ts'
import { makeMediaLinks } from '../messaging/media-links.ts'
import { makeFiles } from '../stores/files.ts'
import { connect, type Database, openDatabase } from '../stores/postgres/database.ts'
import type { PostgresConnection } from '../stores/postgres/embedded.ts'
import { findOutboundFile } from './find-outbound-file.ts'

let dir: string
let admin: SQL
let connection: PostgresConnection
let database: Database
let shop: Shop
let drop: () => Promise<void>

beforeAll(async () => {
  const created = await createTestDatabase()
  ;({ drop, connection } = created)
  database = openDatabase(connection, makeMetrics())
  admin = connect(connection, 2)
  shop = await seedShop(admin, { number: '1' })
  dir = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
})
afterAll(async () => {
  await Promise.all([admin.close(), database.close()])
  await drop()
  rmSync(dir, { recursive: true, force: true })
})

const links = makeMediaLinks({
  encryptionKey: 'an-encryption-key-for-tests-of-32-bytes',
  publicUrl: 'http://adapter.test',
})
const log = makeTestLog()

function find(content: OutboundContent, { tenantId = shop.tenantId, on = database } = {}) {
  return findOutboundFile({ database: on, files: makeFiles(dir), links, log, clock: systemClock }, tenantId, content)
}

async function* once() {
  yield Buffer.from('a file')
}

async function upload(): Promise<string> {
  const place = { tenantId: shop.tenantId, id: uuids.next() }
  const received = await makeFiles(dir).receive(once(), 100)
  await received?.keep(place)
  const row = { ...place, uploadedBy: uuids.next(), mimeType: 'text/plain', filename: 'a.txt', bytes: 6, sha256: 'x' }
  await database.transaction({ role: 'app', tenantId: shop.tenantId }, tx => insertUploadedMedia(tx, row))
  return place.id
}

const documentOf = (media_id: string): OutboundContent => ({ type: 'document', media_id })

test('a file that is kept here goes with its bytes, its name, its type, and a link', async () => {
  const id = await upload()
  const found = await find(documentOf(id))
  if (!('file' in found) || found.file === null) throw new Error('it was not found')
  const { blob, link, ...rest } = found.file
  expect(rest).toEqual({ mimeType: 'text/plain', filename: 'a.txt', bytes: 6, key: id })
  expect([blob.type.replace(/;.*/, ''), await blob.text()]).toEqual(['text/plain', 'a file'])
  const { pathname, searchParams } = new URL(link)
  const [expires, signature] = [searchParams.get('expires') ?? '', searchParams.get('signature') ?? '']
  expect(pathname).toBe(`/media/${shop.tenantId}/${id}`)
  expect(links.verify({ tenantId: shop.tenantId, id, expires, signature }, new Date())).toBe('valid')
})

test('a content without a file of ours has none', async () => {
  const contents: OutboundContent[] = [
    { type: 'text', text: 'hola' },
    { type: 'image', url: 'https://shop.example/a.png' },
    { type: 'image', media_id: '1234567890' },
  ]
  for (const content of contents) expect(await find(content)).toEqual({ file: null })
})

test('a file that is not there, or another tenant’s, or not here yet, fails the send with the reason', async () => {
  const missing = 'There is no such file: upload it first.'
  const failed = (message: string) => ({ kind: 'failed', error: { code: 'no_file', message } }) as const
  expect(await find(documentOf(uuids.next()))).toEqual(failed(missing))
  expect(await find(documentOf(await upload()), { tenantId: uuids.next() })).toEqual(failed(missing))
  const [pending, refused, lost] = [await upload(), await upload(), await upload()]
  await admin`update media set state = 'pending', sha256 = null, source = '\\x00' where id = ${pending}`
  await admin`update media set state = 'failed', sha256 = null, reason = 'It is gone.' where id = ${refused}`
  await makeFiles(dir).remove({ tenantId: shop.tenantId, id: lost })
  expect(await find(documentOf(pending))).toMatchObject({
    kind: 'failed',
    error: { message: expect.stringContaining('yet') },
  })
  expect(await find(documentOf(refused))).toEqual(failed('The file could not be got from its provider. It is gone.'))
  expect(await find(documentOf(lost))).toEqual(failed('The file is not there any more: upload it again.'))
})

test('while the database is away the send is tried again', async () => {
  const closed = openDatabase(connection, makeMetrics())
  await closed.close()
  expect(await find(documentOf(uuids.next()), { on: closed })).toMatchObject({ kind: 'retry', pace: 'later' })
})
