export type MemoryLimits = {
  /** Resident memory above which garbage is collected without waiting for the runtime to do so. */
  readonly highBytes: number
  /** Above this the runtime also gives back what it keeps to be fast, compiled code among it: dear, so seldom. */
  readonly tooHighBytes: number
  /** What is alive cannot be collected: only where memory has grown so far since the last time is there something to gain. */
  readonly grownBytes: number
}

/** Of a process that somebody waits for. */
export const usualLimits: MemoryLimits = { highBytes: 80_000_000, tooHighBytes: 90_000_000, grownBytes: 1_000_000 }
/** Of one that nobody waits for. */
export const backgroundLimits: MemoryLimits = { highBytes: 50_000_000, tooHighBytes: 58_000_000, grownBytes: 1_000_000 }

const lookMs = 100
const shrinkPauseMs = 10_000

/** How much longer than it collects it works: a heap that is slow to collect is not collected all the time. */
const workPerCollection = 5

/**
 * Keeps the process small under load. The runtime lets its heap grow to several times what lives before it collects,
 * which suits a machine of its own, not a cheap server; docs/decisions/memory.md has the figures. Returns what ends it.
 */
export function keepMemoryLow(limits: MemoryLimits = usualLimits): () => void {
  const { highBytes, tooHighBytes, grownBytes } = limits
  let before = 0
  let shrunkAt = Number.NEGATIVE_INFINITY
  let restUntil = 0
  const timer = setInterval(() => {
    const start = performance.now()
    if (start < restUntil) return
    const resident = process.memoryUsage.rss()
    const isCollected = resident > highBytes && resident >= before + grownBytes
    if (isCollected) Bun.gc(true)
    if (resident > tooHighBytes && start - shrunkAt > shrinkPauseMs) {
      Bun.shrink()
      shrunkAt = start
    }
    if (isCollected || resident < before) before = process.memoryUsage.rss()
    const end = performance.now()
    restUntil = end + (end - start) * workPerCollection
  }, lookMs)
  timer.unref()
  return () => clearInterval(timer)
}
