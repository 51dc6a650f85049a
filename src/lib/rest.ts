/** Times as long as the work took. */
const restRatio = 4
const restMinMs = 10
const restMaxMs = 2_000

/**
 * How long to rest after a piece of work that nobody waits for: such work then costs a fifth of one connection, or of one
 * core, at most, and whoever waits for a lock or for the disk has their turn in between.
 */
export function restMs(tookMs: number): number {
  return Math.min(Math.max(tookMs * restRatio, restMinMs), restMaxMs)
}
