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

/**
 * Tells the caches and the sockets of a tenant what was committed. Whoever changes what the API shows announces it, in
 * any role, after the commit.
 */
export type Feed = {
  /** `changed`: further resources whose answers are out of date. Resolves once no process answers from before; never fails. */
  announce(
    tenantId: string,
    news: { readonly events?: readonly FeedEvent[]; readonly changed?: readonly string[] },
  ): Promise<void>
}

/** The resources that show what an event tells of. */
const shownBy: Readonly<Record<FeedType, readonly string[]>> = {
  'message.created': ['conversations'],
  'message.status': ['conversations'],
  'conversation.updated': ['conversations'],
  'order.created': ['orders', 'products'],
  'order.updated': ['orders', 'products'],
  'bot.status': ['bots'],
  'bot.qr': [],
  'metrics.updated': ['analytics'],
}

export function makeFeed({ bus, gate }: { readonly bus: Bus; readonly gate: RequestGate }): Feed {
  return {
    async announce(tenantId, { events = [], changed = [] }) {
      const resources = new Set([...changed, ...events.flatMap(event => shownBy[event.type])])
      const dropped = resources.size > 0 ? gate.drop(tenantId, [...resources]) : undefined
      if (events.length > 0) bus.publish(`events:${tenantId}`, () => JSON.stringify(events))
      await dropped
    },
  }
}
