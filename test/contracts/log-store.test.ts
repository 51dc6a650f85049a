import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { AppError, errorCatalogue } from '../../src/lib/errors.ts'
import { fitEntry } from '../../src/stores/fit-entry.ts'
import { type HourFigures, type LogEntry, type LogStore, logNames } from '../../src/stores/log-store.ts'
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.ts'
import { until } from '../support/installation.ts'
import {
  after,
  dayMs,
  exportAll,
  hour,
  hourMs,
  keptDays,
  newEntry,
  newestFirst,
  openOnMongo,
  openOnPostgres,
  readAll,
  removeAll,
  urlOfDatabase,
} from '../support/log-stores.ts'
import { ferretdb, startTestMongo, type TestMongo } from '../support/mongo.ts'
import { optionalProgram } from '../support/optional.ts'
import { createTestDatabase } from '../support/postgres.ts'

// What every log store promises; two stand for two processes. MongoDB is FerretDB, a server of its own; with
// TEST_MONGODB_URL it is the one there.

const givenUrl = process.env.TEST_MONGODB_URL
const program = givenUrl === undefined ? optionalProgram(ferretdb, 'logs in MongoDB are not tried') : undefined
const hasMongo = givenUrl !== undefined || program !== undefined

type CreatedDatabase = Awaited<ReturnType<typeof createTestDatabase>>
const databases = new Map<string, CreatedDatabase>()
let proxy: DatabaseProxy
let mongo: TestMongo | undefined
const open: LogStore[] = []

beforeAll(async () => {
  proxy = await startDatabaseProxy((await databaseOf('outage')).connection)
  if (program !== undefined) mongo = await startTestMongo(program)
})
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
})
afterAll(async () => {
  await proxy.cut()
  for (const database of databases.values()) await database.drop()
  await mongo?.stop()
})

type Server = {
  /** A store on the database of this name. */
  openStore(name?: string): Promise<LogStore>
  /** Undefined where the server is somebody else's. */
  readonly outage?: { begin(): Promise<void>; end(): Promise<void> } | undefined
}

const keep = (store: LogStore) => {
  open.push(store)
  return store
}
const run = crypto.randomUUID().slice(0, 8)

const servers: Readonly<Record<string, () => Server>> = {
  PostgreSQL: () => ({
    async openStore(name = 'logs') {
      const { connection } = name === 'outage' ? proxy : await databaseOf(name)
      return keep(openOnPostgres(connection))
    },
    outage: { begin: proxy.cut, end: proxy.mend },
  }),
  ...(hasMongo && {
    MongoDB: () => ({
      openStore: async (name = 'logs') =>
        keep(openOnMongo(urlOfDatabase(givenUrl ?? mongo?.url ?? '', `${name}_${run}`))),
      outage: mongo && { begin: mongo.kill, end: mongo.restart },
    }),
  }),
}

async function databaseOf(name: string): Promise<CreatedDatabase> {
  const database = databases.get(name) ?? (await createTestDatabase())
  databases.set(name, database)
  return database
}

const many = (count: number, fields: (index: number) => Partial<LogEntry>) =>
  Array.from({ length: count }, (_, index) => newEntry(fields(index)))

