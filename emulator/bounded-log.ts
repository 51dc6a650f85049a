/** A list that keeps its newest `entriesMax` entries, and knows how many there ever were. */
export class BoundedLog<T> {
  readonly #entriesMax: number
  #entries: T[] = []
  #total = 0

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax
  }

  /** Entries ever added since the last `clear`, those already dropped included. */
  get total(): number {
    return this.#total
  }

  add(entry: T): void {
    this.#total += 1
    this.#entries.push(entry)
    // Cut in big steps: shifting a long array on every message costs more than the slack.
    if (this.#entries.length >= this.#entriesMax * 2) this.#entries = this.#entries.slice(-this.#entriesMax)
  }

  /** Oldest first. */
  entries(): T[] {
    return this.#entries.slice(-this.#entriesMax)
  }

  clear(): void {
    this.#entries = []
    this.#total = 0
  }
}
