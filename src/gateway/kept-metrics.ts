import { type Metrics, parseMetrics, type Window } from '../messaging/analytics/kpis.ts'
import { readMetrics } from '../messaging/analytics/read-figures.ts'
import { inTenant } from '../stores/postgres/in-tenant.ts'
import type { GatewayOptions } from './options.ts'

/** The figures of a tenant's window, as the last pass of the engine left them. */
export type KeptMetrics = (tenantId: string, window: Window) => Promise<Metrics>

/** Reads them from the cache, and from the rollups where it has none; those who ask at the same time share one reading. */
export function makeKeptMetrics(
  options: Pick<GatewayOptions, 'database' | 'metricsCache' | 'clock' | 'metrics'>,
): KeptMetrics {
  const { database, metricsCache, clock, metrics } = options
  const underWay = new Map<string, Promise<Metrics>>()

  async function read(tenantId: string, window: Window): Promise<Metrics> {
    const given = { tenantId, windows: [window], nowMs: clock.now() }
    const [found] = await inTenant(database, tenantId, tx => readMetrics(tx, given))
    if (found === undefined) throw new Error('No figures were read')
    metricsCache.add(tenantId, { window, text: JSON.stringify(found) })
    return found
  }

  function readOnce(tenantId: string, window: Window): Promise<Metrics> {
    const name = `${tenantId} ${window}`
    const other = underWay.get(name)
    if (other !== undefined) return other
    const reading = read(tenantId, window).finally(() => underWay.delete(name))
    underWay.set(name, reading)
    return reading
  }

  return async (tenantId, window) => {
    const kept = parseMetrics((await metricsCache.get(tenantId, window)) ?? '')
    metrics[kept === undefined ? 'cacheMisses' : 'cacheHits'].inc()
    return kept ?? (await readOnce(tenantId, window))
  }
}
