import { makeBatcher } from '../lib/batcher.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sealer } from '../lib/crypto.ts'
import { AppError } from '../lib/errors.ts'
import type { Ids } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import { reportStanding } from '../messaging/bot-checks.ts'
import { botEvent, recheckBot } from '../messaging/bot-status.ts'
import type { BotWithSecrets } from '../messaging/find-bot.ts'
import { keepIgnored } from '../messaging/ignored-webhooks.ts'
import { tellOfPhoneMessages, tellOfReceived, tellOfStatuses } from '../messaging/news.ts'
import {
  type MessageWithMedia,
  type PhoneMessageWithMedia,
  receivePhoneWithMedia,
  receiveWithMedia,
} from '../messaging/receive-media.ts'
import type { Receipt } from '../messaging/receive-messages.ts'
import type { PhoneReceipt } from '../messaging/receive-phone-messages.ts'
import { type InboundStatus, receiveStatuses } from '../messaging/receive-statuses.ts'
import type { Bus } from '../stores/bus.ts'
import type { Feed } from '../stores/feed.ts'
import type { Files } from '../stores/files.ts'
import type { Database } from '../stores/postgres/database.ts'
import type { BotCache } from './bot-cache.ts'
import { makeReadMarks } from './mark-read.ts'
import type { Connection, IgnoredReason, Webhook, WebhookRequest, WhatsAppProvider } from './provider.ts'
import { readReference } from './reference.ts'
import { standingEvents, standingOf } from './standing.ts'

/** Messages or statuses written in one transaction. */
const batchMax = 100
/** Those that wait for their turn to be written: beyond it a webhook is answered 503, and comes again. */
const queueMax = 5_000

const keptReasons: ReadonlySet<IgnoredReason> = new Set(['malformed', 'unknown_event', 'other_number'])

/** A webhook that is arriving: its body is read once it is known how much of it may be. */
export type IncomingWebhook = Omit<WebhookRequest, 'body'> & {
  /** Throws `too_large`. */
  readonly read: (bytesMax: number) => Promise<Uint8Array>
}

/** Takes webhooks in. */
export type Inbound = {
  /**
   * Checks a webhook's signature and stores all that is in it. Resolves once everything is durable. Throws an AppError
   * and stores nothing where the bot, the provider, the signature or the body is wrong. Returns what to answer with.
   */
  receive(providerName: string, botId: string, request: IncomingWebhook): Promise<WhatsAppProvider['webhookAnswer']>
  /** The answer to a provider's verification request. A bot that cannot send is checked again: it may be able to now. */
  handshake(providerName: string, botId: string, query: URLSearchParams): Promise<string>
  drain(): Promise<void>
}

