import { Cluster, type Redis, type Result } from 'ioredis'
import type { Log } from '../../lib/log.ts'
import {
  type Snapshot,
  type SnapshotKey,
  type StateSnapshots,
  snapshotCharactersMax,
  snapshotKeptMs,
} from '../state-snapshots.ts'
import { connectRedis } from './bus.ts'

// One command for any number of states, which several SETs are not: most of what a command costs, it costs the client.
const putScript = `
for index, key in ipairs(KEYS) do
  redis.call('SET', key, ARGV[index + 1], 'EX', ARGV[1])
end`

declare module 'ioredis' {
  interface RedisCommander<Context> {
    snapshotsPut(keys: number, ...values: (string | number)[]): Result<null, Context>
  }
}

const timeoutMs = 100
/** Who did not answer in time is not asked again at once: a turn holds locks while it waits. */
const pauseMs = 1_000
/** States that are on their way; beyond these they are not kept. */
const puttingMax = 5_000

/** The states that several processes keep together. While Redis is away nothing is found, and nothing is kept. */
export function makeRedisSnapshots(url: string, log: Log): StateSnapshots {
  const redis = connectRedis(url, log, { commandTimeout: timeoutMs })
  redis.defineCommand('snapshotsPut', { lua: putScript })
  let awayUntilMs = 0
  let putting = 0

  function isAway(): boolean {
    return redis.status !== 'ready' || performance.now() < awayUntilMs
  }

  function pause(): void {
    awayUntilMs = performance.now() + pauseMs
  }

  async function getGroup(keys: readonly SnapshotKey[]): Promise<(Snapshot | undefined)[]> {
    try {
      return (await redis.mget(keys.map(redisKey))).map(parse)
    } catch {
      pause()
      return keys.map(() => undefined)
    }
  }

  async function putGroup(group: readonly (SnapshotKey & Snapshot)[]): Promise<void> {
    putting += group.length
    try {
      await redis.snapshotsPut(group.length, ...group.map(redisKey), snapshotKeptMs / 1_000, ...group.map(format))
    } catch {
      pause()
    } finally {
      putting -= group.length
    }
  }

  return {
    async getMany(keys) {
      if (keys.length === 0 || isAway()) return keys.map(() => undefined)
      const groups = groupsOf(redis, keys)
      const found = (await Promise.all(groups.map(getGroup))).flat()
      const snapshots = new Map(groups.flat().map((key, index) => [key, found[index]]))
      return keys.map(key => snapshots.get(key))
    },
    putMany(snapshots) {
      const short = snapshots.filter(one => one.state.length <= snapshotCharactersMax)
      if (short.length === 0 || isAway() || putting + short.length > puttingMax) return
      for (const group of groupsOf(redis, short)) void putGroup(group)
    },
    async close() {
      redis.disconnect()
    },
  }
}

/** What goes into one command: of a cluster, the keys of one tenant, which lie together. */
function groupsOf<T extends SnapshotKey>(redis: Redis | Cluster, items: readonly T[]): (readonly T[])[] {
  return redis instanceof Cluster ? [...Map.groupBy(items, item => item.tenantId).values()] : [items]
}

/** The braces are part of it: what stands in them decides where a cluster puts it. */
function redisKey({ tenantId, conversationId }: SnapshotKey): string {
  return `conversation:{${tenantId}}:${conversationId}`
}

function format({ seq, state }: Snapshot): string {
  return `{"seq":${seq},"state":${state}}`
}

const shape = /^\{"seq":(\d+),"state":(.*)\}$/s

function parse(text: string | null): Snapshot | undefined {
  const [, seq, state] = shape.exec(text ?? '') ?? []
  return seq === undefined || state === undefined ? undefined : { seq: Number(seq), state }
}
