import type {
  BotConfig,
  Connection,
  HandledWebhook,
  ProviderBot,
  ProviderParts,
  WebhookRequest,
  WhatsAppProvider,
} from '../provider.ts'
import { type CloudParts, fetchCloudMedia, markCloudRead, sendCloudMessage } from './cloud/call.ts'
import type { CloudEndpoint } from './cloud/endpoint.ts'
import { parseCloudWebhook, parseFlatWebhook } from './cloud/parse-webhook.ts'
import { readOfficialError } from './official/errors.ts'
import { fetchLegacyMedia, type LegacyParts, markLegacyRead, sendLegacy } from './official/legacy.ts'
import { isFromProvider } from './official/verify-webhook.ts'
import { makePost } from './post.ts'
import { parseJson, readJson } from './read-body.ts'

/** 360dialog's hosts: of the Cloud API that it passes on, and of the one before (docs.360dialog.com). */
const hosts = { d360: 'https://waba-v2.360dialog.io', legacy: 'https://waba.360dialog.io' } as const

/**
 * The Business API through a provider such as 360dialog. Flavour `d360`: the Cloud API behind the provider's host and key,
 * with Meta's bodies, webhooks and errors. Flavour `legacy`: the API before it. Rates are Meta's.
 */
export function officialProvider({ config, memo, guardedFetch }: ProviderParts): WhatsAppProvider {
  const post = makePost()
  const baseUrl = (flavour: keyof typeof hosts) => config.OFFICIAL_BASE_URL ?? hosts[flavour]
  const cloud: CloudParts = {
    endpoint: endpointAt(baseUrl('d360')),
    readOwnError: readOfficialError,
    ...{ post, memo, guardedFetch },
  }
  const legacy: LegacyParts = { baseUrl: baseUrl('legacy'), post, headers: bot => keyOf(bot.config) }
  return {
    name: 'official',
    rates: { messagesPerSecond: 80, pair: { burst: 45, intervalMs: 6_000 } },
    webhookBytesMax: 3 * 1024 * 1024,
    handleWebhook,
    getStatus: (bot, signal) => askConfig(baseUrl(flavourOf(bot)), bot, signal),
    connect: (bot, _, signal) => connect(baseUrl(flavourOf(bot)), config, bot, signal),
    sendMessage: (message, bot, signal) =>
      isLegacy(bot) ? sendLegacy(legacy, message, bot, signal) : sendCloudMessage(cloud, message, bot, signal),
    fetchMedia: (source, bot, signal) =>
      isLegacy(bot) ? fetchLegacyMedia(legacy, source, bot, signal) : fetchCloudMedia(cloud, source, bot, signal),
    markRead: (mark, bot, signal) =>
      isLegacy(bot) ? markLegacyRead(legacy, mark, bot, signal) : markCloudRead(cloud, mark, bot, signal),
  }
}

function flavourOf({ config }: ProviderBot): keyof typeof hosts {
  return config.flavour === 'legacy' ? 'legacy' : 'd360'
}

function isLegacy(bot: ProviderBot): boolean {
  return flavourOf(bot) === 'legacy'
}

function keyOf(config: BotConfig) {
  return { 'd360-api-key': config.api_key ?? '' }
}

/** The number is known by its key: no id of it is in an address. Files are got at the provider's host, not at Meta's. */
function endpointAt(baseUrl: string): CloudEndpoint {
  return {
    who: '360dialog',
    headers: keyOf,
    messages: () => `${baseUrl}/messages`,
    uploads: () => `${baseUrl}/media`,
    file: (_, id) => `${baseUrl}/${encodeURIComponent(id)}`,
    download(url) {
      const { pathname, search } = URL.parse(url) ?? { pathname: '/', search: '' }
      return `${baseUrl}${pathname}${search}`
    },
  }
}

function handleWebhook(request: WebhookRequest, bot: ProviderBot): HandledWebhook {
  if (!isFromProvider(request, bot.config.webhook_secret ?? '')) return { kind: 'refused' }
  const body = readJson(request.body)
  const isEnvelope = typeof body === 'object' && body !== null && 'object' in body
  return { kind: 'read', webhook: isEnvelope ? parseCloudWebhook(body, null) : parseFlatWebhook(body) }
}

/** Whether the key is taken: reads where the webhook goes, which changes nothing. */
function askConfig(baseUrl: string, bot: ProviderBot, signal: AbortSignal): Promise<Connection> {
  return callConfig(baseUrl, bot, { method: 'GET', signal })
}

/**
 * Has the provider send its webhooks here, with the secret in a header. Not to an address of this machine, which it could
 * not reach: then only the key is tried.
 */
async function connect(
  baseUrl: string,
  config: ProviderParts['config'],
  bot: ProviderBot,
  signal: AbortSignal,
): Promise<Connection> {
  const isReachable = config.OFFICIAL_BASE_URL !== null || config.PUBLIC_URL.startsWith('https:')
  if (!isReachable) return await askConfig(baseUrl, bot, signal)
  const url = `${config.PUBLIC_URL}/webhooks/official/${bot.id}`
  const body = JSON.stringify({ url, headers: { 'X-Webhook-Secret': bot.config.webhook_secret } })
  return await callConfig(baseUrl, bot, { method: 'POST', body, signal })
}

async function callConfig(
  baseUrl: string,
  { config }: ProviderBot,
  init: { method: string; body?: string; signal: AbortSignal },
): Promise<Connection> {
  try {
    const headers = { ...keyOf(config), 'content-type': 'application/json' }
    const response = await fetch(`${baseUrl}/v1/configs/webhook`, { ...init, headers, redirect: 'manual' })
    const body = parseJson(await response.text())
    if (response.ok) return { kind: 'connected', reason: null }
    const error = readOfficialError(response.status, body)
    if (error === null || error.kind === 'sent' || response.status === 429 || response.status >= 500)
      return {
        kind: 'retry',
        pace: 'soon',
        reason: `The provider's answer was HTTP ${response.status}. It is asked again.`,
      }
    return { kind: 'refused', reason: error.error.message }
  } catch {
    return {
      kind: 'retry',
      pace: 'soon',
      reason: 'The provider cannot be reached, or does not answer. It is asked again.',
    }
  }
}
