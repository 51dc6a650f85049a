import type { FaultQueue } from './faults.ts'
import type { EmulatorLimits } from './limits.ts'
import { postWebhook } from './post-webhook.ts'
import { reachable } from './reachable.ts'
import type { BusinessNumber, Customer } from './records.ts'
import type {
  WebhookAnswer,
  WebhookEvent,
  WebhookFormat,
  WebhookRequest,
  WebhookSurroundings,
} from './webhook-event.ts'
import {
  changePlaces,
  emptyLane,
  endWait,
  type PendingWebhook,
  queueKey,
  type WebhookLane,
  type WebhookQueue,
} from './webhook-lane.ts'
import { newEntry, note, type WebhookEntry, WebhookLog } from './webhook-log.ts'

const retryFirstMs = 200
const retryMaxMs = 5_000
/** Meta tries for seven days; a session at a desk is over sooner. */
const triesMs = 3_600_000
/** How long the first of two webhooks that change places waits for the second. */
const reorderWaitMs = 1_000
/** When statuses of so many customers wait, they travel together, as Meta batches under load. */
const batchFrom = 8
const batchMax = 50

type Parts = {
  readonly limits: EmulatorLimits
  readonly faults: FaultQueue
  readonly formatOf: (number: BusinessNumber) => WebhookFormat
  readonly around: WebhookSurroundings
  readonly numberOf: (id: string) => BusinessNumber | null
  readonly now: () => number
  /** The provider writes to a customer, because of what the bot's server answered. */
  readonly onReply: (number: BusinessNumber, customer: Customer, text: string) => void
}

/**
 * Sends webhooks, signed, each until it is answered 2xx: again after 0.2 s, doubling to 5 s, for an hour, as far as the
 * provider tries again at all. What nobody is to be told is dropped.
 * A customer's messages go one after the other, in order, and so do the statuses of what was sent to the
 * customer; but statuses are not held up by a message that is tried again and again. Of one number at most
 * `webhooksInFlightMax` are under way at once.
 */
export class WebhookDeliveries {
  readonly log: WebhookLog
  readonly #parts: Parts
  readonly #lanes = new Map<string, WebhookLane>()
  readonly #brought = new Set<string>()
  #abort = new AbortController()
  #pending = 0
  #raws = 0

  constructor(parts: Parts) {
    this.#parts = parts
    this.log = new WebhookLog(parts.limits.webhooksPerNumberMax)
  }

  /** Webhooks that wait or are under way. */
  get pending(): number {
    return this.#pending
  }

  /** Whether a webhook that brings this message waits or is under way. */
  brings(messageId: string): boolean {
    return this.#brought.has(messageId)
  }

