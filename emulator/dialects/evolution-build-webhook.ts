import { createHmac } from 'node:crypto'
import type { BusinessNumber, MessageStatus } from '../records.ts'
import { deaf, type WebhookEvent, type WebhookFormat, type WebhookSurroundings } from '../webhook-event.ts'
import { accountOf } from './accounts.ts'
import { inboundData, outboundData, phoneData } from './evolution-build-message.ts'
import { addressed, ownJid } from './evolution-jid.ts'

const triesMax = 10
const neverRetried = [400, 401, 403, 404, 422]

const tokenSeconds = 600

const statuses: Readonly<Record<MessageStatus | 'queued', string>> = {
  queued: 'PENDING',
  sent: 'SERVER_ACK',
  delivered: 'DELIVERY_ACK',
  read: 'READ',
  failed: 'ERROR',
}

/** Webhooks of Evolution API: one event each. Only those it was asked for, and no message while it is not connected. */
export const evolutionWebhooks: WebhookFormat = {
  isBatched: false,
  timeoutMs: 30_000,
  build(number, [event], around) {
    if (event === undefined || number.webhook_url === null) return null
    const { is_webhook_enabled } = accountOf(number, 'evolution')
    if (!is_webhook_enabled) return null
    if (event.kind === 'raw') return { url: number.webhook_url, headers, body: event.body }
    return told(number, event, number.webhook_url, around)
  },
  sign(number, _, atMs) {
    const { jwt_key, ...others } = accountOf(number, 'evolution').webhook_headers
    return { ...others, ...(jwt_key === undefined ? {} : { Authorization: `Bearer ${webhookJwt(jwt_key, atMs)}` }) }
  },
  isRetried: (_, { status }, failures) => failures < triesMax && !neverRetried.includes(status ?? 0),
  hear: deaf,
  encode: body => JSON.stringify(body),
}

const headers = { 'Content-Type': 'application/json', 'User-Agent': 'axios/1.7.9' }

/** The token that is all there is of a signature: it does not cover the body. */
export function webhookJwt(secret: string, atMs: number): string {
  const iat = Math.floor(atMs / 1_000)
  const claims = { iat, exp: iat + tokenSeconds, app: 'evolution', action: 'webhook' }
  const signed = [{ alg: 'HS256', typ: 'JWT' }, claims].map(part => base64url(JSON.stringify(part))).join('.')
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}

type Told = Exclude<WebhookEvent, { kind: 'raw' }>

function told(number: BusinessNumber, event: Told, url: string, around: WebhookSurroundings) {
  const { webhook_events, webhook_by_events, event_names, state } = accountOf(number, 'evolution')
  const isConnected = state === 'open' || event.kind === 'notice'
  const name = nameOf(event)
  const upper = name.replace(/\W/g, '_').toUpperCase()
  const isWanted = webhook_events === null || webhook_events.includes(upper)
  if (!isConnected || !isWanted) return null
  const data = dataOf(number, event, around)
  const body = envelope(number, event_names === 'upper' ? upper : name, data, around.url)
  const path = webhook_by_events ? `/${upper.toLowerCase().replaceAll('_', '-')}` : ''
  return { url: url + path, headers, body: JSON.stringify(body) }
}

function nameOf(event: Told): string {
  switch (event.kind) {
    case 'messages':
    case 'phone':
      return 'messages.upsert'
    case 'status':
      return 'messages.update'
    case 'echo':
      return 'send.message'
    case 'notice':
      return event.name
  }
}

function dataOf(number: BusinessNumber, event: Told, around: WebhookSurroundings): unknown {
  switch (event.kind) {
    case 'messages': {
      const [message] = event.messages
      return message === undefined ? null : inboundData(number, event.customer, message, around)
    }
    case 'status':
      return {
        ...{ keyId: event.message.id, remoteJid: addressed(number, event.customer).remoteJid, fromMe: true },
        ...{ status: statuses[event.status], instanceId: accountOf(number, 'evolution').instance_id },
        messageId: `cm${event.message.seq.toString(36).padStart(23, '0')}`,
      }
    case 'echo':
      return outboundData(number, event.customer, event.message, around)
    case 'phone':
      return phoneData(number, event.customer, event.message, around)
    case 'notice':
      return event.data
  }
}

function envelope(number: BusinessNumber, event: string, data: unknown, url: string): unknown {
  const { instance, token, expose_api_key } = accountOf(number, 'evolution')
  return {
    ...{ event, instance, data, destination: number.webhook_url, date_time: localTime(Date.now()) },
    ...{ sender: ownJid(number), server_url: `${url}/evolution`, apikey: expose_api_key ? token : null },
  }
}

/** Local time, written as if it were UTC. */
function localTime(atMs: number): string {
  return new Date(atMs - new Date(atMs).getTimezoneOffset() * 60_000).toISOString()
}
