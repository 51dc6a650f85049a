import { keyOfMessage, quarterOf, responseBucketOf } from '../messaging/analytics/entry-dimensions.ts'
import type { MessageRow } from '../messaging/analytics/read-messages.ts'
import type { LogEntry } from '../stores/log-store.ts'
import { type Entries, entryOf } from './entry.ts'

/** How long a provider holds back what it could not hand over: Meta tries for seven days (Cloud API, "Webhooks"). */
const heldBackMaxMs = 7 * 86_400_000

/**
 * What messages have to tell by now: that one came, was accepted, delivered, read, that it failed, or that nothing was
 * heard of it; and that it opened its conversation. The same row gives the same entries again, and a later one more.
 */
export function entriesOfMessages(rows: readonly MessageRow[]): Entries {
  return {
    message_logs: rows.flatMap(row => (row.direction === 'inbound' ? [inbound(row)] : outbound(row))),
    analytics_events: rows.flatMap(opened),
  }
}

function inbound(row: MessageRow): LogEntry {
  const at = toldAt(row.provider_at, row.created_at)
  return { ...messageEntry(row, 'inbound', at), bucket: quarterOf(at) }
}

function outbound(row: MessageRow): LogEntry[] {
  const { status, created_at } = row
  const isOld = (...statuses: readonly string[]) => (statuses.includes(status) ? created_at : null)
  return [
    acceptedAt(row, row.sent_at ?? isOld('sent', 'delivered', 'read')),
    statusAt(row, 'delivered', row.delivered_at ?? isOld('delivered', 'read')),
    statusAt(row, 'read', row.read_at ?? isOld('read')),
    failedAt(row, row.failed_at ?? isOld('failed')),
    statusAt(row, 'unknown', row.unknown_at ?? isOld('unknown')),
  ].filter(entry => entry !== null)
}

function acceptedAt(row: MessageRow, at: Date | null): LogEntry | null {
  if (at === null) return null
  const entry = messageEntry(row, 'accepted', row.source === 'phone' ? toldAt(at, row.created_at) : notBefore(row, at))
  const response_ms = responseMs(row)
  if (response_ms === null) return entry
  return { ...entry, value: response_ms, bucket: responseBucketOf(response_ms), data: { ...entry.data, response_ms } }
}

/** From when the customer wrote, by the provider's clock, to the acceptance of the first answer. */
function responseMs({ reply_to_at, sent_at }: MessageRow): number | null {
  return reply_to_at === null || sent_at === null ? null : Math.max(0, sent_at.getTime() - reply_to_at.getTime())
}

function statusAt(row: MessageRow, type: 'delivered' | 'read' | 'unknown', at: Date | null): LogEntry | null {
  return at === null ? null : messageEntry(row, type, notBefore(row, at))
}

function failedAt(row: MessageRow, at: Date | null): LogEntry | null {
  if (at === null) return null
  const entry = messageEntry(row, 'failed', notBefore(row, at))
  const { provider, code } = row
  return { ...entry, key: keyOfMessage(provider ?? '', code), data: { ...entry.data, ...(code !== null && { code }) } }
}

function messageEntry(row: MessageRow, log_type: string, created_at: Date): LogEntry {
  const { id, tenant_id, conversation_id, bot_id, provider, content_type, source, direction } = row
  const data = { message_id: id, provider, content_type, ...(direction === 'outbound' && { source: source ?? 'bot' }) }
  const more = { tenant_id, bot_id, conversation_id, key: keyOfMessage(provider ?? ''), data }
  return entryOf({ id: `${id}:${log_type}`, created_at, log_type, ...more })
}

/** A message that was written by the transaction that opened the conversation, or was moved into it. */
function opened({ tenant_id, conversation_id, bot_id, direction, created_at, opened_at }: MessageRow): LogEntry[] {
  if (opened_at === null || created_at > opened_at) return []
  const data = { by: direction === 'inbound' ? 'customer' : 'business' }
  const more = { tenant_id, bot_id, conversation_id, key: '', data }
  return [entryOf({ id: `${conversation_id}:opened`, created_at: opened_at, log_type: 'conversation.opened', ...more })]
}

/** When something was written, by the provider's clock; by ours, where that one cannot be right. */
function toldAt(at: Date | null, cameAt: Date): Date {
  if (at === null || at > cameAt || cameAt.getTime() - at.getTime() > heldBackMaxMs) return cameAt
  return at
}

/** The provider's clock counts seconds, and may be behind. */
function notBefore({ created_at }: MessageRow, at: Date): Date {
  return at < created_at ? created_at : at
}
