import type { Clock } from '../../lib/clock.ts'
import { Lru } from '../../lib/lru.ts'
import { type KeptFigures, type MetricsCache, metricsKeptMs } from '../metrics-cache.ts'

/** Half a kilobyte each. */
const keptMax = 3_000

/** The figures of a single process. */
export function makeMemoryMetricsCache(clock: Clock): MetricsCache {
  const kept = new Lru<string, { readonly text: string; readonly endsMs: number }>(keptMax)

  function find(tenantId: string, window: string): string | undefined {
    const found = kept.get(`${tenantId} ${window}`)
    return found !== undefined && found.endsMs > clock.now() ? found.text : undefined
  }

  function keep(tenantId: string, { window, text }: KeptFigures): void {
    kept.set(`${tenantId} ${window}`, { text, endsMs: clock.now() + metricsKeptMs })
  }

  return {
    async get(tenantId, window) {
      return find(tenantId, window)
    },
    async put(tenantId, figures) {
      for (const one of figures) keep(tenantId, one)
    },
    add(tenantId, figures) {
      if (find(tenantId, figures.window) === undefined) keep(tenantId, figures)
    },
    async close() {},
  }
}
