import type { OutboxChange, OutboxKey } from '../messaging/outbox.ts'
import type { ExpiredSend, SendRecord } from '../messaging/record-sends.ts'
import type { MessageError } from '../messaging/status.ts'

/** A message that has ended, one way or another. */
export function ended(key: OutboxKey, status: 'sent' | 'failed', error: MessageError | null): SendRecord {
  const { tenant_id, conversation_id, id } = key
  return {
    ...{ tenant_id, conversation_id, id, status, error },
    ...{ providerMessageId: null, unreferencedAt: null, partId: null, row: null },
  }
}

/** A message that goes on: tried again after `waitMs`, or given up then where nothing was heard of it. */
export function waiting(
  key: OutboxKey,
  status: 'queued' | 'unknown',
  error: MessageError | null,
  waitMs: number,
  attempts: number,
): SendRecord {
  return { ...ended(key, 'failed', error), status, row: rowOf(key, status, waitMs, attempts) }
}

/** A message of several parts of which one more was sent: the next goes at once. */
export function advanced(key: OutboxKey, partsSent: number): SendRecord {
  const row = { ...rowOf(key, 'queued', 0, 0), partsSent }
  return { ...ended(key, 'failed', null), status: 'queued', row }
}

function rowOf(key: OutboxKey, state: OutboxChange['state'], waitMs: number, attempts: number): OutboxChange {
  const { tenant_id, conversation_id, id } = key
  return { tenant_id, conversation_id, id, state, waitMs, attempts }
}

/**
 * A send that was under way when its process died is unknown, until a status tells. Where none has come in time it is
 * not sent again (it may have arrived): it stays unknown, for a person to see, and what waited behind it goes on. A
 * status that comes later still settles it.
 */
export function settle(send: ExpiredSend, settleMs: number): SendRecord {
  if (send.state === 'sending') {
    const message = 'The program stopped during the send: the message may have been taken.'
    return waiting(send, 'unknown', { code: 'interrupted', message }, settleMs, send.attempts)
  }
  const error = {
    code: 'never_confirmed',
    message: 'Nothing was heard of this message after it was sent: it may have arrived or not. Ask, or send it again.',
  }
  return { ...ended(send, 'failed', error), status: 'unknown' }
}
