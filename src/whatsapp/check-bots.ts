import type { Clock } from '../lib/clock.ts'
import type { Sealer } from '../lib/crypto.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { startWorkLoop, type WorkLoop } from '../lib/work-loop.ts'
import { type CheckOutcome, claimDueChecks, type DueCheck, finishCheck } from '../messaging/bot-checks.ts'
import { botEvent } from '../messaging/bot-status.ts'
import { type BotWithSecrets, findBotWithSecrets } from '../messaging/find-bot.ts'
import type { Bus } from '../stores/bus.ts'
import type { Feed } from '../stores/feed.ts'
import type { Database } from '../stores/postgres/database.ts'
import type { Connection, WhatsAppProvider } from './provider.ts'
import { retryDelayMs } from './retry.ts'

/** Between two looks at what nobody told of. */
const pollMs = 2_000
/** Providers that are asked at the same time. */
const checksMax = 20
/** After the time for an answer, until a check is taken for one whose process died. */
const marginMs = 5_000

const statusOf = {
  connected: 'connected',
  refused: 'error',
  logged_out: 'error',
  pairing: 'connecting',
  connecting: 'connecting',
  retry: 'connecting',
} as const

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
 * Asks the providers of the bots that are connecting whether they may send. A bot is told of by the bus (`bot.changed`),
 * and found all the same where that is lost. One whose provider does not say is asked for again, for ever.
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
    const result = await ask(due.id)
    // Given up: whoever starts next finds it when its lease is over.
    if (stopping.signal.aborted && result.kind === 'retry') return
    const outcome = outcomeOf(result, due.attempts)
    const isNews = await database.transaction({ role: 'worker' }, tx => finishCheck(tx, due, outcome))
    if (outcome.status === 'connecting') loop.wakeIn(outcome.dueAt.getTime() - clock.now())
    if (!isNews) return
    const { status, reason: status_reason } = outcome
    if (status === 'error') log.warn({ bot_id: due.id, reason: status_reason }, 'the provider refuses a bot')
    bus.publish('bot.changed', due.id)
    await feed.announce(due.tenantId, { events: [botEvent(due.id, status, status_reason)] })
  }

  async function ask(botId: string): Promise<Connection> {
    const bot = await readBot(botId)
    if (bot === 'unreadable')
      return { kind: 'retry', pace: 'later', reason: 'The secrets of the bot cannot be opened: enter them again.' }
    const provider = bot === null ? undefined : providers.get(bot.provider)
    // A bot that is gone is written nowhere, whatever is said of it.
    if (bot === null || provider === undefined) return { kind: 'refused', reason: 'Its provider is unknown here.' }
    return await provider.getStatus(bot, AbortSignal.any([AbortSignal.timeout(timeoutMs), stopping.signal]))
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

  function outcomeOf(result: Connection, attempts: number): CheckOutcome {
    const now = clock.now()
    const status = statusOf[result.kind]
    const delayMs = result.kind === 'retry' ? retryDelayMs(result.pace, attempts, Math.random()) : 0
    return { status, reason: 'reason' in result ? result.reason : null, dueAt: new Date(now + delayMs) }
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
