import type { Log } from '../lib/log.ts'
import type { Metrics } from '../lib/metrics.ts'
import { botEvent, holdBot } from '../messaging/bot-status.ts'
import type { BotWithSecrets } from '../messaging/find-bot.ts'
import type { MessageError } from '../messaging/status.ts'
import type { Bus } from '../stores/bus.ts'
import type { Feed } from '../stores/feed.ts'
import type { BotCache } from './bot-cache.ts'
import type { Breakers } from './breaker.ts'
import type { SendResult } from './provider.ts'
import type { ResultWriter } from './result-writer.ts'

const codesMax = 100

type HeldStatus = 'error' | 'logged_out' | 'connecting'

/** Notes what a send's result shows of its provider and its bot. Returns whether the bot is held because of it. */
export type NoteResult = (bot: BotWithSecrets, result: SendResult) => Promise<boolean>

export function makeResultNotes(options: {
  readonly bus: Bus
  readonly feed: Feed
  readonly log: Log
  readonly metrics: Metrics
  readonly bots: BotCache
  readonly breakers: Breakers
  readonly results: ResultWriter
}): NoteResult {
  const { bus, feed, log, metrics, bots, breakers, results } = options
  const codes = new Set<string>()

  function count(provider: string, result: SendResult): void {
    if (result.kind === 'sent') metrics.messagesSent.inc({ provider })
    else metrics.whatsappErrors.inc({ provider, code: labelOf(result.error.code) })
  }

  /** A provider's codes are its own: beyond a hundred of them a metric says "other". */
  function labelOf(code: string): string {
    if (codes.size < codesMax) codes.add(code)
    return codes.has(code) ? code : 'other'
  }

  /** Whether a bot's provider can be reached, and answers. */
  function noteHealth(bot: BotWithSecrets, result: SendResult): void {
    const isDown = result.kind === 'unknown' || (result.kind === 'retry' && result.pace === 'soon')
    if (!isDown) return void breakers.took(bot.id)
    if (!breakers.failed(bot.id, performance.now())) return
    metrics.circuitsOpened.inc({ provider: bot.provider })
    log.warn({ bot_id: bot.id, code: result.error.code }, "a bot's provider is down: its messages wait")
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

  return async (bot, result) => {
    count(bot.provider, result)
    noteHealth(bot, result)
    const standing = standingShown(result)
    return standing !== null && 'error' in result && (await hold(bot, standing, result.error))
  }
}

/** How a bot stands by what a send has shown; null where it shows nothing of the bot. */
function standingShown({ kind }: SendResult): HeldStatus | null {
  if (kind === 'account') return 'error'
  if (kind === 'not_ready') return 'connecting'
  return kind === 'logged_out' ? 'logged_out' : null
}
