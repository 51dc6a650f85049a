import type { OutboundContent } from '../flow/content.ts'
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
  type Rerouted,
  releaseBotMessages,
  rerouteMessages,
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
import { Breakers } from './breaker.ts'
import { chooseWay, type Route, refusalOf, type Way, waysOf } from './choose-way.ts'
import { admit, type Limit, Pace, type Rate } from './pacing.ts'
import type { OutboundFile, SendResult, WhatsAppProvider } from './provider.ts'
import { referenceFor } from './reference.ts'
import { renderFor } from './render.ts'
import { makeResultWriter } from './result-writer.ts'
import { retryDelayMs, sendTriesMax } from './retry.ts'
import { advanced, ended, settle, waiting } from './send-records.ts'

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
/** For what waits while a single message tries whether a provider is back. */
const probedMs = 1_000
/** For sends under way at a stop. What they would have shown is then found as of a sender that died. */
const stopMs = 4_000

/** A message that goes out now: how, and which of its parts. */
type Send = {
  readonly message: DueMessage
  readonly way: Way
  readonly to: Identity
  readonly part: OutboundContent
  readonly isLast: boolean
  readonly isProbe: boolean
}

/** What becomes of a message that is due. */
type Plan =
  | { readonly kind: 'send'; readonly send: Send }
  | { readonly kind: 'wait'; readonly waitMs: number }
  | { readonly kind: 'fail'; readonly error: MessageError }

const botDeleted: MessageError = { code: 'bot_deleted', message: 'The bot was deleted before this was sent.' }
const noBot: MessageError = {
  code: 'no_bot',
  message: 'The bot cannot send: it was deleted, or its provider is unknown.',
}

/** The file of a content; null where it has none here. Or what becomes of a send without it. Never throws. */
export type FindFile = (
  tenantId: string,
  content: OutboundContent,
) => Promise<{ readonly file: OutboundFile | null } | SendResult>

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
  /** The file that a content names, where it is one that is kept here. */
  readonly findFile: FindFile
  /** Whether no other process can be sending: what is marked as being sent is then left over from one that died. */
  readonly isAlone: boolean
}

