import { equalBytes, equalTexts, hmacSha256 } from '../../lib/crypto.ts'
import type { HandledWebhook, ProviderBot, ProviderParts, WebhookRequest, WhatsAppProvider } from '../provider.ts'
import { type CloudParts, fetchCloudMedia, markCloudRead, sendCloudMessage } from './cloud/call.ts'
import { checkNumber } from './cloud/check-number.ts'
import type { CloudEndpoint } from './cloud/endpoint.ts'
import { parseCloudWebhook } from './cloud/parse-webhook.ts'
import { makePost } from './post.ts'
import { readJson } from './read-body.ts'

/**
 * Meta's Cloud API. META_BASE_URL has the version in it. Rates are Meta's: 80 messages a second and number, and to one
 * customer one every six seconds, of which 45 may be borrowed (developers.facebook.com, "Throughput", "Pair rate
 * limits"); a webhook of up to 3 MB.
 */
export function metaProvider({ config, memo, guardedFetch }: ProviderParts): WhatsAppProvider {
  const baseUrl = config.META_BASE_URL
  const cloud: CloudParts = {
    endpoint: endpointAt(baseUrl),
    post: makePost(),
    readOwnError: () => null,
    ...{ memo, guardedFetch },
  }
  return {
    name: 'meta',
    rates: { messagesPerSecond: 80, pair: { burst: 45, intervalMs: 6_000 } },
    webhookBytesMax: 3 * 1024 * 1024,
    handleWebhook,
    handshake,
    getStatus: (bot, signal) => checkNumber(baseUrl, bot.config, signal),
    sendMessage: (message, bot, signal) => sendCloudMessage(cloud, message, bot, signal),
    fetchMedia: (source, bot, signal) => fetchCloudMedia(cloud, source, bot, signal),
    markRead: (mark, bot, signal) => markCloudRead(cloud, mark, bot, signal),
  }
}

function endpointAt(baseUrl: string): CloudEndpoint {
  const numberUrl = (id: string | undefined) => `${baseUrl}/${encodeURIComponent(id ?? '')}`
  return {
    who: 'Meta',
    headers: config => ({ authorization: `Bearer ${config.access_token}` }),
    messages: config => `${numberUrl(config.phone_number_id)}/messages`,
    uploads: config => `${numberUrl(config.phone_number_id)}/media`,
    // The number is named, so that no other one's file is given.
    file: (config, id) => `${numberUrl(id)}?phone_number_id=${encodeURIComponent(config.phone_number_id ?? '')}`,
    download: url => url,
  }
}

function handleWebhook(request: WebhookRequest, { config }: ProviderBot): HandledWebhook {
  if (!isSigned(request, config.app_secret ?? '')) return { kind: 'refused' }
  return { kind: 'read', webhook: parseCloudWebhook(readJson(request.body), config.phone_number_id ?? '') }
}

/** `X-Hub-Signature-256: sha256=` and the HMAC of the raw body in hex, under the app's secret. */
function isSigned({ headers, body }: WebhookRequest, secret: string): boolean {
  const given = /^sha256=([0-9a-f]{64})$/.exec(headers.get('x-hub-signature-256') ?? '')?.[1]
  if (given === undefined || secret === '') return false
  return equalBytes(Buffer.from(given, 'hex'), hmacSha256(secret, body))
}

function handshake(query: URLSearchParams, { config }: ProviderBot): string | null {
  const expected = config.verify_token
  if (query.get('hub.mode') !== 'subscribe' || expected === undefined || expected === '') return null
  return equalTexts(query.get('hub.verify_token') ?? '', expected) ? query.get('hub.challenge') : null
}
