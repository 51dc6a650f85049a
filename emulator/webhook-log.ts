import { BoundedLog } from './bounded-log.ts'

/** One webhook, as `GET /emulator/webhooks` shows it. */
export interface WebhookEntry {
  /** When it was due, in milliseconds since the epoch. */
  readonly at: number
  readonly kind: 'messages' | 'status' | 'raw'
  /** The customer it is about; null for a raw one. */
  readonly customer: string | null
  /** What it tells: message ids, or `id status`. */
  readonly tells: readonly string[]
  /**
   * `delivered` when answered 2xx. `abandoned` after the last try. `dropped` was never sent:
   * by the fault `drop_statuses`, or because too many were waiting.
   */
  state: 'pending' | 'delivered' | 'abandoned' | 'dropped'
  /** Requests made, the copies of the fault `duplicate` included. */
  attempts: number
  /** HTTP status of the last answer; null while there is none, or when the last try got none. */
  status: number | null
  /** Why the last try got no answer. */
  error: string | null
  /** The exact body, once it was sent. */
  body: string | null
}

/** The newest webhooks of each number. */
export class WebhookLog {
  readonly #entriesMax: number
  readonly #logs = new Map<string, BoundedLog<WebhookEntry>>()

  constructor(entriesMaxPerNumber: number) {
    this.#entriesMax = entriesMaxPerNumber
  }

  add(number: string, entry: WebhookEntry): void {
    const log = this.#logs.get(number) ?? new BoundedLog<WebhookEntry>(this.#entriesMax)
    this.#logs.set(number, log)
    log.add(entry)
  }

  /** Oldest first, each with its number; `total` counts those no longer kept too. */
  entries(number: string | null): { total: number; webhooks: (WebhookEntry & { number: string })[] } {
    const logs = [...this.#logs].filter(([id]) => number === null || id === number)
    return {
      total: logs.reduce((sum, [, log]) => sum + log.total, 0),
      webhooks: logs.flatMap(([id, log]) => log.entries().map(entry => ({ number: id, ...entry }))),
    }
  }

  forget(number: string): void {
    this.#logs.delete(number)
  }

  clear(): void {
    this.#logs.clear()
  }
}
