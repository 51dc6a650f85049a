import type { Db, Filter, MongoClient } from 'mongodb'
import type { Clock } from '../../lib/clock.ts'
import { AppError, messageOf, UsageError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { fitEntry, isOfKeptTime } from '../fit-entry.ts'
import { type FiguresPart, foldFigures } from '../fold-figures.ts'
import { bulkMax, type LogName, type LogOwner, type LogPosition, type LogQuery, type LogStore } from '../log-store.ts'
import { loadDriver } from './load-driver.ts'
import { documentOf, entryOf, type LogDocument } from './log-document.ts'
import { codeOf, setUp } from './set-up.ts'

const poolSize = 5
/** A server that is away is noticed after this, one that hangs after the second. */
const selectionTimeoutMs = 2_000
const socketTimeoutMs = 15_000
const reachableTimeoutMs = 2_000
const dayMs = 86_400_000
const hourMs = 3_600_000
/** Where the URL names none. */
const databaseName = 'dashoffice'
/** MongoDB's codes of errors. */
const [duplicateKey, failedValidation] = [11_000, 121]

/** The logs in MongoDB 6 or newer. Throws a `UsageError` where the URL is none; a server that is away is no error. */
export function openMongoLogStore(options: {
  readonly url: string
  readonly log: Log
  readonly clock: Clock
  readonly keptDays: number
}): LogStore {
  const { url, log, clock, keptDays } = options
  const driver = loadDriver()
  const client = connect(driver.MongoClient, url)
  tellOutages(client, log)
  const db = client.db(/^[^/]+\/\/[^/]+\/[^?]/.test(url) ? undefined : databaseName)
  let settingUp: Promise<void> | undefined
  let isClosed = false

  async function connected<T>(work: () => Promise<T>): Promise<T> {
    return await known(async () => {
      // Would open it again.
      if (isClosed) throw new driver.MongoNotConnectedError('it was closed')
      // Of a client that could not connect at its first try the driver tries no other one, unless it is told to.
      await client.connect()
      return await work()
    })
  }

  function collectionOf(name: LogName) {
    return db.collection<LogDocument>(name)
  }

  async function isSetUp(): Promise<void> {
    settingUp ??= setUp(db, keptDays).catch((error: unknown) => {
      settingUp = undefined
      throw error
    })
    await settingUp
  }

  /** Says how many were new: those that are there already are no error. */
  async function appendBulk(name: LogName, bulk: readonly LogDocument[]): Promise<number> {
    try {
      return (await collectionOf(name).insertMany([...bulk], { ordered: false })).insertedCount
    } catch (error) {
      if (!(error instanceof driver.MongoBulkWriteError)) throw error
      const failures = Array.isArray(error.writeErrors) ? error.writeErrors : [error.writeErrors]
      const isThere = failures.filter(({ code }) => code === duplicateKey).length
      // A connection that breaks is such an error too, with no failures; and those that are there already hide that the
      // others may not be safe yet.
      const isSafe = error.result.getWriteConcernError() === undefined
      if (!isSafe || error.insertedCount + isThere !== bulk.length) throw error
      return error.insertedCount
    }
  }

  async function remove(name: LogName, filter: Filter<LogDocument>, limit: number): Promise<number> {
    const found = collectionOf(name).find(filter, { projection: { created_at: 1 } })
    const chosen = await found.sort({ created_at: 1 }).limit(limit).toArray()
    const last = chosen.at(-1)?.created_at
    if (last === undefined) return 0
    const ofLastMoment = chosen.filter(({ created_at }) => created_at.getTime() === last.getTime())
    const upToLast = [
      { created_at: { $lt: last } },
      { created_at: last, _id: { $in: ofLastMoment.map(({ _id }) => _id) } },
    ]
    return (await collectionOf(name).deleteMany({ $and: [filter, { $or: upToLast }] })).deletedCount
  }

  return {
    async append(name, entries) {
      const keptSince = new Date(clock.now() - keptDays * dayMs)
      const kept = entries.filter(entry => isOfKeptTime(entry, keptSince, clock.now()))
      return await connected(async () => {
        await isSetUp()
        let added = 0
        for (let start = 0; start < kept.length; start += bulkMax)
          added += await appendBulk(
            name,
            kept.slice(start, start + bulkMax).map(entry => documentOf(fitEntry(entry))),
          )
        return { added, outside: entries.length - kept.length }
      })
    },
    read: (name, query) =>
      connected(async () => {
        const page = collectionOf(name).find(pageFilter(query)).sort({ created_at: -1, _id: -1 }).limit(query.limit)
        return (await page.toArray()).map(entryOf)
      }),
    aggregateHour: (name, { hour, tenantIds }) =>
      connected(async () => {
        const of = tenantIds === 'all' ? {} : { tenant_id: { $in: [...tenantIds] } }
        const match = { created_at: { $gte: hour, $lt: new Date(hour.getTime() + hourMs) }, ...of }
        return foldFigures((await Promise.all([countsOf(db, name, match), sumsOf(db, name, match)])).flat())
      }),
    removeBefore: (name, { before, tenantId, limit }) =>
      connected(() =>
        remove(name, { created_at: { $lt: before }, ...(tenantId !== undefined && { tenant_id: tenantId }) }, limit),
      ),
    removeOf: (name, owner, limit) => connected(() => remove(name, ownerFilter(owner), limit)),
    async *exportOf(name, owner) {
      let after: LogPosition | undefined
      for (let isMore = true; isMore; ) {
        const filter = { $and: [ownerFilter(owner), after === undefined ? {} : laterThan(after)] }
        const bulk = await connected(async () => {
          const found = collectionOf(name).find(filter).sort({ created_at: 1, _id: 1 }).limit(bulkMax)
          return (await found.toArray()).map(entryOf)
        })
        if (bulk.length > 0) yield bulk
        after = bulk.at(-1)
        isMore = bulk.length === bulkMax
      }
    },
    async maintain() {
      settingUp = undefined
      await connected(isSetUp)
    },
    async isReachable() {
      const answered = connected(() => db.command({ ping: 1 })).then(
        () => true,
        () => false,
      )
      return await Promise.race([answered, Bun.sleep(reachableTimeoutMs).then(() => false)])
    },
    async close() {
      isClosed = true
      await client.close()
    },
  }
}

function connect(Client: typeof MongoClient, url: string): MongoClient {
  try {
    return new Client(url, {
      appName: 'dashoffice',
      maxPoolSize: poolSize,
      serverSelectionTimeoutMS: selectionTimeoutMs,
      connectTimeoutMS: selectionTimeoutMs,
      waitQueueTimeoutMS: socketTimeoutMs,
      socketTimeoutMS: socketTimeoutMs,
      writeConcern: { w: 'majority', wtimeoutMS: socketTimeoutMs },
      // What is read was written by this program: an append is found by the read after it.
      readPreference: 'primary',
    })
  } catch {
    // What the driver says may hold the password.
    throw new UsageError(
      `MONGODB_URL is a value of ${url.length} characters (not shown), but takes a URL like mongodb://user:password@host:27017/dashoffice`,
    )
  }
}

/** Once when it is gone, once when it is back. */
function tellOutages(client: MongoClient, log: Log): void {
  let isAway = false
  client.on('serverHeartbeatFailed', ({ failure }) => {
    if (!isAway) log.warn({ error: messageOf(failure) }, 'MongoDB cannot be reached: what goes there waits')
    isAway = true
  })
  client.on('serverHeartbeatSucceeded', () => {
    if (isAway) log.info('MongoDB can be reached again')
    isAway = false
  })
}

function pageFilter({ tenantId, logType, from, to, before }: LogQuery): Filter<LogDocument> {
  const range = { ...(from !== undefined && { $gte: from }), ...(to !== undefined && { $lt: to }) }
  return {
    tenant_id: tenantId,
    ...(logType !== undefined && { log_type: logType }),
    $and: [
      ...(Object.keys(range).length > 0 ? [{ created_at: range }] : []),
      before === undefined ? {} : earlierThan(before),
    ],
  }
}

/** The bound on the moment says nothing new, but an index can use it. */
function earlierThan({ created_at, id }: LogPosition): Filter<LogDocument> {
  return {
    created_at: { $lte: created_at },
    $or: [{ created_at: { $lt: created_at } }, { created_at, _id: { $lt: id } }],
  }
}

function laterThan({ created_at, id }: LogPosition): Filter<LogDocument> {
  return {
    created_at: { $gte: created_at },
    $or: [{ created_at: { $gt: created_at } }, { created_at, _id: { $gt: id } }],
  }
}

function ownerFilter({ tenantId, conversationIds }: LogOwner): Filter<LogDocument> {
  return {
    tenant_id: tenantId,
    ...(conversationIds !== undefined && { conversation_id: { $in: [...conversationIds] } }),
  }
}

type Group = Omit<FiguresPart, 'count' | 'sum'>

// Two pipelines, because FerretDB 1 gives the second of two sums in one group nothing to add up. Few entries have a value.

async function countsOf(db: Db, name: LogName, match: object): Promise<FiguresPart[]> {
  const of = { tenant_id: '$tenant_id', bot_id: '$bot_id', log_type: '$log_type', key: '$key', bucket: '$bucket' }
  const rows = db
    .collection(name)
    .aggregate<{ _id: Group; count: number }>([{ $match: match }, { $group: { _id: of, count: { $sum: 1 } } }])
  return (await rows.toArray()).map(({ _id, count }) => ({ ..._id, count, sum: 0 }))
}

async function sumsOf(db: Db, name: LogName, match: object): Promise<FiguresPart[]> {
  const of = { tenant_id: '$tenant_id', bot_id: '$bot_id', log_type: '$log_type', key: '$key' }
  const rows = db
    .collection(name)
    .aggregate<{ _id: Omit<Group, 'bucket'>; sum: number }>([
      { $match: { ...match, value: { $ne: null } } },
      { $group: { _id: of, sum: { $sum: '$value' } } },
    ])
  return (await rows.toArray()).map(({ _id, sum }) => ({ ..._id, bucket: null, count: 0, sum }))
}

async function known<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (isDefect(error)) throw error
    const unavailable = new AppError('logs_unavailable', 'The logs cannot be reached just now: try again in a moment.')
    unavailable.cause = error
    throw unavailable
  }
}

/** What another try cannot mend: everything else is the server's, or the way to it. */
function isDefect(error: unknown): boolean {
  if (codeOf(error) === failedValidation) return true
  return error instanceof TypeError || (error instanceof Error && /^(BSON|MongoInvalidArgument)/.test(error.name))
}
