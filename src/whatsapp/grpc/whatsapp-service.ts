import * as v from 'valibot'
import { findCustomer } from '../../commerce/customers.ts'
import type { Config } from '../../config.ts'
import { type ChangeOptions, changeOnce, keyed } from '../../identity/change.ts'
import { AppError } from '../../lib/errors.ts'
import { tooLarge } from '../../lib/http.ts'
import { findBot } from '../../messaging/bots.ts'
import { pairingOfBot } from '../../messaging/pairing-of-bot.ts'
import { sendToCustomer } from '../../messaging/send-to-customer.ts'
import type { Bus } from '../../stores/bus.ts'
import { inTenant } from '../../stores/postgres/in-tenant.ts'
import type { Inbound } from '../inbound.ts'
import type { Answer, Call } from './answer-calls.ts'
import { readBotId, readHandleWebhook, readSendMessage } from './read-requests.ts'

type Options = ChangeOptions & {
  readonly config: Pick<Config, 'PUBLIC_URL'>
  readonly bus: Bus
  readonly inbound: Inbound
}

/** `POST /api/bots/{id}/messages` answers with this, which is kept for an idempotency key. */
const queued = v.object({ message_id: v.string(), conversation_id: v.string() })
const queuedStatus = 202

/** What answers each method of `dashoffice.v1.WhatsApp`. */
export function whatsappAnswers(options: Options) {
  return {
    SendMessage: call => sendMessage(options, call),
    GetQr: call => getQr(options, call),
    GetStatus: call => getStatus(options, call),
    HandleWebhook: call => handleWebhook(options, call),
  } as const satisfies Record<string, Answer>
}

async function sendMessage(options: Options, call: Call): Promise<object> {
  const caller = await call.admit('conversations:write', { isRead: false })
  const { botId, to, content, idempotencyKey, body, nameOf } = readSendMessage(call.request)
  // The request that it would be over HTTP: a key is good for both.
  const request = { method: 'POST', path: `/api/bots/${botId}/messages`, given: body }
  const asked = idempotencyKey === null ? null : keyed(idempotencyKey, request)
  const kept = await changeOnce(options, { caller, origin: call.origin }, asked, {
    status: queuedStatus,
    async work(tx, sender, record) {
      const { tenantId, sellerId } = sender
      const message = { caller: sender, tenantId, sellerId, botId, to, content }
      const sent = await sendToCustomer(tx, { ...options, findCustomer, record }, message).catch(renaming(nameOf))
      call.refuseEnded()
      return sent
    },
  })
  options.bus.publish('outbox')
  return v.parse(queued, JSON.parse(kept.body ?? ''))
}

/** Rethrows, with the fields that are wrong as they are called in the request. */
function renaming(nameOf: (path: string) => string) {
  return (error: unknown): never => {
    if (!(error instanceof AppError) || error.errors.length === 0) throw error
    throw new AppError(
      error.code,
      error.message,
      error.errors.map(one => ({ ...one, path: nameOf(one.path) })),
    )
  }
}

async function getQr({ database, sealer }: Options, call: Call): Promise<object> {
  const { tenantId } = await call.admit('bots:write', { isRead: true })
  const botId = readBotId(call.request)
  const { qr, pairingCode, expiresAt } = await inTenant(database, tenantId, tx =>
    pairingOfBot(tx, sealer, { tenantId, botId }),
  )
  return {
    ...(qr !== null && { qr }),
    ...(pairingCode !== null && { pairing_code: pairingCode }),
    expires_at: expiresAt.toISOString(),
  }
}

async function getStatus(options: Options, call: Call): Promise<object> {
  const { tenantId } = await call.admit('bots:read', { isRead: true })
  const { status, status_reason: reason } = await botOf(options, tenantId, readBotId(call.request))
  return { status: `BOT_STATUS_${status.toUpperCase()}`, ...(reason !== null && { reason }) }
}

async function botOf({ database }: Options, tenantId: string, botId: string) {
  const bot = await database.read({ role: 'app', tenantId }, tx => findBot(tx, tenantId, botId))
  if (bot === undefined) throw new AppError('not_found', 'There is no such bot.')
  return bot
}

async function handleWebhook(options: Options, call: Call): Promise<object> {
  const { provider, botId, headers, url, body } = readHandleWebhook(call.request)
  const own = `${options.config.PUBLIC_URL}/webhooks/${provider}/${botId}`
  if (url !== null && !isAt(url, own)) await vouchFor(options, call, botId)
  const answer = await options.inbound.receive(provider, botId, {
    headers,
    url: url ?? own,
    async read(bytesMax) {
      if (body.byteLength > bytesMax) throw tooLarge(bytesMax)
      return body
    },
  })
  return answer === undefined ? {} : { content_type: answer.contentType, body: Buffer.from(answer.body) }
}

function isAt(url: string, own: string): boolean {
  return url === own || url.startsWith(`${own}?`)
}

/**
 * A provider that signs the address signs those of its other customers' endpoints alike, where they share an account. Only
 * the bot's own tenant may say that it was called somewhere else.
 */
async function vouchFor(options: Options, call: Call, botId: string): Promise<void> {
  const { tenantId } = await call.admit('bots:write', { isRead: false })
  await botOf(options, tenantId, botId)
}
