/** Resident memory above which garbage is collected without waiting for the runtime to do so. */
const highBytes = 72_000_000
const lookMs = 100
/** Above this the runtime also gives back what it keeps to be fast, compiled code among it: dear, so seldom. */
const tooHighBytes = 90_000_000
const shrinkPauseMs = 10_000

/**
 * Keeps the process small under load. The runtime lets its heap grow to several times what lives before it collects,
 * which suits a machine of its own, not a cheap server; docs/decisions/memory.md has the figures. Returns what ends it.
 */
export function keepMemoryLow(): () => void {
  let before = 0
  let shrunkAt = Number.NEGATIVE_INFINITY
  const timer = setInterval(() => {
    const resident = process.memoryUsage.rss()
    // What is alive cannot be collected: only where memory has grown since the last time is there something to gain.
    if (resident > highBytes && resident > before) Bun.gc(true)
    if (resident > tooHighBytes && performance.now() - shrunkAt > shrinkPauseMs) {
      Bun.shrink()
      shrunkAt = performance.now()
    }
    before = process.memoryUsage.rss()
  }, lookMs)
  timer.unref()
  return () => clearInterval(timer)
}