export function makeInbound(options: {
  readonly database: Database
  readonly bus: Bus
  readonly feed: Feed
  readonly ids: Ids
  readonly log: Log
  readonly metrics: Metrics
  readonly bots: BotCache
  readonly providers: ReadonlyMap<string, WhatsAppProvider>
  readonly clock: Clock
  readonly sealer: Sealer
  readonly files: Files
}): Inbound {
  const { database, bus, feed, ids, log, metrics, bots, providers, clock, sealer } = options
  const reads = makeReadMarks(log)
  const messages = makeBatcher<MessageWithMedia, Receipt>({
    batchMax,
    queueMax,
    async work(batch) {
      const received = await receiveWithMedia(options, batch)
      tellOfReceived(feed, received)
      if (received.stored.length > 0) bus.publish('inbox')
      if (received.stored.some(({ message }) => message.media?.state === 'pending')) bus.publish('media')
      return received.receipts
    },
  })
  const phoneMessages = makeBatcher<PhoneMessageWithMedia, PhoneReceipt>({
    batchMax,
    queueMax,
    async work(batch) {
      const received = await receivePhoneWithMedia(options, batch)
      tellOfPhoneMessages(feed, received)
      if (received.stored.length > 0) bus.publish('inbox')
      if (received.stored.some(({ message }) => message.media?.state === 'pending')) bus.publish('media')
      return received.receipts
    },
  })
  const statuses = makeBatcher<InboundStatus, void>({
    batchMax,
    queueMax,
    async work(batch) {
      const { changes, released } = await receiveStatuses(database, batch)
      tellOfStatuses(feed, changes)
      if (released) bus.publish('outbox')
      return batch.map(() => undefined)
    },
  })

  async function findBot(
    providerName: string,
    botId: string,
  ): Promise<{ bot: BotWithSecrets; provider: WhatsAppProvider }> {
    const provider = providers.get(providerName)
    const bot = provider === undefined ? null : await bots.find(botId)
    if (provider !== undefined && bot !== null && bot.provider === providerName) return { bot, provider }
    metrics.webhooksRefused.inc({ provider: provider?.name ?? 'unknown', reason: 'unknown_bot' })
    throw new AppError('not_found', 'There is no bot of this provider at this address.')
  }

  async function store(bot: BotWithSecrets, provider: WhatsAppProvider, webhook: Webhook): Promise<void> {
    const { tenantId, id: botId, isFallback } = bot
    // First: where a person has answered already, the bot does not answer too.
    await Promise.all(
      webhook.phoneMessages.map(message => phoneMessages.add({ ...message, tenantId, botId, isFallback })),
    )
    const written = [
      ...webhook.messages.map(message => messages.add({ ...message, tenantId, botId, isFallback })),
      ...webhook.statuses.map(status => statuses.add({ ...status, tenantId, botId, reference: referenceOf(status) })),
    ]
    // All are waited for, whatever becomes of the first that fails: the answer must not come before the last is done.
    const ended = await Promise.allSettled(written)
    const failed = ended.find(result => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    const stored = webhook.messages.filter((_, index) => {
      const result = ended[index]
      return result?.status === 'fulfilled' && result.value === 'stored'
    })
    if (stored.length === 0) return
    metrics.messagesReceived.inc({ provider: bot.provider }, stored.length)
    reads.mark(bot, provider, stored)
  }

  /** What could not be taken is counted; what may hold something that is missed is kept. */
  async function keep(bot: BotWithSecrets, ignored: Webhook['ignored']): Promise<void> {
    if (ignored.length === 0) return
    const reasons = ignored.map(part => part.reason)
    for (const reason of reasons) metrics.webhooksRefused.inc({ provider: bot.provider, reason })
    log.info({ bot_id: bot.id, ignored: reasons.slice(0, 10) }, 'parts of a webhook were left out')
    const kept = ignored.filter(part => keptReasons.has(part.reason))
    if (kept.length > 0) await database.transaction({ role: 'worker' }, tx => keepIgnored(tx, ids, bot, kept))
  }

  async function report(bot: BotWithSecrets, connection: Connection | null): Promise<void> {
    if (connection === null) return
    const standing = standingOf(connection, 1, clock.now())
    const isNews = await database.transaction({ role: 'worker' }, tx => reportStanding(tx, sealer, bot, standing))
    if (isNews) bus.publish('bot.changed', bot.id)
    await feed.announce(bot.tenantId, { events: standingEvents(bot.id, standing, isNews) })
  }

  return {
    async receive(providerName, botId, { headers, url, read }) {
      const { bot, provider } = await findBot(providerName, botId)
      const body = await read(provider.webhookBytesMax)
      const handled = await provider.handleWebhook({ headers, url, body }, bot)
      if (handled.kind === 'refused') {
        metrics.webhooksRefused.inc({ provider: provider.name, reason: 'wrong_signature' })
        log.warn({ bot_id: botId, provider: providerName }, 'a webhook was refused: its signature is wrong')
        throw new AppError('wrong_signature', 'The signature does not match the body and the secret of this bot.')
      }
      const { webhook } = handled
      await Promise.all([store(bot, provider, webhook), keep(bot, webhook.ignored), report(bot, webhook.connection)])
      return provider.webhookAnswer
    },
    async handshake(providerName, botId, query) {
      const { bot, provider } = await findBot(providerName, botId)
      const answer = provider.handshake?.(query, bot) ?? null
      if (answer === null) throw new AppError('wrong_verify_token', 'The verify token is not the one of this bot.')
      const isChanged = await database.transaction({ role: 'worker' }, tx => recheckBot(tx, bot.tenantId, bot.id))
      bus.publish('bot.changed', bot.id)
      if (isChanged) void feed.announce(bot.tenantId, { events: [botEvent(bot.id, 'connecting', null)] })
      return answer
    },
    async drain() {
      await Promise.all([messages.drain(), phoneMessages.drain(), statuses.drain(), reads.drain()])
    },
  }
}

/** Our ids of the message that a status is about. One of several parts tells of the whole only where it failed. */
function referenceOf({ reference, status }: Webhook['statuses'][number]): InboundStatus['reference'] {
  const read = readReference(reference)
  return read === null || (read.part !== null && status !== 'failed') ? null : read
}