for (const [name, server] of Object.entries(servers))
  describe(name, () => {
    test('what is appended is read as it was, in each of the logs', async () => {
      const store = await server().openStore()
      const [tenant_id, bot_id, conversation_id] = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()]
      const data = { text: 'Sí, «dos» 🍕\n', n: -1.5, list: [1, 'a', null], deep: { a: { b: true } }, '': 0 }
      const full = newEntry({
        ...{ tenant_id, bot_id, conversation_id, created_at: after(1_234), log_type: 'accepted', key: 'meta {1,"x"}' },
        ...{ value: 0.1 + 0.2, bucket: 10, data },
      })
      for (const log of logNames) {
        expect(await store.append(log, [full, newEntry({ id: 'null', tenant_id })])).toEqual({ added: 2, outside: 0 })
        expect(await readAll(store, log, tenant_id)).toEqual([full, newEntry({ id: 'null', tenant_id })])
      }
      expect(await store.append('message_logs', [])).toEqual({ added: 0, outside: 0 })
    })

    test('an entry is there once, whoever appends it, how often, at the same time and in any order', async () => {
      const [a, b] = [await server().openStore(), await server().openStore()]
      const tenant_id = crypto.randomUUID()
      const entries = many(300, index => ({ tenant_id, created_at: after((index % 7) * 500), data: { index } }))
      const backwards = entries.toReversed()
      const outcomes = await Promise.all([
        a.append('message_logs', entries),
        b.append('message_logs', backwards),
        ...[0, 1, 2, 3].map(part => b.append('message_logs', backwards.slice(part * 60, part * 60 + 120))),
        a.append('message_logs', [...entries.slice(0, 50), ...entries.slice(0, 50)]),
      ])
      expect(outcomes.reduce((sum, { added }) => sum + added, 0)).toBe(300)
      expect(await a.append('message_logs', entries)).toEqual({ added: 0, outside: 0 })
      expect(await readAll(b, 'message_logs', tenant_id)).toEqual(newestFirst(entries))
    })

    test('ten thousand are appended at once, and not again', async () => {
      const store = await server().openStore('large')
      const tenant_id = crypto.randomUUID()
      const entries = many(10_000, index => ({ tenant_id, created_at: after(index * 300), key: 'meta', value: index }))
      expect(await store.append('message_logs', entries)).toEqual({ added: 10_000, outside: 0 })
      const again = [...entries.slice(4_000, 5_500), newEntry({ tenant_id, created_at: after(3_000_001) })]
      expect(await store.append('message_logs', again)).toEqual({ added: 1, outside: 0 })
      expect((await exportAll(store, 'message_logs', { tenantId: tenant_id })).length).toBe(10_001)
    })

    test('pages follow each other without a gap or a repetition, whatever is appended meanwhile', async () => {
      const [a, b] = [await server().openStore(), await server().openStore()]
      const tenant_id = crypto.randomUUID()
      // Many at the same moment, and one day apart: where a page ends must not matter.
      const first = many(60, index => ({ tenant_id, created_at: after(-dayMs * (index % 2) - 100 * (index % 5)) }))
      await a.append('analytics_events', first)
      const seen: LogEntry[] = []
      const older: LogEntry[] = []
      for (let page = await a.read('analytics_events', { tenantId: tenant_id, limit: 7 }); page.length > 0; ) {
        seen.push(...page)
        const last = page.at(-1)
        const newer = newEntry({ tenant_id, created_at: after(5_000) })
        if (last !== undefined && older.length < 4)
          older.push(newEntry({ tenant_id, created_at: new Date(last.created_at.getTime() - 1) }))
        await b.append('analytics_events', [newer, ...older])
        page = await a.read('analytics_events', { tenantId: tenant_id, limit: 7, before: last })
      }
      expect(older.length).toBe(4)
      expect(seen).toEqual(newestFirst([...first, ...older]))
    })

    test('what is asked for by type, by time and by place is what is read', async () => {
      const store = await server().openStore()
      const tenantId = crypto.randomUUID()
      const types = ['inbound', 'accepted', 'failed'] as const
      const entries = many(90, index => ({
        ...{ tenant_id: tenantId, created_at: after((index % 10) * 1_000 - (index % 2) * dayMs) },
        log_type: types[index % 3] ?? '',
      }))
      await store.append('message_logs', entries)
      const moment = fc.integer({ min: -2, max: 12 }).map(seconds => after(seconds * 1_000))
      const query = fc.record(
        { logType: fc.constantFrom(...types, 'none'), from: moment, to: moment, place: fc.nat({ max: 89 }) },
        { requiredKeys: [] },
      )
      await fc.assert(
        fc.asyncProperty(query, fc.integer({ min: 1, max: 100 }), async ({ place, ...asked }, limit) => {
          const before = place === undefined ? undefined : entries[place]
          const fitting = newestFirst(entries).filter(
            (entry, _, all) =>
              (asked.logType === undefined || entry.log_type === asked.logType) &&
              (asked.from === undefined || entry.created_at >= asked.from) &&
              (asked.to === undefined || entry.created_at < asked.to) &&
              (before === undefined || all.indexOf(entry) > all.indexOf(before)),
          )
          expect(await store.read('message_logs', { tenantId, ...asked, before, limit })).toEqual(
            fitting.slice(0, limit),
          )
        }),
        { numRuns: 60 },
      )
    })

    test('what belongs to nobody is read by itself, and by no tenant', async () => {
      const store = await server().openStore()
      const log_type = `info-${crypto.randomUUID()}`
      const own = many(3, index => ({ log_type, created_at: after(index) }))
      const others = [newEntry({ log_type, tenant_id: crypto.randomUUID() })]
      await store.append('system_logs', [...own, ...others])
      const query = { tenantId: null, logType: log_type, limit: 10 }
      expect(await store.read('system_logs', query)).toEqual(newestFirst(own))
      const untyped = await store.read('system_logs', { tenantId: null, limit: 1_000 })
      expect(untyped.filter(entry => entry.log_type === log_type)).toEqual(newestFirst(own))
    })

    test('a tenant is sealed: nothing of another is read, counted, handed out or removed', async () => {
      const store = await server().openStore()
      const [mine, theirs, conversation_id] = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()]
      // Theirs bear the same names as mine.
      const entriesOf = (tenant_id: string) =>
        many(20, index => ({ tenant_id, conversation_id, created_at: after(index * 1_000), key: 'meta' }))
      const [own, others] = [entriesOf(mine), entriesOf(theirs)]
      await store.append('message_logs', [...own, ...others])
      expect(await readAll(store, 'message_logs', mine)).toEqual(newestFirst(own))
      const owner = { tenantId: mine, conversationIds: [conversation_id] }
      expect(newestFirst(await exportAll(store, 'message_logs', owner))).toEqual(newestFirst(own))
      const figures = await store.aggregateHour('message_logs', { hour, tenantIds: [mine] })
      expect(figures.map(({ tenant_id, count }) => [tenant_id, count])).toEqual([[mine, 20]])
      expect(await store.removeOf('message_logs', owner, 100)).toBe(20)
      expect(await readAll(store, 'message_logs', mine)).toEqual([])
      expect(await readAll(store, 'message_logs', theirs)).toEqual(newestFirst(others))
    })

    test("an hour's figures are those that counting the entries one by one gives", async () => {
      const store = await server().openStore('figures')
      const bots = [crypto.randomUUID(), crypto.randomUUID(), null]
      const shape = fc.record({
        tenant: fc.nat({ max: 1 }),
        bot: fc.nat({ max: 2 }),
        log_type: fc.constantFrom('inbound', 'accepted', 'failed'),
        key: fc.constantFrom('', 'meta', 'meta 131047', '{"a":null} ,\\'),
        value: fc.option(fc.integer({ min: 0, max: 1e12 }), { nil: null }),
        bucket: fc.option(fc.nat({ max: 10 }), { nil: null }),
        atMs: fc.oneof(
          fc.integer({ min: -hourMs, max: 2 * hourMs }),
          fc.constantFrom(-1, 0, 1, hourMs - 1, hourMs, hourMs + 1),
        ),
      })
      await fc.assert(
        fc.asyncProperty(fc.array(shape, { maxLength: 60 }), async shapes => {
          const tenantIds: string[] = [crypto.randomUUID(), crypto.randomUUID()]
          const entries = shapes.map(({ tenant, bot, atMs, ...rest }) =>
            newEntry({
              ...rest,
              tenant_id: tenantIds[tenant] ?? '',
              bot_id: bots[bot] ?? null,
              created_at: after(atMs),
            }),
          )
          await store.append('message_logs', entries)
          const inHour = entries.filter(({ created_at }) => created_at >= hour && created_at < after(hourMs))
          expect(byName(await store.aggregateHour('message_logs', { hour, tenantIds }))).toEqual(recount(inHour))
          const all = await store.aggregateHour('message_logs', { hour, tenantIds: 'all' })
          expect(byName(all.filter(one => tenantIds.includes(one.tenant_id ?? '')))).toEqual(recount(inHour))
          const first = inHour.filter(({ tenant_id }) => tenant_id === tenantIds[0])
          const ofFirst = await store.aggregateHour('message_logs', { hour, tenantIds: tenantIds.slice(0, 1) })
          expect(byName(ofFirst)).toEqual(recount(first))
        }),
        { numRuns: 25 },
      )
      expect(await store.aggregateHour('message_logs', { hour, tenantIds: [] })).toEqual([])
    })

    test('what is old is removed in small bites, of one tenant or of all, and nothing else', async () => {
      const store = await server().openStore('old')
      const [a, b] = [crypto.randomUUID(), crypto.randomUUID()]
      const entries = many(200, index => ({
        tenant_id: index % 4 === 0 ? b : a,
        created_at: after(-(index % 50) * hourMs),
      }))
      await store.append('message_logs', entries)
      const isOld = (before: Date) => (entry: LogEntry) => entry.created_at < before
      const noon = after(-20 * hourMs)
      const oldOfB = entries.filter(entry => entry.tenant_id === b && isOld(noon)(entry))
      const bites = await removeAll(
        () => store.removeBefore('message_logs', { before: noon, tenantId: b, limit: 8 }),
        8,
      )
      expect(bites.slice(0, -1).every(bite => bite === 8)).toBe(true)
      expect(bites.reduce((sum, bite) => sum + bite, 0)).toBe(oldOfB.length)
      const kept = entries.filter(entry => !oldOfB.includes(entry))
      expect(await readAll(store, 'message_logs', b)).toEqual(newestFirst(kept.filter(one => one.tenant_id === b)))
      expect(await readAll(store, 'message_logs', a)).toEqual(newestFirst(kept.filter(one => one.tenant_id === a)))

      const morning = after(-10 * hourMs)
      const removed = await removeAll(() => store.removeBefore('message_logs', { before: morning, limit: 10 }), 10)
      expect(removed.reduce((sum, bite) => sum + bite, 0)).toBe(kept.filter(isOld(morning)).length)
      const left = [...(await readAll(store, 'message_logs', a)), ...(await readAll(store, 'message_logs', b))]
      expect(newestFirst(left)).toEqual(newestFirst(kept.filter(entry => !isOld(morning)(entry))))
      expect(await store.removeBefore('message_logs', { before: morning, limit: 10 })).toBe(0)
    })

    test('what belongs to some conversations, or to a tenant, is handed out and then removed, and nothing else', async () => {
      const store = await server().openStore()
      const [tenantId, other] = [crypto.randomUUID(), crypto.randomUUID()]
      const conversations = Array.from({ length: 5 }, () => crypto.randomUUID())
      const entries = many(150, index => ({
        tenant_id: index % 10 === 0 ? other : tenantId,
        conversation_id: conversations[index % 6] ?? null,
        created_at: after(index * 1_000 - (index % 3) * dayMs),
      }))
      await store.append('analytics_events', entries)
      const conversationIds: string[] = conversations.slice(0, 2)
      const isAsked = (entry: LogEntry) =>
        entry.tenant_id === tenantId && conversationIds.includes(entry.conversation_id ?? '')
      const asked = entries.filter(isAsked)
      const owner = { tenantId, conversationIds }
      expect(await exportAll(store, 'analytics_events', owner)).toEqual(newestFirst(asked).reverse())
      const bites = await removeAll(() => store.removeOf('analytics_events', owner, 11), 11)
      expect(bites.reduce((sum, bite) => sum + bite, 0)).toBe(asked.length)
      expect(await exportAll(store, 'analytics_events', owner)).toEqual([])
      const rest = entries.filter(entry => entry.tenant_id === tenantId && !isAsked(entry))
      expect(await exportAll(store, 'analytics_events', { tenantId })).toEqual(newestFirst(rest).reverse())
      expect(await store.removeOf('analytics_events', { tenantId, conversationIds: [] }, 10)).toBe(0)
      expect((await removeAll(() => store.removeOf('analytics_events', { tenantId }, 40), 40)).length).toBeGreaterThan(
        2,
      )
      expect(await readAll(store, 'analytics_events', tenantId)).toEqual([])
      expect((await readAll(store, 'analytics_events', other)).length).toBe(15)
    })

    test('what is older than is kept, or from the future, is left out and counted', async () => {
      const store = await server().openStore()
      const tenant_id = crypto.randomUUID()
      const at = (ms: number) => newEntry({ tenant_id, created_at: new Date(Date.now() + ms) })
      const kept = [at(-keptDays * dayMs + hourMs), at(0), at(dayMs - hourMs)]
      const outside = [at(-keptDays * dayMs - hourMs), at(dayMs + hourMs), at(Number.NaN), at(-30_000 * dayMs)]
      expect(await store.append('message_logs', [...outside, ...kept])).toEqual({ added: 3, outside: 4 })
      expect(await readAll(store, 'message_logs', tenant_id)).toEqual(newestFirst(kept))
    })

    test('no value makes an append fail: what a store cannot hold is fitted, as by all of them', async () => {
      const store = await server().openStore('values')
      const text = fc.string({
        unit: fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\0', '\ud800', '$', '.')),
      })
      const anything = fc.anything({ key: text, values: [text, fc.double(), fc.bigInt(), fc.boolean(), fc.date()] })
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(fc.dictionary(text, anything), text, fc.double())), async shapes => {
          const tenant_id = crypto.randomUUID()
          const entries = shapes.map(([data, key, value], index) =>
            newEntry({ tenant_id, data, key, log_type: key, value, id: `${tenant_id} ${index} ${key}` }),
          )
          expect(await store.append('message_logs', entries)).toEqual({ added: entries.length, outside: 0 })
          expect(await readAll(store, 'message_logs', tenant_id)).toEqual(newestFirst(entries.map(fitEntry)))
        }),
        { numRuns: 25 },
      )
    })

    test('a server that goes away in the middle is told of as such, and nothing is lost or doubled once it is back', async () => {
      const { outage, openStore } = server()
      if (outage === undefined) return console.log('not tried: the server of TEST_MONGODB_URL is not ours to end')
      const store = await openStore('outage')
      const tenant_id = crypto.randomUUID()
      const entries = many(3_000, index => ({ tenant_id, created_at: after(index) }))
      const pieces = Array.from({ length: 30 }, (_, index) => entries.slice(index * 100, index * 100 + 100))
      await store.append('message_logs', pieces[0] ?? [])
      expect(await store.isReachable()).toBe(true)
      const appending = Promise.allSettled(pieces.map(piece => store.append('message_logs', piece)))
      await outage.begin()
      for (const outcome of await appending) if (outcome.status === 'rejected') expectOutage(outcome.reason)
      expect(await store.isReachable()).toBe(false)
      const failing = [
        store.append('message_logs', entries),
        store.read('message_logs', { tenantId: tenant_id, limit: 1 }),
        store.aggregateHour('message_logs', { hour, tenantIds: 'all' }),
        store.removeBefore('message_logs', { before: hour, limit: 1 }),
        store.removeOf('message_logs', { tenantId: tenant_id }, 1),
        exportAll(store, 'message_logs', { tenantId: tenant_id }),
        store.maintain(),
      ]
      for (const outcome of await Promise.allSettled(failing))
        expectOutage(outcome.status === 'rejected' ? outcome.reason : undefined)
      await outage.end()
      await until(() => store.isReachable())
      for (const piece of pieces) await store.append('message_logs', piece)
      expect(await readAll(store, 'message_logs', tenant_id)).toEqual(newestFirst(entries))
    }, 60_000)

    test('maintaining may be done as often as one likes, by all at once, before and after anything is there', async () => {
      const stores = [await server().openStore('maintained'), await server().openStore('maintained')] as const
      await stores[0].maintain()
      await Promise.all([...stores, ...stores].map(store => store.maintain()))
      const tenant_id = crypto.randomUUID()
      const entry = newEntry({ tenant_id })
      await stores[1].append('message_logs', [entry])
      await stores[0].maintain()
      expect(await readAll(stores[0], 'message_logs', tenant_id)).toEqual([entry])
    })
  })

