import type { WebhookAnswer, WebhookRequest } from './webhook-event.ts'

/** An answer's body is kept so far. */
const textBytesMax = 65_536

type Way = {
  readonly proof: Readonly<Record<string, string>>
  readonly isCorrupt: boolean
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Sends one webhook. Never throws. `isCorrupt` makes one digit of each proof wrong. */
export async function postWebhook(
  { url, headers, body }: WebhookRequest,
  { proof, isCorrupt, timeoutMs, signal }: Way,
): Promise<WebhookAnswer> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...headers, ...(isCorrupt ? corrupt(proof) : proof) },
      body,
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    })
    // Read to its end, so that the connection can be used again.
    const bytes = await response.arrayBuffer()
    const contentType = (response.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
    const text = new TextDecoder().decode(bytes.slice(0, textBytesMax))
    return { ok: response.ok, status: response.status, error: null, contentType, text }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { ok: false, status: null, error: reason, contentType: '', text: '' }
  }
}

/** The last digit of base64 may be padding, or bits that are ignored: one further in front always counts. */
function corrupt(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      const at = Math.max(0, value.length - 5)
      return [name, value.slice(0, at) + (value[at] === '0' ? '1' : '0') + value.slice(at + 1)]
    }),
  )
}
