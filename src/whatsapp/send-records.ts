import type { DueMessage, OutboxChange, OutboxKey } from '../messaging/outbox.ts'
import type { ExpiredSend, SendRecord } from '../messaging/record-sends.ts'
import type { Identity } from '../messaging/resolve-customers.ts'
import type { MessageError } from '../messaging/status.ts'

/** What can be known before asking the provider. */
export function refuse(message: DueMessage, now: number): MessageError | null {
  if (message.bot_status === null) return { code: 'bot_deleted', message: 'The bot was deleted before this was sent.' }
  if (addressOf(message) === null)
    return { code: 'no_address', message: 'Nothing is known of the customer that this bot could write to.' }
  const { window_expires_at, content } = message
  const isOpen = window_expires_at !== null && window_expires_at.getTime() > now
  if (isOpen || content.type === 'template') return null
  return {
    code: 'window_closed',
    message: 'More than 24 hours have passed since the customer last wrote: only a template can be sent.',
  }
}

/** Where a message goes: to the phone where it is known. */
export function addressOf({ phone, bsuid }: DueMessage): Identity | null {
  if (phone !== null) return { kind: 'phone', value: phone }
  return bsuid === null ? null : { kind: 'bsuid', value: bsuid }
}

/** A message that has ended, one way or another. */
export function ended(key: OutboxKey, status: 'sent' | 'failed', error: MessageError | null): SendRecord {
  const { tenant_id, conversation_id, id } = key
  return { tenant_id, conversation_id, id, status, error, providerMessageId: null, row: null }
}

/** A message that goes on: tried again, or until something is heard of it, at `dueAt` (milliseconds since 1970). */
export function waiting(
  key: OutboxKey,
  status: 'queued' | 'unknown',
  error: MessageError | null,
  dueAt: number,
  attempts: number,
): SendRecord {
  const { tenant_id, conversation_id, id } = key
  const row: OutboxChange = { tenant_id, conversation_id, id, state: status, dueAt: new Date(dueAt), attempts }
  return { ...ended(key, 'failed', error), status, row }
}

/**
 * A send that was under way when its process died is unknown, until a status tells. Where none has come in time it is
 * not sent again (it may have arrived): it stays unknown, for a person to see, and what waited behind it goes on. A
 * status that comes later still settles it.
 */
export function settle(send: ExpiredSend, now: number, settleMs: number): SendRecord {
  if (send.state === 'sending') {
    const message = 'The program stopped during the send: the message may have been taken.'
    return waiting(send, 'unknown', { code: 'interrupted', message }, now + settleMs, send.attempts)
  }
  const error = {
    code: 'never_confirmed',
    message: 'Nothing was heard of this message after it was sent: it may have arrived or not. Ask, or send it again.',
  }
  return { ...ended(send, 'failed', error), status: 'unknown' }
}