function expectOutage(error: unknown): void {
  if (!(error instanceof AppError)) throw new Error(`no outage: ${error}`, { cause: error })
  expect(errorCatalogue[error.code]).toMatchObject({ status: 503, kind: 'operational' })
}

const nameOf = (one: Pick<HourFigures, 'tenant_id' | 'bot_id' | 'log_type' | 'key'>) =>
  JSON.stringify([one.tenant_id, one.bot_id, one.log_type, one.key])

function byName(figures: readonly HourFigures[]): Record<string, HourFigures> {
  expect(new Set(figures.map(nameOf)).size).toBe(figures.length)
  return Object.fromEntries(figures.map(one => [nameOf(one), one]))
}

/** The slow way: a list of entries for each name, and a look at each of them for each figure. */
function recount(entries: readonly LogEntry[]): Record<string, HourFigures> {
  const groups = Map.groupBy(entries, nameOf)
  return Object.fromEntries(
    [...groups].map(([name, [first, ...more]]) => {
      if (first === undefined) throw new Error('a group of none')
      const { tenant_id, bot_id, log_type, key } = first
      const group = [first, ...more]
      const sum = group.reduce((total, { value }) => total + (value ?? 0), 0)
      const last = Math.max(-1, ...group.map(({ bucket }) => bucket ?? -1))
      const buckets = Array.from({ length: last + 1 }, (_, at) => group.filter(({ bucket }) => bucket === at).length)
      return [name, { tenant_id, bot_id, log_type, key, count: group.length, sum, buckets }]
    }),
  )
}
