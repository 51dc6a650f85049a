import type { BusinessNumber } from './records.ts'

const timeoutMs = 5_000

/**
 * Meta's verification request: `GET webhook_url?hub.mode=subscribe&hub.challenge=…&hub.verify_token=…`, which must be
 * answered 200 with the challenge as the body.
 */
export async function verifyWebhook(number: BusinessNumber): Promise<{ verified: boolean; reason: string | null }> {
  const challenge = String(Math.floor(1_000_000_000 + Math.random() * 9_000_000_000))
  const url = new URL(number.webhook_url)
  url.searchParams.set('hub.mode', 'subscribe')
  url.searchParams.set('hub.challenge', challenge)
  url.searchParams.set('hub.verify_token', number.account.verify_token)
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) })
    const body = await response.text()
    if (response.status !== 200) return refused(`the webhook's address answered ${response.status}`)
    return body === challenge ? { verified: true, reason: null } : refused('the answer is not the challenge')
  } catch (error) {
    return refused(`the webhook's address cannot be reached: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function refused(reason: string) {
  return { verified: false, reason }
}
