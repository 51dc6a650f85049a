import { Cluster, type Redis } from 'ioredis'
import type { Log } from '../../lib/log.ts'
import type { KeyEraser } from '../key-eraser.ts'
import { connectRedis } from './bus.ts'

const timeoutMs = 5_000
/** Keys that one command removes. */
const unlinkMax = 500
/** About as many as one SCAN looks at. */
const scanCount = 1_000

/** Removes keys of Redis. The braces are part of their names: see the other stores here. */
export function makeRedisKeyEraser(url: string, log: Log): KeyEraser {
  const redis = connectRedis(url, log, { commandTimeout: timeoutMs })

  /** All keys that fit, of every node; returns how many were there. */
  async function erasePattern(pattern: string): Promise<number> {
    const nodes = redis instanceof Cluster ? redis.nodes('master') : [redis]
    let count = 0
    for (const node of nodes) count += await erasePatternOn(node, pattern)
    return count
  }

  return {
    async eraseConversations(tenantId, conversationIds) {
      const keys = conversationIds.map(id => `conversation:{${tenantId}}:${id}`)
      for (let from = 0; from < keys.length; from += unlinkMax)
        await redis.unlink(...keys.slice(from, from + unlinkMax))
      await erasePattern(`cache:api:{${tenantId}}:*`)
    },
    eraseTenant: tenantId => erasePattern(`*${tenantId}*`),
    async close() {
      redis.disconnect()
    },
  }
}

async function erasePatternOn(node: Redis, pattern: string): Promise<number> {
  let [cursor, count] = ['0', 0]
  do {
    const [next, keys] = await node.scan(cursor, 'MATCH', pattern, 'COUNT', scanCount)
    // One by one: those of several tenants, or of none, lie in several slots of a cluster.
    const removed = await Promise.all(keys.map(key => node.unlink(key)))
    count += removed.filter(one => one > 0).length
    cursor = next
  } while (cursor !== '0')
  return count
}
