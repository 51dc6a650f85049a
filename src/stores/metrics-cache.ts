/** A tenant's figures of one window, as JSON. */
export type KeptFigures = { readonly window: string; readonly text: string }

/**
 * Keeps the figures of each tenant for five minutes, for all processes together, so that reading them costs no query.
 * All of it may be lost at any moment, and nothing of it is needed: while the store is away nothing is found and nothing
 * is kept. No method rejects.
 */
export type MetricsCache = {
  /** What is kept; undefined where nothing is. One round trip. */
  get(tenantId: string, window: string): Promise<string | undefined>
  /**
   * Keeps what the engine has just worked out, instead of what was kept. Resolves once every process finds it, or it is
   * known that it cannot be kept.
   */
  put(tenantId: string, figures: readonly KeptFigures[]): Promise<void>
  /**
   * Keeps what a reader has worked out because it found nothing. Whatever is there by then stays: it is of a later pass.
   * Never waits.
   */
  add(tenantId: string, figures: KeptFigures): void
  close(): Promise<void>
}

export const metricsKeptMs = 300_000
