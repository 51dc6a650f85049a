import { afterEach, beforeEach, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SQL } from 'bun'
import { until } from '../../test/support/installation.ts'
import { createTestDatabase } from '../../test/support/postgres.ts'
import { type Shop, seedShop } from '../../test/support/seed.ts'
import { systemClock } from '../lib/clock.ts'
import { makeSealer } from '../lib/crypto.ts'
import { uuids } from '../lib/ids.ts'
import { type LogLevel, makeLog } from '../lib/log.ts'
import { makeMetrics } from '../lib/metrics.ts'
import type { BotWithSecrets } from '../messaging/find-bot.ts'
import { claimDueMedia } from '../messaging/media-fetches.ts'
import { receiveWithMedia } from '../messaging/receive-media.ts'
import { makeFeed } from '../stores/feed.ts'
import { makeFiles } from '../stores/files.ts'
import { makeMemoryBus } from '../stores/memory/bus.ts'
import { makeMemoryGate } from '../stores/memory/request-gate.ts'
import { connect, type Database, openDatabase } from '../stores/postgres/database.ts'
import { startMediaFetches } from './fetch-media.ts'
import type { FetchedMedia, MediaSource, WhatsAppProvider } from './provider.ts'

// The loop, on the real database and a real folder. The provider is made for this test: each file's source says how it
// behaves. Real ones are in test/integration/media.test.ts.

const png = Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), Buffer.from('a picture')])
const secret = 'the-source-of-a-file-is-a-secret'

type Answer = (source: MediaSource, signal: AbortSignal) => FetchedMedia | Promise<FetchedMedia>

let answer: Answer
let asked: string[]
let dir: string
let admin: SQL
let database: Database
let shop: Shop
let drop: () => Promise<void>
let running: { stop(): Promise<void> }[]

beforeEach(async () => {
  const created = await createTestDatabase()
  drop = created.drop
  database = openDatabase(created.connection, makeMetrics())
  admin = connect(created.connection, 2)
  shop = await seedShop(admin, { number: '1' })
  dir = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
  ;[asked, running] = [[], []]
})
afterEach(async () => {
  for (const loop of running) await loop.stop()
  await Promise.all([admin.close(), database.close()])
  await drop()
  rmSync(dir, { recursive: true, force: true })
})

const bus = makeMemoryBus()
const [ids, sealer, gate] = [uuids, makeSealer('an-encryption-key-for-tests-of-32-bytes'), makeMemoryGate(systemClock)]
const parts = () => ({ database, ids, sealer, files: makeFiles(join(dir, 'media')) })

/** A loop as a process has it. `isAlone`: it takes what another one has left. */
async function start({ isAlone = false, metrics = makeMetrics(), level = 'error' as LogLevel } = {}) {
  const log = makeLog({ level, dir: join(dir, 'log') })
  const provider = { name: 'meta', fetchMedia } as const
  const loop = await startMediaFetches({
    ...parts(),
    ...{ bus, log, metrics, isAlone, clock: systemClock, feed: makeFeed({ bus, gate, log }) },
    bots: {
      find: async id => (id === shop.botId || id === otherBot ? botOf(id) : null),
      forget: () => undefined,
      close,
    },
    // The loop calls nothing else of a provider.
    providers: new Map([['meta', provider as unknown as WhatsAppProvider]]),
  })
  running.push(loop)
  return loop
}

const close = () => undefined
const otherBot = uuids.next()
const botOf = (id: string): BotWithSecrets => ({
  ...{ id, tenantId: shop.tenantId, provider: 'meta', config: {}, version: '', isFallback: false, readReceipts: false },
})

async function fetchMedia(source: MediaSource, _bot: unknown, signal: AbortSignal): Promise<FetchedMedia> {
  asked.push(String(source.name))
  return await answer(source, signal)
}

const found = (
  bytes: Buffer<ArrayBuffer>,
  changes: Partial<Extract<FetchedMedia, { kind: 'found' }>> = {},
): FetchedMedia => ({
  ...{ kind: 'found', body: new Blob([bytes]).stream(), mimeType: 'image/png', bytes: bytes.length },
  ...changes,
})

/** Never ends by itself, and knows nothing of the signal. */
const hanging = (): FetchedMedia => ({
  ...{ kind: 'found', mimeType: null, bytes: null },
  body: new ReadableStream({ start: controller => controller.enqueue(png) }),
})

let messages = 0
/** A customer sends a file. Returns our id of it. */
async function sendFile(name: string, { botId = shop.botId, type = 'image' as const, mime = 'image/png' } = {}) {
  const { stored } = await receiveWithMedia(parts(), [
    {
      ...{ tenantId: shop.tenantId, botId, providerMessageId: `m${messages++}`, at: new Date() },
      sender: { identities: [{ kind: 'phone', value: '+34600000001' }], name: 'Ana' },
      content: { type, media_id: `theirs ${name}`, mime_type: mime },
      media: { kind: 'source', source: { name, secret } },
    },
  ])
  return String(stored[0]?.message.media?.id)
}

