import type { Config } from '../config.ts'
import type { Caller } from '../identity/callers.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sealer } from '../lib/crypto.ts'
import type { Ids } from '../lib/ids.ts'
import type { Json } from '../lib/json.ts'
import type { Log } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import type { MediaLinks } from '../messaging/media-links.ts'
import type { Bus } from '../stores/bus.ts'
import type { Feed } from '../stores/feed.ts'
import type { Files } from '../stores/files.ts'
import type { Health } from '../stores/health.ts'
import type { LogStore } from '../stores/log-store.ts'
import type { MetricsCache } from '../stores/metrics-cache.ts'
import type { Database } from '../stores/postgres/database.ts'
import type { RequestGate } from '../stores/request-gate.ts'

/** What the gateway is made of. */
export type GatewayOptions = {
  readonly config: Pick<
    Config,
    | 'JWT_SECRET'
    | 'JWT_SECRET_PREVIOUS'
    | 'RATE_LIMIT_API_PER_MINUTE'
    | 'RATE_LIMIT_AUTH_PER_5_MINUTES'
    | 'CORS_ORIGINS'
    | 'TRUSTED_PROXIES'
    | 'SLOW_REQUEST_MS'
  >
  readonly database: Database
  readonly bus: Bus
  readonly gate: RequestGate
  readonly feed: Feed
  readonly metricsCache: MetricsCache
  readonly logs: LogStore
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Log
  readonly metrics: Metrics
  readonly sealer: Sealer
  readonly files: Files
  readonly links: MediaLinks
  readonly health: () => Promise<Health>
}

/** What a request carries from step to step. */
export type Env = {
  Bindings: {
    /** The address at the other end of the connection. */
    peerAddress?: () => string | undefined
    /** Turns the request into a WebSocket with this data; false where it does not ask for one. */
    upgrade?: (data: unknown) => boolean
  }
  Variables: {
    requestId: string
    caller: Caller
    idempotencyKey?: string
    /** The body, before its schema. */
    given?: Json
    /** For the headers that say how much of the limit is left. */
    limit?: { readonly limit: number; readonly remaining: number; readonly resetMs: number }
    /** The answer has all of its headers already. */
    isComplete?: true
  }
}
