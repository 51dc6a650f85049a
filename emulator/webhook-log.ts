import { BoundedLog } from './bounded-log.ts'
import type { WebhookAnswer, WebhookEvent, WebhookRequest } from './webhook-event.ts'

/** Of longer bodies, as those with files in them, the beginning is kept. */
const loggedCharactersMax = 40_000

/** One webhook, as `GET /emulator/webhooks` shows it. */
export type WebhookEntry = {
  /** When it was due, in milliseconds since the epoch. */
  readonly at: number
  readonly number: string
  readonly kind: WebhookEvent['kind']
  /** The customer it is about; null for a raw one and for a notice. */
  readonly customer: string | null
  /** What it tells: ids of messages, `id status`, or the name of a notice. */
  readonly tells: readonly string[]
  /** The body, once it was sent; of a long one the beginning. Statuses that travelled together have one body. */
  body: string | null
  /** Requests made, the copies of the fault `duplicate` included. */
  attempts: number
  /** HTTP status of the last answer; null where none came. */
  status: number | null
  /** Why the last request got no answer, or what is wrong with the answer. */
  error: string | null
  /** `dropped`: never sent, by a fault, because too many wait, or because nobody wants it. */
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

/** What is known of a webhook before it is sent. */
export function newEntry(number: string, event: WebhookEvent, at: number): WebhookEntry {
  const customer = event.kind === 'raw' || event.kind === 'notice' ? null : event.customer.id
  const { kind } = event
  return {
    ...{ at, number, kind, customer, tells: tells(event), body: null },
    ...{ attempts: 0, status: null, error: null, outcome: 'waiting' },
  }
}

function tells(event: WebhookEvent): string[] {
  switch (event.kind) {
    case 'raw':
      return []
    case 'notice':
      return [event.name]
    case 'echo':
    case 'phone':
      return [event.message.id]
    case 'status':
      return [`${event.message.id} ${event.status}`]
    case 'messages':
      return event.messages.map(({ id }) => id)
  }
}

/** Notes how a request ended, with all its copies. */
export function note(
  entry: WebhookEntry,
  request: WebhookRequest,
  answers: readonly WebhookAnswer[],
  answer: WebhookAnswer | undefined,
): void {
  entry.attempts += answers.length
  entry.status = answer?.status ?? null
  entry.error = answer?.error ?? null
  entry.body = request.body.slice(0, loggedCharactersMax)
}
