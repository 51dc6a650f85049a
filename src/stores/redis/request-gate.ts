import { Cluster, type Redis, type Result } from 'ioredis'
import type { Log } from '../../lib/log.ts'
import {
  type Admission,
  answerCharactersMax,
  answerKeptMs,
  answersMax,
  limitWindowMs,
  type RequestGate,
  type Taken,
} from '../request-gate.ts'
import { connectRedis } from './bus.ts'

// The rate limit and the answers of a tenant lie in one slot of a cluster: the braces are part of the keys. Answers of a
// resource are one hash, dropped as a whole; its field '' holds the generation, by which an answer that was read before
// a drop is told from one that was read after it.

const admitScript = `
local count = redis.call('INCR', KEYS[1])
local reset = redis.call('PTTL', KEYS[1])
if reset < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  reset = tonumber(ARGV[2])
end
if ARGV[3] == '' or count > tonumber(ARGV[1]) then return {count, reset} end
local found = redis.call('HMGET', KEYS[2], '', ARGV[3])
if not found[1] then
  redis.call('HSET', KEYS[2], '', ARGV[4])
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
  return {count, reset, ARGV[4]}
end
return {count, reset, found[1], found[2]}`

const takeScript = `
local count = redis.call('INCR', KEYS[1])
local reset = redis.call('PTTL', KEYS[1])
if reset < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  reset = tonumber(ARGV[1])
end
return {count, reset}`

const giveBackScript = `
local count = tonumber(redis.call('GET', KEYS[1]))
if count and count > 0 then redis.call('DECR', KEYS[1]) end`

const keepScript = `
if redis.call('HGET', KEYS[1], '') == ARGV[1] and redis.call('HLEN', KEYS[1]) <= tonumber(ARGV[4]) then
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
end`

declare module 'ioredis' {
  interface RedisCommander<Context> {
    gateAdmit(
      limitKey: string,
      answersKey: string,
      ...values: (string | number)[]
    ): Result<[number, number, string?, (string | null)?], Context>
    gateTake(key: string, windowMs: number): Result<[number, number], Context>
    gateGiveBack(key: string): Result<null, Context>
    gateKeep(key: string, generation: string, field: string, answer: string, max: number): Result<null, Context>
  }
}

const timeoutMs = 1_000
/**
 * Drops that could not be made are made when Redis is back. Beyond this many they are not remembered one by one: this
 * process then reads no answer until those of before have run out.
 */
const owedMax = 10_000

/** The gate of several processes. While Redis is away it rejects at once. */
export function makeRedisGate(url: string, log: Log): RequestGate {
  const redis = connectRedis(url, log, { commandTimeout: timeoutMs })
  defineScripts(redis)
  const owed = new Set<string>()
  let unreadUntilMs = 0
  let generations = 0
  const self = crypto.randomUUID().slice(0, 8)

  function ready(): Redis | Cluster {
    if (redis.status !== 'ready') throw new Error('Redis cannot be reached')
    return redis
  }

  // What is dropped at the same time, of however many tenants, goes together.
  let dropping = new Set<string>()
  let flushing: Promise<void> | undefined

  async function flush(): Promise<void> {
    const keys = [...dropping]
    dropping = new Set()
    flushing = undefined
    try {
      await unlink(ready(), keys)
    } catch {
      if (owed.size + keys.length > owedMax) unreadUntilMs = Date.now() + answerKeptMs
      else for (const key of keys) owed.add(key)
    }
  }

  function pay(): void {
    for (const key of owed)
      redis.unlink(key).then(
        () => owed.delete(key),
        () => undefined,
      )
  }
  redis.on('ready', pay)
  const paying = setInterval(() => redis.status === 'ready' && owed.size > 0 && pay(), timeoutMs)
  paying.unref()

  return {
    async admit({ tenantId, limit, answer }): Promise<Admission> {
      const key = answer === null ? '' : answersKey(tenantId, answer.resource)
      // What this process changed and could not drop is not read.
      const field = answer === null || owed.has(key) || Date.now() < unreadUntilMs ? '' : answer.field
      const [count, resetMs, generation, found] = await ready().gateAdmit(
        `rate_limit:{${tenantId}}`,
        key === '' ? answersKey(tenantId, 'none') : key,
        ...[limit, limitWindowMs, field, `${self}.${++generations}`, answerKeptMs],
      )
      return {
        ...taken(count, limit, resetMs),
        answer: found ?? null,
        miss: generation === undefined ? null : { generation },
      }
    },
    async take(key, limit, windowMs) {
      const [count, resetMs] = await ready().gateTake(key, windowMs)
      return taken(count, limit, resetMs)
    },
    async giveBack(key) {
      await ready().gateGiveBack(key)
    },
    keep({ tenantId, resource, field }, { generation }, answer) {
      if (answer.length > answerCharactersMax || redis.status !== 'ready') return
      redis.gateKeep(answersKey(tenantId, resource), generation, field, answer, answersMax).catch(() => undefined)
    },
    drop(tenantId, resources) {
      for (const resource of resources) dropping.add(answersKey(tenantId, resource))
      flushing ??= Promise.resolve().then(flush)
      return flushing
    },
    async close() {
      clearInterval(paying)
      redis.disconnect()
    },
  }
}

/** The keys of several tenants lie in several slots: only without slots is it one command. */
async function unlink(redis: Redis | Cluster, keys: readonly string[]): Promise<void> {
  if (redis instanceof Cluster) await Promise.all(keys.map(key => redis.unlink(key)))
  else await redis.unlink(...keys)
}

function answersKey(tenantId: string, resource: string): string {
  return `cache:api:{${tenantId}}:${resource}`
}

function taken(count: number, limit: number, resetMs: number): Taken {
  return { allowed: count <= limit, remaining: Math.max(0, limit - count), resetMs }
}

function defineScripts(redis: Redis | Cluster): void {
  redis.defineCommand('gateAdmit', { numberOfKeys: 2, lua: admitScript })
  redis.defineCommand('gateTake', { numberOfKeys: 1, lua: takeScript })
  redis.defineCommand('gateGiveBack', { numberOfKeys: 1, lua: giveBackScript })
  redis.defineCommand('gateKeep', { numberOfKeys: 1, lua: keepScript })
}
