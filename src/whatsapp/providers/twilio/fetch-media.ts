import * as v from 'valibot'
import { type Fetch, UnsafeAddress } from '../../../lib/guarded-fetch.ts'
import type { BotConfig, FetchedMedia, MediaSource } from '../../provider.ts'
import { authorizationOf, type TwilioUrls } from './twilio-api.ts'

const sourceSchema = v.object({ url: v.pipe(v.string(), v.maxLength(2_048), v.url()) })

const redirectsMax = 5

/**
 * Gets a customer's file. Twilio answers its address with a redirect to a signed one elsewhere, which is asked without
 * the credentials. Addresses that are not Twilio's are asked only where they are public, and never with credentials:
 * whoever has a bot's auth token can sign a webhook with any address in it.
 */
export async function fetchMedia(
  parts: { readonly urls: TwilioUrls; readonly guardedFetch: Fetch },
  source: MediaSource,
  config: BotConfig,
  signal: AbortSignal,
): Promise<FetchedMedia> {
  const known = v.safeParse(sourceSchema, source)
  if (!known.success) return { kind: 'failed', reason: 'It is not known where the file is.' }
  const isOurs = (url: string) => isTwilios(url, parts.urls)
  const credentials = isOurs(known.output.url) ? { authorization: authorizationOf(config) } : {}
  try {
    const ask: Fetch = (url, init) => (isOurs(url) ? fetch(url, init) : parts.guardedFetch(url, init))
    return await read(await follow(ask, known.output.url, credentials, signal))
  } catch (error) {
    if (error instanceof UnsafeAddress) return { kind: 'failed', reason: `The file was not fetched. ${error.message}.` }
    return { kind: 'retry', pace: 'soon', reason: 'Twilio cannot be reached, or does not answer.' }
  }
}

/** Whether an address is of Twilio, or of what stands for it: such get the credentials. */
export function isTwilios(address: string, { api }: TwilioUrls): boolean {
  const url = URL.parse(address)
  if (url === null) return false
  return url.origin === URL.parse(api)?.origin || (url.protocol === 'https:' && url.hostname.endsWith('.twilio.com'))
}

async function follow(
  ask: Fetch,
  url: string,
  credentials: Readonly<Record<string, string>>,
  signal: AbortSignal,
  redirectsLeft = redirectsMax,
): Promise<Response> {
  // Not packed: the length that is told is the file's.
  const headers = { ...credentials, 'accept-encoding': 'identity' }
  const response = await ask(url, { headers, signal, redirect: 'manual' })
  const location = response.headers.get('location')
  const next = location === null ? null : URL.parse(location, url)
  if (response.status < 300 || response.status > 399 || next === null || redirectsLeft === 0) return response
  await response.body?.cancel()
  return await follow(ask, next.href, {}, signal, redirectsLeft - 1)
}

async function read({ status, headers, body }: Response): Promise<FetchedMedia> {
  if (status === 200 && body !== null)
    return { kind: 'found', body, mimeType: headers.get('content-type'), bytes: lengthOf(headers) }
  await body?.cancel()
  if (status === 429 || status >= 500) return { kind: 'retry', pace: 'soon', reason: `Twilio answered HTTP ${status}.` }
  if (status === 401 || status === 403)
    return { kind: 'retry', pace: 'later', reason: 'Twilio refuses the auth token: put the right one into the bot.' }
  if (status === 404 || status === 410) return { kind: 'failed', reason: 'The file is no longer at Twilio.' }
  return { kind: 'failed', reason: `Twilio gives no file, but HTTP ${status}.` }
}

function lengthOf(headers: Headers): number | null {
  const length = headers.get('content-length')
  return length !== null && /^\d{1,15}$/.test(length) ? Number(length) : null
}
