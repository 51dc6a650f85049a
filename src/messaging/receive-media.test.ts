import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SQL } from 'bun'
import { createTestDatabase } from '../../test/support/postgres.ts'
import { type Shop, seedShop } from '../../test/support/seed.ts'
import { makeSealer } from '../lib/crypto.ts'
import { AppError } from '../lib/errors.ts'
import { uuids } from '../lib/ids.ts'
import { makeMetrics } from '../lib/metrics.ts'
import { makeFiles } from '../stores/files.ts'
import { connect, type Database, openDatabase } from '../stores/postgres/database.ts'
import { type MessageWithMedia, type ReceivedMedia, receiveWithMedia, sourceContext } from './receive-media.ts'

let dir: string
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
})
afterEach(async () => {
  await Promise.all([admin.close(), database.close()])
  await drop()
  rmSync(dir, { recursive: true, force: true })
})

const sealer = makeSealer('an-encryption-key-for-tests-of-32-bytes')
const png = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1, 2, 3])
const source: ReceivedMedia = { kind: 'source', source: { url: 'https://files.example.test/?token=secret', size: 3 } }
const bytes: ReceivedMedia = { kind: 'bytes', bytes: png }

function receive(messages: readonly MessageWithMedia[], on: Database = database) {
  return receiveWithMedia({ database: on, ids: uuids, sealer, files: makeFiles(dir) }, messages)
}

function message(media: ReceivedMedia, changes: Partial<MessageWithMedia> = {}): MessageWithMedia {
  return {
    ...{ tenantId: shop.tenantId, botId: shop.botId, providerMessageId: uuids.next(), at: new Date() },
    sender: { identities: [{ kind: 'phone', value: '+34600000001' }], name: 'Ana' },
    content: { type: 'image', media_id: 'theirs', mime_type: 'Image/PNG', caption: 'mira' },
    media,
    ...changes,
  }
}

const filesThere = () =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' }).flatMap(name => {
    const id = name.split('/').at(-1) ?? ''
    return name.split('/').length === 3 || name.startsWith('incoming/') ? [id] : []
  })
const rows = () => admin`select * from media order by id`

test('a file that is to be got is noted with its message, sealed', async () => {
  const { stored, receipts } = await receive([message(source, { providerMessageId: 'm1' })])
  const [row] = await rows()
  expect(receipts).toEqual(['stored'])
  expect(row).toMatchObject({
    ...{ state: 'pending', origin: 'inbound', kind: 'image', declared_type: 'image/png', mime_type: 'image/png' },
    ...{ tenant_id: shop.tenantId, bot_id: shop.botId, attempts: 0, key_id: sealer.keyId, filename: null },
    ...{ message_id: stored[0]?.id, conversation_id: stored[0]?.conversationId },
  })
  expect(Buffer.from(row.source).toString('latin1')).not.toContain('secret')
  const place = { tenantId: shop.tenantId, id: row.id }
  expect(JSON.parse(sealer.open(row.source, sourceContext(place)))).toEqual(source.kind === 'source' && source.source)
  const content = { type: 'image', media_id: row.id, mime_type: 'Image/PNG', caption: 'mira' }
  expect(stored[0]?.message.content).toEqual(content as never)
  const [found] = await admin`select content from messages where provider_message_id = 'm1'`
  expect(found.content).toEqual(content)
})

test('a file that came with its message is there before it', async () => {
  const { stored } = await receive([message(bytes)])
  const [row] = await rows()
  expect(row).toMatchObject({ state: 'stored', mime_type: 'image/png', bytes: String(png.length), source: null })
  expect([row.id, filesThere()]).toEqual([String(stored[0]?.message.media?.id), [row.id]])
})

test('fifty copies leave one row and one file, in one batch and in many at once', async () => {
  const copy = message(bytes, { providerMessageId: 'm1' })
  await Promise.all([
    receive(Array.from({ length: 25 }, () => copy)),
    ...Array.from({ length: 25 }, () => receive([copy, message(source, { providerMessageId: 'm2' })])),
  ])
  const found = await rows()
  expect(found.map((row: { state: string }) => row.state).sort()).toEqual(['pending', 'stored'])
  expect(filesThere()).toEqual(
    found.flatMap((row: { id: string; state: string }) => (row.state === 'stored' ? [row.id] : [])),
  )
})

test('a file whose message cannot be stored is removed', async () => {
  const failing: Database = { ...database, transaction: () => Promise.reject(new Error('refused')) }
  await expect(receive([message(bytes)], failing)).rejects.toThrow('refused')
  expect(filesThere()).toEqual([])
})

test('where the database is lost, the file stays: its message may be stored', async () => {
  const lost: Database = {
    ...database,
    async transaction(scope, work) {
      await database.transaction(scope, work)
      throw new AppError('database_unavailable', 'The connection was lost at the end.')
    },
  }
  await expect(receive([message(bytes)], lost)).rejects.toThrow('was lost')
  const [row] = await rows()
  expect([row.state, filesThere()]).toEqual(['stored', [row.id]])
})

test('bytes that are too many, or not what they are called, are noted as that', async () => {
  const large = Buffer.concat([png, Buffer.alloc(500 * 1_024)])
  const sticker = { type: 'sticker', media_id: '1', mime_type: 'image/webp' } as const
  await receive([message({ kind: 'bytes', bytes: large }, { content: sticker })])
  await receive([message({ kind: 'bytes', bytes: png }, { content: sticker })])
  const [first, second] = await rows()
  const reason = 'The file is larger than 500 KB, which is the most that is kept of its kind.'
  expect(first).toMatchObject({ state: 'failed', reason, sha256: null })
  expect(second).toMatchObject({ state: 'stored', declared_type: 'image/webp', mime_type: 'application/octet-stream' })
  expect(filesThere()).toEqual([second.id])
})

test('a type that is none, and a name that PostgreSQL cannot hold, stop nothing', async () => {
  const content = { type: 'document', media_id: '1', mime_type: 'x\r\ny', filename: 'a\0\ud800.pdf' } as const
  await receive([message(source, { content })])
  const [row] = await rows()
  expect(row).toMatchObject({ declared_type: 'application/octet-stream', filename: 'a\ufffd\ufffd.pdf' })
})

test('a message that is no file, or whose provider hands none over, is stored as it is', async () => {
  const text = { type: 'text', text: 'hola' } as const
  const { media: _, ...bare } = message(source)
  const { stored } = await receive([message(bytes, { content: text }), bare])
  expect(stored.map(one => one.message.content)).toEqual([text, bare.content])
  expect([await rows(), filesThere()].map(list => list.length)).toEqual([0, 0])
})
