import { isUuid } from '../lib/ids.ts'
import { Lru } from '../lib/lru.ts'
import type { BotWithSecrets } from '../messaging/find-bot.ts'
import type { Bus } from '../stores/bus.ts'

const botsMax = 10_000
/** A change is told by the bus at once; where that is lost, it is seen after this. */
const freshMs = 30_000
/** That there is no such bot is forgotten sooner: it may be made at any moment. */
const absentMs = 2_000

/** Bots in this process's memory. Bounded, and never older than half a minute. */
export type BotCache = {
  /** Null where there is no such bot. */
  find(botId: string): Promise<BotWithSecrets | null>
  /** The bot is another one by now: it is looked up afresh. */
  forget(botId: string): void
  close(): void
}

export function makeBotCache(options: {
  readonly load: (botId: string) => Promise<BotWithSecrets | null>
  readonly bus: Bus
}): BotCache {
  const bots = new Lru<string, { readonly bot: Promise<BotWithSecrets | null>; staleAt: number }>(botsMax)
  const unsubscribe = options.bus.subscribe('bot.changed', botId => bots.delete(botId))

  function load(botId: string): Promise<BotWithSecrets | null> {
    const bot = options.load(botId)
    const entry = { bot, staleAt: performance.now() + freshMs }
    bots.set(botId, entry)
    bot.then(
      found => {
        if (found === null) entry.staleAt = performance.now() + absentMs
      },
      () => bots.delete(botId),
    )
    return bot
  }

  return {
    async find(botId) {
      if (!isUuid(botId)) return null
      const known = bots.get(botId)
      return await (known !== undefined && known.staleAt > performance.now() ? known.bot : load(botId))
    },
    forget: botId => bots.delete(botId),
    close: unsubscribe,
  }
}
