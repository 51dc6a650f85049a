/** What became of a message. Inbound ones are `received`; the rest is for outbound ones. */
export type MessageStatus = 'received' | 'queued' | 'sent' | 'delivered' | 'read' | 'failed' | 'unknown'

/** What a provider reports of a message. */
export type ReportedStatus = 'sent' | 'delivered' | 'read' | 'failed'

const rank: Readonly<Record<MessageStatus, number>> = {
  received: 9,
  failed: 9,
  queued: 0,
  unknown: 1,
  sent: 2,
  delivered: 3,
  read: 4,
}

/**
 * The status after a report: statuses only climb, and a message fails only from queued, unknown or sent. A report
 * that comes late or twice changes nothing.
 */
export function climb(current: MessageStatus, reported: ReportedStatus): MessageStatus {
  if (reported === 'failed') return rank[current] <= rank.sent ? 'failed' : current
  return rank[reported] > rank[current] ? reported : current
}

/** Why a message failed, or what holds it up: the provider's code and plain words. */
export type MessageError = { readonly code: string; readonly message: string }