async function rowOf(id: string) {
  const [row] =
    await admin`select state, reason, mime_type, declared_type, bytes::int as bytes, sha256, source, attempts,
    is_leased from media where id = ${id}`
  return row
}

const pathOf = (id: string) => join(dir, 'media', shop.tenantId, id.slice(-2), id)
const unfinished = () => readdirSync(join(dir, 'media/incoming'))
const ended = (id: string) => until(async () => (await rowOf(id)).state !== 'pending')

test('a file is got, is there as it was sent, and its source is forgotten', async () => {
  answer = () => found(png)
  const metrics = makeMetrics()
  await start({ metrics })
  const id = await sendFile('a')
  bus.publish('media')
  await ended(id)
  expect(await rowOf(id)).toMatchObject({
    ...{ state: 'stored', reason: null, mime_type: 'image/png', bytes: png.length, source: null, is_leased: false },
    sha256: createHash('sha256').update(png).digest('hex'),
  })
  expect(readFileSync(pathOf(id))).toEqual(png)
  expect(unfinished()).toEqual([])
  const text = await metrics.registry.metrics()
  expect(text).toContain('media_fetched_total{provider="meta",outcome="stored"} 1')
  expect(text).toContain(`media_fetched_bytes_total{provider="meta"} ${png.length}`)
})

test('once a file is there, or is not to be had, the sockets are told of its message', async () => {
  answer = source => (source.name === 'a' ? found(png) : { kind: 'failed', reason: 'It is gone.' })
  const told: string[] = []
  const unsubscribe = bus.subscribe(`events:${shop.tenantId}`, payload => told.push(payload))
  const sent = [await sendFile('a'), await sendFile('b')]
  await start()
  for (const id of sent) await ended(id)
  await until(() => told.length === 2)
  unsubscribe()
  const events = told.flatMap(payload => JSON.parse(payload)).map(({ type, data }) => ({ type, ...data }))
  const messages = await admin`select m.id, m.conversation_id from messages m order by m.id`
  expect(events.toSorted((one, other) => (one.message_id < other.message_id ? -1 : 1))).toEqual(
    messages.map(({ id, conversation_id }: { id: string; conversation_id: string }) => ({
      ...{ type: 'message.status', conversation_id, message_id: id, status: 'received', error: null },
    })),
  )
})

test('a provider that is busy is asked again', async () => {
  const answers = [{ kind: 'retry', reason: 'Busy.', pace: 'soon' } as const, found(png)]
  answer = () => answers.shift() ?? found(png)
  const id = await sendFile('a')
  await start()
  await until(async () => (await rowOf(id)).reason === 'Busy.')
  await ended(id)
  expect(await rowOf(id)).toMatchObject({ state: 'stored', reason: null, attempts: 2 })
})

test('the last try that fails ends the file, with the reason', async () => {
  answer = () => ({ kind: 'retry', reason: 'Busy.', pace: 'later' })
  const id = await sendFile('a')
  await admin`update media set attempts = 9`
  await start()
  await ended(id)
  expect(await rowOf(id)).toMatchObject({ state: 'failed', reason: 'Busy. Given up after 10 tries.', source: null })
})

test('a file that the provider has no more is failed at once', async () => {
  answer = () => ({ kind: 'failed', reason: 'It is gone.' })
  const id = await sendFile('a')
  await start()
  await ended(id)
  expect(await rowOf(id)).toMatchObject({ state: 'failed', reason: 'It is gone.', attempts: 1 })
})

test('a file that is too large is not read to its end, whatever the provider says of its size', async () => {
  let [given, cancelled] = [0, 0]
  const chunk = new Uint8Array(1_048_576)
  const body = () =>
    new ReadableStream<Uint8Array>({
      pull(controller) {
        given++
        controller.enqueue(chunk)
      },
      cancel() {
        cancelled++
      },
    })
  const sizes = [null, 10, 6_000_000]
  answer = () => ({ kind: 'found', body: body(), mimeType: 'image/png', bytes: sizes.shift() ?? null })
  const sent = [await sendFile('a'), await sendFile('b'), await sendFile('c')]
  await start()
  for (const id of sent) {
    await ended(id)
    const reason = 'The file is larger than 5 MB, which is the most that is kept of its kind.'
    expect(await rowOf(id)).toMatchObject({ state: 'failed', reason, bytes: null })
  }
  expect([given < 20, cancelled]).toEqual([true, 3])
  expect(unfinished()).toEqual([])
})

test('a file that is not what it is called is kept, and called nothing more than bytes', async () => {
  answer = () => found(Buffer.from('<script>alert(1)</script>'))
  const id = await sendFile('a')
  await start()
  await ended(id)
  expect(await rowOf(id)).toMatchObject({
    ...{ state: 'stored', mime_type: 'application/octet-stream', declared_type: 'image/png' },
  })
})

