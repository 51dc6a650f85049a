import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import { startWorkLoop, type WorkLoop } from '../lib/work-loop.ts'
import { botEvent, holdBot } from '../messaging/bot-status.ts'
import type { BotWithSecrets } from '../messaging/find-bot.ts'
import { outboxLagSeconds } from '../messaging/lag.ts'
import { tellOfStatuses } from '../messaging/news.ts'
import {
  changeOutbox,
  claimDueMessages,
  type DueMessage,
  type OutboxChange,
  putOffMessages,
  releaseBotMessages,
} from '../messaging/outbox.ts'
import {
  expireAllSends,
  findExpiredSends,
  recordSends,
  type SendRecord,
  type SendsRecorded,
} from '../messaging/record-sends.ts'
import type { Identity } from '../messaging/resolve-customers.ts'
import type { MessageError } from '../messaging/status.ts'
import type { Bus } from '../stores/bus.ts'
import type { Feed } from '../stores/feed.ts'
import type { Database, Transaction } from '../stores/postgres/database.ts'
import type { BotCache } from './bot-cache.ts'
import { referenceFor } from './inbound.ts'
import { admit, type Limit, Pace, type Rate } from './pacing.ts'
import type { SendResult, WhatsAppProvider } from './provider.ts'
import { makeResultWriter } from './result-writer.ts'
import { retryDelayMs, sendTriesMax } from './retry.ts'
import { addressOf, ended, refuse, settle, waiting } from './send-records.ts'

/** After the time for an answer, until a send without any result is taken for one whose process died. */
const marginMs = 5_000
/** Between two looks at what has waited too long, or at what nobody told of. */
const pollMs = 1_000
const claimMax = 100
const inFlightMax = 200
/** One bot whose provider hangs leaves the others their share. */
const inFlightPerBotMax = 40
const heldMs = 60_000
/** The same for a bot that is being checked: it may be a moment only. */
const connectingMs = 5_000
/** Until a message goes out under the new settings that its bot was given during the send. */
const changedMs = 1_000
/** Until the first message of a bot that has its share in flight is looked at again, and from each to the next. */
const crowdedMs = 100
const crowdedRate: Rate = { burst: 1, intervalMs: 10 }
const codesMax = 100
/** For sends under way at a stop. What they would have shown is then found as of a sender that died. */
const stopMs = 4_000

type Route = { readonly bot: BotWithSecrets; readonly provider: WhatsAppProvider }

/** A message that goes out now, and how. */
type Send = Route & { readonly message: DueMessage; readonly to: Identity }

const noBot: MessageError = {
  code: 'no_bot',
  message: 'The bot cannot send: it was deleted, or its provider is unknown.',
}

export type Sender = { wake(): void; stop(): Promise<void> }

type Options = {
  readonly database: Database
  readonly bus: Bus
  readonly feed: Feed
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly bots: BotCache
  readonly providers: ReadonlyMap<string, WhatsAppProvider>
  readonly tenantMessagesPerMinute: number
  /** For the provider's answer. */
  readonly timeoutMs: number
  /** For a status that tells what became of a send without an answer. */
  readonly settleMs: number
  /** Whether no other process can be sending: what is marked as being sent is then left over from one that died. */
  readonly isAlone: boolean
}

