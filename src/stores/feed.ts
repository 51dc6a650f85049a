import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Bus } from './bus.ts'
import type { RequestGate } from './request-gate.ts'

/** What a tenant's sockets are told of, by the names of the API. */
export const feedTypes = [
  'message.created',
  'message.status',
  'conversation.updated',
  'order.created',
  'order.updated',
  'bot.status',
  'bot.qr',
  'metrics.updated',
] as const
export type FeedType = (typeof feedTypes)[number]

/** `data` is JSON as the API shows the thing; what concerns a conversation or an order names it. */
export type FeedEvent = { readonly type: FeedType; readonly data: Readonly<Record<string, unknown>> }

/** What was committed. */
export type News = {
  /** Resources whose answers are out of date, besides those that the events tell of. */
  readonly changed?: readonly string[]
  /** What the sockets are told. A function is called only where somebody may listen: `changed` then says it all. */
  readonly events?: readonly FeedEvent[] | (() => readonly FeedEvent[])
}

/**
 * Tells the caches and the sockets of a tenant what was committed. Whoever changes what the API shows announces it, in
 * any role, after the commit.
 */
export type Feed = {
  /**
   * Resolves once no process answers from before, and the sockets are being told: who reads what an event tells of reads
   * it as it is now. Never fails.
   */
  announce(tenantId: string, news: News): Promise<void>
}

/** The resources that show what an event tells of. */
export const shownBy: Readonly<Record<FeedType, readonly string[]>> = {
  'message.created': ['conversations'],
  'message.status': ['conversations'],
  'conversation.updated': ['conversations'],
  'order.created': ['orders', 'products'],
  'order.updated': ['orders', 'products'],
  'bot.status': ['bots'],
  'bot.qr': [],
  'metrics.updated': ['analytics'],
}

export function makeFeed(options: { readonly bus: Bus; readonly gate: RequestGate; readonly log: Log }): Feed {
  const { bus, gate, log } = options

  function tell(tenantId: string, events: NonNullable<News['events']>): void {
    if (typeof events !== 'function' && events.length === 0) return
    try {
      bus.publish(`events:${tenantId}`, () => withTime(typeof events === 'function' ? events() : events))
    } catch (error) {
      log.error({ error: messageOf(error) }, 'what the sockets are to be told could not be made')
    }
  }

  return {
    announce(tenantId, { events = [], changed = [] }) {
      const resources = typeof events === 'function' ? changed : withShown(changed, events)
      const dropping = resources.length > 0 ? gate.drop(tenantId, resources) : undefined
      if (dropping !== undefined) return dropping.then(() => tell(tenantId, events))
      tell(tenantId, events)
      return done
    },
  }
}

const done = Promise.resolve()

/**
 * Announces what a batch has committed, once for each tenant in it. Nobody waits: the batch after it must not be later
 * for what is told of this one.
 */
export function announceByTenant<T>(
  feed: Feed,
  rows: readonly T[],
  tenantOf: (row: T) => string,
  newsOf: (rows: readonly T[], tenantId: string) => News,
): void {
  for (const [tenantId, own] of Map.groupBy(rows, tenantOf)) void feed.announce(tenantId, newsOf(own, tenantId))
}

function withShown(changed: readonly string[], events: readonly FeedEvent[]): readonly string[] {
  return events.length === 0 ? changed : [...new Set([...changed, ...events.flatMap(event => shownBy[event.type])])]
}

function withTime(events: readonly FeedEvent[]): string {
  const at = new Date().toISOString()
  return JSON.stringify(events.map(event => ({ ...event, at })))
}
