import type { WebhookEvent } from './webhook-event.ts'
import type { WebhookEntry } from './webhook-log.ts'

/** A webhook that waits or is under way. */
export type PendingWebhook = {
  readonly event: WebhookEvent
  readonly entry: WebhookEntry
  /** Called once: true when it was answered 2xx, false when it never will be. */
  readonly settle: (isDelivered: boolean) => void
  readonly addedAt: number
  /** The bytes it was sent as: a retry repeats them. */
  body: string | null
  failures: number
  isDelayed: boolean
  isReordered: boolean
}

/** What one customer has to wait for in turn. Only the first is ever under way. */
export type WebhookQueue = {
  readonly pending: PendingWebhook[]
  /** Set while the first one waits: for a retry, a delay, or one to change places with. */
  timer: Timer | null
  waitsForNext: boolean
}

/** The webhooks of one number. */
export type WebhookLane = {
  readonly number: string
  readonly queues: Map<string, WebhookQueue>
  /** Keys of queues whose first webhook may be sent now, in order. */
  readonly ready: Set<string>
  inFlight: number
}

/** Ends the wait of the queue's first webhook. */
export function endWait(queue: WebhookQueue): void {
  if (queue.timer !== null) clearTimeout(queue.timer)
  queue.timer = null
  queue.waitsForNext = false
}

/** Swaps the queue's first two, and says so of the second: it is not swapped again. */
export function changePlaces(queue: WebhookQueue): void {
  const [first, second] = queue.pending
  if (first === undefined || second === undefined) return
  second.isReordered = true
  queue.pending.splice(0, 2, second, first)
}

/** Empties the lane: everything in it is given up. Returns how many that were. */
export function emptyLane(lane: WebhookLane): number {
  let count = 0
  for (const queue of lane.queues.values()) {
    endWait(queue)
    for (const { entry, settle } of queue.pending.splice(0)) {
      count += 1
      entry.outcome = 'given_up'
      settle(false)
    }
  }
  lane.queues.clear()
  lane.ready.clear()
  return count
}

/** The queue a webhook waits in: who has to wait for whom. `raws` tells raw ones apart, which wait for nobody. */
export function queueKey({ event, entry }: PendingWebhook, raws: number): string {
  if (event.kind === 'raw') return `raw ${raws}`
  if (event.kind === 'notice') return 'notice'
  // Statuses of a message come after the word of it.
  const hasStatuses = event.kind === 'echo' || event.kind === 'phone'
  return `${hasStatuses ? 'status' : event.kind} ${entry.customer}`
}
