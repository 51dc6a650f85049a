import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SQL } from 'bun'
import { Redis } from 'ioredis'
import { MongoClient } from 'mongodb'

// Looks for texts in everything that is kept, wherever it is: each place where one is found is a line.

type Needles = readonly string[]

/** Every column of every table, as text. `admin` owns the database: it sees everything. */
export async function searchDatabase(admin: SQL, needles: Needles): Promise<string[]> {
  const tables = await admin`select c.relname as name from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by c.relname`
  const found: string[] = []
  for (const { name } of tables)
    for (const needle of needles) {
      const [row] = await admin.unsafe(
        `select count(*)::int as n from ${name} t where position(lower($1) in lower(t::text)) > 0`,
        [needle],
      )
      if (row.n > 0) found.push(`${name}: ${needle}`)
    }
  return found
}

/** Every file below a folder, its name and its bytes. */
export function searchFolder(folder: string, needles: Needles): string[] {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
  return names.flatMap(entry => {
    const path = join(entry.parentPath, entry.name)
    const text = entry.isFile() ? readFileSync(path, 'latin1') : ''
    return needles.filter(needle => path.includes(needle) || text.includes(needle)).map(needle => `${path}: ${needle}`)
  })
}

/** Every key of Redis, its name and its value. */
export async function searchRedis(url: string, needles: Needles): Promise<string[]> {
  const redis = new Redis(url)
  try {
    const found: string[] = []
    for (const key of await redis.keys('*')) {
      const text = `${key} ${await textOf(redis, key)}`
      found.push(...needles.filter(needle => text.includes(needle)).map(needle => `${key}: ${needle}`))
    }
    return found
  } finally {
    redis.disconnect()
  }
}

async function textOf(redis: Redis, key: string): Promise<string> {
  const type = await redis.type(key)
  if (type === 'string') return (await redis.get(key)) ?? ''
  if (type === 'hash') return JSON.stringify(await redis.hgetall(key))
  if (type === 'none') return ''
  throw new Error(`A key of a type that nobody has looked into yet: ${key} is a ${type}`)
}

/** Every document of every collection. */
export async function searchMongo(url: string, needles: Needles): Promise<string[]> {
  const client = new MongoClient(url)
  try {
    const found: string[] = []
    for (const { name } of await client.db().listCollections().toArray())
      for await (const document of client.db().collection(name).find()) {
        const text = JSON.stringify(document)
        found.push(...needles.filter(needle => text.includes(needle)).map(needle => `${name}: ${needle}`))
      }
    return found
  } finally {
    await client.close()
  }
}
