/** What the library and its protocol take, before any session does. */
const baseBytes = 350e6
/** What a busy session may take. */
const perSessionBytes = 30e6
const lookMs = 5_000
/** Looks above the mark in a row: a peak that passes is none. */
const looksMax = 3

/**
 * Calls `onHigh` once when this process has outgrown what its sessions may take: the library's sessions grow for as long
 * as they live. Returns what ends it.
 */
export function watchMemory(options: {
  readonly sessions: () => number
  readonly onHigh: (residentBytes: number) => void
  readonly resident?: () => number
  readonly everyMs?: number
}): () => void {
  const { sessions, onHigh, resident = () => process.memoryUsage.rss(), everyMs = lookMs } = options
  let looks = 0
  const timer = setInterval(() => {
    const mark = baseBytes + perSessionBytes * sessions()
    if (resident() > mark) Bun.gc(true)
    looks = resident() > mark ? looks + 1 : 0
    if (looks < looksMax) return
    clearInterval(timer)
    onHigh(resident())
  }, everyMs)
  timer.unref()
  return () => clearInterval(timer)
}
