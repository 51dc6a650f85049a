import type { SendRecord } from '../messaging/record-sends.ts'
import type { Send } from './plan-sends.ts'
import type { SendResult } from './provider.ts'
import { retryDelayMs, sendTriesMax } from './retry.ts'
import { advanced, ended, waiting } from './send-records.ts'
import { connectingMs, heldMs } from './waits.ts'

/** Until a message goes out under the new settings that its bot was given during the send. */
const changedMs = 1_000

/** What a result makes of a message, and after how long it is due again; null where it is not. */
export type Recorded = { readonly record: SendRecord; readonly wakeInMs: number | null }

/**
 * What is written of a send that ended now. `isHeld`: the bot stands still because of it. `settleMs`: for a status
 * that tells what became of a send without an answer.
 */
export function recordOfResult(send: Send, result: SendResult, options: Options): Recorded {
  const { record, wakeInMs } = recordOf(send, result, options)
  const row = record.row && { ...record.row, ofSend: send.message.sends + 1 }
  return { record: { ...record, row }, wakeInMs }
}

type Options = { readonly isHeld: boolean; readonly settleMs: number }

function recordOf(send: Send, result: SendResult, { isHeld, settleMs }: Options): Recorded {
  const { message } = send
  switch (result.kind) {
    case 'sent':
      return recordOfSent(send, result.providerMessageId)
    case 'failed':
      return { record: ended(message, 'failed', result.error), wakeInMs: null }
    case 'unknown':
      return { record: waiting(message, 'unknown', result.error, settleMs, message.attempts), wakeInMs: null }
    case 'not_ready':
    case 'logged_out':
    case 'account': {
      const waitMs = waitOfHeld(send, result.kind, isHeld)
      return { record: waiting(message, 'queued', result.error, waitMs, message.attempts), wakeInMs: waitMs }
    }
    case 'retry':
      return recordOfRetry(send, result)
  }
}

function recordOfSent({ message, isLast, way }: Send, providerMessageId: string): Recorded {
  const unreferencedAt = way.capabilities.returnsReference ? null : way.bot.id
  if (isLast) return { record: { ...ended(message, 'sent', null), providerMessageId, unreferencedAt }, wakeInMs: null }
  const record = advanced(message, message.parts_sent + 1)
  return { record: { ...record, partId: providerMessageId, unreferencedAt }, wakeInMs: 0 }
}

/** By the bot beside it, where there is one, or once this one can again. */
function waitOfHeld({ message, way }: Send, kind: SendResult['kind'], isHeld: boolean): number {
  const hasOther = !way.isOther && message.other_status === 'connected'
  if (!isHeld || hasOther) return changedMs
  return kind === 'not_ready' ? connectingMs : heldMs
}

function recordOfRetry({ message }: Send, result: Extract<SendResult, { kind: 'retry' }>): Recorded {
  const attempts = message.attempts + 1
  if (attempts >= (result.triesMax ?? sendTriesMax)) {
    const { code, message: reason } = result.error
    const error = { code, message: `${reason} Given up after ${attempts} tries.` }
    return { record: ended(message, 'failed', error), wakeInMs: null }
  }
  const delayMs = retryDelayMs(result.pace, attempts, Math.random())
  return { record: waiting(message, 'queued', result.error, delayMs, attempts), wakeInMs: delayMs }
}
