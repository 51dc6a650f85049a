const timeoutMs = 10_000

/** How one request to a bot's server ended. `status` is null where no answer came; `error` says why. */
export interface WebhookAnswer {
  readonly ok: boolean
  readonly status: number | null
  readonly error: string | null
}

/** Sends one webhook. Never throws. `corrupt` makes one digit of the signature wrong. */
export async function postWebhook(
  url: string,
  body: string,
  signatureHeaders: Record<string, string>,
  { corrupt, signal }: { corrupt: boolean; signal: AbortSignal },
): Promise<WebhookAnswer> {
  const headers = corrupt ? corruptLastDigit(signatureHeaders) : signatureHeaders
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'User-Agent': 'facebookexternalua', ...headers },
      body,
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    })
    // Read to its end, so that the connection can be used again.
    await response.arrayBuffer()
    return { ok: response.ok, status: response.status, error: null }
  } catch (error) {
    return { ok: false, status: null, error: error instanceof Error ? error.message : String(error) }
  }
}

function corruptLastDigit(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, value.slice(0, -1) + (value.endsWith('0') ? '1' : '0')]),
  )
}