  /** Queues a webhook. Resolves when it was answered 2xx (true), or will never be (false). */
  add(number: string, event: WebhookEvent): Promise<boolean> {
    const entry = newEntry(number, event, this.#parts.now())
    this.log.add(entry)
    const isDropped = event.kind === 'status' && this.#parts.faults.takeWebhook('drop_statuses', number) !== null
    if (isDropped || this.#pending >= this.#parts.limits.webhooksPendingMax || this.#abort.signal.aborted) {
      entry.outcome = 'dropped'
      return Promise.resolve(false)
    }
    this.#pending += 1
    const brought = event.kind === 'messages' ? event.messages.map(({ id }) => id) : []
    for (const id of brought) this.#brought.add(id)
    return new Promise(resolve => {
      const settle = (isDelivered: boolean): void => {
        for (const id of brought) this.#brought.delete(id)
        resolve(isDelivered)
      }
      const before = { body: null, failures: 0, isDelayed: false, isReordered: false }
      this.#enqueue(this.#lane(number), { event, entry, settle, addedAt: this.#parts.now(), ...before })
    })
  }

  /** Gives up what waits for this number, and forgets its log. */
  forget(number: string): void {
    const lane = this.#lanes.get(number)
    if (lane !== undefined) this.#pending -= emptyLane(lane)
    this.#lanes.delete(number)
    this.log.forget(number)
  }

  /** Gives up everything, and begins anew. */
  clear(): void {
    this.stop()
    this.#abort = new AbortController()
    this.log.clear()
  }

  /** Gives up everything, requests under way included. */
  stop(): void {
    this.#abort.abort()
    for (const lane of this.#lanes.values()) this.#pending -= emptyLane(lane)
    this.#lanes.clear()
  }

  #lane(number: string): WebhookLane {
    const lane = this.#lanes.get(number) ?? { number, queues: new Map(), ready: new Set(), inFlight: 0 }
    this.#lanes.set(number, lane)
    return lane
  }

  #enqueue(lane: WebhookLane, webhook: PendingWebhook): void {
    // A raw webhook has no customer to keep an order for.
    if (webhook.event.kind === 'raw') this.#raws += 1
    const key = queueKey(webhook, this.#raws)
    const queue = lane.queues.get(key) ?? { pending: [], timer: null, waitsForNext: false }
    lane.queues.set(key, queue)
    queue.pending.push(webhook)
    if (queue.waitsForNext) {
      changePlaces(queue)
      endWait(queue)
      this.#makeReady(lane, key)
    } else if (queue.pending.length === 1) this.#makeReady(lane, key)
  }

  #makeReady(lane: WebhookLane, key: string): void {
    lane.ready.add(key)
    this.#pump(lane)
  }

