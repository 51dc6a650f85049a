import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { type Metrics, windows } from '../messaging/analytics/kpis.ts'
import { readMetrics } from '../messaging/analytics/read-figures.ts'
import type { Feed } from '../stores/feed.ts'
import type { MetricsCache } from '../stores/metrics-cache.ts'
import type { Database } from '../stores/postgres/database.ts'
import { inTenant } from '../stores/postgres/in-tenant.ts'

/** Tenants whose figures are worked out at the same time. */
const atOnceMax = 4

export type RefreshOptions = {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly feed: Feed
  readonly metricsCache: MetricsCache
}

/**
 * Puts the figures of tenants whose rollups have changed where the gateway finds them, then tells their sockets. Never
 * rejects: who could not be done is found out of date for five minutes at most, since nothing is kept for longer.
 */
export async function refreshMetrics(options: RefreshOptions, tenantIds: readonly string[]): Promise<void> {
  const waiting = tenantIds.values()
  const work = async () => {
    for (const tenantId of waiting) await refreshOne(options, tenantId)
  }
  await Promise.all(Array.from({ length: atOnceMax }, work))
}

async function refreshOne(options: RefreshOptions, tenantId: string): Promise<void> {
  const { database, clock, log, feed, metricsCache } = options
  try {
    const given = { tenantId, windows, nowMs: clock.now() }
    const all = await inTenant(database, tenantId, tx => readMetrics(tx, given))
    await metricsCache.put(tenantId, all.map(toKeep))
    await feed.announce(tenantId, { changed: ['analytics'], events: () => all.map(told) })
  } catch (error) {
    log.error({ tenant_id: tenantId, error: messageOf(error) }, 'the figures of a tenant were not refreshed')
  }
}

function toKeep(metrics: Metrics) {
  return { window: metrics.window, text: JSON.stringify(metrics) }
}

function told(metrics: Metrics) {
  return { type: 'metrics.updated', data: metrics } as const
}