/** Carries the outbox out. */
export async function startSender(options: Options): Promise<Sender> {
  const { database, bus, feed, clock, log, metrics, bots, providers, timeoutMs, settleMs } = options
  const pace = new Pace()
  const breakers = new Breakers()
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
    const { sends, hasMore, recorded } = await database.transaction({ role: 'worker' }, async tx => {
      const { heads, waiting, hasMore } = await claimDueMessages(tx, limit)
      const plan = await planSends(tx, heads)
      const newDue = new Map(plan.changes.map(change => [change.id, change.dueAt]))
      const later = (at: Date) => new Date(Math.max(at.getTime(), clock.now() + crowdedMs))
      const isAllPutOff = await putOffMessages(
        tx,
        waiting.map(row => ({ ...row, headDueAt: newDue.get(row.headId) ?? later(row.headDueAt) })),
      )
      if (!isAllPutOff) loop.wakeIn(crowdedMs)
      return { ...plan, hasMore }
    })
    tellOf(recorded)
    for (const send of sends) start(send)
    if (clock.now() < crowdedUntil) loop.wakeIn(crowdedMs)
    return hasMore ? 'more' : 'done'
  }

  /** What is sent now is marked so before it is: a process that dies afterwards leaves a trace. */
  async function planSends(tx: Transaction, heads: readonly DueMessage[]) {
    const sends: Send[] = []
    const changes: OutboxChange[] = []
    const failures: SendRecord[] = []
    const now = clock.now()
    const starting = new Map<string, number>()
    for (const message of heads) {
      const plan = await planSend(message, starting, now)
      switch (plan.kind) {
        case 'fail':
          failures.push(ended(message, 'failed', plan.error))
          break
        case 'wait':
          changes.push({ ...keyOf(message), state: 'queued', dueAt: new Date(now + plan.waitMs) })
          loop.wakeIn(plan.waitMs)
          break
        case 'send':
          changes.push({ ...keyOf(message), state: 'sending', dueAt: new Date(now + timeoutMs + marginMs) })
          sends.push(plan.send)
      }
    }
    await changeOutbox(tx, changes)
    await rerouteMessages(tx, sends.flatMap(rerouted))
    return { sends, changes, recorded: await recordSends(tx, failures) }
  }

  async function planSend(message: DueMessage, starting: Map<string, number>, now: number): Promise<Plan> {
    if (message.bot_status === null) return { kind: 'fail', error: botDeleted }
    const [own, other] = await Promise.all([
      routeOf(message.bot_id),
      message.other_bot_id === null ? 'gone' : routeOf(message.other_bot_id),
    ])
    if (own === 'unreadable') return { kind: 'wait', waitMs: heldMs }
    const sides = { own: own === 'gone' ? null : own, other: typeof other === 'string' ? null : other }
    const way = chooseWay(
      message,
      waysOf(message, sides, botId => breakers.isOpen(botId, now)),
      now,
    )
    if (way === null) return { kind: 'fail', error: noBot }
    const refusal = refusalOf(way, message.content, now)
    if (refusal !== null || way.to === null) return { kind: 'fail', error: refusal ?? noBot }
    const rendered = renderFor(message.content, way.capabilities)
    if (rendered.kind === 'refused') return { kind: 'fail', error: rendered.error }
    const waitMs = waitFor(message, way, starting, now)
    if (waitMs > 0) return { kind: 'wait', waitMs }
    // Where the provider is another one by now, there may be fewer parts.
    const index = Math.min(message.parts_sent, rendered.parts.length - 1)
    const isProbe = breakers.pass(way.bot.id, now).kind === 'probe'
    const [part, isLast] = [rendered.parts[index] ?? message.content, index === rendered.parts.length - 1]
    return { kind: 'send', send: { message, way, to: way.to, part, isLast, isProbe } }
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

  function waitFor(message: DueMessage, way: Way, starting: Map<string, number>, now: number): number {
    const { id } = way.bot
    if (way.status !== 'connected') return way.status === 'connecting' ? connectingMs : heldMs
    const passage = breakers.pass(id, now)
    if (passage.kind === 'open') return passage.untilMs - now
    const begun = starting.get(id) ?? 0
    if (passage.kind === 'probe' && begun > 0) return probedMs
    if ((inFlightByBot.get(id) ?? 0) + begun >= inFlightPerBotMax) return slotOf(id, now)
    const waitMs = admit(pace, limitsOf(message, way), now, message.urgency === 0 ? 0 : 1)
    if (waitMs === 0) starting.set(id, begun + 1)
    return waitMs
  }

  /** A backlog, however long, is not looked at as a whole each time: each message has a moment of its own. */
  function slotOf(botId: string, now: number): number {
    const waitMs = crowdedMs + pace.queueMs(`c ${botId}`, crowdedRate, now)
    crowdedUntil = Math.max(crowdedUntil, now + waitMs)
    return waitMs
  }

  function limitsOf(message: DueMessage, { bot, provider, to }: Way): Limit[] {
    const limits: Limit[] = [{ key: `t ${message.tenant_id}`, rate: tenantRate }]
    const { messagesPerSecond, pair } = provider.rates
    if (messagesPerSecond !== null)
      limits.push({ key: `n ${bot.id}`, rate: { burst: messagesPerSecond, intervalMs: 1_000 / messagesPerSecond } })
    if (pair !== null) limits.push({ key: `p ${bot.id} ${to?.value}`, rate: pair })
    return limits
  }

  function start(sent: Send): void {
    const { message, way } = sent
    const botId = way.bot.id
    if (sent.isProbe) breakers.beginProbe(botId)
    inFlightByBot.set(botId, (inFlightByBot.get(botId) ?? 0) + 1)
    const sending = send(sent).finally(() => {
      inFlight.delete(message.id)
      const left = (inFlightByBot.get(botId) ?? 1) - 1
      if (left > 0) inFlightByBot.set(botId, left)
      else inFlightByBot.delete(botId)
      if (inFlight.size === inFlightMax - 1) loop.wake()
    })
    inFlight.set(message.id, sending)
  }

  async function send(sent: Send): Promise<void> {
    const { message, way, part } = sent
    const found = await options.findFile(message.tenant_id, part)
    if ('kind' in found) {
      if (sent.isProbe) breakers.dropProbe(way.bot.id)
      return await results.write(recordOf(sent, found, false))
    }
    const result = await askProvider(sent, found.file)
    const { bot, provider } = way
    count(provider.name, result)
    noteHealth(bot, result)
    const standing = standingShown(result)
    const isHeld = standing !== null && 'error' in result && (await hold(bot, standing, result.error))
    await results.write(recordOf(sent, result, isHeld))
  }

  async function askProvider({ message, way, to, part, isLast }: Send, file: OutboundFile | null): Promise<SendResult> {
    const reference = referenceFor(message.conversation_id, message.id, isLast ? null : message.parts_sent)
    const outbound = { to, content: part, file, reference }
    return await way.provider.sendMessage(outbound, way.bot, AbortSignal.timeout(timeoutMs))
  }

  /** Whether a bot's provider can be reached, and answers. */
  function noteHealth(bot: BotWithSecrets, result: SendResult): void {
    const isDown = result.kind === 'unknown' || (result.kind === 'retry' && result.pace === 'soon')
    if (!isDown) return void breakers.took(bot.id)
    if (!breakers.failed(bot.id, clock.now())) return
    metrics.circuitsOpened.inc({ provider: bot.provider })
    log.warn({ bot_id: bot.id, code: result.error.code }, "a bot's provider is down: its messages wait")
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
  async function hold(bot: BotWithSecrets, status: HeldStatus, error: MessageError): Promise<boolean> {
    const isUnchanged = await results.transaction(tx => holdBot(tx, bot, status, error.message))
    bots.forget(bot.id)
    if (!isUnchanged) return false
    bus.publish('bot.changed', bot.id)
    void feed.announce(bot.tenantId, { events: [botEvent(bot.id, status, error.message)] })
    log.error({ bot_id: bot.id, code: error.code, status }, 'a bot cannot send: its messages are held')
    return true
  }

  function recordOf({ message, isLast, way }: Send, result: SendResult, isHeld: boolean): SendRecord {
    const now = clock.now()
    switch (result.kind) {
      case 'sent':
        if (!isLast) {
          loop.wake()
          return advanced(message, message.parts_sent + 1, now)
        }
        return {
          ...ended(message, 'sent', null),
          providerMessageId: result.providerMessageId,
          unreferencedAt: way.capabilities.returnsReference ? null : way.bot.id,
        }
      case 'failed':
        return ended(message, 'failed', result.error)
      case 'unknown':
        return waiting(message, 'unknown', result.error, now + settleMs, message.attempts)
      case 'not_ready':
      case 'logged_out':
      case 'account': {
        // By the bot beside it, where there is one, or once this one can again.
        const hasOther = !way.isOther && message.other_status === 'connected'
        const waitMs = !isHeld || hasOther ? changedMs : result.kind === 'not_ready' ? connectingMs : heldMs
        loop.wakeIn(waitMs)
        return waiting(message, 'queued', result.error, now + waitMs, message.attempts)
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

type HeldStatus = 'error' | 'logged_out' | 'connecting'

/** How a bot stands by what a send has shown; null where it shows nothing of the bot. */
function standingShown({ kind }: SendResult): HeldStatus | null {
  if (kind === 'account') return 'error'
  if (kind === 'not_ready') return 'connecting'
  return kind === 'logged_out' ? 'logged_out' : null
}

function keyOf({ tenant_id, conversation_id, id, attempts }: DueMessage) {
  return { tenant_id, conversation_id, id, attempts }
}

/** A message that does not go by the bot it went by before. */
function rerouted({ message, way, to }: Send): Rerouted[] {
  if (way.bot.id === message.message_bot_id) return []
  const introduce = way.isOther ? { phone: to.value, customerId: message.customer_id } : null
  return [{ ...keyOf(message), botId: way.bot.id, introduce }]
}
