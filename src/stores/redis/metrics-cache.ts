import type { Log } from '../../lib/log.ts'
import { type MetricsCache, metricsKeptMs } from '../metrics-cache.ts'
import { connectRedis } from './bus.ts'

const timeoutMs = 250
/** Who did not answer in time is not asked again at once: a request waits for it. */
const pauseMs = 1_000
const keptSeconds = metricsKeptMs / 1_000

/** The figures that several processes keep together. */
export function makeRedisMetricsCache(url: string, log: Log): MetricsCache {
  const redis = connectRedis(url, log, { commandTimeout: timeoutMs })
  let awayUntilMs = 0

  function isAway(): boolean {
    return redis.status !== 'ready' || performance.now() < awayUntilMs
  }

  function pause(): void {
    awayUntilMs = performance.now() + pauseMs
  }

  return {
    async get(tenantId, window) {
      if (isAway()) return undefined
      try {
        return (await redis.get(keyOf(tenantId, window))) ?? undefined
      } catch {
        pause()
        return undefined
      }
    },
    async put(tenantId, figures) {
      if (redis.status !== 'ready') return
      // They go out together: the client puts what is asked at the same time into one round trip.
      await Promise.all(
        figures.map(({ window, text }) => redis.set(keyOf(tenantId, window), text, 'EX', keptSeconds).catch(pause)),
      )
    },
    add(tenantId, { window, text }) {
      if (isAway()) return
      redis.set(keyOf(tenantId, window), text, 'EX', keptSeconds, 'NX').catch(pause)
    },
    async close() {
      redis.disconnect()
    },
  }
}

/** The braces are part of it: what stands in them decides where a cluster puts it. */
function keyOf(tenantId: string, window: string): string {
  return `analytics:metrics:{${tenantId}}:${window}`
}
