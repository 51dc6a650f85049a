import { BoundedLog } from './bounded-log.ts'
import { signatureOf } from './dialects/meta-webhook.ts'
import type { FaultQueue } from './faults.ts'
import type { EmulatorLimits } from './limits.ts'
import type { BusinessNumber } from './records.ts'

const timeoutMs = 20_000
const retryFirstMs = 100
const retryMaxMs = 3_000
/** Meta tries for seven days; a session at a desk is over sooner. */
const triesMax = 1_000
/** How long the first of two webhooks that change places waits for the second. */
const reorderWaitMs = 1_000

/** What a webhook is about. Statuses are not held up by a message that is tried again and again. */
export type WebhookKind = 'messages' | 'status' | 'raw'

/** One webhook, as `GET /emulator/webhooks` shows it. */
export type WebhookEntry = {
  readonly at: number
  readonly number: string
  readonly customer: string
  readonly kind: WebhookKind
  readonly body: string
  attempts: number
  /** HTTP status of the last answer; null where none came. */
  status: number | null
  /** `dropped`: never sent, by a fault or because too many wait. */
  outcome: 'waiting' | 'delivered' | 'given_up' | 'dropped'
}

type Job = { readonly entry: WebhookEntry; readonly resolve: (isDelivered: boolean) => void }

/**
 * Sends webhooks, signed, each until it is answered 2xx. Those of one customer and kind go one after the other, in
 * order; those of different customers at the same time.
 */
export class WebhookDeliveries {
  readonly #limits: EmulatorLimits
  readonly #faults: FaultQueue
  readonly #numberOf: (id: string) => BusinessNumber | null
  readonly #now: () => number
  readonly #lanes = new Map<string, Job[]>()
  readonly #inFlight = new Map<string, number>()
  readonly #logs = new Map<string, BoundedLog<WebhookEntry>>()
  readonly #abort = new AbortController()
  #pending = 0

  constructor(
    limits: EmulatorLimits,
    faults: FaultQueue,
    numberOf: (id: string) => BusinessNumber | null,
    now: () => number,
  ) {
    this.#limits = limits
    this.#faults = faults
    this.#numberOf = numberOf
    this.#now = now
  }

  /** Queues a webhook. Resolves when it was answered 2xx (true), or will never be (false). */
  add(number: string, customer: string, kind: WebhookKind, body: string): Promise<boolean> {
    const entry: WebhookEntry = {
      ...{ at: this.#now(), number, customer, kind, body },
      ...{ attempts: 0, status: null, outcome: 'waiting' },
    }
    this.#logOf(number).add(entry)
    const isDropped = kind === 'status' && this.#faults.takeWebhook('drop_statuses', number) !== null
    if (isDropped || this.#pending >= this.#limits.webhooksPendingMax || this.#abort.signal.aborted) {
      entry.outcome = 'dropped'
      return Promise.resolve(false)
    }
    this.#pending++
    return new Promise(resolve => this.#enqueue({ entry, resolve }))
  }

  entries(number: string | null): WebhookEntry[] {
    const logs = number === null ? [...this.#logs.values()] : [this.#logOf(number)]
    return logs.flatMap(log => log.entries()).sort((a, b) => a.at - b.at)
  }

  /** Webhooks that wait or are under way. */
  get pending(): number {
    return this.#pending
  }

  clear(): void {
    this.#logs.clear()
  }

  /** Gives up what waits. */
  stop(): void {
    this.#abort.abort()
  }

  #logOf(number: string): BoundedLog<WebhookEntry> {
    const log = this.#logs.get(number) ?? new BoundedLog<WebhookEntry>(this.#limits.webhooksPerNumberMax)
    this.#logs.set(number, log)
    return log
  }

  #enqueue(job: Job): void {
    const { number, customer, kind } = job.entry
    const key = `${number}/${customer}/${kind}`
    const lane = this.#lanes.get(key)
    if (lane !== undefined) return void lane.push(job)
    this.#lanes.set(key, [job])
    void this.#work(key, number)
  }

  async #work(key: string, number: string): Promise<void> {
    const lane = this.#lanes.get(key) ?? []
    while (lane.length > 0) {
      if (this.#faults.takeWebhook('reorder', number) !== null) await this.#reorder(lane)
      while ((this.#inFlight.get(number) ?? 0) >= this.#limits.webhooksInFlightMax) await Bun.sleep(1)
      const job = lane.shift()
      if (job === undefined) break
      this.#inFlight.set(number, (this.#inFlight.get(number) ?? 0) + 1)
      job.resolve(await this.#deliver(job.entry))
      this.#inFlight.set(number, (this.#inFlight.get(number) ?? 1) - 1)
      this.#pending--
    }
    this.#lanes.delete(key)
  }

  async #reorder(lane: Job[]): Promise<void> {
    for (const until = Date.now() + reorderWaitMs; lane.length < 2 && Date.now() < until; ) await Bun.sleep(5)
    const [first, second] = lane
    if (first !== undefined && second !== undefined) lane.splice(0, 2, second, first)
  }

  async #deliver(entry: WebhookEntry): Promise<boolean> {
    const delay = this.#faults.takeWebhook('delay', entry.number)
    if (delay !== null) await Bun.sleep(delay.ms)
    const copies = this.#faults.takeWebhook('duplicate', entry.number)?.copies ?? 1
    for (let wait = retryFirstMs; entry.attempts < triesMax; wait = Math.min(wait * 2, retryMaxMs)) {
      const number = this.#numberOf(entry.number)
      if (number === null || this.#abort.signal.aborted) break
      entry.attempts++
      const statuses = await Promise.all(Array.from({ length: copies }, () => this.#post(number, entry.body)))
      entry.status = statuses[0] ?? null
      if (statuses.every(status => status !== null && status >= 200 && status < 300)) {
        entry.outcome = 'delivered'
        return true
      }
      await Bun.sleep(wait)
    }
    entry.outcome = 'given_up'
    return false
  }

  async #post(number: BusinessNumber, body: string): Promise<number | null> {
    const isCorrupt = this.#faults.takeWebhook('corrupt_signature', number.id) !== null
    try {
      const response = await fetch(number.webhook_url, {
        method: 'POST',
        body,
        headers: {
          'content-type': 'application/json',
          'user-agent': 'facebookexternalua',
          'x-hub-signature-256': signatureOf(body, number.account.app_secret, isCorrupt),
        },
        signal: AbortSignal.any([this.#abort.signal, AbortSignal.timeout(timeoutMs)]),
      })
      await response.arrayBuffer()
      return response.status
    } catch {
      return null
    }
  }
}