  #pump(lane: WebhookLane): void {
    while (lane.inFlight < this.#parts.limits.webhooksInFlightMax) {
      const [key] = lane.ready
      if (key === undefined) return
      lane.ready.delete(key)
      this.#start(lane, key)
    }
  }

  #start(lane: WebhookLane, key: string): void {
    const queue = lane.queues.get(key)
    const first = queue?.pending[0]
    if (queue === undefined || first === undefined) return
    const waitMs = first.failures > 0 ? 0 : this.#faultWaitMs(lane, queue, first)
    if (waitMs > 0) this.#wait(lane, key, queue, waitMs)
    // It may be another one by now.
    else void this.#ship(lane, [key, ...this.#companions(lane, queue.pending[0] ?? first)])
  }

  /** How long a fault holds the queue's first webhook up, which `reorder` may change. */
  #faultWaitMs(lane: WebhookLane, queue: WebhookQueue, first: PendingWebhook): number {
    const { faults } = this.#parts
    if (!first.isDelayed) {
      first.isDelayed = true
      const delay = faults.takeWebhook('delay', lane.number)
      if (delay !== null) return delay.ms
    }
    if (first.isReordered || first.entry.customer === null) return 0
    if (faults.takeWebhook('reorder', lane.number) === null) return 0
    first.isReordered = true
    changePlaces(queue)
    queue.waitsForNext = queue.pending.length === 1
    return queue.waitsForNext ? reorderWaitMs : 0
  }

  #wait(lane: WebhookLane, key: string, queue: WebhookQueue, ms: number): void {
    queue.timer = setTimeout(() => {
      endWait(queue)
      this.#makeReady(lane, key)
    }, ms)
  }

  /** Other customers' statuses that go in the same webhook: under load, and when no fault is to be seen. */
  #companions(lane: WebhookLane, { event, failures }: PendingWebhook): string[] {
    const isLoaded = event.kind === 'status' && failures === 0 && lane.ready.size >= batchFrom
    const number = this.#parts.numberOf(lane.number)
    if (!isLoaded || number === null || this.#parts.faults.list().length > 0) return []
    if (!this.#parts.formatOf(number).isBatched) return []
    const keys: string[] = []
    for (const key of lane.ready) {
      const first = lane.queues.get(key)?.pending[0]
      if (first?.event.kind === 'status' && first.failures === 0) keys.push(key)
      if (keys.length === batchMax - 1) break
    }
    for (const key of keys) lane.ready.delete(key)
    return keys
  }

  /** Sends the first webhook of these queues as one. */
  async #ship(lane: WebhookLane, keys: readonly string[]): Promise<void> {
    const shipped = keys.flatMap(key => lane.queues.get(key)?.pending[0] ?? [])
    const [first] = shipped
    const number = this.#parts.numberOf(lane.number)
    if (number === null || first === undefined) return this.forget(lane.number)
    const request = this.#request(number, shipped)
    if (request === null) return this.#drop(lane, keys)
    const { signal } = this.#abort
    lane.inFlight += 1
    const answers = await this.#post(number, request, first.failures === 0)
    lane.inFlight -= 1
    const answer = answers.find(({ ok }) => ok) ?? answers[0]
    for (const { entry } of shipped) note(entry, request, answers, answer)
    if (signal.aborted || this.#lanes.get(lane.number) !== lane) return
    for (const each of answers) this.#hear(number, first, each)
    for (const key of keys) this.#answered(lane, key, number, request, answer)
    this.#pump(lane)
  }

  #request(number: BusinessNumber, shipped: readonly PendingWebhook[]): WebhookRequest | null {
    const [first] = shipped
    const { formatOf, around } = this.#parts
    const events = shipped.map(({ event }) => event)
    const request = formatOf(number).build(number, events, around)
    if (first === undefined || request === null || shipped.length > 1) return request
    // The address may be another one by now. What travelled with others is retried alone, so it is written anew.
    first.body ??= request.body
    return { ...request, body: first.body }
  }

  #post(number: BusinessNumber, request: WebhookRequest, isFirstTry: boolean): Promise<WebhookAnswer[]> {
    const { faults, formatOf, now } = this.#parts
    const { sign, timeoutMs } = formatOf(number)
    const copies = isFirstTry ? (faults.takeWebhook('duplicate', number.id)?.copies ?? 1) : 1
    const posts = Array.from({ length: copies }, () => {
      const isCorrupt = faults.takeWebhook('corrupt_signature', number.id) !== null
      const proof = sign(number, request, now())
      return postWebhook(
        { ...request, url: reachable(number, request.url) },
        { proof, isCorrupt, timeoutMs, signal: this.#abort.signal },
      )
    })
    return Promise.all(posts)
  }

  /** What an answer does besides taking the webhook. */
  #hear(number: BusinessNumber, { event, entry }: PendingWebhook, answer: WebhookAnswer): void {
    const { reply, problem } = this.#parts.formatOf(number).hear(event, answer)
    if (problem !== null) entry.error = problem
    if (reply !== null && event.kind === 'messages') this.#parts.onReply(number, event.customer, reply)
  }

  /** Nobody is told of the first webhook of these queues. */
  #drop(lane: WebhookLane, keys: readonly string[]): void {
    for (const key of keys) this.#settle(lane, key, 'dropped')
    this.#pump(lane)
  }

  #answered(
    lane: WebhookLane,
    key: string,
    number: BusinessNumber,
    request: WebhookRequest,
    answer: WebhookAnswer | undefined,
  ): void {
    const queue = lane.queues.get(key)
    const first = queue?.pending[0]
    if (queue === undefined || first === undefined || answer === undefined) return
    if (answer.ok) return void this.#settle(lane, key, 'delivered')
    first.failures += 1
    const { formatOf, now } = this.#parts
    const isRetried = formatOf(number).isRetried(request, answer, first.failures) && now() - first.addedAt < triesMs
    if (!isRetried) return void this.#settle(lane, key, 'given_up')
    this.#wait(lane, key, queue, Math.min(retryFirstMs * 2 ** (first.failures - 1), retryMaxMs))
  }

  /** The queue's first webhook is done with; the next one may go. */
  #settle(lane: WebhookLane, key: string, outcome: WebhookEntry['outcome']): void {
    const queue = lane.queues.get(key)
    const first = queue?.pending.shift()
    if (queue === undefined || first === undefined) return
    first.entry.outcome = outcome
    this.#pending -= 1
    if (queue.pending.length === 0) lane.queues.delete(key)
    else lane.ready.add(key)
    first.settle(outcome === 'delivered')
  }
}
