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

/** A message whose status is another now, or whose error. */
export type StatusChange = {
  readonly tenantId: string
  readonly conversationId: string
  readonly messageId: string
  readonly status: string
  readonly error: MessageError | null
}

export function statusChange(
  message: { readonly tenant_id: string; readonly conversation_id: string; readonly id: string },
  status: string,
  error: MessageError | null,
): StatusChange {
  return {
    tenantId: message.tenant_id,
    conversationId: message.conversation_id,
    messageId: message.id,
    status,
    error,
  }
}
