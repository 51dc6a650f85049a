import { BoundedLog } from './bounded-log.ts'

/** What a webhook is about. */
export type WebhookKind = 'messages' | 'status' | 'raw'

/** One webhook, as `GET /emulator/webhooks` shows it. */
export type WebhookEntry = {
  /** When it was due, in milliseconds since the epoch. */
  readonly at: number
  readonly number: string
  readonly kind: WebhookKind
  /** The customer it is about; null for a raw one. */
  readonly customer: string | null
  /** What it tells: ids of messages, or `id status`. */
  readonly tells: readonly string[]
  /** The exact body, once it was sent. Statuses that travelled together have one body. */
  body: string | null
  /** Requests made, the copies of the fault `duplicate` included. */
  attempts: number
  /** HTTP status of the last answer; null where none came. */
  status: number | null
  /** Why the last request got no answer. */
  error: string | null
  /** `dropped`: never sent, by a fault or because too many wait. */
  outcome: 'waiting' | 'delivered' | 'given_up' | 'dropped'
}

/** The newest webhooks of each number. */
export class WebhookLog {
  readonly #entriesMax: number
  readonly #logs = new Map<string, BoundedLog<WebhookEntry>>()

  constructor(entriesMaxPerNumber: number) {
    this.#entriesMax = entriesMaxPerNumber
  }

  add(entry: WebhookEntry): void {
    const log = this.#logs.get(entry.number) ?? new BoundedLog<WebhookEntry>(this.#entriesMax)
    this.#logs.set(entry.number, log)
    log.add(entry)
  }

  /** Of one number or of all, oldest first. */
  entries(number: string | null): WebhookEntry[] {
    const logs = [...this.#logs].filter(([id]) => number === null || id === number)
    return logs.flatMap(([, log]) => log.entries()).sort((a, b) => a.at - b.at)
  }

  /** Webhooks there ever were, those no longer kept included. */
  total(number: string | null): number {
    const logs = [...this.#logs].filter(([id]) => number === null || id === number)
    return logs.reduce((sum, [, log]) => sum + log.total, 0)
  }

  forget(number: string): void {
    this.#logs.delete(number)
  }

  clear(): void {
    this.#logs.clear()
  }
}