/** Carries the outbox out. */
export async function startSender(options: Options): Promise<Sender> {
  const { database, bus, feed, clock, log, metrics, bots, providers, timeoutMs, settleMs } = options
  const pace = new Pace()
  const codes = new Set<string>()
  const tenantRate = { burst: options.tenantMessagesPerMinute, intervalMs: 60_000 / options.tenantMessagesPerMinute }
  const inFlight = new Map<string, Promise<void>>()
  const inFlightByBot = new Map<string, number>()
  let crowdedUntil = 0

  const results = makeResultWriter({
    ...{ database, feed, log, batchMax: claimMax, queueMax: inFlightMax },
    onReleased: () => loop.wake(),
  })

  async function claim(): Promise<'more' | 'done'> {
    const limit = Math.min(claimMax, inFlightMax - inFlight.size)
    if (limit <= 0) return 'done'
    const { sends, claimed, recorded } = await database.transaction({ role: 'worker' }, async tx => {
      const { heads, waiting, claimed } = await claimDueMessages(tx, limit)
      const plan = await planSends(tx, heads)
      const newDue = new Map(plan.changes.map(change => [change.id, change.dueAt]))
      const later = (at: Date) => new Date(Math.max(at.getTime(), clock.now() + crowdedMs))
      const isAllPutOff = await putOffMessages(
        tx,
        waiting.map(row => ({ ...row, headDueAt: newDue.get(row.headId) ?? later(row.headDueAt) })),
      )
      if (!isAllPutOff) loop.wakeIn(crowdedMs)
      return { ...plan, claimed }
    })
    tellOf(recorded)
    for (const send of sends) start(send)
    if (clock.now() < crowdedUntil) loop.wakeIn(crowdedMs)
    return claimed === limit ? 'more' : 'done'
  }

  /** What is sent now is marked so before it is: a process that dies afterwards leaves a trace. */
  async function planSends(tx: Transaction, heads: readonly DueMessage[]) {
    const sends: Send[] = []
    const changes: OutboxChange[] = []
    const failures: SendRecord[] = []
    const now = clock.now()
    const starting = new Map<string, number>()
    for (const message of heads) {
      const refusal = refuse(message, now)
      const route = refusal === null ? await routeOf(message.bot_id) : 'gone'
      const to = addressOf(message)
      if (route === 'gone' || to === null) {
        failures.push(ended(message, 'failed', refusal ?? noBot))
        continue
      }
      const waitMs = route === 'unreadable' ? heldMs : waitFor(message, route, starting, now)
      if (waitMs > 0 || route === 'unreadable') {
        changes.push({ ...message, state: 'queued', dueAt: new Date(now + waitMs) })
        loop.wakeIn(waitMs)
        continue
      }
      changes.push({ ...message, state: 'sending', dueAt: new Date(now + timeoutMs + marginMs) })
      sends.push({ message, to, ...route })
    }
    await changeOutbox(tx, changes)
    return { sends, changes, recorded: await recordSends(tx, failures) }
  }

  function tellOf({ changes, released }: SendsRecorded): void {
    tellOfStatuses(feed, changes)
    if (released) loop.wake()
  }

  /** The way that a bot's messages take. One whose secrets cannot be opened holds up its own messages only. */
  async function routeOf(botId: string): Promise<Route | 'gone' | 'unreadable'> {
    try {
      const bot = await bots.find(botId)
      const provider = bot === null ? undefined : providers.get(bot.provider)
      return bot === null || provider === undefined ? 'gone' : { bot, provider }
    } catch (error) {
      if (error instanceof AppError) throw error
      log.error({ bot_id: botId, error: messageOf(error) }, "a bot's secrets cannot be opened: its messages are held")
      return 'unreadable'
    }
  }

  function waitFor(message: DueMessage, route: Route, starting: Map<string, number>, now: number): number {
    if (message.bot_status !== 'connected') return message.bot_status === 'connecting' ? connectingMs : heldMs
    const busy = (inFlightByBot.get(message.bot_id) ?? 0) + (starting.get(message.bot_id) ?? 0)
    if (busy >= inFlightPerBotMax) return slotOf(message.bot_id, now)
    const waitMs = admit(pace, limitsOf(message, route.provider), now)
    if (waitMs === 0) starting.set(message.bot_id, (starting.get(message.bot_id) ?? 0) + 1)
    return waitMs
  }

  /** A backlog, however long, is not looked at as a whole each time: each message has a moment of its own. */
  function slotOf(botId: string, now: number): number {
    const waitMs = crowdedMs + pace.queueMs(`c ${botId}`, crowdedRate, now)
    crowdedUntil = Math.max(crowdedUntil, now + waitMs)
    return waitMs
  }

  function limitsOf(message: DueMessage, provider: WhatsAppProvider): Limit[] {
    const limits: Limit[] = [{ key: `t ${message.tenant_id}`, rate: tenantRate }]
    const { messagesPerSecond, pair } = provider.rates
    if (messagesPerSecond !== null)
      limits.push({
        key: `n ${message.bot_id}`,
        rate: { burst: messagesPerSecond, intervalMs: 1_000 / messagesPerSecond },
      })
    if (pair !== null) limits.push({ key: `p ${message.bot_id} ${message.phone ?? message.bsuid}`, rate: pair })
    return limits
  }

  function start(sent: Send): void {
    const { message } = sent
    inFlightByBot.set(message.bot_id, (inFlightByBot.get(message.bot_id) ?? 0) + 1)
    const sending = send(sent).finally(() => {
      inFlight.delete(message.id)
      const left = (inFlightByBot.get(message.bot_id) ?? 1) - 1
      if (left > 0) inFlightByBot.set(message.bot_id, left)
      else inFlightByBot.delete(message.bot_id)
      if (inFlight.size === inFlightMax - 1) loop.wake()
    })
    inFlight.set(message.id, sending)
  }

  async function send({ message, to, bot, provider }: Send): Promise<void> {
    const { conversation_id, id, content } = message
    const outbound = { to, content, file: null, reference: referenceFor(conversation_id, id) }
    const result = await provider.sendMessage(outbound, bot, AbortSignal.timeout(timeoutMs))
    count(provider.name, result)
    const isHeld = result.kind === 'account' && (await hold(bot, result.error))
    await results.write(recordOf(message, result, isHeld))
  }

  function count(provider: string, result: SendResult): void {
    if (result.kind === 'sent') metrics.messagesSent.inc({ provider })
    else metrics.whatsappErrors.inc({ provider, code: labelOf(result.error.code) })
  }

  /** A provider's codes are its own: beyond a hundred of them a metric says "other". */
  function labelOf(code: string): string {
    if (codes.size < codesMax) codes.add(code)
    return codes.has(code) ? code : 'other'
  }

  /** Returns false where the bot was changed during the send: the refusal is about settings that it has no more. */
  async function hold(bot: BotWithSecrets, error: MessageError): Promise<boolean> {
    const isUnchanged = await results.transaction(tx => holdBot(tx, bot, 'error', error.message))
    if (isUnchanged) {
      void feed.announce(bot.tenantId, { events: [botEvent(bot.id, 'error', error.message)] })
      log.error(
        { bot_id: bot.id, code: error.code },
        'the provider refuses the account of a bot: its messages are held',
      )
      return true
    }
    bots.forget(bot.id)
    return false
  }

  function recordOf(message: DueMessage, result: SendResult, isHeld: boolean): SendRecord {
    const now = clock.now()
    switch (result.kind) {
      case 'sent':
        return { ...ended(message, 'sent', null), providerMessageId: result.providerMessageId }
      case 'failed':
        return ended(message, 'failed', result.error)
      case 'not_ready':
      case 'logged_out':
        return waiting(message, 'queued', result.error, now + heldMs, message.attempts)
      case 'unknown':
        return waiting(message, 'unknown', result.error, now + settleMs, message.attempts)
      case 'account': {
        if (!isHeld) loop.wakeIn(changedMs)
        return waiting(message, 'queued', result.error, now + (isHeld ? heldMs : changedMs), message.attempts)
      }
      case 'retry': {
        const attempts = message.attempts + 1
        if (attempts >= (result.triesMax ?? sendTriesMax)) {
          const { code, message: reason } = result.error
          return ended(message, 'failed', { code, message: `${reason} Given up after ${attempts} tries.` })
        }
        const delayMs = retryDelayMs(result.pace, attempts, Math.random())
        loop.wakeIn(delayMs)
        return waiting(message, 'queued', result.error, now + delayMs, attempts)
      }
    }
  }

  async function expire(): Promise<'more' | 'done'> {
    const recorded = await database.transaction({ role: 'worker' }, async tx => {
      metrics.outboxLag.set(await outboxLagSeconds(tx))
      const expired = await findExpiredSends(tx, claimMax)
      const now = clock.now()
      return await recordSends(
        tx,
        expired.map(send => settle(send, now, settleMs)),
      )
    })
    tellOf(recorded)
    return 'done'
  }

  if (options.isAlone) await database.transaction({ role: 'worker' }, expireAllSends)
  const loop: WorkLoop = startWorkLoop({ name: 'outbox', pollMs: pollMs, log, work: claim })
  const expiry = startWorkLoop({ name: 'settle', pollMs: pollMs, log, work: expire })
  const subscriptions = [
    bus.subscribe('outbox', () => loop.wake()),
    bus.subscribe('bot.changed', botId => {
      database
        .transaction({ role: 'worker' }, tx => releaseBotMessages(tx, botId))
        .then(loop.wake, (error: unknown) => log.warn({ bot_id: botId, error: messageOf(error) }, 'messages stay held'))
    }),
  ]

  return {
    wake: () => loop.wake(),
    async stop() {
      for (const unsubscribe of subscriptions) unsubscribe()
      results.stop()
      await Promise.all([loop.stop(), expiry.stop()])
      await Promise.race([Promise.allSettled(inFlight.values()), Bun.sleep(stopMs)])
    },
  }
}
