import type { Collection, Db, IndexDescription } from 'mongodb'
import { bucketsMax, type LogName, logNames } from '../log-store.ts'
import type { LogDocument } from './log-document.ts'

type Index = IndexDescription & { readonly name: string }

/** MongoDB removes what is older than this index says, about once a minute. */
const expiring = 'created_at_1'

/** What serves the reads of the log store. Their names are those that MongoDB itself would give them. */
const indexes: readonly Index[] = [
  { name: 'tenant_id_1_created_at_-1__id_-1', key: { tenant_id: 1, created_at: -1, _id: -1 } },
  {
    name: 'tenant_id_1_log_type_1_created_at_-1__id_-1',
    key: { tenant_id: 1, log_type: 1, created_at: -1, _id: -1 },
  },
  { name: 'conversation_id_1_created_at_1', key: { conversation_id: 1, created_at: 1 } },
]

const schema = {
  bsonType: 'object',
  required: [
    '_id',
    'tenant_id',
    'created_at',
    'log_type',
    'bot_id',
    'conversation_id',
    'key',
    'value',
    'bucket',
    'data',
  ],
  additionalProperties: false,
  properties: {
    _id: { bsonType: 'string' },
    tenant_id: { bsonType: ['string', 'null'] },
    created_at: { bsonType: 'date' },
    log_type: { bsonType: 'string' },
    bot_id: { bsonType: ['string', 'null'] },
    conversation_id: { bsonType: ['string', 'null'] },
    key: { bsonType: 'string' },
    value: { bsonType: ['int', 'double', 'null'] },
    bucket: { bsonType: ['int', 'null'], minimum: 0, maximum: bucketsMax - 1 },
    data: { bsonType: 'object' },
  },
}

/** MongoDB's codes of errors: "Error Codes" in its manual. */
const namespaceExists = 48
const notImplemented = 238

/** Makes the collections, their validators and their indexes where they are missing or otherwise. Safe from several processes. */
export async function setUp(db: Db, keptDays: number): Promise<void> {
  for (const log of logNames) {
    await setUpCollection(db, log)
    await setUpIndexes(db, db.collection<LogDocument>(log), keptDays * 86_400)
  }
}

async function setUpCollection(db: Db, log: LogName): Promise<void> {
  const validator = { $jsonSchema: schema }
  const [found] = await db.listCollections({ name: log }).toArray()
  if (found === undefined) {
    // FerretDB 1 has no validators.
    const isMade = await isDone(db.createCollection(log, { validator }), namespaceExists)
    if (!isMade) await isDone(db.createCollection(log), namespaceExists)
  } else if (!Bun.deepEquals(optionOf(found, 'validator'), validator))
    await isDone(db.command({ collMod: log, validator }))
}

async function setUpIndexes(db: Db, collection: Collection<LogDocument>, keptSeconds: number): Promise<void> {
  const found = await collection.indexes()
  // FerretDB 1 ends the connection of whoever makes an index that is there.
  const missing = indexes.filter(index => !found.some(({ name }) => name === index.name))
  if (missing.length > 0) await collection.createIndexes([...missing])
  const expiry = found.find(({ name }) => name === expiring)
  const key = { created_at: 1 } as const
  if (expiry === undefined) {
    const isMade = await isDone(collection.createIndex(key, { name: expiring, expireAfterSeconds: keptSeconds }))
    // FerretDB 1 has no expiry: whoever cleans removes what is too old.
    if (!isMade) await collection.createIndex(key, { name: expiring })
  } else if (expiry.expireAfterSeconds !== keptSeconds)
    await isDone(
      db.command({ collMod: collection.collectionName, index: { keyPattern: key, expireAfterSeconds: keptSeconds } }),
    )
}

/** Whether the server did it, or it was done already; false where it cannot do such a thing at all. */
async function isDone(work: Promise<unknown>, alreadyDone?: number): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    const code = codeOf(error)
    if (code === undefined || (code !== notImplemented && code !== alreadyDone)) throw error
    return code === alreadyDone
  }
}

function optionOf(collection: object, name: string): unknown {
  const options: unknown = Reflect.get(collection, 'options')
  return typeof options === 'object' && options !== null ? Reflect.get(options, name) : undefined
}

export function codeOf(error: unknown): number | undefined {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined
  return typeof code === 'number' ? code : undefined
}
