import { Lru } from '../lib/lru.ts'

const keysMax = 50_000

/** One limit: `burst` messages at once, then one every `intervalMs`. */
export type Rate = { readonly burst: number; readonly intervalMs: number }

/** 0: somebody waits for the message; 1: nobody does. */
export type Lane = 0 | 1

const noSlots = [0, 0] as const

type Cell = {
  /** Theoretical arrival time of the next message (GCRA): ahead of now by what was spent. */
  arrival: number
  /** When the next message that has to wait may come back: by lane. */
  nextSlots: readonly [number, number]
}

/** Limits by key, in this process. Bounded: the keys unused longest are forgotten, and start afresh. */
export class Pace {
  readonly #cells = new Lru<string, Cell>(keysMax)

  /** Milliseconds until a message of this key may go; 0 for now. Takes nothing. */
  waitMs(key: string, rate: Rate, now: number): number {
    const arrival = this.#cells.get(key)?.arrival ?? 0
    return Math.max(0, arrival - (rate.burst - 1) * rate.intervalMs - now)
  }

  /** Counts a message. */
  take(key: string, rate: Rate, now: number): void {
    const cell = this.#cells.get(key)
    const arrival = Math.max(cell?.arrival ?? 0, now) + rate.intervalMs
    this.#cells.set(key, { arrival, nextSlots: cell?.nextSlots ?? noSlots })
  }

  /**
   * Milliseconds after which a message that has to wait comes back: each one a slot later than the one before. What is in
   * lane 0 waits for nothing of lane 1.
   */
  queueMs(key: string, rate: Rate, now: number, lane: Lane = 0): number {
    const { arrival, nextSlots } = this.#cells.get(key) ?? { arrival: 0, nextSlots: noSlots }
    const [first, second] = nextSlots
    const slot = Math.max(lane === 0 ? first : Math.max(first, second), now + this.waitMs(key, rate, now))
    const next = slot + rate.intervalMs
    this.#cells.set(key, { arrival, nextSlots: lane === 0 ? [next, second] : [first, next] })
    return Math.ceil(slot - now)
  }
}

/** A limit that a message must keep, and whose it is. */
export type Limit = { readonly key: string; readonly rate: Rate }

/**
 * Lets a message go when all its limits do, and counts it against them; else says how many milliseconds it waits.
 */
export function admit(pace: Pace, limits: readonly Limit[], now: number, lane: Lane = 0): number {
  const slowest = limits
    .map(limit => ({ ...limit, waitMs: pace.waitMs(limit.key, limit.rate, now) }))
    .reduce<(Limit & { waitMs: number }) | null>((a, b) => (a !== null && a.waitMs >= b.waitMs ? a : b), null)
  if (slowest !== null && slowest.waitMs > 0) return Math.max(1, pace.queueMs(slowest.key, slowest.rate, now, lane))
  for (const { key, rate } of limits) pace.take(key, rate, now)
  return 0
}
