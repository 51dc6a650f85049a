import type { Clock } from '../lib/clock.ts'
import type { Sealer } from '../lib/crypto.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { startWorkLoop, type WorkLoop } from '../lib/work-loop.ts'
import {
  type BotStanding,
  claimDueChecks,
  type DueCheck,
  finishCheck,
  finishLeave,
  postponeCheck,
} from '../messaging/bot-checks.ts'
import { type BotWithSecrets, findBotWithSecrets } from '../messaging/find-bot.ts'
import type { Bus } from '../stores/bus.ts'
import type { Feed } from '../stores/feed.ts'
import type { Database } from '../stores/postgres/database.ts'
import type { Connection, WhatsAppProvider } from './provider.ts'
import { retryDelayMs } from './retry.ts'
import { standingEvents, standingOf } from './standing.ts'

/** Between two looks at what nobody told of. */
const pollMs = 2_000
/** Providers that are asked at the same time. */
const checksMax = 20
/** After the time for an answer, until a check is taken for one whose process died. */
const marginMs = 5_000

/** Codes that are shown one after the other: at least ten minutes. */
const codesMax = 30

const nobodyScanned = 'Nobody has paired it in time: connect it again when the phone is at hand.'

type Route =
  | { readonly kind: 'found'; readonly bot: BotWithSecrets; readonly provider: WhatsAppProvider }
  | { readonly kind: 'gone' }
  | { readonly kind: 'unreadable' }

type Options = {
  readonly database: Database
  readonly bus: Bus
  readonly feed: Feed
  readonly clock: Clock
  readonly log: Log
  readonly sealer: Sealer
  readonly providers: ReadonlyMap<string, WhatsAppProvider>
  /** For the provider's answer. */
  readonly timeoutMs: number
}

/**
 * Has the providers of the bots that are connecting connect them, or say whether they may send, and shows one pairing code
 * after the other for a while; ends the sessions of those that were disconnected. A bot is told of by the bus
 * (`bot.changed`), and found all the same where that is lost. One whose provider does not say is asked for again, for ever.
 */
export function startChecks(options: Options): { stop(): Promise<void> } {
  const { database, bus, feed, clock, log, sealer, providers, timeoutMs } = options
  const stopping = new AbortController()

  async function checkDue(): Promise<'more' | 'done'> {
    const leaseSeconds = Math.ceil((timeoutMs + marginMs) / 1_000)
    const due = await database.transaction({ role: 'worker' }, tx => claimDueChecks(tx, checksMax, leaseSeconds))
    await Promise.all(due.map(check))
    return due.length === checksMax ? 'more' : 'done'
  }

  async function check(due: DueCheck): Promise<void> {
    if (due.leaving !== null) return await leave(due, due.leaving === 'logout')
    const standing = isNobodyThere(due) ? unscanned() : await standingAsked(due)
    if (standing === 'given_up') return
    const isNews = await database.transaction({ role: 'worker' }, tx => finishCheck(tx, sealer, due, standing))
    const { status, reason } = standing
    if (status === 'connecting' || status === 'qr') loop.wakeIn(standing.dueAt.getTime() - clock.now())
    if (isNews && (status === 'error' || status === 'logged_out'))
      log.warn({ bot_id: due.id, reason }, 'the provider refuses a bot')
    if (isNews) bus.publish('bot.changed', due.id)
    await feed.announce(due.tenantId, { events: standingEvents(due.id, standing, isNews) })
  }

  /** Given up at the stop: whoever starts next finds it when its lease is over. */
  async function standingAsked(due: DueCheck): Promise<BotStanding | 'given_up'> {
    const connection = await ask(due)
    if (stopping.signal.aborted && connection.kind === 'retry') return 'given_up'
    return standingOf(connection, due.attempts, clock.now())
  }

  /** Codes go on coming for as long as they are asked for: at some point nobody is there to scan them. */
  function isNobodyThere({ status, attempts }: DueCheck): boolean {
    return status === 'qr' && attempts > codesMax
  }

  function unscanned(): BotStanding {
    return { status: 'disconnected', reason: nobodyScanned, dueAt: new Date(clock.now()), pairing: null }
  }

  async function leave(due: DueCheck, isLogout: boolean): Promise<void> {
    const route = await routeOf(due.id)
    try {
      if (route.kind === 'found') await route.provider.disconnect?.(route.bot, { isLogout }, timeLimit())
      await database.transaction({ role: 'worker' }, tx => finishLeave(tx, due))
    } catch (error) {
      log.warn({ bot_id: due.id, error: messageOf(error) }, 'the session of a bot could not be ended yet')
      const delayMs = retryDelayMs('later', due.attempts, Math.random())
      await database.transaction({ role: 'worker' }, tx => postponeCheck(tx, due, new Date(clock.now() + delayMs)))
    }
  }

  async function ask(due: DueCheck): Promise<Connection> {
    const route = await routeOf(due.id)
    if (route.kind === 'unreadable')
      return { kind: 'retry', pace: 'later', reason: 'The secrets of the bot cannot be opened: enter them again.' }
    // A bot that is gone is written nowhere, whatever is said of it.
    if (route.kind === 'gone') return { kind: 'refused', reason: 'Its provider is unknown here.' }
    const { provider, bot } = route
    if (due.status === 'qr' && provider.getQr !== undefined) return await provider.getQr(bot, timeLimit())
    if (provider.connect === undefined) return await provider.getStatus(bot, timeLimit())
    return await provider.connect(bot, { phone: due.pairingPhone }, timeLimit())
  }

  function timeLimit(): AbortSignal {
    return AbortSignal.any([AbortSignal.timeout(timeoutMs), stopping.signal])
  }

  async function routeOf(botId: string): Promise<Route> {
    const bot = await readBot(botId)
    if (bot === 'unreadable') return { kind: 'unreadable' }
    const provider = bot === null ? undefined : providers.get(bot.provider)
    return bot === null || provider === undefined ? { kind: 'gone' } : { kind: 'found', bot, provider }
  }

  /** Read afresh: what other processes keep in memory may be of before the change that is checked. */
  async function readBot(botId: string): Promise<BotWithSecrets | null | 'unreadable'> {
    try {
      return await database.transaction({ role: 'worker' }, tx => findBotWithSecrets(tx, sealer, botId))
    } catch (error) {
      if (error instanceof AppError) throw error
      log.error({ bot_id: botId, error: messageOf(error) }, "a bot's secrets cannot be opened")
      return 'unreadable'
    }
  }

  const loop: WorkLoop = startWorkLoop({ name: 'bot checks', pollMs, log, work: checkDue })
  const unsubscribe = bus.subscribe('bot.changed', () => loop.wake())
  return {
    async stop() {
      unsubscribe()
      stopping.abort()
      await loop.stop()
    },
  }
}
