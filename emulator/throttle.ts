import * as v from 'valibot'

const pairBucketsMax = 20_000

/**
 * Rates the provider allows. `off` for load tests.
 * - `throughput`: messages a second of one number, in and out together.
 * - `pair`: messages from one number to one customer: `burst` at once, then one each `interval_ms`.
 */
export const ratesSchema = v.object({
  throughput: v.union([
    v.literal('off'),
    v.object({ per_second: v.pipe(v.number(), v.minValue(1), v.maxValue(100_000)) }),
  ]),
  pair: v.union([
    v.literal('off'),
    v.object({
      burst: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100_000)),
      interval_ms: v.pipe(v.number(), v.minValue(1), v.maxValue(3_600_000)),
    }),
  ]),
})

export type Rates = v.InferOutput<typeof ratesSchema>

/** Meta's defaults ("Throughput" and "Pair rate limits" of the Cloud API overview). */
export const metaRates: Rates = { throughput: { per_second: 80 }, pair: { burst: 45, interval_ms: 6_000 } }

interface Bucket {
  tokens: number
  at: number
}

/** Token buckets for each number and for each pair of number and customer. */
export class Throttle {
  readonly #now: () => number
  readonly #numbers = new Map<string, Bucket>()
  readonly #pairs = new Map<string, Bucket>()
  #rates: Rates

  constructor(rates: Rates, now: () => number) {
    this.#rates = rates
    this.#now = now
  }

  get rates(): Rates {
    return this.#rates
  }

  /** New rates begin with full buckets. */
  configure(rates: Rates): void {
    this.#rates = rates
    this.clear()
  }

  clear(): void {
    this.#numbers.clear()
    this.#pairs.clear()
  }

  /** Admits one message to a customer, or says which rate it would exceed. */
  admit(number: string, customer: string): 'admitted' | 'over_throughput' | 'over_pair_rate' {
    const { pair } = this.#rates
    const pairBucket =
      pair === 'off' ? null : this.#refilled(this.#pairs, `${number}/${customer}`, pair.burst, pair.interval_ms)
    const numberBucket = this.#numberBucket(number)
    if (numberBucket !== null && numberBucket.tokens < 1) return 'over_throughput'
    if (pairBucket !== null && pairBucket.tokens < 1) return 'over_pair_rate'
    if (numberBucket !== null) numberBucket.tokens -= 1
    if (pairBucket !== null) pairBucket.tokens -= 1
    return 'admitted'
  }

  /** A customer's message takes its share of the number's throughput; it is never refused. */
  countInbound(number: string): void {
    const bucket = this.#numberBucket(number)
    if (bucket !== null) bucket.tokens = Math.max(0, bucket.tokens - 1)
  }

  #numberBucket(number: string): Bucket | null {
    const { throughput } = this.#rates
    if (throughput === 'off') return null
    return this.#refilled(this.#numbers, number, throughput.per_second, 1_000 / throughput.per_second)
  }

  #refilled(buckets: Map<string, Bucket>, key: string, burst: number, intervalMs: number): Bucket {
    const now = this.#now()
    const before = buckets.get(key) ?? { tokens: burst, at: now }
    const bucket = { tokens: Math.min(burst, before.tokens + (now - before.at) / intervalMs), at: now }
    buckets.delete(key)
    buckets.set(key, bucket)
    const [idlest] = buckets.keys()
    if (buckets.size > pairBucketsMax && idlest !== undefined) buckets.delete(idlest)
    return bucket
  }
}
