import type { SendResult } from '../provider.ts'
import { codeOf, type Posted } from './post.ts'

/** What a send came to that ended without an answer of the provider, whose name is `who`. */
export function failedCall({ error, tookNothing }: Extract<Posted, { kind: 'failed' }>, who: string): SendResult {
  const code = codeOf(error).toLowerCase()
  if (tookNothing)
    return {
      kind: 'retry',
      pace: 'soon',
      error: { code: code || 'no_connection', message: `${who} cannot be reached.` },
    }
  const isTimeout = error instanceof Error && error.name === 'TimeoutError'
  return {
    kind: 'unknown',
    error: {
      code: isTimeout ? 'timeout' : code || 'connection_lost',
      message: isTimeout
        ? `${who} did not answer in time: the message may have been taken.`
        : `The connection broke before ${who} answered: the message may have been taken.`,
    },
  }
}

/** What a send came to whose answer is not the provider's own: something in between gave it. */
export function strangeAnswer(status: number, who: string): SendResult {
  const code = `http_${status}`
  if (status === 429 || status === 503)
    return { kind: 'retry', pace: 'soon', error: { code, message: `${who} is too busy just now.` } }
  if (status >= 400 && status < 500)
    return { kind: 'failed', error: { code, message: `The answer to the send was HTTP ${status}, without a reason.` } }
  return {
    kind: 'unknown',
    error: {
      code,
      message: `The answer to the send cannot be read (HTTP ${status}): the message may have been taken.`,
    },
  }
}
