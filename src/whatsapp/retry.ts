import type { RetryPace } from './provider.ts'

/** Tries before a message that is refused for now is failed. */
export const sendTriesMax = 10

const shortest: Readonly<Record<RetryPace, { baseMs: number; factor: number; maxMs: number }>> = {
  soon: { baseMs: 1_000, factor: 2, maxMs: 300_000 },
  later: { baseMs: 30_000, factor: 2, maxMs: 3_600_000 },
  pair: { baseMs: 1_000, factor: 4, maxMs: 3_600_000 },
}

/**
 * Milliseconds to wait after the `attempt`-th refused try (from 1): exponential, with a jitter of a quarter either
 * way, so that what was refused together does not come back together. `random` is from 0 to 1.
 */
export function retryDelayMs(pace: RetryPace, attempt: number, random: number): number {
  const { baseMs, factor, maxMs } = shortest[pace]
  return Math.round(Math.min(maxMs, baseMs * factor ** (attempt - 1)) * (0.75 + random / 2))
}
