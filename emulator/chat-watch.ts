/** Lets a request wait until something changes in a chat. Costs nothing for chats that nobody waits for. */
export class ChatWatch {
  readonly #waiting = new Map<string, Set<() => void>>()

  /** Resolves at the chat's next change, after `ms`, or when `signal` says that nobody listens any more. */
  next(number: string, customer: string, ms: number, signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const key = `${number}/${customer}`
      const waiting = this.#waiting.get(key) ?? new Set()
      this.#waiting.set(key, waiting)
      const wake = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', wake)
        waiting.delete(wake)
        if (waiting.size === 0 && this.#waiting.get(key) === waiting) this.#waiting.delete(key)
        resolve()
      }
      const timer = setTimeout(wake, ms)
      signal.addEventListener('abort', wake)
      waiting.add(wake)
    })
  }

  changed(number: string, customer: string): void {
    if (this.#waiting.size === 0) return
    for (const wake of [...(this.#waiting.get(`${number}/${customer}`) ?? [])]) wake()
  }
}
