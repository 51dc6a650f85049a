import * as v from 'valibot'
import type { Caller } from '../identity/callers.ts'
import type { Permission } from '../identity/permissions.ts'
import { sellersOf } from '../messaging/assign.ts'
import { type FeedType, feedTypes } from '../stores/feed.ts'
import type { Database } from '../stores/postgres/database.ts'

// Which events each caller hears of: those of what they may read.

const permissionFor: Readonly<Record<FeedType, Permission>> = {
  'message.created': 'conversations:read',
  'message.status': 'conversations:read',
  'conversation.updated': 'conversations:read',
  'order.created': 'orders:read',
  'order.updated': 'orders:read',
  'bot.status': 'bots:read',
  // Whoever has the code takes the account over.
  'bot.qr': 'bots:write',
  'metrics.updated': 'analytics:read',
}

/** An event as it came over the bus, and as a socket gets it. */
export type HeardEvent = {
  readonly type: FeedType
  readonly data: Readonly<Record<string, unknown>>
  readonly text: string
}

const payloadSchema = v.array(v.object({ type: v.string(), data: v.record(v.string(), v.unknown()), at: v.string() }))

/** What `Feed` has published. Types that this version does not know are a newer one's: they are left out. */
export function readEvents(payload: string): readonly HeardEvent[] {
  return v.parse(payloadSchema, JSON.parse(payload)).flatMap(({ type, data, at }) => {
    const known = feedTypes.find(name => name === type)
    return known === undefined ? [] : [{ type: known, data, text: JSON.stringify({ type, data, at }) }]
  })
}

/** Whether a caller may read what an event is of; whose it is remains to be seen where they are tied to a seller. */
export function mayHear(caller: Caller, { type }: HeardEvent): boolean {
  return caller.permissions.has(permissionFor[type])
}

/** Whose an event is: null is nobody's in particular, and what cannot be told; undefined is no seller's matter. */
export type SellerOf = (event: HeardEvent) => string | null | undefined

/** Finds out whose some events of a tenant are, with one statement at most. */
export async function findSellers(
  database: Database,
  tenantId: string,
  events: readonly HeardEvent[],
): Promise<SellerOf> {
  const ids = [...new Set(events.flatMap(event => conversationOf(event) ?? []))]
  const rows =
    ids.length === 0 ? [] : await database.read({ role: 'app', tenantId }, tx => sellersOf(tx, tenantId, ids))
  const sellers = new Map(rows.map(row => [row.id, row.seller_id]))
  return event => {
    const conversation = conversationOf(event)
    if (conversation !== undefined) return conversation === null ? null : (sellers.get(conversation) ?? null)
    return event.type.startsWith('order.') ? textOrNull(event.data.seller_id) : undefined
  }
}

/** The conversation that an event is of; null where it should say so and does not, undefined where it is of none. */
function conversationOf({ type, data }: HeardEvent): string | null | undefined {
  if (type === 'conversation.updated') return textOrNull(data.id)
  return type.startsWith('message.') ? textOrNull(data.conversation_id) : undefined
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