test('a part of a file, or nothing, is not taken for the file', async () => {
  const answers = [found(png.subarray(0, 9), { bytes: png.length }), found(Buffer.alloc(0)), found(png)]
  answer = () => answers.shift() ?? found(png)
  const id = await sendFile('a')
  await start()
  await until(async () => (await rowOf(id)).reason === 'The provider gave a part of the file only.')
  await ended(id)
  expect(await rowOf(id)).toMatchObject({ state: 'stored', bytes: png.length, attempts: 3 })
}, 20_000)

test('a body that breaks off is tried again, and nobody is told its address', async () => {
  const broken = () =>
    new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.error(new Error(`https://files.example.test/?token=${secret}`))
      },
    })
  answer = () => found(png, { body: broken() })
  const id = await sendFile('a')
  await start({ level: 'warn' })
  await until(async () => (await rowOf(id)).reason !== null)
  await admin`update media set attempts = 9, due_at = now(), is_leased = false`
  await ended(id)
  expect((await rowOf(id)).reason).toBe('The connection broke off. Given up after 10 tries.')
  await until(() => readdirSync(join(dir, 'log')).some(name => readFileSync(join(dir, 'log', name), 'utf8') !== ''))
  for (const name of readdirSync(join(dir, 'log')))
    expect(readFileSync(join(dir, 'log', name), 'utf8')).not.toContain(secret)
})

test('a file that is being got at a stop is given back, and the next process gets it as its first try', async () => {
  answer = hanging
  const id = await sendFile('a')
  const first = await start()
  await until(() => unfinished().length === 1)
  await first.stop()
  expect(await rowOf(id)).toMatchObject({ state: 'pending', attempts: 0, is_leased: false })
  expect(unfinished()).toEqual([])
  answer = () => found(png)
  await start()
  await ended(id)
  expect(await rowOf(id)).toMatchObject({ state: 'stored', attempts: 1 })
})

/** As a process does that then dies without a word. */
async function claimAndDie(): Promise<void> {
  const limits = { limit: 10, perBotMax: 10, leaseSeconds: 600 }
  const claimed = await database.transaction({ role: 'worker' }, tx => claimDueMedia(tx, limits, new Map()))
  expect(claimed.length).toBe(1)
}

test('what a process that was killed has left is got by the next one, at once where it is alone', async () => {
  answer = () => found(png)
  const id = await sendFile('a')
  await claimAndDie()
  const another = await start()
  await Bun.sleep(50)
  expect(asked).toEqual([])
  await another.stop()
  await start({ isAlone: true })
  await ended(id)
  expect(await rowOf(id)).toMatchObject({ state: 'stored', attempts: 2 })
})

test('with other processes beside it, it is got when its lease is over', async () => {
  answer = () => found(png)
  const id = await sendFile('a')
  await claimAndDie()
  await admin`update media set due_at = now()`
  await start()
  await ended(id)
  expect(await rowOf(id)).toMatchObject({ state: 'stored', attempts: 2 })
})

test('whoever has lost the lease writes nothing', async () => {
  const late = Promise.withResolvers<void>()
  answer = async () => {
    if (asked.length > 1) return found(png)
    await late.promise
    return { kind: 'failed', reason: 'It came too late.' }
  }
  const id = await sendFile('a')
  await start()
  await until(() => asked.length === 1)
  await admin`update media set due_at = now()`
  await start()
  await ended(id)
  late.resolve()
  await Bun.sleep(50)
  expect(await rowOf(id)).toMatchObject({ state: 'stored', reason: null, attempts: 2 })
  expect(readFileSync(pathOf(id))).toEqual(png)
})

test('several processes get each file once', async () => {
  answer = async () => {
    await Bun.sleep(5)
    return found(png)
  }
  const sent: string[] = []
  for (let count = 0; count < 30; count++) sent.push(await sendFile(`file ${count}`))
  await Promise.all([start(), start(), start()])
  for (const id of sent) await ended(id)
  expect(asked.toSorted()).toEqual(Array.from({ length: 30 }, (_, count) => `file ${count}`).toSorted())
})

test('a bot whose provider hangs holds up its own files only', async () => {
  answer = source => (source.name === 'slow' ? hanging() : found(png))
  for (let count = 0; count < 30; count++) await sendFile('slow')
  const id = await sendFile('quick', { botId: otherBot })
  const loop = await start()
  await ended(id)
  await until(() => asked.length === 5)
  await Bun.sleep(50)
  expect(asked.filter(name => name === 'slow').length).toBe(4)
  await loop.stop()
  const [row] = await admin`select count(*)::int as count from media where state = 'pending' and attempts = 0`
  expect(row.count).toBe(30)
})

test('the file of a bot that is gone, or whose source cannot be opened, is failed with the reason', async () => {
  answer = () => found(png)
  const [gone, sealed] = [await sendFile('a', { botId: uuids.next() }), await sendFile('b')]
  await admin`update media set source = '\\x00' where id = ${sealed}`
  await start()
  await ended(gone)
  await ended(sealed)
  expect((await rowOf(gone)).reason).toBe('The bot was deleted before its provider gave the file.')
  expect((await rowOf(sealed)).reason).toStartWith('Where the file is cannot be read')
  expect(asked).toEqual([])
})
