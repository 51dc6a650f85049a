import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { type Db, MongoClient } from 'mongodb'
import { systemClock } from '../../src/lib/clock.ts'
import { UsageError } from '../../src/lib/errors.ts'
import { type LogStore, logNames } from '../../src/stores/log-store.ts'
import { until } from '../support/installation.ts'
import { after, dayMs, hour, keptDays, newEntry, openOnMongo, readAll, urlOfDatabase } from '../support/log-stores.ts'
import { ferretdb, startTestMongo, type TestMongo } from '../support/mongo.ts'
import { optionalProgram } from '../support/optional.ts'

// What is MongoDB's own about the logs. With TEST_MONGODB_URL the server is the one there, else FerretDB 1.

const givenUrl = process.env.TEST_MONGODB_URL
const program =
  givenUrl === undefined ? optionalProgram(ferretdb, "MongoDB's indexes and expiry are not tried") : undefined
const hasMongo = givenUrl !== undefined || program !== undefined

let mongo: TestMongo | undefined
let client: MongoClient
let db: Db
let url: string
const open: LogStore[] = []

beforeAll(async () => {
  if (program !== undefined) mongo = await startTestMongo(program)
  if (!hasMongo) return
  url = urlOfDatabase(givenUrl ?? mongo?.url ?? '', `dashoffice_test_${crypto.randomUUID().slice(0, 8)}`)
  client = new MongoClient(url)
  db = client.db()
})
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
})
afterAll(async () => {
  if (hasMongo) await db.dropDatabase()
  await client?.close()
  await mongo?.stop()
})

function openStore(days?: number, clock = systemClock): LogStore {
  const store = openOnMongo(url, days, clock)
  open.push(store)
  return store
}

type IndexRow = { readonly name?: string; readonly key: object; readonly expireAfterSeconds?: number }

async function indexesOf(log: string): Promise<readonly IndexRow[]> {
  return await db.collection(log).indexes()
}

/** Whether the server removes by itself what is too old: FerretDB 1 does not. */
async function expires(): Promise<boolean> {
  const found = (await indexesOf('message_logs')).find(({ name }) => name === 'created_at_1')
  return found?.expireAfterSeconds !== undefined
}

