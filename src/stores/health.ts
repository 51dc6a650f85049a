/** How a store is: `embedded` means that this process holds it itself. */
export type StoreHealth = 'connected' | 'disconnected' | 'embedded'

/** The answer of `/health`: `degraded` (with 503) while a store that is set cannot be reached. */
export type Health = {
  readonly status: 'ok' | 'degraded'
  readonly version: string
  /** Seconds since the start. */
  readonly uptime: number
  readonly memory_mb: number
  readonly database: StoreHealth
  readonly redis: StoreHealth
  readonly mongodb: StoreHealth
}
