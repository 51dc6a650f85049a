import type { OutboundContent } from '../flow/content.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import { startWorkLoop, type WorkLoop } from '../lib/work-loop.ts'
import { outboxLagSeconds } from '../messaging/lag.ts'
import { tellOfStatuses } from '../messaging/news.ts'
import {
  changeOutbox,
  claimDueMessages,
  putOffMessages,
  releaseBotMessages,
  rerouteMessages,
} from '../messaging/outbox.ts'
import { expireAllSends, findExpiredSends, recordSends, type SendsRecorded } from '../messaging/record-sends.ts'
import type { Bus } from '../stores/bus.ts'
import type { Feed } from '../stores/feed.ts'
import type { Database } from '../stores/postgres/database.ts'
import type { BotCache } from './bot-cache.ts'
import { Breakers } from './breaker.ts'
import { makeResultNotes } from './note-results.ts'
import { crowdedMs, makePlanner, type Send } from './plan-sends.ts'
import type { OutboundFile, SendResult, WhatsAppProvider } from './provider.ts'
import { recordOfResult } from './record-of-result.ts'
import { referenceFor } from './reference.ts'
import { makeResultWriter } from './result-writer.ts'
import { settle } from './send-records.ts'

/** Between two looks at what has waited too long, or at what nobody told of. */
const pollMs = 1_000
const claimMax = 100
const inFlightMax = 200
/** For sends under way at a stop. What they would have shown is then found as of a sender that died. */
const stopMs = 4_000

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
  const { database, bus, feed, clock, log, metrics, timeoutMs, settleMs } = options
  const breakers = new Breakers()
  const inFlight = new Map<string, Promise<void>>()
  const inFlightByBot = new Map<string, number>()
  const inFlightOf = (botId: string) => inFlightByBot.get(botId) ?? 0
  const planner = makePlanner({ ...options, breakers, inFlightOf })
  const results = makeResultWriter({
    ...{ database, feed, log, batchMax: claimMax, queueMax: inFlightMax },
    onReleased: () => loop.wake(),
  })
  const note = makeResultNotes({ ...options, breakers, results })

  async function claim(): Promise<'more' | 'done'> {
    const limit = Math.min(claimMax, inFlightMax - inFlight.size)
    if (limit <= 0) return 'done'
    const { sends, hasMore, recorded } = await database.transaction({ role: 'worker' }, async tx => {
      const { heads, waiting, hasMore } = await claimDueMessages(tx, limit)
      const { sends, changes, rerouted, failures, waitsMs } = await planner.plan(heads, clock.now())
      for (const ms of waitsMs) loop.wakeIn(ms)
      // What is sent now is marked so before it is: a process that dies afterwards leaves a trace.
      await changeOutbox(tx, changes)
      await rerouteMessages(tx, rerouted)
      const recorded = await recordSends(tx, failures)
      const newWaits = new Map(changes.map(change => [change.id, change.waitMs]))
      const isAllPutOff = await putOffMessages(
        tx,
        waiting.map(row => {
          const waitMs = newWaits.get(row.headId)
          return waitMs === undefined ? { ...row, waitMs: crowdedMs } : { ...row, waitMs, headDueAt: null }
        }),
      )
      if (!isAllPutOff) loop.wakeIn(crowdedMs)
      return { sends, hasMore, recorded }
    })
    tellOf(recorded)
    for (const send of sends) start(send)
    if (planner.isCrowded()) loop.wakeIn(crowdedMs)
    return hasMore ? 'more' : 'done'
  }

  function tellOf({ changes, released }: SendsRecorded): void {
    tellOfStatuses(feed, changes)
    if (released) loop.wake()
  }

  function start(sent: Send): void {
    const { message, way } = sent
    const botId = way.bot.id
    if (sent.isProbe) breakers.beginProbe(botId)
    inFlightByBot.set(botId, inFlightOf(botId) + 1)
    const sending = send(sent).finally(() => {
      inFlight.delete(message.id)
      const left = inFlightOf(botId) - 1
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
      return await write(sent, found, false)
    }
    const result = await askProvider(sent, found.file)
    await write(sent, result, await note(way.bot, result))
  }

  async function askProvider({ message, way, to, part, isLast }: Send, file: OutboundFile | null): Promise<SendResult> {
    const reference = referenceFor(message.conversation_id, message.id, isLast ? null : message.parts_sent)
    const outbound = { to, content: part, file, reference }
    return await way.provider.sendMessage(outbound, way.bot, AbortSignal.timeout(timeoutMs))
  }

  async function write(sent: Send, result: SendResult, isHeld: boolean): Promise<void> {
    const { record, wakeInMs } = recordOfResult(sent, result, { isHeld, settleMs })
    await results.write(record)
    if (wakeInMs !== null) loop.wakeIn(wakeInMs)
  }

  async function expire(): Promise<'more' | 'done'> {
    const recorded = await database.transaction({ role: 'worker' }, async tx => {
      metrics.outboxLag.set(await outboxLagSeconds(tx))
      const expired = await findExpiredSends(tx, claimMax)
      return await recordSends(
        tx,
        expired.map(send => settle(send, settleMs)),
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