describe.skipIf(!hasMongo)('MongoDB', () => {
  test('every log has its indexes, and has them again after everything was lost', async () => {
    const store = openStore()
    for (let times = 0; times < 2; times++) {
      await store.maintain()
      for (const log of logNames)
        expect((await indexesOf(log)).map(({ key }) => Object.keys(key))).toEqual(
          expect.arrayContaining([
            ['created_at'],
            ['tenant_id', 'created_at', '_id'],
            ['tenant_id', 'log_type', 'created_at', '_id'],
            ['conversation_id', 'created_at'],
          ]),
        )
      await db.dropDatabase()
    }
  })

  test('an entry lies there as a document that reads by itself', async () => {
    const store = openStore()
    const entry = newEntry({ tenant_id: crypto.randomUUID(), key: 'meta', value: 1.5, bucket: 3, data: { a: [1] } })
    await store.append('message_logs', [entry])
    const { id, ...rest } = entry
    expect(await db.collection<{ _id: string }>('message_logs').findOne({ _id: id })).toEqual({ _id: id, ...rest })
  })

  test('what is too old goes: by the server itself where it can, else by whoever cleans', async () => {
    // Five weeks ago, when this was new.
    const store = openStore(keptDays, { now: () => Date.now() - 35 * dayMs })
    const tenant_id = crypto.randomUUID()
    await store.append('message_logs', [newEntry({ tenant_id, created_at: after(-35 * dayMs) })])
    expect((await readAll(store, 'message_logs', tenant_id)).length).toBe(1)
    const today = newEntry({ tenant_id })
    await openStore().append('message_logs', [today])
    const isFerretdb = 'ferretdbVersion' in (await client.db().admin().buildInfo())
    expect(await expires()).toBe(!isFerretdb)
    if (!isFerretdb) {
      console.log('expiry: this server removes what is too old by itself')
      // It looks once a minute, or sooner where it lets us say so.
      await client.db('admin').command({ setParameter: 1, ttlMonitorSleepSecs: 1 }).catch(String)
      await until(async () => (await readAll(store, 'message_logs', tenant_id)).length === 1, 150_000)
    } else {
      console.log('expiry: this server has none, so removeBefore does it')
      const before = new Date(Date.now() - keptDays * dayMs)
      expect(await store.removeBefore('message_logs', { before, limit: 10 })).toBe(1)
    }
    expect(await readAll(store, 'message_logs', tenant_id)).toEqual([today])
  }, 180_000)

  test('another retention is taken over by the index that is there, where the server expires', async () => {
    await openStore(30).maintain()
    await openStore(7).maintain()
    const expected = (await expires()) ? 7 * 86_400 : undefined
    for (const log of logNames) {
      const found = (await indexesOf(log)).filter(({ name }) => name === 'created_at_1')
      expect(found.map(({ expireAfterSeconds }) => expireAfterSeconds)).toEqual([expected])
    }
  })

  test('where the server has validators, a document of another shape is refused', async () => {
    await openStore().maintain()
    const [collection] = await db.listCollections({ name: 'message_logs' }).toArray()
    const hasValidator =
      collection !== undefined && 'options' in collection && 'validator' in Object(collection.options)
    const wrong = db.collection<{ _id: string }>('message_logs').insertOne({ _id: crypto.randomUUID() })
    const refused = await wrong.then(
      () => false,
      () => true,
    )
    console.log(hasValidator ? 'validators: tried' : 'validators: this server has none')
    expect(refused).toBe(hasValidator)
  })

  test('a server that hangs is not reachable, and is again when it goes on', async () => {
    if (mongo === undefined) return console.log('not tried: the server of TEST_MONGODB_URL is not ours to stop')
    const store = openStore()
    expect(await store.isReachable()).toBe(true)
    mongo.freeze()
    try {
      await until(async () => !(await store.isReachable()))
    } finally {
      mongo.thaw()
    }
    await until(() => store.isReachable())
  })

  test('a server that is away when the store is opened is used once it is there', async () => {
    if (mongo === undefined) return console.log('not tried: the server of TEST_MONGODB_URL is not ours to end')
    await mongo.kill()
    const store = openStore()
    const entry = newEntry({ tenant_id: crypto.randomUUID() })
    await expect(store.append('message_logs', [entry])).rejects.toThrow('The logs cannot be reached')
    await mongo.restart()
    await until(() => store.isReachable())
    expect(await store.append('message_logs', [entry])).toEqual({ added: 1, outside: 0 })
  })

  test('a store that was closed does not open again', async () => {
    const store = openOnMongo(url)
    expect(await store.isReachable()).toBe(true)
    await store.close()
    await expect(store.append('message_logs', [newEntry()])).rejects.toThrow('The logs cannot be reached')
    expect(await store.isReachable()).toBe(false)
  })

  test('a database that the URL names is taken, and "dashoffice" where it names none', async () => {
    const bare = (givenUrl ?? mongo?.url ?? '').replace(/^(mongodb(?:\+srv)?:\/\/[^/?]+)\/?[^?]*/, '$1/')
    const store = openOnMongo(bare)
    open.push(store)
    const entry = newEntry({ created_at: hour })
    await store.append('system_logs', [entry])
    const collection = client.db('dashoffice').collection<{ _id: string }>('system_logs')
    expect((await collection.deleteOne({ _id: entry.id })).deletedCount).toBe(1)
  })
})

test('a URL that is none is refused in one line, without its password', () => {
  for (const wrong of [
    'mongodb://user:hunter2@',
    'mongodb://user:hunter2@host:port/x',
    'mongodb://h/?nonsense=hunter2',
  ])
    try {
      openOnMongo(wrong)
      expect(wrong).toBe('refused')
    } catch (error) {
      expect(error).toBeInstanceOf(UsageError)
      expect(String(error)).toMatch(/^UsageError: MONGODB_URL .* but takes a URL like mongodb:/)
      expect(String(error)).not.toContain('hunter2')
    }
})

test('the driver is loaded without the memory that it would never use', async () => {
  const code = `
    const sizes = []
    const allocate = Buffer.alloc
    Buffer.alloc = size => { sizes.push(size); return allocate(size) }
    const mine = Buffer.alloc
    const { loadDriver } = await import('${import.meta.dir}/../../src/stores/mongo/load-driver.ts')
    const { BSON } = loadDriver()
    const document = { text: 'x'.repeat(1_000_000), n: 1.5 }
    const back = BSON.deserialize(BSON.serialize(document))
    console.log(JSON.stringify([Math.max(0, ...sizes) > 1_000_000, Buffer.alloc === mine, Bun.deepEquals(back, document)]))`
  const child = Bun.spawn([process.execPath, '-e', code], { stdout: 'pipe', stderr: 'inherit' })
  expect(JSON.parse(await new Response(child.stdout).text())).toEqual([false, true, true])
})
