/** A map of at most `max` entries, whose least recently used entry goes first. */
export class Lru<K, V> {
  readonly #max: number
  readonly #onGone: (value: V) => void
  readonly #entries = new Map<K, V>()

  /** `onGone` is told each value that leaves, whatever the reason. */
  constructor(max: number, onGone: (value: V) => void = () => undefined) {
    this.#max = max
    this.#onGone = onGone
  }

  get size(): number {
    return this.#entries.size
  }

  /** Counts as a use. */
  get(key: K): V | undefined {
    const value = this.#entries.get(key)
    if (value === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, value)
    return value
  }

  set(key: K, value: V): void {
    this.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size > this.#max) this.deleteOldest()
  }

  /** Deletes the entry whose last use is longest ago. */
  deleteOldest(): void {
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined) this.delete(oldest)
  }

  delete(key: K): void {
    const value = this.#entries.get(key)
    if (value === undefined) return
    this.#entries.delete(key)
    this.#onGone(value)
  }

  /** Deletes the entries that `matches` says yes to. */
  deleteWhere(matches: (value: V) => boolean): void {
    for (const [key, value] of this.#entries) if (matches(value)) this.delete(key)
  }
}
