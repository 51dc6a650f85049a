import { reachable } from '../reachable.ts'
import type { BusinessNumber } from '../records.ts'
import { accountOf } from './accounts.ts'
import type { Verification } from './dialect.ts'

const timeoutMs = 5_000

/**
 * Meta's verification request: `GET webhook_url?hub.mode=subscribe&hub.challenge=…&hub.verify_token=…`, which must be
 * answered 200 with the challenge as the body.
 */
export async function verifyWebhook(number: BusinessNumber): Promise<Verification> {
  const challenge = String(Math.floor(1_000_000_000 + Math.random() * 9_000_000_000))
  const url = URL.parse(reachable(number, number.webhook_url ?? ''))
  if (url === null) return refused('the number has no webhook')
  url.searchParams.set('hub.mode', 'subscribe')
  url.searchParams.set('hub.challenge', challenge)
  url.searchParams.set('hub.verify_token', accountOf(number, 'meta').verify_token)
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) })
    const body = await response.text()
    if (response.status !== 200) return refused(`the webhook's address answered ${response.status}`)
    return body === challenge ? { verified: true, reason: null } : refused('the answer is not the challenge')
  } catch (error) {
    return refused(`the webhook's address cannot be reached: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function refused(reason: string): Verification {
  return { verified: false, reason }
}
